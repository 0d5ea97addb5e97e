import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.boltfile import BUCKET, HEADER, LEAF, LEAF_ELEMENT, META_BODY, PAGE, Tree, fnv1a, write_bolt

BRANCH_ELEMENT = struct.Struct("<IIQ")


class Reader:
    """Reads the format from its description, sharing no code with the writer's layout."""

    def __init__(self, path: Path) -> None:
        self.data = path.read_bytes()

    def tree(self) -> dict[str, object]:
        root = META_BODY.unpack_from(self.data, PAGE + HEADER.size)[4]
        return dict(self.page(root * PAGE))

    def page(self, start: int) -> Iterator[tuple[str, object]]:
        _, kind, count, _ = HEADER.unpack_from(self.data, start)
        for index in range(count):
            if kind == LEAF:
                yield self.leaf(start + HEADER.size + index * LEAF_ELEMENT.size)
            else:
                child = BRANCH_ELEMENT.unpack_from(
                    self.data, start + HEADER.size + index * BRANCH_ELEMENT.size
                )[2]
                yield from self.page(child * PAGE)

    def leaf(self, at: int) -> tuple[str, object]:
        is_bucket, offset, key_size, value_size = LEAF_ELEMENT.unpack_from(self.data, at)
        key_at = at + offset
        value_at = key_at + key_size
        key = self.data[key_at:value_at].decode()
        if not is_bucket:
            return key, self.data[value_at : value_at + value_size]
        root = BUCKET.unpack_from(self.data, value_at)[0]
        return key, dict(self.page(root * PAGE if root else value_at + BUCKET.size))


@pytest.mark.parametrize(
    "tree",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"a": b"1", "b": b""}, id="keys at the root"),
        pytest.param({"bucket": {"b": b"2", "a": b"1"}}, id="a bucket small enough to lie inline"),
        pytest.param({"outer": {"inner": {"leaf": b"x"}}, "other": {"y": b"z"}}, id="buckets in buckets"),
        pytest.param({"big": {"k": b"v" * 20_000}}, id="a value over several pages"),
        pytest.param(
            {"many": {f"{n:05}": b"v" * 50 for n in range(5_000)}}, id="enough keys for branch pages"
        ),
    ],
)
def test_what_is_written_is_read_back(tree: Tree, tmp_path: Path) -> None:
    assert Reader(write_bolt(tmp_path / "db", tree)).tree() == tree


def test_both_metas_carry_the_checksum_that_bbolt_asks_for(tmp_path: Path) -> None:
    data = write_bolt(tmp_path / "db", {"a": {"b": b"c"}}).read_bytes()
    for page in (0, 1):
        start = page * PAGE + HEADER.size
        body = data[start : start + META_BODY.size]
        assert struct.unpack_from("<Q", data, start + META_BODY.size)[0] == fnv1a(body)


def test_keys_are_stored_in_byte_order(tmp_path: Path) -> None:
    tree = {"z": b"", "a": b"", "é": b"", "B": b""}
    assert list(Reader(write_bolt(tmp_path / "db", tree)).tree()) == ["B", "a", "z", "é"]


@pytest.mark.parametrize("key", ["", "k" * 40_000])
def test_a_key_that_bbolt_would_not_find_again_is_refused(key: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a key has 1 to"):
        write_bolt(tmp_path / "db", {key: b""})


def test_the_checksum_is_64_bit_fnv_1a() -> None:
    assert fnv1a(b"") == 0xCBF29CE484222325
    assert fnv1a(b"foobar") == 0x85944171F73967E8
