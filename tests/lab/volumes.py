"""An engine's volumes as tar streams, for what is done with them where no engine is needed."""

import io
import tarfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from uptainer.core.enums import ConnectionType, RuntimeType
from uptainer.core.workloads import HostAddress, Mount

DATA = Mount("volume", "data", "/v/data", "/data", read_only=False)
LOGS = Mount("volume", "logs", "/v/logs", "/logs", read_only=False)

Tar = bytes | Callable[[], Iterable[bytes]]
"""The whole of it, or how it comes."""


def tar_of(**files: bytes) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return raw.getvalue()


class Volumes:
    """What `back_up` and `restore` ask of a runtime. `restored` is what was written back, by volume."""

    address = HostAddress("h/../x", RuntimeType.DOCKER, ConnectionType.UNIX, "unix:///x")

    def __init__(self, **tars: Tar) -> None:
        self.tars = tars
        self.restored: dict[str, bytes] = {}

    def state(self, key: str) -> Any:
        return type("State", (), {"image_id": "sha256:old"})()

    def configuration(self, key: str) -> dict[str, Any]:
        return {"env": ["SECRET=hunter2"]}

    def left_out(self, key: str, mount: Mount) -> str:
        return ""

    @contextmanager
    def read_mount(self, key: str, mount: Mount) -> Iterator[Iterator[bytes]]:
        tar = self.tars[mount.name]
        yield iter((tar[:100], tar[100:])) if isinstance(tar, bytes) else iter(tar())

    def write_mount(self, key: str, mount: Mount, tar: Iterator[bytes]) -> None:
        self.restored[mount.name] = b"".join(tar)
