"""Backups and restores whose process is killed: the workload runs again, with whole data."""

import io
import itertools
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from tests.integration.fleet import dying
from tests.integration.fleet.dying import kill
from tests.lab.docker import DockerEngine
from tests.lab.images import SLEEP, make_image
from tests.lab.registry import Registry
from uptainer.backups.backup import Backup
from uptainer.backups.backup import read as read_archive
from uptainer.backups.local import local_stores
from uptainer.core.clock import utc_now
from uptainer.core.enums import BackupStatus, ConnectionType, ContainerStatus, PolicyScope, RuntimeType
from uptainer.core.errors import BusyError, PermanentError, UnfinishedError, UnreachableError, UptainerError
from uptainer.core.workloads import HostAddress
from uptainer.fleet import restoring
from uptainer.fleet.abandoned import settle_abandoned
from uptainer.fleet.backing_up import back_up_workload
from uptainer.fleet.discovery import discover_host, look_again
from uptainer.fleet.restoring import restore_backup
from uptainer.fleet.updating import Opens, opener
from uptainer.runtimes.connections import connect
from uptainer.store import schema
from uptainer.store.database import Database
from uptainer.store.repositories.audit import SYSTEM
from uptainer.store.repositories.backups import BackupRepository
from uptainer.store.repositories.containers import ContainerRepository
from uptainer.store.repositories.hosts import HostRepository
from uptainer.store.repositories.policies import PolicyRepository

HOST = "lab"
DATABASE = f"{HOST}/db"


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    schema.upgrade(postgres_url)
    opened = Database(postgres_url)
    yield opened
    opened.dispose()


@pytest.fixture
def container(clean_engine: DockerEngine, registry: Registry, database: Database) -> Any:
    """A running `db` whose volume holds one file."""
    reference = registry.reference("db:1")
    make_image(clean_engine, reference, cmd=SLEEP)
    volumes = {"db-data": {"bind": "/data", "mode": "rw"}}
    made = clean_engine.client.containers.run(reference, name="db", detach=True, volumes=volumes)
    write(made, "before")
    address = HostAddress(HOST, RuntimeType.DOCKER, ConnectionType.UNIX, clean_engine.url)
    with database.session() as session:
        HostRepository(session).add(address)
    discover_host(database, address, connect)
    return made


@pytest.fixture
def opens(database: Database) -> Opens:
    return opener(database, connect)


def write(container: Any, text: str) -> None:
    assert container.exec_run(["/bin/sh", "-c", f"rm -rf /data/*; echo {text} > /data/{text}"]).exit_code == 0


def read(container: Any) -> str:
    return str(
        container.exec_run(
            ["/bin/sh", "-c", "cd /data; for f in *; do echo $f: $(cat $f); done"]
        ).output.decode()
    )


def settle(database: Database, opens: Opens, root: Path) -> list[str]:
    return [each.said for each in settle_abandoned(database, opens, local_stores(root))]


def status_of(container: Any) -> str:
    container.reload()
    return str(container.status)


@pytest.mark.parametrize("where", ["stop", "read_mount", "start"])
def test_a_workload_that_a_dead_backup_stopped_runs_again(
    database: Database, container: Any, opens: Opens, tmp_path: Path, where: str
) -> None:
    kill(dying.back_up, DATABASE, database=database, root=tmp_path, where=where)
    with opens(HOST) as runtime:
        look_again(database, HOST, runtime)
    (said,) = settle(database, opens, tmp_path)
    assert said == f"a backup of {DATABASE} was cut off before anything was written, which runs again"
    assert status_of(container) == "running"
    with database.session() as session:
        assert ContainerRepository(session).by_address(DATABASE).container.status is ContainerStatus.RUNNING
    assert read(container) == "before: before\n"
    assert not list(tmp_path.rglob("*.partial*"))
    assert settle(database, opens, tmp_path) == []
    with database.session() as session:
        assert BackupRepository(session).unfinished() == []


def ask_for(database: Database, settings: dict[str, Any]) -> None:
    with database.session() as session:
        PolicyRepository(session).put_policy(
            PolicyScope.CONTAINER, DATABASE, settings, actor=SYSTEM, now=utc_now()
        )


AROUND = {
    "backup_before": "sh -c 'cat /data/before > /data/dump'",
    "backup_after": "sh -c 'mv /data/dump /tmp/dump'",
}


