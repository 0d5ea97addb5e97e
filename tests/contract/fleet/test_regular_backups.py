"""What keeps a workload from being stopped for a backup that could not be made, or need not be."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.contract.fleet.seeded import ANN, Seeded
from tests.lab.facts import container
from tests.lab.room import free_port
from tests.lab.volumes import DATA, Volumes, tar_of
from uptainer.backups.local import LocalFiles
from uptainer.backups.opening import open_files
from uptainer.backups.store import BackupStore
from uptainer.core.clock import utc_now
from uptainer.core.enums import BackupStatus, ContainerStatus, PolicyScope
from uptainer.core.errors import UnreachableError
from uptainer.core.workloads import ContainerFacts
from uptainer.fleet.backing_up import Kept, back_up_workload
from uptainer.fleet.regular_backups import back_up_if_due, due_for_backup
from uptainer.fleet.restoring import restore_backup
from uptainer.runtimes.capabilities import Capabilities
from uptainer.runtimes.port import ExecResult, Runtime
from uptainer.store.models import ContainerBackup
from uptainer.store.repositories.backups import BackupRepository


class Engine(Volumes):
    """`web` runs on it, with a volume. It notes what is done to it."""

    def __init__(self) -> None:
        super().__init__(data=tar_of(file=b"1"))
        self.done: list[str] = []

    def capabilities(self, kind: str) -> Capabilities:
        return Capabilities(kind)

    def containers(self) -> Sequence[ContainerFacts]:
        return [container("web", mounts=(DATA,))]

    def state(self, key: str) -> Any:
        return SimpleNamespace(image_id="sha256:old", status=ContainerStatus.RUNNING)

    def check_stop(self, key: str) -> None: ...

    def check_mount(self, key: str, mount: object) -> None: ...

    def stop(self, key: str) -> None:
        self.done.append("stop")

    def start(self, key: str) -> None:
        self.done.append("start")

    def execute(self, key: str, command: Sequence[str], timeout: timedelta) -> ExecResult:
        self.done.append(command[0])
        return ExecResult(0, "")


def store_that_is_away() -> BackupStore:
    options: dict[str, Any] = {
        "key": "k",
        "secret": "s",
        "endpoint_url": f"http://127.0.0.1:{free_port()}",
        "config_kwargs": {"retries": {"total_max_attempts": 1}},
    }
    return BackupStore(open_files("s3://bucket/kept", options, part_size=5 << 20))


class House:
    """The fleet with `web` on its engine, and a local store for backups; another one is away."""

    def __init__(self, fleet: Seeded, directory: Path) -> None:
        self.fleet = fleet
        self.engine = Engine()
        self.stores = {"": BackupStore(LocalFiles(directory)), "away": store_that_is_away()}
        fleet.run("web", mounts=(DATA,))

    @contextmanager
    def opens(self, _host: str) -> Iterator[Runtime]:
        yield cast("Runtime", self.engine)

    def back_up(self) -> Kept:
        return back_up_workload(
            self.fleet.database, "alpha/web", self.opens, self.stores.__getitem__, actor=ANN, reason="r"
        )

    def back_up_if_due(self) -> Kept | None:
        return back_up_if_due(
            self.fleet.database, "alpha/web", self.opens, self.stores.__getitem__, actor=ANN, reason="r"
        )

    def due(self, after: timedelta = timedelta(0)) -> Sequence[str]:
        return due_for_backup(self.fleet.database, utc_now() + after)

    def rows(self) -> Sequence[ContainerBackup]:
        with self.fleet.database.session() as session:
            return [row for row, _ in BackupRepository(session).listing()]


@pytest.fixture
def house(fleet: Seeded, tmp_path: Path) -> House:
    return House(fleet, tmp_path)


def test_nothing_is_stopped_or_run_for_a_store_that_does_not_answer(house: House) -> None:
    house.fleet.policy(backup_before="dump", backup_after="tidy", backup_store="away")
    with pytest.raises(UnreachableError):
        house.back_up()
    assert house.engine.done == []
    assert [row.status for row in house.rows()] == [BackupStatus.FAILED]


def test_nothing_is_stopped_for_a_restore_whose_safety_copy_could_not_be_made(house: House) -> None:
    kept = house.back_up()
    house.engine.done.clear()
    house.fleet.policy(backup_store="away")
    with pytest.raises(UnreachableError):
        restore_backup(house.fleet.database, kept.backup_id, house.opens, house.stores.__getitem__, actor=ANN)
    assert house.engine.done == []


def test_a_store_that_answers_has_the_backup_and_nothing_of_how_it_was_tried(house: House) -> None:
    house.fleet.policy(backup_before="dump", backup_after="tidy")
    place = Path(str(house.back_up().location))
    assert house.engine.done == ["dump", "stop", "start", "tidy"]
    assert sorted(each.name for each in place.iterdir()) == ["01-data.tar.zst", "manifest.json"]


def test_one_workload_is_excepted_by_0s(house: House) -> None:
    house.fleet.policy(backup_every="1d")
    assert house.due() == ["alpha/web"]
    house.fleet.policy(PolicyScope.CONTAINER, "alpha/web", backup_every="0s")
    assert house.due() == []


def test_it_is_not_stopped_once_the_window_has_closed_or_another_run_has_done_it(house: House) -> None:
    """Its turn may come hours after it was found due."""
    house.fleet.policy(backup_every="1d")
    assert house.due() == ["alpha/web"]
    opens, closes = (utc_now() + timedelta(hours=hours) for hours in (6, 8))
    house.fleet.policy(backup_every="1d", windows=[f"daily {opens:%H:%M}-{closes:%H:%M} UTC"])
    assert house.back_up_if_due() is None
    assert house.engine.done == []
    house.fleet.policy(backup_every="1d")
    assert house.back_up_if_due() is not None
    assert house.back_up_if_due() is None
    assert house.engine.done == ["stop", "start"]


def test_one_that_failed_is_not_tried_in_each_round_and_on_request_at_any_time(house: House) -> None:
    house.fleet.policy(backup_every="1d", backup_store="away")
    for _ in range(3):
        with pytest.raises(UnreachableError):
            house.back_up()
    assert [hour for hour in range(6) if house.due(timedelta(hours=hour))] == [4, 5]
    house.fleet.policy(backup_every="1d")
    assert house.back_up()
    assert [hour for hour in (4, 23, 24) if house.due(timedelta(hours=hour))] == [24]
