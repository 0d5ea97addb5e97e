"""A folder's content by GNU tar on the engine's own machine, which carries what the engine's archive calls leave out.

Docker's calls give times in whole seconds, and of the extended attributes `security.capability` alone; Podman's give
every file one owner besides. Unpacking, Docker sets all that a tar says.

Source: moby `pkg/archive/archive.go`, `FileInfoHeaderNoLookups`; podman `libpod/container_copy_common.go`; tar(1).
"""

import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import IO, Any

from uptainer.core.errors import PermanentError, RefusedError, UnreachableError, UnsupportedError
from uptainer.runtimes.engine.client import PIECE, Engine
from uptainer.runtimes.engine.commands import Ran

ATTRIBUTES = ("--format=posix", "--numeric-owner", "--xattrs", "--xattrs-include=*")
_STAT = ("stat", "--printf", "%.9Y %a")
_CHANGED = 1
"""How tar ends where a file changed while it was read: that is for whoever did not stop the workload."""
_LAST_WORDS = 500
_END_SECONDS = 600.0
_EMPTY_SECONDS = 6 * 3600.0
"""Millions of files on a slow disk take their time."""
_ESCAPED = re.compile(r"\\([0-7]{3})")
_FRACTION = re.compile(r"\.(\d+)")


@dataclass(frozen=True, slots=True)
class MachineTar:
    """`folder` is what is read and made anew; `name` is a single file in it, or "." for all of it. `prefix` is what commands begin with."""

    engine: Engine
    folder: str
    name: str
    about: str
    prefix: Sequence[str] = ()

    @contextmanager
    def read(self) -> Iterator[Iterator[bytes]]:
        """Raises: PermanentError, with what tar says."""
        command = (
            "tar",
            "--create",
            "--file=-",
            "--sparse",
            *ATTRIBUTES,
            "--directory",
            self.folder,
            self._member,
        )
        with self._running(command, stdout=subprocess.PIPE) as (process, words):
            assert process.stdout is not None, "it was asked for"
            yield iter(lambda: process.stdout.read(PIECE), b"")  # type: ignore[union-attr]  # -- as above
            self._end(process, words, allowed=(0, _CHANGED))

    def write(self, tar: Iterator[bytes]) -> None:
        """Exactly what the tar says is there afterwards.

        Raises:
            RefusedError: as `refuse_mounts`; nothing was touched.
            PermanentError: with what tar says.
        """
        if self.name == ".":
            self._make_anew()
        command = ("tar", "--extract", "--file=-", "--preserve-permissions", "--same-owner", *ATTRIBUTES[1:])
        with self._running((*command, "--directory", self.folder), stdin=subprocess.PIPE) as (process, words):
            assert process.stdin is not None, "it was asked for"
            with suppress(BrokenPipeError):
                for piece in tar:
                    process.stdin.write(piece)
            with suppress(BrokenPipeError):
                process.stdin.close()
            self._end(process, words, allowed=(0,))

    def refuse_mounts(self) -> None:
        """Raises: RefusedError, where something is mounted in the folder: that could not be made anew."""
        self._is_mounted()

    def _is_mounted(self) -> bool:
        """Whether the folder is where something is mounted. Raises: as `refuse_mounts`."""
        own = PurePosixPath(self._must("readlink", "--canonicalize", "--", self.folder).removesuffix("\n"))
        points = set(map(_mount_point, self._must("cat", "/proc/self/mountinfo").splitlines()))
        inner = sorted(str(each) for each in points if own in each.parents)
        if inner:
            raise RefusedError(
                f"{self.about}: {inner[0]} is mounted there on {self.engine.address.name}, so that it can't be made exactly "
                "what it was: it has to be backed up by itself"
            )
        return own in points

    def _make_anew(self) -> None:
        """It is there at any moment, for whoever goes on after a process that died in this. A new one takes the place of the
        emptied one, for that has attributes of its own; only where something is mounted it stays.
        """
        own, stays = PurePosixPath(self.folder), self._is_mounted()
        fresh = str(own.parent / f".uptainer-{own.name}")
        self._must("find", self.folder, "-xdev", "-mindepth", "1", "-delete", timeout=_EMPTY_SECONDS)
        if stays:
            return
        self._must("rm", "-rf", "--one-file-system", "--", fresh)
        self._must("mkdir", "--", fresh)
        self._must("mv", "--no-target-directory", "--force", "--", fresh, self.folder)

    @property
    def _member(self) -> str:
        return self.name if self.name == "." else f"./{self.name}"

    def _must(self, *command: str, timeout: float = _END_SECONDS) -> str:
        ran = self.engine.run((*self.prefix, *command), timeout=timeout)
        if ran.exit_code != 0:
            raise PermanentError(f"{self.about}: {command[0]} failed: {ran.errors.strip()[-_LAST_WORDS:]}")
        return ran.output

    @contextmanager
    def _running(
        self, command: Sequence[str], **streams: int
    ) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
        with tempfile.TemporaryFile() as words:
            options: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, **streams}
            process = subprocess.Popen(  # noqa: S603 -- the command is ours, and no shell of this machine reads it
                self.engine.words((*self.prefix, *command)), stderr=words, start_new_session=True, **options
            )
            try:
                yield process, words
            finally:
                process.kill()
                for stream in (process.stdin, process.stdout):
                    if stream is not None:
                        with suppress(BrokenPipeError):
                            stream.close()
                process.wait()

    def _end(self, process: subprocess.Popen[bytes], words: IO[bytes], *, allowed: Sequence[int]) -> None:
        try:
            code = process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise UnreachableError(f"{self.about}: tar does not end") from error
        if code not in allowed:
            words.seek(0)
            said = words.read().decode(errors="replace").strip()[-_LAST_WORDS:]
            raise PermanentError(f"{self.about}: tar ended with {code}: {said}")


