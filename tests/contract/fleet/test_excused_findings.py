"""What is allowed or stated, from the tables to the decision, the account and the moment before an update begins."""

import json
from datetime import timedelta

import pytest

from tests.contract.fleet.seeded import ANN, Seeded, answer, flaw
from tests.contract.fleet.test_gates_and_readiness import NOWHERE, away
from tests.lab.facts import NOW, digest
from tests.lab.kept import image_of
from uptainer.core.enums import PolicyScope, ScanStatus, Severity, UpdateStatus
from uptainer.core.findings import Scan, Secret
from uptainer.fleet.excuses import put_allowance, put_document
from uptainer.fleet.gates import give_answer, open_gate
from uptainer.fleet.readiness import readiness
from uptainer.policy.allowances import Allowance
from uptainer.store.repositories.audit import AuditRepository
from uptainer.store.repositories.scans import ScanRepository

WEEK = timedelta(days=7)
BAD = flaw("CVE-2026-1", Severity.CRITICAL, purl="pkg:apk/alpine/openssl@1")
TOKEN = Secret("github-pat", "/app/.env", 3, Severity.CRITICAL)


@pytest.fixture
def offered(fleet: Seeded) -> Seeded:
    """A clean image runs, and one with a critical vulnerability is offered."""
    fleet.run("web", project="shop")
    fleet.find("web", "1.28")
    fleet.scan("running")
    fleet.scan("1.28", BAD)
    return fleet


def allow(fleet: Seeded, **given: str) -> None:
    with fleet.database.session() as session:
        put_allowance(session, Allowance(BAD.id, "not reachable", NOW + WEEK, **given), ANN, NOW)


def state(fleet: Seeded, status: str = "not_affected", name: str = "vendor") -> None:
    product = f"pkg:oci/nginx@{digest('1.28')}?repository_url=docker.io/library/nginx"
    statement = {
        "vulnerability": {"name": BAD.id},
        "products": [{"@id": product, "subcomponents": [{"@id": "pkg:apk/alpine/openssl@1"}]}],
        "status": status,
        "justification": "vulnerable_code_not_present",
    }
    document = {"@context": "https://openvex.dev/ns/v0.2.0", "statements": [statement]}
    with fleet.database.session() as session:
        put_document(session, name, json.dumps(document), ANN, NOW)


def record(fleet: Seeded, scan: Scan) -> None:
    with fleet.database.session() as session:
        ScanRepository(session).record(scan, image_of(session, scan.digest, scan.platform), NOW)


def reason(fleet: Seeded, rule: str) -> str:
    found = fleet.check().decision["findings"]
    return next(str(each["reason"]) for each in found if each["rule"] == rule)


def test_what_is_allowed_is_proposed_and_stands_in_the_account(offered: Seeded) -> None:
    assert offered.decide().proposed == ()
    allow(offered, project="shop")
    (made,) = offered.decide().proposed
    gate = open_gate(offered.database, made.id, away, NOWHERE, NOW)
    assert gate
    assert (
        "CVE-2026-1 in openssl: allowed until 2026-03-21 12:00 UTC by ann \\(not reachable\\)" in gate.account
    )
    assert "**New: 1 critical**" in gate.account


@pytest.mark.parametrize(
    "scope", [{"workload": "alpha/db"}, {"project": "beta/shop"}, {"image": "redis"}], ids=str
)
def test_what_is_allowed_elsewhere_is_not_allowed_here(offered: Seeded, scope: dict[str, str]) -> None:
    allow(offered, **scope)
    assert offered.decide().proposed == ()
    assert offered.rules()["excused"] == "allow"


def test_what_was_approved_while_it_was_allowed_is_not_begun_after(offered: Seeded) -> None:
    allow(offered)
    (made,) = offered.decide().proposed
    gate = open_gate(offered.database, made.id, away, NOWHERE, NOW)
    assert gate
    given = give_answer(offered.database, made.id, answer(), NOW, answered_account=gate.account_hash)
    assert given.taken
    over = readiness(offered.database, made.id, NOW + WEEK)
    assert (over.go, "it brings 1 new critical: CVE-2026-1" in over.reason) == (False, True), over
    assert readiness(offered.database, made.id, NOW + WEEK - timedelta(seconds=1)).go


def test_a_secret_that_was_allowed_when_it_was_approved_is_asked_about_after(fleet: Seeded) -> None:
    fleet.policy(secrets="ask")
    fleet.run("web")
    fleet.find("web", "1.28")
    fleet.scan("running")
    found = Scan(
        digest("1.28"), "linux/amd64", ScanStatus.SUCCEEDED, secrets=1, found_secrets=(TOKEN,), scanned_at=NOW
    )
    record(fleet, found)
    with fleet.database.session() as session:
        put_allowance(session, Allowance(TOKEN.rule, "a test's", NOW + WEEK), ANN, NOW)
    (made,) = fleet.decide().proposed
    gate = open_gate(fleet.database, made.id, away, NOWHERE, NOW)
    assert gate
    assert give_answer(fleet.database, made.id, answer(), NOW, answered_account=gate.account_hash).taken
    assert readiness(fleet.database, made.id, NOW + WEEK - timedelta(seconds=1)).go
    over = readiness(fleet.database, made.id, NOW + WEEK)
    assert (over.go, "github-pat in /app/.env" in over.reason) == (False, True), over
    assert fleet.update(made.id).status is UpdateStatus.AWAITING_APPROVAL


def test_a_document_counts_where_a_policy_names_it(offered: Seeded) -> None:
    state(offered)
    assert offered.decide().proposed == ()
    offered.policy(PolicyScope.PROJECT, "shop", vex=["vendor"])
    assert len(offered.decide().proposed) == 1
    assert "not affected (vulnerable_code_not_present), by statement 1 of vendor" in reason(
        offered, "excused"
    )


def test_a_newer_form_of_a_document_takes_its_place_and_the_log_has_both_hashes(offered: Seeded) -> None:
    offered.policy(vex=["vendor"])
    state(offered)
    state(offered, "affected")
    assert offered.decide().proposed == ()
    with offered.database.session() as session:
        newer, older = AuditRepository(session).listing(action="vex.put")
    assert newer.details["before"] == older.details["sha256"] != newer.details["sha256"]


def test_a_document_that_is_named_and_not_there_is_said_to_be_missing(offered: Seeded) -> None:
    offered.policy(vex=["vendor"])
    assert offered.decide().proposed == ()
    assert "there is no VEX document 'vendor'" in reason(offered, "excused")


def test_a_secret_that_is_found_after_the_approval_asks_anew(fleet: Seeded) -> None:
    made = fleet.propose()
    fleet.scan("running")
    fleet.scan("1.28")
    gate = open_gate(fleet.database, made, away, NOWHERE, NOW)
    assert gate
    assert give_answer(fleet.database, made, answer(), NOW, answered_account=gate.account_hash).taken
    found = Scan(digest("1.28"), "linux/amd64", ScanStatus.SUCCEEDED, secrets=1, found_secrets=(TOKEN,), end_of_life=True, os_family="alpine", os_version="3.10", scanned_at=NOW + WEEK)  # fmt: skip
    record(fleet, found)
    again = readiness(fleet.database, made, NOW + WEEK)
    assert "its scan now also finds a secret, github-pat in /app/.env" in again.reason
    assert "its scan now also finds that alpine 3.10 gets no fixes any more" in again.reason
    assert fleet.update(made).status is UpdateStatus.AWAITING_APPROVAL
