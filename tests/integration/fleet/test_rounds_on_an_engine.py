"""The fleet's rounds on a real engine, a real registry and a real database."""

from datetime import timedelta

import pytest

from tests.integration.fleet.house import ANN, House
from uptainer.backups.backup import Backup, exists
from uptainer.core.clock import utc_now
from uptainer.core.enums import CheckResult, Consistency, ContainerStatus, UpdateStatus
from uptainer.core.errors import BusyError, InvalidInputError, NotFoundError, RefusedError
from uptainer.fleet.backing_up import back_up_workload
from uptainer.fleet.leftovers import prune_host
from uptainer.fleet.operating import Operation, Order, operate
from uptainer.fleet.probing import probe_host
from uptainer.fleet.restoring import restore_backup
from uptainer.store.repositories.backups import BackupRepository
from uptainer.store.repositories.updates import UpdateRepository
from uptainer.updates.locks import claim_workload

DAY = timedelta(days=1)


def test_an_update_is_found_asked_for_applied_and_not_offered_again(house: House) -> None:
    house.policy()
    before = house.run("1.0.0")
    house.image("1.1.0")
    (made,) = house.round().proposed
    house.approve(made.id)
    assert house.apply(made.id).status is UpdateStatus.SUCCEEDED
    assert house.view().container.runtime_id != before.id
    assert house.round().proposed == ()
    assert house.view().check is not None
    assert house.view().check.result is CheckResult.UP_TO_DATE  # type: ignore[union-attr]  # -- asserted above


def test_right_after_an_update_nothing_is_believed_of_the_container_before_it(house: House) -> None:
    """The next check may come before the next discovery."""
    house.policy(mode="auto")
    house.run("1.0.0")
    house.image("1.1.0")
    (made,) = house.round().proposed
    assert made.approved
    house.apply(made.id)
    house.check()
    with house.database.session() as session:
        assert UpdateRepository(session).open() == []
    check = house.view().check
    assert check is not None
    assert check.result is CheckResult.UP_TO_DATE


def test_a_tag_that_moved_is_one_candidate_and_is_asked_for_conditionally(house: House) -> None:
    house.run("latest")
    house.push("latest", env={"NEW": "1"})
    house.discover()
    (first,) = house.check().values()
    (second,) = house.check().values()
    assert (first.with_candidates, first.unknown) == (1, 0)
    assert second.requests <= first.requests


def test_a_registry_that_lost_the_image_makes_it_unknown(house: House) -> None:
    house.run("1.0.0")
    house.discover()
    house.unpublish(house.image("1.0.0"))
    (report,) = house.check().values()
    assert (report.unknown, report.with_candidates) == (1, 0)
    check = house.view().check
    assert check is not None
    assert check.result is CheckResult.UNKNOWN
    assert check.reason


def test_a_renamed_container_is_another_workload_and_the_update_of_the_old_name_ends(house: House) -> None:
    house.policy()
    started = house.run("1.0.0")
    house.image("1.1.0")
    (made,) = house.round().proposed
    started.rename("shop")
    (again,) = house.round().proposed
    assert again.workload == "shop"
    house.approve(again.id)
    assert house.apply(again.id).status is UpdateStatus.SUCCEEDED
    assert house.view("web").container.status is ContainerStatus.VANISHED
    assert house.names() == ["shop"]
    with pytest.raises(AssertionError):
        house.approve(made.id)


def test_an_approved_update_of_a_container_made_anew_touches_nothing(house: House) -> None:
    house.policy()
    started = house.run("1.0.0")
    house.image("1.1.0")
    (made,) = house.round().proposed
    house.approve(made.id)
    started.remove(force=True)
    other = house.run("0.9.0")
    assert house.apply(made.id).status is UpdateStatus.SUPERSEDED
    assert house.view().container.runtime_id == other.id
    assert house.names() == ["web"]


def test_a_container_that_is_kept_is_removed_when_its_time_is_over(house: House) -> None:
    house.policy(keep_old_container="2d", keep_old_image="2d")
    before = house.run("1.0.0")
    house.image("1.1.0")
    (made,) = house.round().proposed
    house.approve(made.id)
    house.apply(made.id)
    kept = f"uptainer-old-web-{str(before.id)[:12]}"
    assert house.names() == [kept, "web"]
    assert house.round().proposed == ()
    assert house.view(kept).check is not None
    assert house.view(kept).check.result is CheckResult.EXCLUDED  # type: ignore[union-attr]  # -- asserted above
    assert probe_host(house.database, "lab", house.opens).containers == 1
    assert prune_host(house.database, "lab", house.opens, utc_now() + DAY).containers == 0
    pruned = prune_host(house.database, "lab", house.opens, utc_now() + 3 * DAY)
    assert (pruned.containers, pruned.failures) == (1, ())
    assert house.names() == ["web"]
    assert house.audit()[-1].action == "container.pruned"


