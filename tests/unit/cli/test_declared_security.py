"""What is wrong with the trusts and VEX documents of a declared fleet is told with its line."""

from pathlib import Path

import pytest

from tests.lab.sigstore import new_key, public_pem
from uptainer.core.errors import InvalidInputError
from uptainer.fleet.declaration import read_declaration
from uptainer.fleet.names import Names

WRONG = [
    ("trusts:\n  shop: {keys: nowhere.pub}\n", "line 2: shop: {folder}/nowhere.pub can't be read"),
    ("trusts:\n  shop: {keys: vendor.json}\n", "line 2: shop: "),
    ("trusts:\n  shop: {}\n", "line 2: shop: give either public keys"),
    ("trusts:\n  shop: {keys: a.pub, identity: ann}\n", "line 2: shop: give either public keys"),
    ("trusts:\n  shop:\n    identity: ann\n    issuer: login\n", "line 2: shop: an identity is proved"),
    ("trusts:\n  shop:\n    key: a.pub\n", "line 3: trusts.shop.key: there is no such setting; did you mean keys?"),
    ("vex:\n  vendor: a.pub\n", "line 2: vendor: vendor is not JSON"),
    ("vex:\n  vendor: vendor.json\n", "line 2: vendor: vendor is neither OpenVEX, nor"),
    ("vex:\n  a b: vendor.json\n", "line 2: vex.a b"),
    ("policies:\n  default:\n    signed_by: shop\n", "line 3: policies.default.signed_by: there is no trust named 'shop'; known: none"),
    ("policies:\n  default:\n    vex: [vendor]\n", "line 3: policies.default.vex: there is no VEX document named 'vendor'"),
]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.pub").write_text(public_pem(new_key()))
    (tmp_path / "vendor.json").write_text("{}")
    return tmp_path


@pytest.mark.parametrize(("text", "said"), WRONG, ids=[row[1] for row in WRONG])
def test_what_is_wrong_is_refused_with_its_line(folder: Path, text: str, said: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        read_declaration(text, "uptainer.yaml", folder=folder)
    assert said.replace("{folder}", str(folder)) in str(refused.value)


def test_what_is_stored_may_be_named(folder: Path) -> None:
    stored = Names(trusts=frozenset({"shop"}), documents=frozenset({"vendor"}))
    text = "policies: {default: {signed_by: shop, vex: [vendor]}}"
    assert read_declaration(text, "uptainer.yaml", folder=folder, stored=stored).policies


def test_a_key_is_read_where_the_file_is(folder: Path) -> None:
    declared = read_declaration("trusts: {shop: {keys: [a.pub]}}", "uptainer.yaml", folder=folder)
    assert list(declared.trusts) == ["shop"]
