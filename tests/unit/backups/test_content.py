"""Comparing what two tar streams hold."""

import gc
import io
import tarfile
from collections.abc import Iterator

import pytest

from uptainer.backups.content import Comparison
from uptainer.core.errors import ProtocolError
from uptainer.runtimes.engine.tars import placed_in

Files = dict[str, str]


def tar_of(files: Files, *, links: Files | None = None, mode: int = 0o644) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text), mode
            tar.addfile(entry, io.BytesIO(text.encode()))
        for name, target in (links or {}).items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.LNKTYPE, target
            tar.addfile(entry)
    return raw.getvalue()


def pieces(tar: bytes) -> Iterator[bytes]:
    return (tar[at : at + 700] for at in range(0, len(tar), 700))


SAME = tar_of({"./a": "one", "b": "two"})
CASES = [
    (tar_of({"b": "two", "a": "one"}), ()),
    (tar_of({"a": "one", "b": "owt"}), ("b",)),
    (tar_of({"a": "one"}), ("b",)),
    (tar_of({"a": "one", "b": "two", "c": ""}), ("c",)),
    (tar_of({"a": "one", "b": "two"}, mode=0o600), ("a", "b")),
    (tar_of({f"f{number}": "" for number in range(9)}), ("a", "b", "f0", "f1", "f2", "6 more")),
]


@pytest.mark.parametrize(("other", "differs"), CASES)
def test_what_differs_is_named(other: bytes, differs: tuple[str, ...]) -> None:
    with Comparison() as comparison:
        assert comparison.read("one", pieces(SAME)) == 2
        comparison.read("other", pieces(other))
        assert comparison.differences("one", "other") == differs


def test_a_million_files_would_not_be_held_in_memory() -> None:
    held: list[int] = []

    def watched(tar: bytes) -> Iterator[bytes]:
        yield from pieces(tar)
        held.append(sum(isinstance(each, tarfile.TarInfo) for each in gc.get_objects()))

    tar = tar_of({f"f{number}": "" for number in range(2000)})
    with Comparison() as comparison:
        assert comparison.read("one", watched(tar)) == 2000
    for _ in placed_in("u/data", watched(tar), is_folder=True):
        pass
    assert max(held) < 100


def test_of_hard_links_either_may_be_the_file() -> None:
    with Comparison() as comparison:
        comparison.read("one", pieces(tar_of({"a": "x"}, links={"b": "./a"})))
        comparison.read("other", pieces(tar_of({"b": "x"}, links={"a": "b"})))
        assert comparison.differences("one", "other") == ()


@pytest.mark.parametrize("broken", [SAME[:700], b"\1" * 5000, tar_of({}, links={"a": "gone"})])
def test_what_is_no_whole_archive_is_refused(broken: bytes) -> None:
    with Comparison() as comparison, pytest.raises(ProtocolError, match="what was kept is no whole archive"):
        comparison.read("kept", pieces(broken))