def test_replaced_images_go_once_and_images_in_use_stay(house: House) -> None:
    house.policy(keep_old_image="1d")
    before = house.run("1.0.0")
    house.image("1.1.0")
    (made,) = house.round().proposed
    house.approve(made.id)
    house.apply(made.id)
    later = utc_now() + 2 * DAY
    assert prune_host(house.database, "lab", house.opens, utc_now()).images == 0
    user = house.engine.client.containers.create(before.attrs["Image"], name="other")
    assert prune_host(house.database, "lab", house.opens, later).images == 0
    user.remove()
    assert prune_host(house.database, "lab", house.opens, later).images == 1
    assert prune_host(house.database, "lab", house.opens, later).images == 0


def test_each_operation_does_what_it_says_and_is_on_record(house: House) -> None:
    house.run("1.0.0")
    house.discover()
    steps = (
        (Operation.STOP, ContainerStatus.EXITED),
        (Operation.START, ContainerStatus.RUNNING),
        (Operation.PAUSE, ContainerStatus.PAUSED),
        (Operation.UNPAUSE, ContainerStatus.RUNNING),
        (Operation.RESTART, ContainerStatus.RUNNING),
    )
    for operation, after in steps:
        do(house, Order(operation))
        assert house.view().container.status is after
    assert do(house, Order(Operation.EXEC, ("echo", "hello"))) == "hello\n"
    assert '"Image"' in do(house, Order(Operation.INSPECT))
    do(house, Order(Operation.LOGS))
    with pytest.raises(RefusedError):
        do(house, Order(Operation.EXEC, ("sh", "-c", "echo no; exit 3")))
    do(house, Order(Operation.REMOVE, force=True))
    assert house.names() == []
    done = [entry.action.removeprefix("workload.") for entry in house.audit()]
    changing = [operation.value for operation, _ in steps]
    assert done == [*changing, "exec", "exec", "exec.failed", "remove"]
    assert {entry.actor for entry in house.audit()} == {"ann"}
    assert house.audit()[-2].details["error"].startswith("the command ended with 3")


def test_nothing_is_done_while_an_update_works_on_it(house: House) -> None:
    house.run("1.0.0")
    house.discover()
    with claim_workload(house.database, "lab", "web"):
        for order in (Order(Operation.STOP), Order(Operation.EXEC, ("true",)), Order(Operation.REMOVE)):
            with pytest.raises(BusyError):
                do(house, order)
        assert do(house, Order(Operation.INSPECT))
        with pytest.raises(BusyError):
            back_up_workload(house.database, "lab/web", house.opens, house.stores, actor=ANN, reason="r")
    assert house.audit() == []


def test_what_cannot_be_done_is_said(house: House) -> None:
    house.run("1.0.0")
    house.discover()
    with pytest.raises(InvalidInputError):
        do(house, Order(Operation.EXEC))
    with pytest.raises(NotFoundError, match="did you mean lab/web"):
        operate(house.database, "lab/wep", Order(Operation.STOP), house.opens, actor=ANN)
    kept = back_up_workload(house.database, "lab/web", house.opens, house.stores, actor=ANN, reason="r")
    with pytest.raises(RefusedError, match="it holds no data, and lab/web is there"):
        restore_backup(house.database, kept.backup_id, house.opens, house.stores, actor=ANN)


def do(house: House, order: Order) -> str:
    return operate(house.database, "lab/web", order, house.opens, actor=ANN)


def test_a_restore_makes_the_data_exactly_what_it_was_and_keeps_what_was_there(house: House) -> None:
    house.run("1.0.0", volumes=["data:/data"])
    house.sh("echo then > /data/file; mkdir /data/gone; echo x > /data/gone/deep")
    house.discover()
    kept = back_up_workload(house.database, "lab/web", house.opens, house.stores, actor=ANN, reason="r")
    assert house.engine.client.containers.get("web").status == "running"
    house.sh("rm -r /data/gone; echo now > /data/file; echo new > /data/extra")
    restore_backup(house.database, kept.backup_id, house.opens, house.stores, actor=ANN)
    assert house.engine.client.containers.get("web").status == "running"
    assert house.sh("cat /data/file /data/gone/deep; ls /data") == "then\nx\nfile\ngone\n"
    with house.database.session() as session:
        assert [row.restores_id for row, _ in BackupRepository(session).listing()] == [kept.backup_id, None]


