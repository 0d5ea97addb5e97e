"""What is put back one after the other is not left down for the sake of one that fails."""

import pytest

from uptainer.core.errors import (
    NotFoundError,
    PermanentError,
    SupersededError,
    UnreachableError,
    UptainerError,
)
from uptainer.runtimes.engine.turns import put_back_each

THEIRS, THEIRS_TOO = SupersededError("one is theirs"), SupersededError("two is theirs")
FAILED, LATER, GONE = PermanentError("stuck"), UnreachableError("no answer"), NotFoundError("gone")

CASES: dict[str, tuple[dict[str, UptainerError], type[UptainerError], str]] = {
    "somebody else's": ({"one": THEIRS}, SupersededError, "^one is theirs$"),
    "each is told": ({"one": THEIRS, "two": THEIRS_TOO}, SupersededError, r"one is theirs\. two is theirs"),
    "a failure is more": ({"one": THEIRS, "three": FAILED}, PermanentError, "stuck"),
    "the first failure": ({"one": GONE, "three": FAILED}, NotFoundError, "gone"),
    "what may be tried again is tried again": (
        {"one": FAILED, "three": LATER},
        UnreachableError,
        "no answer",
    ),
}


@pytest.mark.parametrize(("faults", "kind", "words"), CASES.values(), ids=CASES)
def test_all_are_put_back_and_then_it_is_said_what_was_not(
    faults: dict[str, UptainerError], kind: type[UptainerError], words: str
) -> None:
    tried: list[str] = []

    def put_back(name: str) -> None:
        tried.append(name)
        if name in faults:
            raise faults[name]

    with pytest.raises(kind, match=words) as raised:
        put_back_each(("one", "two", "three"), put_back)
    assert type(raised.value) is kind
    assert tried == ["one", "two", "three"]


def test_where_all_are_put_back_nothing_is_said() -> None:
    tried: list[str] = []
    put_back_each(("one", "two"), tried.append)
    assert tried == ["one", "two"]