def test_a_dump_is_in_the_backup_of_what_is_only_paused(
    database: Database, container: Any, opens: Opens, tmp_path: Path
) -> None:
    ask_for(database, {"backup_consistency": "pause", **AROUND})
    container.reload()
    started = container.attrs["State"]["StartedAt"]
    kept = back_up_workload(database, DATABASE, opens, local_stores(tmp_path), actor=SYSTEM, reason="test")
    assert status_of(container) == "running"
    assert container.attrs["State"]["StartedAt"] == started
    assert read(container) == "before: before\n"
    archive = Backup.read(kept.location)
    with tarfile.open(fileobj=io.BytesIO(b"".join(read_archive(archive, archive.archives[0])))) as tar:
        assert "./dump" in tar.getnames()


def test_a_backup_whose_dump_fails_is_none_and_the_workload_is_left_alone(
    database: Database, container: Any, opens: Opens, tmp_path: Path
) -> None:
    ask_for(database, {"backup_before": "sh -c 'echo no such database; exit 3'"})
    with pytest.raises(PermanentError, match="ended with 3: no such database"):
        back_up_workload(database, DATABASE, opens, local_stores(tmp_path), actor=SYSTEM, reason="test")
    assert status_of(container) == "running"
    with database.session() as session:
        ((row, _),) = BackupRepository(session).listing()
        assert (row.status, BackupRepository(session).unfinished()) == (BackupStatus.FAILED, [])


@pytest.mark.parametrize("where", ["read_mount", "unpause"])
def test_a_workload_that_a_dead_backup_paused_goes_on_and_has_its_last_command_run(
    database: Database, container: Any, opens: Opens, tmp_path: Path, where: str
) -> None:
    ask_for(database, {"backup_consistency": "pause", **AROUND})
    kill(dying.back_up, DATABASE, database=database, root=tmp_path, where=where)
    assert status_of(container) == "paused"
    (said,) = settle(database, opens, tmp_path)
    assert said == f"a backup of {DATABASE} was cut off before anything was written, which runs again"
    assert status_of(container) == "running"
    assert read(container) == "before: before\n"


@pytest.mark.parametrize("case", [("write_mount", "has been done again"), ("start", "after all was written")])
def test_a_restore_that_died_while_writing_is_done_again(
    database: Database, container: Any, opens: Opens, tmp_path: Path, case: tuple[str, str]
) -> None:
    where, done = case
    kept = back_up_workload(database, DATABASE, opens, local_stores(tmp_path), actor=SYSTEM, reason="test")
    write(container, "after")
    kill(dying.restore, kept.backup_id, database=database, root=tmp_path, where=where)
    (said,) = settle(database, opens, tmp_path)
    assert done in said
    assert status_of(container) == "running"
    assert read(container) == "before: before\n"
    with database.session() as session:
        (copy, _), *_ = BackupRepository(session).listing()
        assert (copy.status, copy.restores_id) == (BackupStatus.SUCCEEDED, kept.backup_id)


def test_a_restore_that_died_before_it_wrote_leaves_the_data_as_it_is(
    database: Database, container: Any, opens: Opens, tmp_path: Path
) -> None:
    kept = back_up_workload(database, DATABASE, opens, local_stores(tmp_path), actor=SYSTEM, reason="test")
    write(container, "after")
    kill(dying.restore, kept.backup_id, database=database, root=tmp_path, where="read_mount")
    (said,) = settle(database, opens, tmp_path)
    assert "before anything was written" in said
    assert status_of(container) == "running"
    assert read(container) == "after: after\n"


class Failing:
    """A runtime of which the calls named in `where` fail, each as often as it is in there."""

    def __init__(self, runtime: Any, where: list[str]) -> None:
        self._runtime = runtime
        self._where = where

    def __getattr__(self, name: str) -> Any:
        if name not in self._where:
            return getattr(self._runtime, name)
        self._where.remove(name)

        def fails(key: str, *given: Any) -> None:
            if name == "write_mount":
                mount, tar = given
                self._runtime.write_mount(key, mount, itertools.chain([next(tar)], iter([b"\0" * 1024])))
            raise UnreachableError("the store went away")

        return fails


def failing(database: Database, *where: str) -> Opens:
    left = list(where)
    return opener(database, lambda address: cast(Any, Failing(connect(address), left)))


def restore_or_say(database: Database, number: int, opens: Opens, root: Path) -> str:
    with pytest.raises(UptainerError) as raised:
        restore_backup(database, number, opens, local_stores(root), actor=SYSTEM)
    return str(raised.value)


