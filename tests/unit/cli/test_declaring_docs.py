"""The file on the page of declaring is one that is read, and that editors find right."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError  # type: ignore[import-untyped]  # -- it brings no types
from ruamel.yaml import YAML

from tests.lab.sigstore import new_key, public_pem
from tests.unit.policy.test_vex_documents import openvex
from tests.unit.signatures.test_signature_trusts import trusted_root
from uptainer.fleet.declaration import json_schema, read_declaration

PAGE = Path(__file__).parents[3] / "docs" / "declaring.md"
WRITTEN = datetime(2026, 11, 1, tzinfo=UTC)
FILE = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)[0]


def checked(text: str) -> None:
    document: Any = YAML(typ="safe", pure=True).load(text)
    Draft202012Validator(json_schema()).validate(document)


def test_the_file_on_the_page_is_read_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "vex").mkdir()
    (tmp_path / "keys" / "cosign.pub").write_text(public_pem(new_key()))
    (tmp_path / "keys" / "trusted_root.json").write_text(trusted_root())
    (tmp_path / "vex" / "vendor.openvex.json").write_text(openvex({}))
    declared = read_declaration(FILE, "uptainer.yaml", folder=tmp_path, now=WRITTEN)
    assert (list(declared.trusts), list(declared.documents)) == (["shop", "releases"], ["vendor"])
    assert declared.servers == {"nas": "nas", "nas-podman": "nas"}
    assert set(declared.notifiers) == {"ops-mail", "morning"}
    assert declared.credentials == {"ghcr.io": "ghcr"}


def test_an_editor_takes_it_and_marks_what_is_misspelled() -> None:
    checked(FILE)
    for right, wrong in (("severity:", "severty:"), ("mode: auto", "mode: sometimes"), ("url:", "uri:")):
        with pytest.raises(ValidationError):
            checked(FILE.replace(right, wrong, 1))
