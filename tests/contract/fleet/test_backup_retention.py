"""Which backups stay, and what becomes of those that go."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.contract.fleet.seeded import Seeded
from tests.lab.facts import NOW, digest
from tests.lab.room import free_port
from tests.lab.s3 import BUCKET, S3Server
from uptainer.backups.local import local_stores
from uptainer.backups.opening import open_files
from uptainer.backups.store import BackupStore, Stores
from uptainer.core.enums import BackupStatus, UpdateStatus
from uptainer.fleet.pruning import prune_backups
from uptainer.store.models import ContainerBackup
from uptainer.store.repositories.backups import BackupRepository
from uptainer.updates.locks import claim_workload

DAY = timedelta(days=1)


def removed(fleet: Seeded, directory: Path) -> int:
    return prune_backups(fleet.database, local_stores(directory), NOW).removed


def add_backup(
    fleet: Seeded,
    directory: Path,
    age: timedelta,
    *,
    data: bool = True,
    good: bool = True,
    of: int | None = None,
) -> int:
    place = directory / f"{age.days}-{data}-{good}"
    place.mkdir(parents=True)
    row = ContainerBackup(
        container_id=fleet.id_of("web"),
        update_id=of,
        status=BackupStatus.SUCCEEDED if good else BackupStatus.FAILED,
        reason="test",
        image_reference="nginx:1.27",
        image_digest=digest("running"),
        image_id=digest("image"),
        configuration={},
        location=str(place),
        archives=[{"mount": "data"}] if data else [],
        created_at=NOW - age,
        verified_at=NOW - age if good else None,
    )
    with fleet.database.session() as session:
        session.add(row)
        session.flush()
        return row.id


def left(directory: Path) -> list[str]:
    return sorted(each.name for each in directory.iterdir())


def test_the_last_good_backup_stays_however_old_it_is(fleet: Seeded, tmp_path: Path) -> None:
    fleet.policy(backup_keep=1)
    fleet.run("web")
    add_backup(fleet, tmp_path, 400 * DAY)
    add_backup(fleet, tmp_path, 300 * DAY, good=False)
    assert removed(fleet, tmp_path) == 1
    assert left(tmp_path) == ["400-True-True"]


def test_backups_without_data_do_not_push_out_the_last_one_with_it(fleet: Seeded, tmp_path: Path) -> None:
    fleet.policy(backup_keep=1)
    fleet.run("web")
    add_backup(fleet, tmp_path, 50 * DAY)
    for days in (20, 10):
        add_backup(fleet, tmp_path, days * DAY, data=False)
    assert removed(fleet, tmp_path) == 1
    assert left(tmp_path) == ["10-False-True", "50-True-True"]


def test_safety_copies_of_restores_do_not_push_out_the_backup_that_was_restored(
    fleet: Seeded, tmp_path: Path
) -> None:
    fleet.policy(backup_keep=1)
    fleet.run("web")
    source = add_backup(fleet, tmp_path, 50 * DAY)
    for days in (20, 10):
        change(fleet, add_backup(fleet, tmp_path, days * DAY), restores_id=source)
    assert removed(fleet, tmp_path) == 1
    assert left(tmp_path) == ["10-True-True", "50-True-True"]


def test_the_only_backup_stays_although_a_try_to_restore_it_failed(fleet: Seeded, tmp_path: Path) -> None:
    fleet.run("web")
    change(fleet, add_backup(fleet, tmp_path, 50 * DAY), test_passed=False)
    assert removed(fleet, tmp_path) == 0


def test_what_an_open_update_may_need_stays(fleet: Seeded, tmp_path: Path) -> None:
    fleet.policy(backup_keep=1, mode="auto", unscanned="allow")
    made = fleet.propose()
    add_backup(fleet, tmp_path, 50 * DAY, of=made)
    add_backup(fleet, tmp_path, 10 * DAY)
    assert removed(fleet, tmp_path) == 0
    fleet.move(made, UpdateStatus.FAILED)
    assert removed(fleet, tmp_path) == 1


def test_what_is_being_restored_stays_until_the_next_time(fleet: Seeded, tmp_path: Path) -> None:
    fleet.policy(backup_keep=1)
    fleet.run("web")
    for days in (50, 10):
        add_backup(fleet, tmp_path, days * DAY)
    with claim_workload(fleet.database, "alpha", "web"):
        assert removed(fleet, tmp_path) == 0
    assert removed(fleet, tmp_path) == 1


def row_of(fleet: Seeded, number: int) -> ContainerBackup:
    with fleet.database.session() as session:
        return BackupRepository(session).by_id(number)


def change(fleet: Seeded, number: int, **values: Any) -> None:
    with fleet.database.session() as session:
        row = BackupRepository(session).by_id(number)
        for name, value in values.items():
            setattr(row, name, value)


def test_a_policy_says_for_how_long_a_backup_is_kept_however_many_there_are(
    fleet: Seeded, tmp_path: Path
) -> None:
    fleet.policy(backup_keep=1, backup_keep_for="30d")
    fleet.run("web")
    for days in (31, 29, 1):
        add_backup(fleet, tmp_path, days * DAY)
    assert removed(fleet, tmp_path) == 1
    assert left(tmp_path) == ["1-True-True", "29-True-True"]


def test_one_whose_restore_was_tried_in_vain_is_not_the_last_good_one(fleet: Seeded, tmp_path: Path) -> None:
    fleet.policy(backup_keep=1)
    fleet.run("web")
    add_backup(fleet, tmp_path, 50 * DAY)
    change(fleet, add_backup(fleet, tmp_path, 10 * DAY), test_passed=False)
    assert removed(fleet, tmp_path) == 1
    assert left(tmp_path) == ["50-True-True"]


def test_one_that_has_become_the_last_good_one_meanwhile_stays(fleet: Seeded, tmp_path: Path) -> None:
    fleet.policy(backup_keep=1)
    fleet.run("web")
    old, newer = (add_backup(fleet, tmp_path, days * DAY) for days in (50, 10))

    def failing(block: str) -> BackupStore:
        change(fleet, newer, test_passed=False)
        return local_stores(tmp_path)(block)

    found = prune_backups(fleet.database, failing, NOW)
    assert found.removed == 0
    assert found.failures == (f"backup {old} of alpha/web stays: it has become the one that is needed",)
    assert removed(fleet, tmp_path) == 1
    assert left(tmp_path) == ["50-True-True"]


def test_the_newest_that_was_proven_by_a_restore_stays(fleet: Seeded, tmp_path: Path) -> None:
    fleet.policy(backup_keep=1)
    fleet.run("web")
    change(fleet, add_backup(fleet, tmp_path, 50 * DAY), test_passed=True)
    for days in (20, 10):
        add_backup(fleet, tmp_path, days * DAY)
    assert removed(fleet, tmp_path) == 1
    assert left(tmp_path) == ["10-True-True", "50-True-True"]


def test_what_a_restore_that_is_not_over_reads_from_stays(fleet: Seeded, tmp_path: Path) -> None:
    fleet.policy(backup_keep=1)
    fleet.run("web")
    source = add_backup(fleet, tmp_path, 50 * DAY)
    add_backup(fleet, tmp_path, 20 * DAY)
    copy = add_backup(fleet, tmp_path, 10 * DAY)
    change(fleet, copy, status=BackupStatus.RUNNING, restores_id=source)
    assert removed(fleet, tmp_path) == 0
    change(fleet, copy, status=BackupStatus.SUCCEEDED)
    assert removed(fleet, tmp_path) == 1


def stores_of(s3: S3Server, directory: Path, **changed: Any) -> Stores:
    """The local directory, and the bucket by the name `offsite`."""
    local = local_stores(directory)
    options = {**s3.options, "config_kwargs": {"retries": {"total_max_attempts": 1}}, **changed}

    def opened(block: str) -> BackupStore:
        return BackupStore(open_files(s3.bucket, options, part_size=5 << 20), block) if block else local("")

    return opened


def test_what_lies_in_a_store_that_is_away_stays_and_goes_next_time(
    fleet: Seeded, s3: S3Server, tmp_path: Path
) -> None:
    fleet.policy(backup_keep=1)
    fleet.run("web")
    far = add_backup(fleet, tmp_path, 50 * DAY)
    change(fleet, far, store="offsite", location=f"{s3.bucket}/alpha/web/far")
    near = add_backup(fleet, tmp_path, 40 * DAY)
    add_backup(fleet, tmp_path, 10 * DAY)
    for name in ("manifest.json", "a.tar.zst"):
        s3.write(f"alpha/web/far/{name}", b"{}")
    away = stores_of(s3, tmp_path, endpoint_url=f"http://127.0.0.1:{free_port()}")
    found = prune_backups(fleet.database, away, NOW)
    assert found.removed == 1
    assert [f"backup {far} of alpha/web is not removed yet" in said for said in found.failures] == [True]
    assert row_of(fleet, far).status is BackupStatus.SUCCEEDED
    assert row_of(fleet, near).removed_at == NOW
    assert prune_backups(fleet.database, stores_of(s3, tmp_path), NOW).removed == 1
    assert row_of(fleet, far).status is BackupStatus.PRUNED
    assert s3.keys("alpha/web/far") == []


def test_one_whose_removal_broke_off_is_removed_next_time_and_never_restored(
    fleet: Seeded, s3: S3Server, tmp_path: Path
) -> None:
    fleet.run("web")
    half = add_backup(fleet, tmp_path, 50 * DAY)
    change(fleet, half, store="offsite", location=f"{s3.bucket}/alpha/web/half", status=BackupStatus.PRUNED)
    s3.write("alpha/web/half/a.tar.zst", b"{}")
    assert prune_backups(fleet.database, stores_of(s3, tmp_path), NOW).removed == 1
    assert row_of(fleet, half).removed_at == NOW
    assert s3.client.list_objects_v2(Bucket=BUCKET, Prefix="alpha/web/half")["KeyCount"] == 0
    assert prune_backups(fleet.database, stores_of(s3, tmp_path), NOW).removed == 0