def refusal(engine: Engine, path: str, stat: Mapping[str, Any], prefix: Sequence[str] = ()) -> str:
    """Why tar can't be used for `path`, which the engine says `stat` of; "" where it can.

    The folder that a command sees there has to be the engine's own: its time of change, to the nanosecond, says so.
    """
    machine = f"the machine of {engine.address.name}"
    try:
        user, program = engine.run((*prefix, "id", "-u")), engine.run((*prefix, "tar", "--version"))
        seen = engine.run((*prefix, *_STAT, "--", path))
    except (UnsupportedError, UnreachableError) as error:
        return str(error)
    if user.output.strip() != "0":
        said = f" ({user.errors.strip()[-_LAST_WORDS:]})" if user.exit_code else ""
        return f"commands on {machine} are not run by root{said}"
    if "GNU tar" not in program.output:
        return f"there is no GNU tar on {machine}"
    if seen.exit_code != 0 or not _is_same(seen, stat):
        return f"the folders that commands see on {machine} are not those of its engine"
    return ""


def _mount_point(line: str) -> PurePosixPath:
    """Of a line of mountinfo. Source: proc_pid_mountinfo(5)."""
    return PurePosixPath(_ESCAPED.sub(lambda found: chr(int(found.group(1), 8)), line.split(" ")[4]))


def _is_same(seen: Ran, stat: Mapping[str, Any]) -> bool:
    time, mode = seen.output.split()
    seconds, _, fraction = time.partition(".")
    return (int(seconds) * 10**9 + int(fraction), int(mode, 8) & 0o777) == (
        _nanoseconds(str(stat["mtime"])),
        int(stat["mode"]) & 0o777,
    )


def _nanoseconds(text: str) -> int:
    found = _FRACTION.search(text)
    fraction = found.group(1).ljust(9, "0") if found else "0"
    whole = datetime.fromisoformat(_FRACTION.sub("", text, count=1))
    return int(whole.timestamp()) * 10**9 + int(fraction)
