"""Backups that are tried, and restored under another name, on a real engine."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from pyrage import x25519

from tests.integration.fleet import dying
from tests.integration.fleet.dying import kill
from tests.integration.fleet.house import ANN, House
from tests.lab.postgres import await_no_locks
from uptainer.backups.backup import Backup
from uptainer.backups.local import LocalFiles
from uptainer.backups.sealing import Seal
from uptainer.backups.store import BackupStore
from uptainer.core.clock import utc_now
from uptainer.core.errors import (
    BusyError,
    InvalidInputError,
    PermanentError,
    RefusedError,
    UnfinishedError,
    UnreachableError,
)
from uptainer.fleet.abandoned import settle_abandoned
from uptainer.fleet.backing_up import Kept, back_up_workload
from uptainer.fleet.copying import restore_as
from uptainer.fleet.leftovers import prune_host
from uptainer.fleet.proving import Trial, backups_to_try, try_backup
from uptainer.fleet.reports import report_night
from uptainer.fleet.restoring import restore_backup
from uptainer.fleet.updating import backups_below
from uptainer.notices.notice import Event
from uptainer.store.models import ContainerBackup
from uptainer.store.repositories.backups import BackupRepository
from uptainer.store.repositories.notices import NoticeRepository
from uptainer.updates.locks import claim_workload

FILL = "mkdir -p /data/deep; echo one > /data/deep/one; ln /data/deep/one /data/two; ln -s two /data/link; chmod 4711 /data/two"
MONTH = timedelta(days=28)


@pytest.fixture
def kept(house: House) -> Kept:
    """Of `web`, which runs on a filled volume."""
    house.run(volumes=["data:/data"])
    house.sh(FILL)
    house.discover()
    return back_up(house)


def back_up(house: House) -> Kept:
    return back_up_workload(house.database, "lab/web", house.opens, house.stores, actor=ANN, reason="test")


def attempt(house: House, backup_id: int, *, start: bool = False) -> Trial:
    return try_backup(house.database, backup_id, house.opens, house.stores, actor=ANN, start=start)


def row_of(house: House, backup_id: int) -> ContainerBackup:
    with house.database.session() as session:
        return BackupRepository(session).by_id(backup_id)


def due(house: House) -> list[int]:
    return list(backups_to_try(house.database, utc_now(), every=MONTH, limit=10))


def volumes(house: House) -> set[str]:
    return {each.name for each in house.engine.client.volumes.list()}


def test_a_good_backup_passes_and_nothing_is_left_of_the_try(house: House, kept: Kept) -> None:
    before = house.view().container.runtime_id
    newer = back_up(house)
    assert due(house) == [newer.backup_id]
    trial = attempt(house, newer.backup_id, start=True)
    assert (trial.passed, trial.workload) == (True, "lab/web")
    assert trial.said.startswith("5 files came back as they were kept; started without a network, ")
    assert (house.names(), volumes(house)) == (["web"], {"data"})
    row = row_of(house, newer.backup_id)
    assert (row.test_passed, row.test_said) == (True, trial.said)
    assert due(house) == []
    with house.database.session() as session:
        assert f"| {newer.backup_id} | lab/web | passed |" in report_night(session, utc_now())
    house.discover()
    assert house.view().container.runtime_id == before


def test_a_backup_whose_image_is_gone_is_read_whole_and_called_neither_bad_nor_proven(
    house: House, kept: Kept
) -> None:
    old = house.engine.client.containers.get("web")
    old.remove(force=True)
    house.run("2.0.0", volumes=["data:/data"])
    house.engine.client.images.remove(str(old.attrs["Image"]), force=True)
    trial = attempt(house, kept.backup_id)
    assert trial.passed is None
    assert (row_of(house, kept.backup_id).test_passed, due(house)) == (None, [])
    assert trial.said.startswith("5 files were read whole, and not restored: the image of web")
    assert volumes(house) == {"data"}


def test_a_damaged_backup_fails_and_people_are_told(house: House, kept: Kept) -> None:
    archive = Path(str(kept.location)) / Backup.read(kept.location).archives[0].file
    archive.write_bytes(archive.read_bytes()[:-3])
    trial = attempt(house, kept.backup_id)
    assert not trial.passed
    assert row_of(house, kept.backup_id).test_passed is False
    assert (house.names(), volumes(house)) == (["web"], {"data"})
    with house.database.session() as session:
        (notice,) = NoticeRepository(session).unrouted()
        assert (notice.event, notice.subject) == (Event.BACKUP_TEST_FAILED, "workload/lab/web")


def test_what_its_store_cannot_open_is_neither_good_nor_bad_and_nothing_is_restored_without_a_way_back(
    house: House, kept: Kept, tmp_path: Path
) -> None:
    seal = Seal(recipients=(str(x25519.Identity.generate().to_public()),))
    closed = BackupStore(LocalFiles(tmp_path / "offsite"), "offsite", seal)

    def stores(block: str) -> BackupStore:
        return closed if block else house.stores("")

    def restore(backup_id: int) -> None:
        restore_backup(house.database, backup_id, house.opens, stores, actor=ANN)

    house.policy(backup_store="offsite", backup_consistency="live")
    sealed = back_up_workload(house.database, "lab/web", house.opens, stores, actor=ANN, reason="test")
    trial = try_backup(house.database, sealed.backup_id, house.opens, stores, actor=ANN)
    assert trial.passed is None
    assert trial.said.startswith("1 volumes lie there as they were written, and were not restored")
    assert (row_of(house, sealed.backup_id).test_passed, due(house)) == (None, [])
    before = house.engine.client.containers.get("web").attrs["State"]
    with pytest.raises(PermanentError, match="the backup store 'offsite' holds no key that opens it"):
        restore(sealed.backup_id)
    with pytest.raises(RefusedError, match="'offsite', which encrypts to keys that it cannot open"):
        restore(kept.backup_id)
    assert house.engine.client.containers.get("web").attrs["State"] == before


def test_what_reaches_into_the_machine_is_compared_and_not_started(house: House, tmp_path: Path) -> None:
    house.run(volumes=["data:/data", f"{tmp_path}:/machine"])
    house.discover()
    trial = attempt(house, back_up(house).backup_id, start=True)
    assert trial.passed
    assert "not started, for it would reach folders or sockets of the machine" in trial.said


@pytest.mark.parametrize("clear", ["next try", "prune"])
def test_what_a_dead_try_left_is_cleared_away(house: House, kept: Kept, clear: str) -> None:
    die(house, "uptainer.runtimes.engine.machine_tar:MachineTar.write", dying.attempt, kept.backup_id)
    assert (len(house.names()), len(volumes(house))) == (3, 2)
    house.discover()
    if clear == "prune":
        prune_host(house.database, "lab", house.opens, utc_now())
    else:
        assert attempt(house, kept.backup_id).passed
    assert (house.names(), volumes(house)) == (["web"], {"data"})


def test_a_backup_becomes_another_container_and_the_first_is_left_alone(house: House, kept: Kept) -> None:
    house.sh("echo later > /data/two; rm /data/link")
    assert copy(house, kept, "twin", start=True) == (
        f"lab/twin was made from backup {kept.backup_id} of lab/web, with twin-data; it publishes no ports; it runs"
    )
    assert house.sh("cat /data/link; stat -c %a%h /data/two", key="twin").split() == ["one", "47112"]
    assert house.sh("cat /data/two") == "later\n"
    assert house.view("twin").container.name == "twin"
    assert [each.action for each in house.audit("workload/lab/twin")] == ["backup.restored-as"]
    with pytest.raises(RefusedError, match="a container named twin already"):
        copy(house, kept, "twin")
    for name in ("no name", "uptainer-test-web-00000000000c", "-x"):
        with pytest.raises(InvalidInputError, match="can't be a container's name"):
            copy(house, kept, name)
    assert settle(house) == []


def copy(house: House, kept: Kept, name: str, *, start: bool = False) -> str:
    return restore_as(house.database, kept.backup_id, house.opens, house.stores, name, actor=ANN, start=start)


def settle(house: House) -> list[tuple[bool, str]]:
    return [(each.done, each.said) for each in settle_abandoned(house.database, house.opens, house.stores)]


def die(house: House, where: str, act: Callable[..., None], *given: object) -> None:
    kill(act, *given, database=house.database, root=backups_below(house.settings), where=where)


CUT_OFF = (
    "copy",
    "uptainer.runtimes.docker.restoring:create",
    "write_mount",
    "uptainer.runtimes.engine.machine_tar:MachineTar.write",
    "uptainer.runtimes.engine.machine_tar:MachineTar._end",
    "uptainer.store.repositories.backups:BackupRepository.copied",
)
"""Nothing is made, its volume is, the container too, a helper too, all is written, and nobody knows it."""


def test_a_copy_that_was_cut_off_is_removed_wherever_that_was_and_a_whole_one_stays(
    house: House, kept: Kept
) -> None:
    for where in CUT_OFF:
        die(house, where, dying.copy, kept.backup_id, "twin")
        with claim_workload(house.database, "lab", "twin"):
            assert settle(house) == []
        await_no_locks(house.database.url)
        said = (
            f"the copy lab/twin of backup {kept.backup_id} was cut off, and what there was of it is removed"
        )
        assert settle(house) == [(True, said)]
        assert (house.names(), volumes(house)) == (["web"], {"data"}), where
    die(house, "start", dying.copy, kept.backup_id, "twin")
    assert settle(house) == []
    assert (house.names(), volumes(house)) == (["twin", "web"], {"data", "twin-data"})
    assert len(house.audit("workload/lab/twin")) == len(CUT_OFF) + 1


def test_what_there_is_of_a_copy_that_failed_is_removed_at_once_or_by_recovery(
    house: House, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    from uptainer.runtimes.docker.runtime import DockerRuntime  # noqa: PLC0415 -- for this test alone

    def fails(*_: object) -> None:
        raise UnreachableError("the engine went away")

    monkeypatch.setattr(DockerRuntime, "write_mount", fails)
    with pytest.raises(UnreachableError):
        copy(house, kept, "twin")
    assert (settle(house), house.names(), volumes(house)) == ([], ["web"], {"data"})
    with monkeypatch.context() as away:
        away.setattr(DockerRuntime, "discard", fails)
        with pytest.raises(UnfinishedError, match="What there is of twin could not be removed"):
            copy(house, kept, "twin")
        with pytest.raises(BusyError, match=r"the copy twin of backup .* was cut off, and is removed first"):
            copy(house, kept, "other")
        ((done, _),) = settle(house)
        assert not done
    ((done, _),) = settle(house)
    assert (done, house.names(), volumes(house)) == (True, ["web"], {"data"})
