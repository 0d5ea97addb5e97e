"""Tar on a machine: a folder is made exactly what an archive says, and is never without a place in between."""

import io
import os
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from tests.lab.environment import lab_part
from tests.lab.room import LabUnavailableError
from uptainer.core.errors import PermanentError, RefusedError
from uptainer.runtimes.engine.client import Engine
from uptainer.runtimes.engine.commands import Ran, here, run_here
from uptainer.runtimes.engine.machine_tar import MachineTar

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="left out: owners and mounts need root")


class Machine:
    """This one. At the command `dies` it goes no further."""

    address = SimpleNamespace(name="here")

    def __init__(self, dies: str = "") -> None:
        self._dies = dies

    def run(self, command: Sequence[str], *, timeout: float) -> Ran:
        if command[0] == self._dies:
            raise PermanentError("it died")
        return run_here(command, host="here", timeout=timeout)

    def words(self, command: Sequence[str]) -> list[str]:
        return here(command, host="here")


def tar_of(folder: Path, dies: str = "") -> MachineTar:
    return MachineTar(cast(Engine, Machine(dies)), str(folder), ".", "/data of db")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "volume" / "_data"
    (made / "deep").mkdir(parents=True)
    (made / "deep" / "one").write_text("one")
    made.chmod(0o751)
    return made


def content(folder: Path) -> list[tuple[str, int]]:
    return sorted((str(each.relative_to(folder)), each.stat().st_mode) for each in folder.rglob("*"))


def packed(folder: Path) -> list[bytes]:
    with tar_of(folder).read() as tar:
        return list(tar)


@pytest.mark.parametrize("dies", ["", "rm", "mkdir", "find", "mv"])
def test_a_folder_is_made_what_it_was_also_after_a_process_that_died(folder: Path, dies: str) -> None:
    kept, before, mode = packed(folder), content(folder), folder.stat().st_mode
    (folder / "later").write_text("later")
    os.setxattr(folder, "user.later", b"yes")
    if dies:
        with pytest.raises(PermanentError, match="it died"):
            tar_of(folder, dies).write(iter(kept))
        assert folder.is_dir()
    tar_of(folder).write(iter(kept))
    assert (content(folder), folder.stat().st_mode) == (before, mode)
    assert os.listxattr(folder) == []
    assert [each.name for each in folder.parent.iterdir()] == ["_data"]


@contextmanager
def mounted(place: Path) -> Iterator[None]:
    command = ["mount", "--bind", str(place), str(place)]
    with lab_part():
        if subprocess.run(command, check=False, capture_output=True, timeout=10).returncode:
            raise LabUnavailableError("this machine mounts nothing")
    try:
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True, timeout=10)


def test_what_changes_while_it_is_read_leaves_an_archive_that_can_be_unpacked(folder: Path) -> None:
    big = folder / "big"
    big.write_bytes(os.urandom(2_000_000))
    for number in range(3):
        (folder / f"f{number}").touch()
    with tar_of(folder).read() as tar:
        pieces = [next(tar)]
        os.truncate(big, 1)
        for path in folder.glob("f*"):
            path.unlink()
        pieces += tar
    tar_of(folder).write(iter(pieces))
    assert big.stat().st_size == 2_000_000
    assert (folder / "deep" / "one").read_text() == "one"


def test_a_folder_with_something_mounted_in_it_is_refused_before_anything_is_removed(folder: Path) -> None:
    with mounted(folder / "deep"), pytest.raises(RefusedError, match="deep is mounted there on here"):
        tar_of(folder).write(iter([]))
    assert (folder / "deep" / "one").read_text() == "one"


def test_a_folder_that_is_a_disk_of_its_own_is_made_what_it_was(folder: Path) -> None:
    kept, before = packed(folder), content(folder)
    with mounted(folder):
        (folder / "later").write_text("later")
        tar_of(folder).write(iter(kept))
        assert content(folder) == before


def test_links_that_lead_out_are_not_followed_when_a_folder_is_emptied(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("kept")
    (folder / "link").symlink_to(outside)
    kept = packed(folder)
    tar_of(folder).write(iter(kept))
    assert (outside / "file").read_text() == "kept"
    assert (folder / "link").is_symlink()


def hostile(outside: Path) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        link = tarfile.TarInfo("./link")
        link.type, link.linkname = tarfile.SYMTYPE, str(outside)
        tar.addfile(link)
        for name in ("./link/through", "../climbed", f"{outside}/absolute"):
            entry = tarfile.TarInfo(name)
            entry.size = 4
            tar.addfile(entry, io.BytesIO(b"evil"))
    return written.getvalue()


def test_an_archive_that_would_write_outside_does_not(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    with pytest.raises(PermanentError, match="tar ended with 2"):
        tar_of(folder).write(iter([hostile(outside)]))
    assert list(outside.iterdir()) == []
    assert [each.name for each in folder.parent.iterdir()] == ["_data"]
