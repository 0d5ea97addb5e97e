"""`uptainer allow`, `uptainer vex`, and the findings that `uptainer scans` shows."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from tests.contract.cli.test_command_apply import apply
from tests.lab.commands import uptainer
from tests.lab.stocked import Stocked
from uptainer.core.enums import ScanStatus, Severity
from uptainer.core.findings import Scan, Secret
from uptainer.store.database import Database
from uptainer.store.repositories.audit import AuditRepository
from uptainer.store.repositories.containers import ContainerRepository
from uptainer.store.repositories.scans import ScanRepository

CVE = "CVE-2026-1"
VEX = {
    "@context": "https://openvex.dev/ns/v0.2.0",
    "statements": [
        {
            "vulnerability": {"name": CVE},
            "products": [{"@id": "pkg:oci/nginx?repository_url=docker.io/library/nginx"}],
            "status": "not_affected",
            "justification": "component_not_present",
        },
        {"vulnerability": {"name": CVE}, "products": [{"@id": "nginx"}], "status": "fixed"},
    ],
}


@pytest.fixture
def document(tmp_path: Path) -> Path:
    made = tmp_path / "vendor.json"
    made.write_text(json.dumps(VEX))
    return made


def actions(database: Database) -> list[str]:
    with database.session() as session:
        return [row.action for row in AuditRepository(session).listing()]


def test_what_is_accepted_is_listed_with_who_why_and_until_when(empty: Database) -> None:
    said = uptainer("allow", "add", CVE, "--package", "openssl", "--until", "90d", "--reason", "not loaded")
    assert f"{CVE} in package openssl is allowed until" in said.out
    (line,) = uptainer("allow", "--json").json
    assert (line["finding"], line["package"], line["reason"], line["holds"]) == (
        CVE,
        "openssl",
        "not loaded",
        True,
    )
    assert line["by"]
    again = uptainer("allow", "add", CVE, "--package", "openssl", "--until", "30d", "--reason", "still not")
    assert again.code == 0
    (line,) = uptainer("allow", "list", "--json").json
    assert line["reason"] == "still not"
    assert "is not allowed any more" in uptainer("allow", "remove", str(line["id"])).out
    assert uptainer("allow", "list", "--json").json == []
    assert actions(empty) == ["allowance.removed", "allowance.put", "allowance.put"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([CVE, "--until", "400d", "--reason", "x"], "a year is the longest"),
        ([CVE, "--until", "2020-01-01", "--reason", "x"], "2020-01-01 is past"),
        ([CVE, "--until", "some day", "--reason", "x"], "is no time"),
        (["*", "--until", "9d", "--reason", "x"], "not one vulnerability"),
        ([CVE, "--until", "9d", "--reason", " "], "say why"),
        ([CVE, "--until", "9d", "--reason", "x", "--workload", "alpha/nobody"], "alpha/nobody"),
    ],
)
def test_what_says_too_little_is_refused(stocked: Stocked, words: list[str], sentence: str) -> None:
    refused = uptainer("allow", "add", *words)
    assert (refused.code, sentence in refused.err) == (1, True), refused.err
    assert uptainer("allow", "--json").json == []


def test_a_document_is_kept_shown_and_not_removed_while_a_policy_names_it(
    empty: Database, document: Path
) -> None:
    said = uptainer("vex", "add", str(document)).out
    assert "vendor: openvex, 2 statements, 1 of which can count" in said
    assert "Statement 2 can't count: none of its products" in said
    assert "uptainer policy set default vex=vendor" in said
    assert uptainer("policy", "set", "default", "vex=vendor").code == 0
    (line,) = uptainer("vex", "--json").json
    assert (line["name"], line["format"], line["named_by"]) == ("vendor", "openvex", ["default"])
    first, second = uptainer("vex", "show", "vendor", "--json").json
    assert first["products"] == ["pkg:oci/nginx?repository_url=docker.io/library/nginx"]
    assert (first["unusable"], bool(second["unusable"])) == ("", True)
    assert "named by the policies default" in uptainer("vex", "remove", "vendor").err
    assert uptainer("vex", "remove", "vendor", "--force").code == 0
    assert actions(empty)[0] == "vex.removed"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("add", "/nowhere.json"), "can't be read"),
        (("add", "-"), "say what it is to be called"),
        (("add", "{file}", "--name", "a b"), "is not a document's name"),
        (("show", "nobody"), "no VEX document 'nobody'"),
        (("remove", "nobody"), "no VEX document 'nobody'; known: none"),
    ],
)
def test_a_slip_with_a_document_is_a_sentence(
    empty: Database, document: Path, words: tuple[str, ...], sentence: str
) -> None:
    refused = uptainer("vex", *(each.replace("{file}", str(document)) for each in words))
    assert (refused.code, sentence in refused.err) == (1, True), refused.err


def test_what_is_no_document_is_refused(empty: Database, document: Path) -> None:
    document.write_text("{}")
    assert "neither OpenVEX, nor CycloneDX, nor CSAF" in uptainer("vex", "add", str(document)).err
    document.write_bytes(b"\xff")
    assert "is not UTF-8" in uptainer("vex", "add", str(document)).err


ALLOWED = """
allowances:
  - finding: CVE-2026-1
    reason: the module is not loaded
    until: 2020-01-01
    image: nginx*
