"""A folder with everything in it that a file system can hold, and what of a folder a restore must bring back."""

import hashlib
import os
import stat
import struct
from pathlib import Path
from typing import Any

Entry = tuple[Any, ...]

CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)
"""`cap_net_bind_service`, as the kernel keeps it."""
HOLE = 8_000_000


def access_list(user: int) -> bytes:
    """A POSIX ACL as the kernel keeps it: `user` may read besides."""
    anyone = 0xFFFFFFFF
    entries = ((1, 6, anyone), (2, 4, user), (4, 4, anyone), (0x10, 4, anyone), (0x20, 0, anyone))
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *each) for each in entries)


def fill(root: Path, owner: int = 0, superuser: int = 0) -> None:
    """Owners are counted from `owner` on; what has none of its own is the `superuser`'s."""
    deep = root / "deep"
    deep.mkdir(mode=0o755)
    for name in ("one", "capable", "listed", "n" * 255, "umläut ☃", "two\nlines", "deep/plain"):
        (root / name).write_text(name)
    far = root.joinpath(*["d" * 200] * 5)
    far.mkdir(parents=True)
    (far / "file").write_text("far")
    Path(os.fsdecode(os.fsencode(root) + b"/no\xff\xfetext")).write_text("x")
    (root / "link").symlink_to("one")
    (root / "away").symlink_to("../../../../etc/passwd")
    os.mkfifo(root / "pipe")
    os.mknod(root / "null", 0o20666, os.makedev(1, 3))
    os.mknod(root / "socket", stat.S_IFSOCK | 0o600)
    with (root / "holes").open("wb") as file:
        file.truncate(HOLE)
        file.seek(HOLE // 2)
        file.write(b"middle")
    for path in root.iterdir():
        os.lchown(path, superuser, superuser)
    for path in (deep / "plain", *root.rglob("d" * 200), far / "file"):
        os.chown(path, owner + 1, owner + 1)
    os.chown(root / "one", owner + 12, owner + 34)
    (root / "one").chmod(0o4750)
    os.setxattr(root / "one", "user.note", b"hello\0\xff there")
    os.setxattr(root / "one", "trusted.note", b"of root")
    os.setxattr(root / "capable", "security.capability", CAPABILITY)
    os.setxattr(root / "listed", "system.posix_acl_access", access_list(owner + 1234))
    os.setxattr(deep, "system.posix_acl_default", access_list(owner + 1234))
    (deep / "hard").hardlink_to(root / "one")
    _date(root, owner)


def _date(root: Path, owner: int) -> None:
    for number, path in enumerate(("one", "link", "pipe", "deep", ".")):
        moment = 981_173_106_123_456_789 + number * 10**15
        os.utime(root / path, ns=(0, moment), follow_symlinks=False)
    (root / "deep").chmod(0o1777)
    os.chown(root, owner + 5, owner + 6)
    root.chmod(0o2770)


def spoil(root: Path, superuser: int = 0) -> None:
    for path in (root / "deep" / "hard", root / "link", root / "pipe"):
        path.unlink()
    (root / "new").mkdir()
    (root / "new" / "file").write_text("new")
    (root / "one").write_text("another")
    os.removexattr(root / "listed", "system.posix_acl_access")
    os.setxattr(root, "user.later", b"later")
    for path in (root, *root.rglob("new"), root / "new" / "file"):
        os.chown(path, superuser, superuser)


def snapshot(root: Path) -> dict[str, Entry]:
    """By path, but for sockets. Hard links show by their number, holes by the room that a file takes."""
    found = {}
    for folder, folders, files in os.walk(root):
        for name in (".", *folders, *files):
            path = Path(folder, name)
            if not path.is_socket():
                found[str(path.relative_to(root))] = _entry(path)
    return found


def _entry(path: Path) -> Entry:
    seen = path.lstat()
    names = sorted(os.listxattr(path, follow_symlinks=False))
    extended = {name: os.getxattr(path, name, follow_symlinks=False) for name in names}
    is_small = seen.st_blocks * 512 < HOLE // 2
    return (
        *(seen.st_mode, seen.st_uid, seen.st_gid, seen.st_mtime_ns, seen.st_rdev),
        *(extended, _content(path), is_small, 0 if path.is_dir() else seen.st_nlink),
    )


def _content(path: Path) -> str:
    if path.is_symlink():
        return str(path.readlink())
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
