"""A container with data on the lab's engine, an update for it, and what must be true afterwards."""

import io
import tarfile
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from docker.models.containers import Container

from tests.integration.updates.seeding import add_container, add_update
from tests.lab.docker import DockerEngine
from tests.lab.images import make_image
from tests.lab.registry import Registry
from uptainer.core.enums import ConnectionType, RuntimeType
from uptainer.core.workloads import HostAddress
from uptainer.runtimes.docker.runtime import DockerRuntime
from uptainer.store.database import Database
from uptainer.updates.health import HealthPlan
from uptainer.updates.options import UpdateOptions

AS_IT_WAS = "as it was\n"
FOREVER = "trap 'exit 0' TERM INT; while :; do sleep 1 & wait $!; done"
WRITES = "echo by-the-new-one > /data/file; echo more > /data/extra; "
UNLESS_STOPPED: Any = {"Name": "unless-stopped"}
QUICK = HealthPlan(
    soak=timedelta(seconds=0.3), deadline=timedelta(seconds=20), interval=timedelta(seconds=0.05)
)
FAILING_CHECK = {
    "Test": ["CMD-SHELL", "echo it hurts; false"],
    "Interval": 50_000_000,
    "Timeout": 1_000_000_000,
    "Retries": 1,
}
VARIANTS: dict[str, dict[str, Any]] = {
    "good": {"cmd": ("/bin/sh", "-c", WRITES + FOREVER)},
    "crashes": {"cmd": ("/bin/sh", "-c", WRITES + "exit 7")},
    "unhealthy": {"cmd": ("/bin/sh", "-c", WRITES + FOREVER), "healthcheck": FAILING_CHECK},
    "cannot-start": {"cmd": ("/no/such/program",)},
}


class Bench:
    """One workload on the engine: `web`, which restarts unless stopped, with a named and an anonymous volume."""

    def __init__(self, engine: DockerEngine, registry: Registry, database: Database, directory: Path) -> None:
        self.engine = engine
        self.registry = registry
        self.database = database
        self.host = f"h-{uuid4().hex[:8]}"
        self.address = HostAddress(self.host, RuntimeType.DOCKER, ConnectionType.UNIX, engine.url)
        self.options = UpdateOptions(
            backups=directory / "backups",
            back_up_volumes=True,
            health=QUICK,
            stop_timeout=timedelta(seconds=2),
        )
        self.old_reference = registry.reference("app:1")
        self.old_digest = make_image(engine, self.old_reference, cmd=("/bin/sh", "-c", FOREVER))
        self.old = self._run()
        self.old_inspected = self.old.attrs
        self._volumes = self.volumes()
        host = f"{engine.url}?{self.host}"
        self.container_id = add_container(database, host=self.host, url=host)

    def propose(self, variant: str) -> int:
        """An approved update to an image that is in the registry only."""
        reference = self.registry.reference(f"app:{variant}")
        digest = make_image(self.engine, reference, pull=False, **VARIANTS[variant])
        return add_update(
            self.database,
            self.container_id,
            host=self.host,
            to_digest=digest,
            to_reference=reference,
            from_reference=self.old_reference,
            from_digest=self.old_digest,
            from_image_id=self.old_inspected["Image"],
        )

    def open(self) -> DockerRuntime:
        return DockerRuntime(self.address)

    def volumes(self) -> set[str]:
        return {volume.name for volume in self.engine.client.volumes.list()}

    def containers(self) -> list[Container]:
        found: list[Container] = self.engine.client.containers.list(all=True)
        return found

    def data(self) -> dict[str, str]:
        """The files of the named volume, read through whoever has it."""
        chunks, _ = self.containers()[0].get_archive("/data")
        with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as tar:
            files = {member.name: tar.extractfile(member) for member in tar.getmembers() if member.isfile()}
            return {name.removeprefix("data/"): file.read().decode() for name, file in files.items() if file}

    def only(self) -> Container:
        """The one container that there is, and it runs under the name, with its volumes and no others."""
        found = self.containers()
        assert [each.name for each in found] == ["web"]
        assert found[0].attrs["State"]["Status"] == "running"
        assert found[0].attrs["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
        assert self.volumes() == self._volumes
        return found[0]

    def assert_as_before(self) -> None:
        assert self.only().id == self.old.id
        assert self.data() == {"file": AS_IT_WAS}

    def assert_updated(self) -> None:
        now = self.only()
        assert now.id != self.old.id
        assert now.attrs["Image"] != self.old_inspected["Image"]
        assert self.data() == {"file": "by-the-new-one\n", "extra": "more\n"}

    def _run(self) -> Container:
        started: Container = self.engine.client.containers.run(
            self.old_reference,
            detach=True,
            name="web",
            restart_policy=UNLESS_STOPPED,
            volumes=["data:/data", "/scratch"],
        )
        started.exec_run(["/bin/sh", "-c", f"printf '{AS_IT_WAS.strip()}\\n' > /data/file"])
        started.reload()
        return started
