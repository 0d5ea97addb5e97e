"""Backups in whatever fsspec reaches: object stores, and file servers. One is there when its manifest is.

The files of each try have names of their own, so that none is overwritten, and the manifest is written last, in one
piece. What a process that died leaves is removed when its place is settled, used again, or removed itself.
"""

import errno
import secrets
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from fsspec import AbstractFileSystem
from fsspec.spec import AbstractBufferedFile

from uptainer.backups.faults import store_errors
from uptainer.backups.files import Sink, Source, safe_name
from uptainer.core.errors import PermanentError, UptainerError

READ_AHEAD = 8 << 20
_IN_DIRECTORIES = frozenset({"file", "local", "sftp", "ssh", "smb", "ftp", "webdav", "hdfs"})
"""Where directories have to be made, and a file can be renamed; an object appears whole by itself."""


@dataclass(frozen=True, slots=True, repr=False)
class RemoteFiles:
    """`root` is a URL without secrets, and `system` what reaches it. `part_size` in bytes: so much is held in memory."""

    root: str
    system: AbstractFileSystem
    part_size: int = 32 << 20

    def place(self, *names: str) -> str:
        return "/".join((self.root.rstrip("/"), *map(safe_name, names)))

    @contextmanager
    def draft(self, place: str) -> Iterator["RemoteDraft"]:
        draft = RemoteDraft(self, self._path(place))
        try:
            yield draft
        except BaseException:
            if not draft.published:
                with suppress(
                    Exception
                ):  # the first fault counts; the rest goes when the place is used again
                    self._remove(draft.written)
            raise
        if not draft.published:
            self._remove(draft.written)

    @contextmanager
    def read(self, place: str, name: str) -> Iterator[Source]:
        with self.open(f"{self._path(place)}/{name}") as source:
            yield source

    def holds(self, place: str, name: str) -> bool:
        with store_errors(self.root):
            try:
                self.system.info(f"{self._path(place)}/{name}")
            except FileNotFoundError:
                return False
        return True

    def remove(self, place: str) -> None:
        self._abort_uploads(self._path(place))
        self._remove(self._names(self._path(place)))

    def remove_partial(self, place: str, kept: Collection[str]) -> None:
        path = self._path(place)
        self._abort_uploads(path)
        self.keep(path, {f"{path}/{name}" for name in kept})

    def keep(self, path: str, kept: Collection[str]) -> None:
        """Remove what lies there beside `kept`."""
        self._remove([each for each in self._names(path) if each not in kept])

    @property
    def makes_directories(self) -> bool:
        kinds = self.system.protocol
        return bool(_IN_DIRECTORIES.intersection((kinds,) if isinstance(kinds, str) else kinds))

    def _path(self, place: str) -> str:
        """Raises PermanentError where the place is not in this store: its keys are for nowhere else."""
        scheme, _, rest = self.root.partition("://")
        its_scheme, _, its_rest = place.partition("://")
        if (its_scheme, its_rest.partition("/")[0]) != (scheme, rest.partition("/")[0]):
            raise PermanentError(
                f"the backup in {place} is not in the store that this block opens: {self.root}"
            )
        return str(self.system._strip_protocol(place))  # noqa: SLF001 -- fsspec's way from a URL to a path

    def _names(self, path: str) -> list[str]:
        with store_errors(self.root):
            try:
                return [str(each) for each in self.system.find(path)]
            except FileNotFoundError:
                return []

    def _remove(self, paths: Collection[str]) -> None:
        """Told only once it is so: some stores name what they did not delete in an answer that nobody reads."""
        for path in paths:
            with store_errors(self.root), suppress(FileNotFoundError):
                self.system.rm_file(path)

    def _abort_uploads(self, path: str) -> None:
        """Parts of a file that was never completed lie in no listing of files, and are paid for."""
        call = getattr(self.system, "call_s3", None)
        if call is None:
            return
        bucket, _, key = path.partition("/")
        with store_errors(self.root):
            try:
                listed = call("list_multipart_uploads", Bucket=bucket, Prefix=f"{key}/")
            except OSError as error:
                if error.errno == errno.ENOSYS:  # a store that has no such list says so
                    return
                raise
            for upload in listed.get("Uploads", []):
                call("abort_multipart_upload", Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])

    @contextmanager
    def open(self, path: str) -> Iterator[Source]:
        with store_errors(self.root, path):
            file = self.system.open(path, "rb", block_size=READ_AHEAD, cache_type="readahead")
        with file:
            yield _RemoteSource(file, self.root, path)


@dataclass(slots=True)
class RemoteDraft:
    files: RemoteFiles
    path: str
    prefix: str = field(default_factory=lambda: f"{secrets.token_hex(4)}-")
    written: list[str] = field(default_factory=list)
    published: bool = False

    @contextmanager
    def write(self, name: str) -> Iterator[Sink]:
        path = f"{self.path}/{name}"
        root, system = self.files.root, self.files.system
        with store_errors(root):
            if self.files.makes_directories:
                system.makedirs(self.path, exist_ok=True)
            file = system.open(path, "wb", block_size=self.files.part_size)
        self.written.append(path)
        try:
            yield _RemoteSink(file, root)
            with store_errors(root):
                file.close()
        except BaseException:
            _discard(file)
            raise

    @contextmanager
    def read(self, name: str) -> Iterator[Source]:
        with self.files.open(f"{self.path}/{name}") as source:
            yield source

    def publish(self, name: str, content: bytes) -> None:
        """From the first word of the manifest on nothing of it is removed: where the store does not answer any more, nobody
        knows whether it has it.
        """
        path, system = f"{self.path}/{name}", self.files.system
        if self.files.makes_directories:
            with self.write(f"{self.prefix}{name}") as sink:
                sink.write(content)
            self.published = True
            with store_errors(self.files.root):
                self._put_in_place(self.written.pop(), path)
        else:
            self.published = True
            with store_errors(self.files.root):
                system.pipe_file(path, content)
        with suppress(UptainerError):  # it is whole; what lies beside it goes with it
            self.files.keep(self.path, {path, *self.written})

    def _put_in_place(self, new: str, path: str) -> None:
        """SMB, for one, moves nothing onto the manifest of an earlier try."""
        system = self.files.system
        try:
            system.mv(new, path)
        except Exception:  # each server has its own word for it
            if not (system.exists(new) and system.exists(path)):
                raise
            system.rm_file(path)
            system.mv(new, path)


@dataclass(frozen=True, slots=True)
class _RemoteSink:
    """A fault of the store is told from one of where the data comes from."""

    file: Any
    root: str

    def write(self, data: bytes) -> None:
        with store_errors(self.root):
            self.file.write(data)


@dataclass(frozen=True, slots=True)
class _RemoteSource:
    file: Any
    root: str
    path: str

    def read(self, size: int = -1) -> bytes:
        with store_errors(self.root, self.path):
            return bytes(self.file.read(size))


def _discard(file: Any) -> None:
    """Never closed as if it were whole: that would complete an upload with what there is of it."""
    with suppress(Exception):  # it is cut off already, for a reason that is told
        if isinstance(file, AbstractBufferedFile):
            file.closed = True
            file.discard()
        else:
            file.close()
