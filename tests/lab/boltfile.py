"""Write a bbolt database file in one pass, with nothing but the standard library.

The whole tree is laid out bottom-up and no page is edited afterwards, which is all that a fixture needs.
Little endian, pages of 4 KiB: 0 and 1 are the metas, 2 the (empty) free list, then leaf and branch pages, children
before their parents.

Source: https://github.com/etcd-io/bbolt, `internal/common/page.go`, `meta.go` and `bucket.go`.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

Tree = Mapping[str, "bytes | Tree"]

PAGE = 4096
BRANCH, LEAF, META, FREELIST = 0x01, 0x02, 0x04, 0x10
HEADER = struct.Struct("<QHHI")  # page id, kind, number of elements, overflow pages
LEAF_ELEMENT = struct.Struct("<IIII")  # 1 = nested bucket, offset from this element, key size, value size
BRANCH_ELEMENT = struct.Struct("<IIQ")  # offset from this element, key size, child page id
BUCKET = struct.Struct("<QQ")  # root page id (0 = stored inline), sequence
META_BODY = struct.Struct("<IIIIQQQQQ")  # what the checksum covers
MAGIC, VERSION = 0xED0CDAED, 2
INLINE_LIMIT = PAGE // 4
MAX_KEY = 32768

T = TypeVar("T")


class Item(NamedTuple):
    key: bytes
    value: bytes
    is_bucket: bool


class Child(NamedTuple):
    key: bytes
    page: int


def write_bolt(path: Path, tree: Tree) -> Path:
    """Write the tree as a bbolt file; an old file is replaced whole.

    Raises:
        ValueError: a key is empty or longer than bbolt allows.
    """
    part = path.with_name(path.name + ".part")
    part.write_bytes(_Writer().finish(tree))
    return part.replace(path)


def fnv1a(data: bytes) -> int:
    """The 64-bit FNV-1a checksum of a meta page."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value


class _Writer:
    def __init__(self) -> None:
        self._pages = bytearray(PAGE * 3)  # both metas and the free list are filled in at the end

    def finish(self, tree: Tree) -> bytes:
        root = self._root_page(self._items(tree))
        HEADER.pack_into(self._pages, PAGE * 2, 2, FREELIST, 0, 0)
        for number in (0, 1):
            meta = META_BODY.pack(MAGIC, VERSION, PAGE, 0, root, 0, 2, self._next_page, number)
            HEADER.pack_into(self._pages, PAGE * number, number, META, 0, 0)
            start = PAGE * number + HEADER.size
            checked = meta + struct.pack("<Q", fnv1a(meta))
            self._pages[start : start + len(checked)] = checked
        return bytes(self._pages)

    @property
    def _next_page(self) -> int:
        return len(self._pages) // PAGE

    def _page(self, kind: int, count: int, body: bytes) -> int:
        number = self._next_page
        pages = -(-(HEADER.size + len(body)) // PAGE)
        raw = HEADER.pack(number, kind, count, pages - 1) + body
        self._pages += raw.ljust(pages * PAGE, b"\0")
        return number

    def _items(self, tree: Tree) -> list[Item]:
        items = []
        for name, value in tree.items():
            key = name.encode()
            if not 0 < len(key) <= MAX_KEY:
                raise ValueError(f"a key has 1 to {MAX_KEY} bytes: {key[:40]!r}")
            raw = self._bucket(value) if isinstance(value, Mapping) else value
            items.append(Item(key, raw, isinstance(value, Mapping)))
        return sorted(items)

    def _bucket(self, tree: Tree) -> bytes:
        items = self._items(tree)
        body = _leaf_body(items)
        if not any(item.is_bucket for item in items) and HEADER.size + len(body) <= INLINE_LIMIT:
            return BUCKET.pack(0, 0) + HEADER.pack(0, LEAF, len(items), 0) + body
        return BUCKET.pack(self._root_page(items), 0)

    def _root_page(self, items: list[Item]) -> int:
        level = [
            Child(run[0].key if run else b"", self._page(LEAF, len(run), _leaf_body(run)))
            for run in _runs(
                items, lambda item: LEAF_ELEMENT.size + len(item.key) + len(item.value), at_least=1
            )
        ]
        while len(level) > 1:
            level = [
                Child(run[0].key, self._page(BRANCH, len(run), _branch_body(run)))
                for run in _runs(level, lambda child: BRANCH_ELEMENT.size + len(child.key), at_least=2)
            ]
        return level[0].page


def _leaf_body(items: Sequence[Item]) -> bytes:
    offsets = _offsets([len(item.key) + len(item.value) for item in items], LEAF_ELEMENT.size)
    elements = (
        LEAF_ELEMENT.pack(item.is_bucket, offset, len(item.key), len(item.value))
        for item, offset in zip(items, offsets, strict=True)
    )
    return b"".join(elements) + b"".join(item.key + item.value for item in items)


def _branch_body(children: Sequence[Child]) -> bytes:
    offsets = _offsets([len(child.key) for child in children], BRANCH_ELEMENT.size)
    elements = (
        BRANCH_ELEMENT.pack(offset, len(child.key), child.page)
        for child, offset in zip(children, offsets, strict=True)
    )
    return b"".join(elements) + b"".join(child.key for child in children)


def _offsets(sizes: Sequence[int], element: int) -> list[int]:
    """From each element's own start to its payload, which follow after all the elements."""
    offsets, payload = [], len(sizes) * element
    for index, size in enumerate(sizes):
        offsets.append(payload - index * element)
        payload += size
    return offsets


def _runs(items: Sequence[T], size_of: Callable[[T], int], *, at_least: int) -> list[list[T]]:
    """Cut items into runs that fit one page each; a run of fewer than `at_least` grows past its page instead."""
    runs: list[list[T]] = [[]]
    used = HEADER.size
    for item in items:
        if len(runs[-1]) >= at_least and used + size_of(item) > PAGE:
            runs.append([])
            used = HEADER.size
        runs[-1].append(item)
        used += size_of(item)
    return runs