def test_a_restore_that_fails_while_writing_puts_back_what_was_there(
    database: Database, container: Any, opens: Opens, tmp_path: Path
) -> None:
    kept = back_up_workload(database, DATABASE, opens, local_stores(tmp_path), actor=SYSTEM, reason="test")
    write(container, "after")
    said = restore_or_say(database, kept.backup_id, failing(database, "write_mount"), tmp_path)
    assert "the store went away. What was there before is back" in said
    assert (status_of(container), read(container)) == ("running", "after: after\n")
    assert settle(database, opens, tmp_path) == []


def test_nothing_runs_on_half_restored_data_until_it_is_put_right(
    database: Database, container: Any, opens: Opens, tmp_path: Path
) -> None:
    kept = back_up_workload(database, DATABASE, opens, local_stores(tmp_path), actor=SYSTEM, reason="test")
    write(container, "after")
    away = failing(database, "write_mount", "write_mount")
    assert "is not whole, so that it stays stopped" in restore_or_say(
        database, kept.backup_id, away, tmp_path
    )
    assert status_of(container) == "exited"
    assert "is put right first" in restore_or_say(database, kept.backup_id, opens, tmp_path)
    with pytest.raises(BusyError, match="is put right first"):
        back_up_workload(database, DATABASE, opens, local_stores(tmp_path), actor=SYSTEM, reason="test")
    archive = Path(str(kept.location)) / Backup.read(kept.location).archives[0].file
    archive.write_bytes(archive.read_bytes()[:-3])
    (left,) = settle_abandoned(database, failing(database, "write_mount"), local_stores(tmp_path))
    assert (left.done, "the store went away" in left.said) == (False, True)
    assert status_of(container) == "exited"
    (said,) = settle(database, opens, tmp_path)
    assert "could not be done again" in said
    assert (status_of(container), read(container)) == ("running", "after: after\n")
    with database.session() as session:
        (copy, _), *_ = BackupRepository(session).listing()
        assert (copy.status, copy.verified_at is not None) == (BackupStatus.SUCCEEDED, True)


def test_what_was_written_after_a_restore_is_not_lost_to_recovery(
    database: Database, container: Any, opens: Opens, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = back_up_workload(database, DATABASE, opens, local_stores(tmp_path), actor=SYSTEM, reason="test")

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(restoring, "finish", dies)
    with pytest.raises(KeyboardInterrupt):
        restore_backup(database, kept.backup_id, opens, local_stores(tmp_path), actor=SYSTEM)
    write(container, "later")
    (said,) = settle(database, opens, tmp_path)
    assert "was cut off after all was written" in said
    assert (status_of(container), read(container)) == ("running", "later: later\n")


def test_a_workload_that_could_not_be_started_again_is_started_by_recovery(
    database: Database, container: Any, opens: Opens, tmp_path: Path
) -> None:
    with pytest.raises(UnfinishedError, match="the store went away"):
        back_up_workload(
            database,
            DATABASE,
            failing(database, "start"),
            local_stores(tmp_path),
            actor=SYSTEM,
            reason="test",
        )
    assert status_of(container) == "exited"
    (said,) = settle(database, opens, tmp_path)
    assert "runs again" in said
    assert status_of(container) == "running"


def test_what_was_cut_off_is_closed_where_its_container_is_gone_and_kept_where_its_host_is(
    database: Database, container: Any, opens: Opens, tmp_path: Path
) -> None:
    kill(dying.back_up, DATABASE, database=database, root=tmp_path, where="read_mount")
    with database.session() as session:
        address = HostRepository.address(HostRepository(session).by_name(HOST))
        HostRepository(session).remove(HOST, utc_now())
    assert settle(database, opens, tmp_path) == []
    with database.session() as session:
        HostRepository(session).add(address)
    container.remove(force=True)
    (said,) = settle(database, opens, tmp_path)
    assert said.endswith("is not there any more")
    assert settle(database, opens, tmp_path) == []


def test_a_backup_that_was_changed_in_its_store_is_not_restored(
    database: Database, container: Any, opens: Opens, tmp_path: Path
) -> None:
    kept = back_up_workload(database, DATABASE, opens, local_stores(tmp_path), actor=SYSTEM, reason="test")
    manifest = Path(str(kept.location)) / "manifest.json"
    document = json.loads(manifest.read_text())
    document["archives"][0]["sha256"] = "0" * 64
    manifest.write_text(json.dumps(document))
    assert "is not the one that was made" in restore_or_say(database, kept.backup_id, opens, tmp_path)
    assert status_of(container) == "running"
