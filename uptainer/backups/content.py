"""What a tar stream holds, file by file, on this machine's disk, so that two of any size can be compared."""

import hashlib
import json
import sqlite3
import tarfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Self, cast

from uptainer.core.errors import ProtocolError
from uptainer.runtimes.engine.tars import PIECE, Source, forget

NAMED = 5
"""So many differences are named."""
_XATTR = "SCHILY.xattr."
_OF_THE_PLACE = _XATTR + "security.selinux"
"""Given by where a file stands, and not a part of it."""
_ADD = "INSERT INTO content VALUES (?, ?, ?, ?)"
_DIFFERENCES = """
SELECT name FROM (SELECT name, about FROM content WHERE side = ? EXCEPT SELECT name, about FROM content WHERE side = ?)
"""


class Comparison:
    """Of what was kept, and what came back of it. A context manager; its room on the disk is gone at the end."""

    def __init__(self) -> None:
        self._room = TemporaryDirectory(prefix="uptainer-content-")
        self._database = sqlite3.connect(Path(self._room.name) / "content")
        self._database.execute("CREATE TABLE content (side TEXT, name TEXT, about TEXT, digest TEXT)")
        self._database.execute("CREATE INDEX by_name ON content (side, name)")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()
        self._room.cleanup()

    def read(self, side: str, tar: Iterator[bytes]) -> int:
        """Note every entry of one side; how many there are.

        Raises:
            ProtocolError: this is no whole tar.
        """
        count = 0
        source = cast(IO[bytes], Source(tar))
        try:
            with tarfile.open(fileobj=source, mode="r|", bufsize=PIECE) as read, self._database:
                for entry in read:
                    self._note(side, read, entry)
                    count += 1
                    forget(read)
        except tarfile.TarError as error:
            raise ProtocolError(f"what was {side} is no whole archive: {error}") from error
        for _ in tar:
            pass
        return count

    def differences(self, one: str, other: str) -> tuple[str, ...]:
        """The names of what is not alike on both sides, in order; NAMED of them, and how many more there are."""
        sides = ((one, other), (other, one))
        names = sorted({row[0] for pair in sides for row in self._database.execute(_DIFFERENCES, pair)})
        more = len(names) - NAMED
        return (*names[:NAMED], *([f"{more} more"] if more > 0 else []))

    def _note(self, side: str, read: tarfile.TarFile, entry: tarfile.TarInfo) -> None:
        name = _plain(entry.name)
        if entry.islnk():
            row = self._database.execute(
                "SELECT about, digest FROM content WHERE side = ? AND name = ?",
                (side, _plain(entry.linkname)),
            ).fetchone()
            if row is None:
                raise ProtocolError(
                    f"what was {side} is no whole archive: {name} is a link to what is not in it"
                )
            self._database.execute(_ADD, (side, name, *row))
            return
        digest = _digest(read, entry)
        self._database.execute(_ADD, (side, name, _about(entry, digest), digest))


def _digest(read: tarfile.TarFile, entry: tarfile.TarInfo) -> str:
    content = read.extractfile(entry) if entry.isreg() else None
    if content is None:
        return ""
    digest = hashlib.sha256()
    with closing(content):
        while piece := content.read(PIECE):
            digest.update(piece)
    return digest.hexdigest()


def _about(entry: tarfile.TarInfo, digest: str) -> str:
    """All but the fraction of a second, which not every way of reading carries."""
    extended = {
        name: value
        for name, value in sorted(entry.pax_headers.items())
        if name.startswith(_XATTR) and name != _OF_THE_PLACE
    }
    kind = "file" if entry.isreg() else entry.type.decode()
    device = (entry.devmajor, entry.devminor) if entry.isdev() else ()
    said = (
        kind,
        entry.mode & 0o7777,
        entry.uid,
        entry.gid,
        int(entry.mtime),
        entry.linkname,
        device,
        extended,
    )
    return json.dumps([*said, digest])


def _plain(name: str) -> str:
    text = "/".join(part for part in name.split("/") if part not in {"", "."}) or "."
    return text.encode(errors="surrogateescape").decode(errors="backslashreplace")