def test_a_workload_that_is_gone_is_made_again_with_its_data(house: House) -> None:
    house.run("1.0.0", volumes=["data:/data"])
    house.sh("echo then > /data/file")
    house.discover()
    kept = back_up_workload(house.database, "lab/web", house.opens, house.stores, actor=ANN, reason="r")
    do(house, Order(Operation.REMOVE, force=True))
    house.engine.client.volumes.get("data").remove()
    restore_backup(house.database, kept.backup_id, house.opens, house.stores, actor=ANN)
    assert house.sh("cat /data/file") == "then\n"
    assert house.view().container.status is ContainerStatus.RUNNING


def test_data_that_outlived_its_container_is_kept_before_it_is_overwritten(house: House) -> None:
    house.run("1.0.0", volumes=["data:/data"])
    house.sh("echo then > /data/file")
    house.discover()
    kept = back_up_workload(house.database, "lab/web", house.opens, house.stores, actor=ANN, reason="r")
    house.sh("echo now > /data/file")
    do(house, Order(Operation.REMOVE, force=True))
    restore_backup(house.database, kept.backup_id, house.opens, house.stores, actor=ANN)
    assert house.sh("cat /data/file") == "then\n"
    with house.database.session() as session:
        (copy, _), _ = BackupRepository(session).listing()
    restore_backup(house.database, copy.id, house.opens, house.stores, actor=ANN)
    assert house.sh("cat /data/file") == "now\n"


def test_a_container_that_was_made_anew_is_backed_up_with_the_volume_that_it_has_now(house: House) -> None:
    house.run("1.0.0", volumes=["old:/data"])
    house.discover()
    old = back_up_workload(house.database, "lab/web", house.opens, house.stores, actor=ANN, reason="r")
    house.engine.client.containers.get("web").remove(force=True)
    house.run("1.0.0", volumes=["new:/data"])
    kept = back_up_workload(house.database, "lab/web", house.opens, house.stores, actor=ANN, reason="r")
    assert [each.mount.name for each in Backup.read(kept.location).archives] == ["new"]
    with pytest.raises(RefusedError, match="does not have old at /data any more"):
        restore_backup(house.database, old.backup_id, house.opens, house.stores, actor=ANN)


def test_data_that_another_one_writes_to_is_kept_only_where_it_need_not_be_of_one_moment(
    house: House,
) -> None:
    house.run("1.0.0", volumes=["data:/data"])
    other = house.run("1.0.0", key="writer", volumes=["data:/data"])
    house.discover()
    with pytest.raises(RefusedError, match=r"in use by writer, which runs: stop it first.*`live`"):
        back_up_workload(house.database, "lab/web", house.opens, house.stores, actor=ANN, reason="r")
    assert house.engine.client.containers.get("web").status == "running"
    live = Consistency.LIVE
    back_up_workload(
        house.database, "lab/web", house.opens, house.stores, actor=ANN, reason="r", consistency=live
    )
    other.stop(timeout=0)
    back_up_workload(house.database, "lab/web", house.opens, house.stores, actor=ANN, reason="r")


def test_what_a_stop_would_remove_is_not_stopped_for_a_backup_or_a_restore(house: House) -> None:
    house.run("1.0.0", volumes=["data:/data"], auto_remove=True)
    house.discover()

    def back_up(consistency: Consistency | None = None) -> int:
        kept = back_up_workload(
            house.database,
            "lab/web",
            house.opens,
            house.stores,
            actor=ANN,
            reason="r",
            consistency=consistency,
        )
        return kept.backup_id

    with pytest.raises(RefusedError, match=r"web was started with --rm.*`live`"):
        back_up()
    number = back_up(Consistency.LIVE)
    with pytest.raises(RefusedError, match="web was started with --rm"):
        restore_backup(house.database, number, house.opens, house.stores, actor=ANN)
    assert house.engine.client.containers.get("web").status == "running"


def test_a_paused_workload_stays_paused_and_each_backup_has_a_place_of_its_own(house: House) -> None:
    house.run("1.0.0", volumes=["data:/data"])
    house.discover()
    do(house, Order(Operation.PAUSE))
    kept = [
        back_up_workload(house.database, "lab/web", house.opens, house.stores, actor=ANN, reason="r")
        for _ in range(2)
    ]
    assert house.engine.client.containers.get("web").status == "paused"
    assert kept[0].location != kept[1].location
    assert all(exists(each.location) for each in kept)
