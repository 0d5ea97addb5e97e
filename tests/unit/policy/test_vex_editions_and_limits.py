"""Which edition of a VEX document counts, and that no document states without end."""

import json
from typing import Any

import pytest

from tests.unit.policy.test_vex_documents import csaf, cyclonedx, openvex
from uptainer.core.errors import InvalidInputError
from uptainer.policy.vex.kept import KeptDocuments
from uptainer.policy.vex.measure import MOST
from uptainer.policy.vex.reading import MAX_BYTES, MAX_PARTS, read_document
from uptainer.policy.vex.statements import Document, newest


def from_openvex(version: Any, document: str = "https://shop.test/vex") -> Document:
    return read_document(f"openvex {version}", openvex({}, **{"@id": document, "version": version}))


def from_cyclonedx(version: Any, document: str = "urn:uuid:1") -> Document:
    content = {**json.loads(cyclonedx()), "serialNumber": document, "version": version}
    return read_document(f"cyclonedx {version}", json.dumps(content))


def from_csaf(version: Any, document: str = "SHOP-1", namespace: str = "https://shop.test") -> Document:
    about = {"tracking": {"id": document, "version": version}, "publisher": {"namespace": namespace}}
    return read_document(f"csaf {version}", csaf(about=about))


EDITIONS = [
    ("openvex", from_openvex(1), from_openvex(2)),
    ("openvex, as texts", from_openvex("9"), from_openvex("10")),
    ("cyclonedx", from_cyclonedx(3), from_cyclonedx(12)),
    ("csaf", from_csaf("2"), from_csaf("10")),
    ("csaf, semantic", from_csaf("1.2.9"), from_csaf("1.10.0-rc.1+build")),
]
APART = [
    ("other documents", from_openvex(1), from_openvex(2, "https://shop.test/other")),
    ("of nobody's name", from_openvex(1, ""), from_openvex(2, "")),
    ("other publishers", from_csaf("1"), from_csaf("2", namespace="https://other.test")),
    ("without a version", from_openvex(""), from_openvex("first")),
    ("the same one twice", from_openvex(1), from_openvex(1)),
]


@pytest.mark.parametrize(("older", "newer"), [row[1:] for row in EDITIONS], ids=[row[0] for row in EDITIONS])
def test_a_newer_edition_stands_for_the_older_one(older: Document, newer: Document) -> None:
    assert newest([older, newer]) == newest([newer, older]) == (newer,)


@pytest.mark.parametrize(("one", "other"), [row[1:] for row in APART], ids=[row[0] for row in APART])
def test_what_is_no_other_edition_counts_beside_it(one: Document, other: Document) -> None:
    assert newest([one, other]) == (one, other)


MANY = 400
NAMES = [str(each) for each in range(MANY)]
PURLS = [f"pkg:apk/alpine/p{each}@1" for each in NAMES]
APPS = [{"@id": f"pkg:oci/a{each}?repository_url=shop.test/a"} for each in NAMES]
ENDLESS = [
    ("parts of all products", openvex({"products": APPS, "subcomponents": PURLS})),
    ("aliases", openvex(*({"vulnerability": {"name": a, "aliases": NAMES}} for a in NAMES))),
    ("groups", csaf(flags=[{"label": "component_not_present", "group_ids": ["all"] * (MOST // 2 + 1)}])),
]  # fmt: skip


@pytest.mark.parametrize("content", [row[1] for row in ENDLESS], ids=[row[0] for row in ENDLESS])
def test_what_multiplies_without_end_is_refused(content: str) -> None:
    assert len(content) < MAX_BYTES
    with pytest.raises(InvalidInputError, match="it states more than is read: 100000 statements"):
        read_document("vendor", content)


def test_what_has_too_many_parts_or_bytes_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=f"more than the {MAX_PARTS} parts"):
        read_document("vendor", "[" + "{}," * MAX_PARTS + "{}]")
    with pytest.raises(InvalidInputError, match="more than the 10485760 that a VEX document may have"):
        read_document("vendor", " " * (MAX_BYTES + 1))


def test_of_the_documents_that_were_read_the_last_used_are_kept() -> None:
    documents = [from_openvex(version) for version in (1, 2, 3)]
    kept = KeptDocuments(most=sum(each.size for each in documents[:2]))
    for each in documents[:2]:
        kept.put(each)
    assert kept.get(documents[0].name, documents[0].sha256) is documents[0]
    kept.put(documents[2])
    there = [each for each in documents if kept.get(each.name, each.sha256)]
    assert [each.name for each in there] == ["openvex 1", "openvex 3"]
    assert kept.get("openvex 1", documents[1].sha256) is None
    assert kept.get("another name", documents[0].sha256) is None
