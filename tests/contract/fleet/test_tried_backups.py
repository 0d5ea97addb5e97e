"""Trying a backup: it is called bad for what is wrong with it, and for nothing that is the store's, the engine's or the disk's."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from pyrage import x25519

from tests.contract.fleet.seeded import ANN, Seeded
from tests.lab.facts import container
from tests.lab.volumes import DATA, Volumes, tar_of
from uptainer.backups.backup import Backup
from uptainer.backups.local import LocalFiles
from uptainer.backups.sealing import Seal
from uptainer.backups.store import BackupStore
from uptainer.core.clock import utc_now
from uptainer.core.errors import (
    AccessDeniedError,
    InvalidInputError,
    NotFoundError,
    PermanentError,
    UnsupportedError,
)
from uptainer.core.workloads import ContainerFacts, Mount
from uptainer.fleet.backing_up import back_up_workload
from uptainer.fleet.proving import Trial, try_backup
from uptainer.fleet.pruning import prune_backups
from uptainer.runtimes.capabilities import Capabilities
from uptainer.runtimes.copies import Copy
from uptainer.runtimes.port import Runtime
from uptainer.store.repositories.backups import BackupRepository
from uptainer.store.repositories.notices import NoticeRepository


class Engine(Volumes):
    """`web` runs on it, with a volume; a copy of it gets back what is written into its own.

    What it `refuses` it raises; one that `loses` says that it wrote, and did not write all.
    """

    def __init__(self) -> None:
        super().__init__(data=tar_of(file=b"1"))
        self.refuses: dict[str, Exception] = {}
        self.loses = False
        self.free = 10 << 30

    def capabilities(self, kind: str) -> Capabilities:
        return Capabilities(kind)

    def containers(self) -> Sequence[ContainerFacts]:
        return [container("web", mounts=(DATA,))]

    def configuration(self, key: str) -> dict[str, Any]:
        return {"container": {"Mounts": [{"Type": "volume", "Name": "data", "RW": True}]}}

    def copy(self, configuration: Any, copy: Copy) -> None:
        self._refuse("copy")

    def free_bytes(self) -> int:
        self._refuse("df")
        return self.free

    def discard(self, mark: str) -> None: ...

    def trial_copies(self) -> Sequence[str]:
        return ()

    @contextmanager
    def read_mount(self, key: str, mount: Mount) -> Iterator[Iterator[bytes]]:
        if mount.name == DATA.name:
            with super().read_mount(key, mount) as tar:
                yield tar
            return
        self._refuse("read")
        yield iter((self.restored[mount.name],))

    def write_mount(self, key: str, mount: Mount, tar: Iterator[bytes]) -> None:
        self._refuse("write")
        super().write_mount(key, mount, iter((tar_of(),)) if self.loses else tar)

    def _refuse(self, what: str) -> None:
        if fault := self.refuses.get(what):
            raise fault


class House:
    """The fleet with a backup of `web`, which is small and whole."""

    def __init__(self, fleet: Seeded, directory: Path) -> None:
        self.fleet = fleet
        self.engine = Engine()
        self.store: BackupStore | Exception = BackupStore(LocalFiles(directory))
        fleet.run("web", mounts=(DATA,))
        fleet.policy(backup_keep=1, backup_keep_for="0s", backup_consistency="live")
        self.backup_id = self.back_up()

    def back_up(self) -> int:
        made = back_up_workload(
            self.fleet.database, "alpha/web", self.opens, self.stores, actor=ANN, reason="r"
        )
        return made.backup_id

    def attempt(self) -> Trial:
        return try_backup(self.fleet.database, self.backup_id, self.opens, self.stores, actor=ANN)

    @contextmanager
    def opens(self, _host: str) -> Iterator[Runtime]:
        yield cast("Runtime", self.engine)

    def stores(self, _block: str) -> BackupStore:
        if isinstance(self.store, Exception):
            raise self.store
        return self.store

    def archive(self) -> Path:
        with self.fleet.database.session() as session:
            place = BackupRepository(session).by_id(self.backup_id).location
        return Path(place) / Backup.read(self.stores("").at(place)).archives[0].file

    def told(self) -> int:
        with self.fleet.database.session() as session:
            return len(NoticeRepository(session).unrouted())


@pytest.fixture
def house(fleet: Seeded, tmp_path: Path) -> House:
    return House(fleet, tmp_path)


def lose_store(fault: Exception) -> Callable[[House], None]:
    def lose(house: House) -> None:
        house.store = fault

    return lose


def lock_store(house: House) -> None:
    class Locked(LocalFiles):
        def holds(self, place: str, name: str) -> bool:
            raise AccessDeniedError("the backup store s3://b does not let us in: ExpiredToken")

    house.store = BackupStore(Locked(house.archive().parent))


def change_keys(house: House) -> None:
    """Of an encrypted one, which is whole."""
    assert isinstance(house.store, BackupStore)
    house.store = BackupStore(house.store.files, seal=_new_seal())
    house.backup_id = house.back_up()
    house.store = BackupStore(house.store.files, seal=_new_seal())


def _new_seal() -> Seal:
    return Seal(identities=(str(x25519.Identity.generate()),))


def refuse(what: str, fault: Exception) -> Callable[[House], None]:
    def change(house: House) -> None:
        house.engine.refuses[what] = fault

    return change


def fill_disk(house: House) -> None:
    house.engine.free = 1 << 20


NOT_ITS_FAULT: dict[str, tuple[Callable[[House], None], str]] = {
    "no such block": (lose_store(NotFoundError("there is no backup store 'x'")), "there is no backup store"),
    "keys expired": (lock_store, "does not let us in: ExpiredToken"),
    "keys changed": (change_keys, "none of the store's keys opens it"),
    "disk full": (refuse("write", PermanentError("tar ended with 2: No space left")), "No space left"),
    "little room": (fill_disk, "read whole, and not restored: it unpacks to 10240 bytes, and too little"),
    "folder gone": (refuse("copy", InvalidInputError("bind source path does not exist")), "bind source path"),
    "not read": (refuse("read", PermanentError("tar ended with 2: Input/output error")), "Input/output"),
}


@pytest.mark.parametrize(("spoil", "said"), NOT_ITS_FAULT.values(), ids=NOT_ITS_FAULT)
def test_what_is_not_its_fault_leaves_a_backup_as_good_as_it_was(
    house: House, spoil: Callable[[House], None], said: str
) -> None:
    store = house.store
    house.back_up()
    house.backup_id = house.back_up()
    spoil(house)
    trial = house.attempt()
    assert (trial.passed, house.told()) == (None, 0)
    assert said in trial.said
    house.store = store
    prune_backups(house.fleet.database, house.stores, utc_now() + timedelta(days=1))
    with house.fleet.database.session() as session:
        rows = [row for row, _ in BackupRepository(session).listing()]
    assert [row.id for row in rows if row.status == "succeeded"] == [house.backup_id]


def cut_off(house: House) -> None:
    archive = house.archive()
    archive.write_bytes(archive.read_bytes()[:-3])


def lose_backup(house: House) -> None:
    (house.archive().parent / "manifest.json").unlink()


def restore_less(house: House) -> None:
    house.engine.loses = True


ITS_FAULT: dict[str, tuple[Callable[[House], None], str]] = {
    "cut off": (cut_off, "is not what was written: its size or checksum differs"),
    "manifest gone": (lose_backup, "there is no backup in"),
    "comes back otherwise": (restore_less, "/data does not come back as it was kept: file"),
}


@pytest.mark.parametrize(("spoil", "said"), ITS_FAULT.values(), ids=ITS_FAULT)
def test_one_that_is_not_what_was_kept_has_failed_and_people_are_told(
    house: House, spoil: Callable[[House], None], said: str
) -> None:
    spoil(house)
    trial = house.attempt()
    assert (trial.passed, house.told()) == (False, 1)
    assert said in trial.said


def test_one_that_comes_back_as_it_was_kept_has_passed_also_where_nobody_says_how_much_room_there_is(
    house: House,
) -> None:
    refuse("df", UnsupportedError("it is reached by TCP"))(house)
    assert house.attempt().passed


def test_one_that_failed_is_not_good_again_because_it_could_not_be_tried(house: House) -> None:
    cut_off(house)
    failed = house.attempt()
    house.store = NotFoundError("there is no backup store 'x'")
    assert (failed.passed, house.attempt().passed) == (False, None)
    with house.fleet.database.session() as session:
        row = BackupRepository(session).by_id(house.backup_id)
        assert (row.test_passed, row.test_said) == (False, failed.said)
