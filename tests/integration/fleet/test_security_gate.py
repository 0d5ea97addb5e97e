"""The security gate end to end: a real registry and engine, what the real Trivy finds, and who may say it does not count."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from tests.integration.fleet.house import ANN, House
from tests.lab.alpine import FIXED_PACKAGES, OLD_PACKAGES, RELEASE_WITH_SUPPORT, alpine_files
from tests.lab.images import build_image, push_index
from tests.lab.room import Room
from tests.lab.trivy import write_cache
from uptainer.core.clock import utc_now
from uptainer.core.enums import ScanStatus, UpdateStatus
from uptainer.core.findings import Scan, Verdict
from uptainer.fleet.deciding import decide_fleet, findings_from
from uptainer.fleet.excuses import put_allowance, put_document
from uptainer.fleet.gates import open_gate
from uptainer.fleet.scanning import UNSCANNED, plan_scans, scan_image
from uptainer.images.credentials import Keychain
from uptainer.policy.allowances import Allowance
from uptainer.scanning.server import TrivyServer
from uptainer.scanning.trivy import Scanner

WEEK = timedelta(days=7)
TOKEN = "ghp_0123456789abcdefghijABCDEFGHIJ012345"
CRITICAL = "CVE-2026-9001"


@pytest.fixture
def scanner(room: Room, trivy_binary: Path) -> Iterator[Scanner]:
    server = TrivyServer(room.directory("gate-trivy"), trivy_binary, offline=True)
    write_cache(server.cache_dir)
    running = anyio.run(server.start)
    yield Scanner(running.address, server.cache_dir, trivy_binary, offline=True)
    anyio.run(server.stop)


def look(house: House, scanner: Scanner) -> list[Scan]:
    """Discovery, lookups and scans, as the flows make them."""
    house.discover()
    house.check()
    jobs = plan_scans(house.database, older_than=UNSCANNED)
    return [scan_image(house.database, job, scanner, Keychain({}, None), house.opens) for job in jobs]


def verdicts(house: House) -> dict[str, Verdict]:
    check = house.view().check
    assert check
    return {each.rule: each.verdict for each in findings_from(check.decision)}


def statement_about(house: House, digest: str) -> str:
    """What the image's supplier would state of one of its packages, by the purl that the scanner knows it by."""
    repository = house.registry.reference(house.name).replace("/", "%2F").replace(":", "%3A")
    product = f"pkg:oci/{house.name}@{digest.replace(':', '%3A')}?arch=amd64&repository_url={repository}"
    inside = [
        {"@id": f"pkg:apk/alpine/{name}@{FIXED_PACKAGES[name]}"}
        for name in ("openssl", "libssl3", "libcrypto3")
    ]
    statement = {
        "vulnerability": {"name": CRITICAL},
        "products": [{"@id": product, "subcomponents": inside}],
        "status": "not_affected",
        "justification": "vulnerable_code_not_in_execute_path",
    }
    return json.dumps({"@context": "https://openvex.dev/ns/v0.2.0", "statements": [statement]})


def test_what_is_refused_goes_ahead_when_it_is_excused_and_the_account_says_by_whom(
    house: House, scanner: Scanner
) -> None:
    house.policy(critical_allowed=0, secrets="block", end_of_life="block", unscanned="block", vex=["shop"])
    house.image("1.0.0", pull=True, files=alpine_files(RELEASE_WITH_SUPPORT, FIXED_PACKAGES))
    house.engine.client.containers.run(
        house.registry.reference(f"{house.name}:1.0.0"), detach=True, name="web"
    )
    files = {**alpine_files(RELEASE_WITH_SUPPORT, FIXED_PACKAGES), "/app/.env": f"PAT={TOKEN}\n"}
    everywhere = [build_image(files=files, platform=f"linux/{each}") for each in ("amd64", "arm64")]
    digest = push_index(house.registry.url, f"{house.name}:1.1.0", everywhere)
    assert {scan.status for scan in look(house, scanner)} == {ScanStatus.SUCCEEDED}
    assert decide_fleet(house.database, utc_now()).proposed == ()
    found = verdicts(house)
    assert {rule for rule, verdict in found.items() if verdict is Verdict.BLOCK} == {
        "total_vulnerabilities",
        "secrets",
    }
    assert found["vulnerabilities"] is found["end_of_life"] is Verdict.ALLOW

    now = utc_now()
    with house.database.session() as session:
        put_document(session, "shop", statement_about(house, digest), ANN, now)
        allowance = Allowance("github-pat", "a dummy", now + WEEK, package="/app/.env", workload="lab/web")
        put_allowance(session, allowance, ANN, now)
    (made,) = decide_fleet(house.database, utc_now()).proposed
    gate = open_gate(house.database, made.id, house.opens, house.stores, utc_now())
    assert gate
    account = gate.account.replace("\\", "")
    for said in (
        f"{CRITICAL} in libssl3",
        "not affected (vulnerable_code_not_in_execute_path), by statement 1 of shop",
        "github-pat in /app/.env, line 1: allowed until",
        "by ann (a dummy)",
    ):
        assert said in account
    assert TOKEN not in account
    house.approve(made.id)
    assert house.apply(made.id).status is UpdateStatus.SUCCEEDED


def test_of_two_images_for_one_platform_none_is_scanned_for_the_other(house: House, scanner: Scanner) -> None:
    house.run()
    house.discover()
    clean = build_image(files=alpine_files(RELEASE_WITH_SUPPORT, FIXED_PACKAGES))
    other = build_image(files=alpine_files(RELEASE_WITH_SUPPORT, OLD_PACKAGES))
    index = push_index(house.registry.url, f"{house.name}:twice", [clean, other])
    (job,) = plan_scans(house.database, older_than=UNSCANNED)
    twice = replace(job, digest=index, engine=None, image_id=None)
    scan = scan_image(house.database, twice, scanner, Keychain({}, None))
    assert scan.status is ScanStatus.FAILED
    assert "has several images that an engine may take for linux/amd64" in scan.reason