"""


def test_what_is_accepted_can_be_declared_in_the_file(empty: Database, tmp_path: Path) -> None:
    file = tmp_path / "uptainer.yaml"
    file.write_text(ALLOWED)
    key = ("allowance", f"{CVE} in image nginx*")
    made = {
        "finding": CVE,
        "image": "nginx*",
        "until": "2020-01-01T00:00:00+00:00",
        "reason": "the module is not loaded",
    }
    assert apply(file, "--yes") == {key: (None, made)}
    assert apply(file, "--yes") == {}
    (line,) = uptainer("allow", "--json").json
    assert line["holds"] is False
    file.write_text("{}")
    assert apply(file, "--yes", "--prune") == {key: (made, None)}
    assert uptainer("allow", "--json").json == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (ALLOWED.replace("2020-01-01", "2999-01-01"), "line 3: CVE-2026-1 would be allowed until 2999-01-01"),
        (ALLOWED.replace("reason: the", "raeson: the"), "line 4: allowances.0.raeson: there is no such setting; did you mean reason?"),
        (ALLOWED + ALLOWED.split("allowances:\n")[1], "line 7: CVE-2026-1 in image nginx* is allowed on line 3 already"),
        (ALLOWED.replace("2020-01-01", "soon"), "line 5: allowances.0.until"),
    ],
)  # fmt: skip
def test_a_slip_in_the_file_is_told_by_its_line(
    empty: Database, tmp_path: Path, text: str, sentence: str
) -> None:
    file = tmp_path / "uptainer.yaml"
    file.write_text(text)
    refused = uptainer("apply", "-f", str(file), "--yes")
    assert (refused.code, sentence in refused.err) == (1, True), refused.err


def test_a_secret_is_shown_by_where_it_is_and_unknown_is_said(stocked: Stocked) -> None:
    assert "unknown" in uptainer("scans", "show", "nginx").out
    with stocked.database.session() as session:
        image = ContainerRepository(session).by_address("alpha/web").image
        assert image
        hidden = Secret("github-pat", "/app/.env", 3, Severity.CRITICAL, "GitHub token")
        scan = Scan(image.digest, image.platform, ScanStatus.SUCCEEDED, secrets=1, found_secrets=(hidden,))
        ScanRepository(session).record(scan, image, stocked.now + timedelta(hours=1))
    shown = uptainer("scans", "show", "nginx").out
    assert "/app/.env, line 3" in shown
    assert uptainer("scans", "show", "nginx", "--json").json["found_secrets"][0]["rule"] == "github-pat"
