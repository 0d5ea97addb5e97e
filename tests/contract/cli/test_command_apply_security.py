"""What `uptainer apply` declares of security: trusts and VEX documents, by the files beside the one that is applied."""

import json
from pathlib import Path

import pytest

from tests.contract.cli.test_command_apply import apply
from tests.contract.cli.test_command_security import VEX
from tests.lab.commands import uptainer
from tests.lab.sigstore import BUILDER, ISSUER, Sigstore, new_key, public_pem
from uptainer.store.database import Database

DECLARED = """
trusts:
  shop: {keys: keys/cosign.pub, annotations: {stage: production}}
  releases:
    identity: %s
    issuer: %s
    fulcio: keys/fulcio.pem
    rekor: keys/rekor.pub
vex:
  vendor: vendor.json
policies:
  default: {signed_by: [shop, releases], vex: vendor}
"""
SIGSTORE = Sigstore()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Beside it are the files that it names."""
    folder = tmp_path / "fleet"
    (folder / "keys").mkdir(parents=True)
    (folder / "keys" / "cosign.pub").write_text(public_pem(new_key()))
    (folder / "keys" / "fulcio.pem").write_text(SIGSTORE.fulcio_pem)
    (folder / "keys" / "rekor.pub").write_text(SIGSTORE.rekor_pem)
    (folder / "vendor.json").write_text(json.dumps(VEX))
    made = folder / "uptainer.yaml"
    made.write_text(DECLARED % (BUILDER, ISSUER))
    return made


def named(*words: str) -> list[str]:
    return [line["name"] for line in uptainer(*words, "--json").json]


def test_trusts_and_documents_are_stored_before_the_policies_that_name_them_and_once(
    empty: Database, file: Path
) -> None:
    shown = uptainer("apply", "-f", str(file), "--dry-run").out
    assert "+ trust shop\n    trusts: the key " in shown
    assert f"+ trust releases\n    trusts: {BUILDER} by {ISSUER}" in shown
    assert "+ VEX document vendor\n    format: openvex\n    sha256: " in shown
    assert named("trust") == []
    made = apply(file, "--yes")
    assert list(made) == [
        ("trust", "shop"),
        ("trust", "releases"),
        ("VEX document", "vendor"),
        ("default policy", ""),
    ]
    assert apply(file, "--yes") == {}
    assert (named("trust"), named("vex")) == (["releases", "shop"], ["vendor"])
    actions = [line["action"] for line in uptainer("audit", "--json").json]
    assert {"trust.put", "vex.put"} <= set(actions)


def test_a_file_beside_it_that_changed_is_a_difference(empty: Database, file: Path) -> None:
    apply(file, "--yes")
    (file.parent / "keys" / "cosign.pub").write_text(public_pem(new_key()))
    (file.parent / "vendor.json").write_text(json.dumps({**VEX, "version": 2}))
    changed = apply(file, "--yes")
    assert set(changed) == {("trust", "shop"), ("VEX document", "vendor")}
    (was, now) = changed["trust", "shop"]
    assert isinstance(was, dict)
    assert isinstance(now, dict)
    assert {name for name in was if was[name] != now[name]} == {"trusts", "fingerprint"}
    assert apply(file, "--yes") == {}


def test_what_is_not_declared_any_more_goes_when_that_is_said(empty: Database, file: Path) -> None:
    apply(file, "--yes")
    file.write_text("policies: {default: {mode: manual}}\n")
    assert set(apply(file, "--yes")) == {("default policy", "")}
    gone = apply(file, "--yes", "--prune")
    assert set(gone) == {("trust", "shop"), ("trust", "releases"), ("VEX document", "vendor")}
    assert (named("trust"), named("vex")) == ([], [])


def test_what_is_to_be_removed_cannot_be_named(empty: Database, file: Path) -> None:
    apply(file, "--yes")
    uptainer("window", "add", "nights", "daily 02:00-04:00 UTC")
    for setting in ("windows: nights", "signed_by: shop", "vex: vendor"):
        file.write_text(f"policies:\n  default:\n    {setting}\n")
        assert uptainer("apply", "-f", str(file), "--dry-run").code == 0
        refused = uptainer("apply", "-f", str(file), "--yes", "--prune")
        assert (refused.code, "line 3: policies.default." in refused.err) == (1, True), refused.err
    file.write_text("hosts: {nas: {url: 'unix:///run/nas.sock'}}\n")
    apply(file, "--yes")
    file.write_text("policies: {hosts: {nas: {mode: auto}}}\n")
    refused = uptainer("apply", "-f", str(file), "--yes", "--prune")
    assert "neither in the fleet nor declared" in refused.err
    assert (named("host", "list"), named("vex")) == (["nas"], ["vendor"])


def test_a_policy_that_names_what_is_not_there_is_refused_where_it_is_written(
    empty: Database, file: Path
) -> None:
    for setting, what in (("signed_by=shop", "trust"), ("vex=vendor", "VEX document")):
        refused = uptainer("policy", "set", "default", setting)
        assert (refused.code, f"there is no {what} named" in refused.err) == (1, True)
    assert uptainer("policy", "list", "--json").json == []
    apply(file, "--yes")
    assert uptainer("policy", "set", "default", "signed_by=shop", "vex=vendor").code == 0
