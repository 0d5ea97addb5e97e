"""What we deployed is followed by its name, and not taken for somebody's pin."""

from typing import Any

import pytest

from uptainer.core.reference import Reference
from uptainer.runtimes.kubernetes.pins import ANNOTATION, Pin, pinned, read_pins, reference_of, write_pins

DIGEST = "sha256:" + "a" * 64
PIN = Pin(reference="nginx:1.28", deployed=f"nginx:1.28@{DIGEST}", before="nginx:1.27")


def noted(text: str | None) -> dict[str, Any]:
    return {"metadata": {"annotations": {} if text is None else {ANNOTATION: text}}}


def test_what_we_deployed_is_followed_by_its_name() -> None:
    workload = noted(write_pins({"web": PIN}))
    assert read_pins(workload) == {"web": PIN}
    assert reference_of(workload, "web", PIN.deployed) == "nginx:1.28"


def test_what_somebody_else_deployed_since_is_followed_by_its_own_name() -> None:
    assert reference_of(noted(write_pins({"web": PIN})), "web", "nginx:1.29") == "nginx:1.29"
    assert reference_of(noted(write_pins({"web": PIN})), "proxy", PIN.deployed) == PIN.deployed


@pytest.mark.parametrize("text", [None, "", "no json", "[]", '{"web": 1}', '{"web": {"reference": "x"}}'])
def test_a_note_that_is_not_ours_says_nothing(text: str | None) -> None:
    assert read_pins(noted(text)) == {}


def test_without_pins_there_is_no_note() -> None:
    assert write_pins({}) is None


SPELLINGS = [
    ("nginx:1.27", "nginx:1.28", f"nginx:1.28@{DIGEST}"),
    ("docker.io/library/nginx:1.27", "nginx:1.28", f"docker.io/library/nginx:1.28@{DIGEST}"),
    (f"nginx:1.27@{DIGEST}", "nginx:1.28", f"nginx:1.28@{DIGEST}"),
    ("localhost:5000/app", "localhost:5000/app:2", f"localhost:5000/app:2@{DIGEST}"),
    ("quay.io/old/app:1", "ghcr.io/new/app:2", f"ghcr.io/new/app:2@{DIGEST}"),
]


@pytest.mark.parametrize(("written", "tag", "expected"), SPELLINGS)
def test_a_name_keeps_its_spelling(written: str, tag: str, expected: str) -> None:
    assert pinned(written, Reference.parse(tag), DIGEST) == expected
