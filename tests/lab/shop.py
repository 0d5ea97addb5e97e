"""A small shop to keep current: versions of its images in the registry, and containers that run the old ones."""

import io
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from docker.models.containers import Container

from tests.lab.alpine import FIXED_PACKAGES, OLD_PACKAGES, RELEASE_WITH_SUPPORT, alpine_files
from tests.lab.docker import DockerEngine
from tests.lab.images import make_image
from tests.lab.registry import Registry

WRITES_AND_STAYS = (
    "/bin/sh",
    "-c",
    (
        "echo by-the-new-one > /data/file; chmod 777 /data/file; chown 99:99 /data/file /data; mkdir /data/new; "
        "echo more > /data/new/extra; rm -f /data/second; trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done"
    ),
)
FAILING = {
    "Test": ["CMD-SHELL", "echo the schema is too new; false"],
    "Interval": 200_000_000,
    "Timeout": 60_000_000_000,
    "Retries": 2,
}
STUBBORN = ("/bin/sh", "-c", "trap '' TERM; while :; do sleep 1; done")
"""Has to be killed: stopping it takes all of its stop timeout."""

QUICK = {"uptainer.probe.soak": "1s"}


@dataclass(frozen=True, slots=True)
class File:
    """One entry of a volume, with all that a backup must bring back."""

    owner: tuple[int, int]
    mode: int
    content: bytes = field(default=b"", repr=False)


class Shop:
    def __init__(self, engine: DockerEngine, registry: Registry) -> None:
        self.engine = engine
        self._registry = registry

    def push(self, name: str, *, fixed: bool = False, pull: bool = False, **options: Any) -> str:
        """`nginx:1.27.2` as an Alpine image, with known vulnerabilities or, `fixed`, fewer of them. Its digest."""
        packages = FIXED_PACKAGES if fixed else OLD_PACKAGES
        version = name.partition(":")[2]
        labels = {"org.opencontainers.image.version": version, **options.pop("labels", {})}
        files = {**alpine_files(RELEASE_WITH_SUPPORT, packages), "/version": f"{name}\n"}
        return make_image(self.engine, self.image(name), pull=pull, files=files, labels=labels, **options)

    def image(self, name: str) -> str:
        return self._registry.reference(f"shop/{name}")

    def run(
        self,
        workload: str,
        image: str,
        *,
        labels: Mapping[str, str] | None = None,
        command: Sequence[str] | None = None,
        **options: Any,
    ) -> Container:
        started: Container = self.engine.client.containers.run(
            self.image(image),
            list(command) if command else None,
            detach=True,
            name=workload,
            labels={**QUICK, **(labels or {})},
            **options,
        )
        return started

    def container(self, workload: str) -> Container:
        return self.engine.client.containers.get(workload)

    def image_of(self, workload: str) -> str:
        return str(self.container(workload).attrs["Config"]["Image"])

    def files(self, workload: str, folder: str) -> dict[str, File]:
        chunks, _ = self.container(workload).get_archive(folder)
        with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as tar:
            return {
                member.name: File((member.uid, member.gid), member.mode, _content(tar, member))
                for member in tar.getmembers()
            }


def exec_in(container: Container, script: str) -> str:
    code, output = container.exec_run(["/bin/sh", "-c", script])
    assert isinstance(output, bytes)
    assert code == 0, output
    return output.decode()


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member) if member.isfile() else None
    return file.read() if file else b""
