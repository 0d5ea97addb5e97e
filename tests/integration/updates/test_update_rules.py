"""What the engine of updates does at every step, against a real PostgreSQL and an engine in memory."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select, text

from tests.integration.updates.memory import STEPS, Box, MemoryRuntime, one_running
from tests.integration.updates.seeding import NOW, add_container, add_update
from tests.lab.postgres import await_no_locks
from uptainer.backups.local import local_stores
from uptainer.core.clock import Clock
from uptainer.core.enums import ApprovalChannel, ApprovalDecision, BackupStatus, StepStatus, UpdateStatus
from uptainer.core.errors import (
    BusyError,
    NotFoundError,
    PermanentError,
    RefusedError,
    SupersededError,
    TemporaryError,
    UnreachableError,
)
from uptainer.core.workloads import Mount
from uptainer.runtimes.port import Runtime
from uptainer.store.database import Database
from uptainer.store.models import AuditEntry, ContainerBackup, Update, UpdateStep
from uptainer.store.repositories.approvals import Answer
from uptainer.store.repositories.audit import Actor
from uptainer.updates.engine import MAX_TRIES, apply, dry_run
from uptainer.updates.gate import reopen
from uptainer.updates.health import HealthPlan
from uptainer.updates.journal import Journal
from uptainer.updates.locks import claim_workload
from uptainer.updates.options import UpdateOptions
from uptainer.updates.recovery import Found, recover
from uptainer.updates.reversal import reverse
from uptainer.updates.run import Outcome

DIGEST = "sha256:" + "a" * 64
NEW = f"localhost:5000/app@{DIGEST}"
ALL_STEPS = (
    "save_configuration",
    "pull",
    "create",
    "stop",
    "back_up_volumes",
    "set_aside",
    "take_name",
    "start",
)
PREPARATION = ("pull", "create")
DOWNTIME = ("stop", "set_aside", "take_name", "start")


class KilledError(BaseException):
    """As if the process ended here: nothing of ours handles it."""


class Stepper:
    """A clock that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    def clock(self) -> Clock:
        return Clock(
            now=lambda: NOW + timedelta(seconds=self.seconds),
            monotonic=lambda: self.seconds,
            sleep=self.sleep,
        )


class World:
    def __init__(self, database: Database, backups: Path) -> None:
        self.database = database
        self.runtime = MemoryRuntime(
            images={NEW: "sha256:new"}, boxes={"web": Box("old", "sha256:old", running=True)}
        )
        self.host = f"h-{uuid4().hex[:8]}"
        self.container = add_container(database, host=self.host, url=f"unix:///{self.host}")
        self.update = add_update(database, self.container, host=self.host, to_digest=DIGEST)
        self.options = UpdateOptions(back_up_volumes=True, health=HealthPlan(soak=timedelta(seconds=3)))
        self.stores = local_stores(backups)
        self.clock = Stepper().clock()

    def apply(self) -> Outcome:
        return apply(self.update, self.database, self.runtime, self.options, self.stores, clock=self.clock)

    def recover(self, insist: int | None = None) -> Any:
        report = recover(self.database, self.connect, self.stores, clock=self.clock, insist=insist)
        return next((each for each in report.updates if each.host == self.host), None)

    def connect(self, host: str) -> AbstractContextManager[Runtime]:
        if host != self.host:
            raise UnreachableError(f"{host} is of another test")
        return self.runtime

    def row(self) -> Update:
        with self.database.session() as session:
            return session.scalars(select(Update).where(Update.id == self.update)).one()

    def steps(self) -> dict[str, StepStatus]:
        with self.database.session() as session:
            wanted = select(UpdateStep).where(UpdateStep.update_id == self.update)
            rows = session.scalars(wanted.order_by(UpdateStep.position))
            return {row.name: row.status for row in rows}

    def assert_as_before(self) -> None:
        assert one_running(self.runtime) == "sha256:old"
        assert self.runtime.data == {"data": b"as it was"}

    def assert_updated(self) -> None:
        assert one_running(self.runtime) == "sha256:new"
        assert self.runtime.data == {"data": b"written by the new one"}


@pytest.fixture
def world(database: Database, tmp_path: Path) -> World:
    return World(database, tmp_path / "backups")


def test_what_is_not_known_to_run_is_not_begun_and_stays_approved(world: World) -> None:
    """As of a Deployment at rest: it has no pod that would tell which image it runs."""
    world.runtime.boxes["web"].image = ""
    with pytest.raises(BusyError, match="not known which image web runs"):
        world.apply()
    assert world.row().status is UpdateStatus.APPROVED
    world.runtime.boxes["web"].image = "sha256:old"
    assert world.apply().status is UpdateStatus.SUCCEEDED


def test_what_comes_to_rest_while_it_is_prepared_is_not_given_up(world: World) -> None:
    """A Deployment that was scaled to nothing tells no image: that is not another one."""

    def scale_down(verb: str, name: str) -> None:
        if (verb, name) == ("perform", "create"):
            world.runtime.boxes["web"].image = ""

    world.runtime.on_step = scale_down
    with pytest.raises(TemporaryError, match="has come to rest"):
        world.apply()
    assert world.row().status is UpdateStatus.APPROVED
    world.runtime.on_step = lambda *_: None
    world.runtime.boxes["web"].image = "sha256:old"
    assert world.apply().status is UpdateStatus.SUCCEEDED


def fail_at(verb: str, step: str, error: BaseException, times: int = 1) -> Callable[[str, str], None]:
    left = [times]

    def on_step(now_verb: str, name: str) -> None:
        if (now_verb, name) == (verb, step) and left[0]:
            left[0] -= 1
            raise error

    return on_step


def test_an_approved_update_is_carried_out_and_every_step_is_written_down(world: World) -> None:
    outcome = world.apply()
    assert outcome.status is UpdateStatus.SUCCEEDED
    assert outcome.reason == "it ran for 3 s without a restart"
    world.assert_updated()
    assert set(world.steps()) == {*ALL_STEPS, "validate", "remove_old"}
    assert set(world.steps().values()) == {StepStatus.DONE}


def test_the_states_it_went_through_are_audited_in_order(world: World) -> None:
    world.apply()
    with world.database.session() as session:
        subject = f"update/{world.update}"
        wanted = select(AuditEntry.action).where(AuditEntry.subject == subject).order_by(AuditEntry.id)
        actions = [action for action in session.scalars(wanted) if action != "update.answered"]
    assert actions == [
        "update.backing_up",
        "update.applying",
        "update.backing_up",
        "update.applying",
        "update.validating",
        "update.succeeded",
    ]


def test_what_was_kept_is_a_verified_backup_of_the_old_one(world: World) -> None:
    world.apply()
    with world.database.session() as session:
        backup = session.scalars(
            select(ContainerBackup).where(ContainerBackup.update_id == world.update)
        ).one()
    assert backup.status is BackupStatus.SUCCEEDED
    assert backup.verified_at is not None
    assert backup.image_id == "sha256:old"
    assert backup.configuration == {"image": "sha256:old", "name": "web"}
    assert len(backup.archives) == 1
    assert (Path(backup.location) / backup.archives[0]["file"]).stat().st_size == backup.size


def test_one_that_is_not_healthy_is_undone_with_its_data(world: World) -> None:
    world.runtime.bad_images = {"sha256:new"}
    outcome = world.apply()
    assert outcome.status is UpdateStatus.ROLLED_BACK
    assert "it crashed, and was restarted 1 times" in outcome.reason
    world.assert_as_before()


def test_data_that_no_new_container_saw_is_not_written_again(world: World) -> None:
    world.runtime.on_step = fail_at("perform", "take_name", PermanentError("no"))
    world.runtime.write_mount = None  # type: ignore[method-assign, assignment]  # -- calling it would fail the test
    assert world.apply().status is UpdateStatus.ROLLED_BACK
    world.assert_as_before()


def test_without_a_backup_of_volumes_none_is_made(world: World) -> None:
    world.options = world.options.model_copy(update={"back_up_volumes": False})
    assert world.apply().status is UpdateStatus.SUCCEEDED
    assert "back_up_volumes" not in world.steps()


def test_a_stopped_workload_is_replaced_and_stays_stopped(world: World) -> None:
    world.runtime.boxes["web"].running = False
    outcome = world.apply()
    assert outcome.status is UpdateStatus.SUCCEEDED
    assert world.runtime.boxes["web"].image == "sha256:new"
    assert not world.runtime.boxes["web"].running


@pytest.mark.parametrize("step", PREPARATION)
def test_a_fault_before_anything_is_touched_fails_it_and_leaves_nothing(world: World, step: str) -> None:
    world.runtime.on_step = fail_at("perform", step, NotFoundError("it is not there"))
    outcome = world.apply()
    assert outcome.status is UpdateStatus.FAILED
    assert "it is not there" in outcome.reason
    world.assert_as_before()


@pytest.mark.parametrize("step", PREPARATION)
def test_a_network_that_fails_before_anything_is_touched_does_not_cost_the_approval(
    world: World, step: str
) -> None:
    world.runtime.on_step = fail_at("perform", step, UnreachableError("no answer"))
    with pytest.raises(UnreachableError):
        world.apply()
    assert (world.row().status, world.row().started_at) == (UpdateStatus.APPROVED, None)
    world.assert_as_before()
    assert world.apply().status is UpdateStatus.SUCCEEDED
    world.assert_updated()


def test_a_network_that_fails_again_and_again_fails_it_in_the_end(world: World) -> None:
    world.runtime.on_step = fail_at("perform", "pull", UnreachableError("no answer"), times=99)
    for _ in range(MAX_TRIES):
        with pytest.raises(UnreachableError):
            world.apply()
    assert world.apply().status is UpdateStatus.FAILED


@pytest.mark.parametrize(
    "error", [PermanentError("no"), UnreachableError("no answer"), ValueError("a fault of ours")]
)
@pytest.mark.parametrize("step", DOWNTIME)
def test_whatever_fails_once_the_old_one_is_touched_is_undone(
    world: World, step: str, error: Exception
) -> None:
    world.runtime.on_step = fail_at("perform", step, error)
    outcome = world.apply()
    assert outcome.status is UpdateStatus.ROLLED_BACK
    assert str(error) in outcome.reason
    world.assert_as_before()


@pytest.mark.parametrize("step", DOWNTIME)
def test_what_somebody_else_puts_there_in_the_middle_is_theirs_and_not_rolled_back(
    world: World, step: str
) -> None:
    world.runtime.on_step = fail_at("perform", step, SupersededError("somebody else was there"))
    outcome = world.apply()
    assert outcome.status is UpdateStatus.SUPERSEDED
    assert "somebody else was there" in outcome.reason


@pytest.mark.parametrize("step", ["stop", "start"])
def test_what_somebody_else_put_there_stays_and_all_the_rest_is_undone(world: World, step: str) -> None:
    world.runtime.bad_images = {"sha256:new"}
    world.runtime.on_step = fail_at("revert", step, SupersededError("it is theirs, and is left so"))
    outcome = world.apply()
    assert outcome.status is world.row().status is UpdateStatus.SUPERSEDED
    assert "it crashed" in outcome.reason
    assert "it is theirs, and is left so" in outcome.reason
    begun = [name for verb, name in world.runtime.calls if verb == "perform"]
    undone = [name for verb, name in world.runtime.calls if verb == "revert"]
    assert undone == begun[::-1]


def test_an_old_container_that_cannot_be_removed_does_not_undo_what_is_healthy(world: World) -> None:
    world.runtime.on_step = fail_at("perform", "remove_old", PermanentError("in use"))
    outcome = world.apply()
    assert outcome.status is UpdateStatus.SUCCEEDED
    assert "in use" in outcome.reason


def test_an_old_container_that_cannot_be_removed_now_is_removed_later(world: World) -> None:
    world.runtime.on_step = fail_at("perform", "remove_old", UnreachableError("no answer"))
    with pytest.raises(UnreachableError):
        world.apply()
    assert world.recover().found is Found.FINISHED
    world.assert_updated()


@pytest.mark.parametrize("step", [name for name, _ in STEPS if name != "remove_old"])
def test_an_undo_that_fails_is_told_and_tried_again(world: World, step: str) -> None:
    undo_fails = fail_at("revert", step, PermanentError("it is stuck"))
    world.runtime.bad_images = {"sha256:new"}
    world.runtime.on_step = undo_fails
    outcome = world.apply()
    assert outcome.status is UpdateStatus.ROLLBACK_FAILED
    assert "it is stuck" in outcome.reason
    assert "docs/recovery.md" in outcome.reason
    assert world.recover().found is Found.UNDONE
    assert world.row().status is UpdateStatus.ROLLED_BACK
    world.assert_as_before()


@pytest.mark.parametrize("step", [name for name, _ in STEPS if name != "remove_old"])
def test_an_undo_that_nobody_answers_goes_on_later(world: World, step: str) -> None:
    world.runtime.bad_images = {"sha256:new"}
    world.runtime.on_step = fail_at("revert", step, UnreachableError("no answer"), times=3)
    with pytest.raises(UnreachableError):
        world.apply()
    assert world.row().status is UpdateStatus.ROLLING_BACK
    assert world.recover().found is Found.UNDONE
    world.assert_as_before()


def test_an_undo_that_fails_for_a_moment_is_tried_again_at_once(world: World) -> None:
    world.runtime.bad_images = {"sha256:new"}
    world.runtime.on_step = fail_at("revert", "start", UnreachableError("busy"), times=2)
    assert world.apply().status is UpdateStatus.ROLLED_BACK
    world.assert_as_before()


def test_an_undo_that_keeps_failing_is_left_to_a_person_who_may_insist(world: World) -> None:
    world.runtime.bad_images = {"sha256:new"}
    world.runtime.on_step = fail_at("revert", "start", PermanentError("stuck"), times=MAX_TRIES + 1)
    world.apply()
    for _ in range(MAX_TRIES):
        assert world.recover().status is UpdateStatus.ROLLBACK_FAILED
    assert world.recover().found is Found.NEEDS_A_PERSON
    assert world.recover(insist=world.update).found is Found.UNDONE
    world.assert_as_before()


@contextmanager
def killed(method: str, step: str, *, after: bool) -> Iterator[None]:
    """The process ends just before, or just after, the journal commits this line."""
    real = getattr(Journal, method)

    def dying(self: Journal, line: Any, *arguments: Any, **options: Any) -> None:
        ours = getattr(line, "name", line) == step
        if ours and not after:
            raise KilledError
        real(self, line, *arguments, **options)
        if ours:
            raise KilledError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Journal, method, dying)
        yield


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("method", ["intend", "done"])
@pytest.mark.parametrize("step", [*ALL_STEPS, "validate", "remove_old"])
def test_a_process_that_dies_anywhere_leaves_one_container_after_recovery(
    world: World, step: str, method: str, *, after: bool
) -> None:
    with killed(method, step, after=after), pytest.raises(KilledError):
        world.apply()
    world.recover()
    status = world.row().status
    if status is UpdateStatus.SUCCEEDED:
        world.assert_updated()
    else:
        world.assert_as_before()
    new_was_in_place = (step == "start" and (method, after) == ("done", True)) or step in {
        "validate",
        "remove_old",
    }
    before_anything = step in {"save_configuration", *PREPARATION} or (step, method, after) == (
        "stop",
        "intend",
        False,
    )
    expected = UpdateStatus.APPROVED if before_anything else UpdateStatus.ROLLED_BACK
    assert status is (UpdateStatus.SUCCEEDED if new_was_in_place else expected)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("method", ["undoing", "undone"])
@pytest.mark.parametrize("step", [*ALL_STEPS, "validate"])
def test_a_process_that_dies_anywhere_in_the_undo_leaves_the_old_one_after_recovery(
    world: World, step: str, method: str, *, after: bool
) -> None:
    world.runtime.bad_images = {"sha256:new"}
    with killed(method, step, after=after), pytest.raises(KilledError):
        world.apply()
    assert world.recover().found is Found.UNDONE
    assert world.row().status is UpdateStatus.ROLLED_BACK
    world.assert_as_before()


def test_what_the_old_one_wrote_after_the_undo_started_it_is_not_lost_to_a_second_undo(world: World) -> None:
    world.runtime.bad_images = {"sha256:new"}
    with killed("undone", "stop", after=False), pytest.raises(KilledError):
        world.apply()
    world.runtime.data["data"] = b"written by the old one since"
    world.recover()
    assert world.runtime.data == {"data": b"written by the old one since"}


OLD_DIGEST = "sha256:" + "0" * 64
ANN = Answer(ApprovalDecision.APPROVE, ApprovalChannel.COMMAND, Actor("ann", authenticated=True), "it broke")


def updated_with_data(world: World) -> None:
    """The update has succeeded, and the new one has written."""
    assert world.apply().status is UpdateStatus.SUCCEEDED
    world.runtime.images[f"localhost:5000/app@{OLD_DIGEST}"] = "sha256:old"
    world.runtime.data["data"] = b"written since"


def ask_for_data(world: World) -> None:
    world.update = reverse(
        world.update, world.database, world.runtime, ANN, NOW, stores=world.stores, with_data=True
    )


def reversal_with_data(world: World) -> None:
    """Taking the update back with its data is approved."""
    updated_with_data(world)
    ask_for_data(world)


def test_a_reversal_puts_the_old_image_and_the_old_data_back(world: World) -> None:
    reversal_with_data(world)
    seen = []
    world.runtime.on_step = lambda verb, name: (
        seen.append(dict(world.runtime.data)) if name == "start" else None
    )
    assert world.apply().status is UpdateStatus.SUCCEEDED
    assert one_running(world.runtime) == "sha256:old"
    assert seen == [{"data": b"as it was"}]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("method", ["intend", "done"])
def test_a_reversal_that_dies_while_data_is_put_back_loses_none(
    world: World, method: str, *, after: bool
) -> None:
    reversal_with_data(world)
    with killed(method, "restore_volumes", after=after), pytest.raises(KilledError):
        world.apply()
    assert world.recover().status is UpdateStatus.ROLLED_BACK
    assert one_running(world.runtime) == "sha256:new"
    assert world.runtime.data == {"data": b"written since"}


def test_a_reversal_that_is_not_healthy_is_undone_itself_with_what_was_written_since(world: World) -> None:
    reversal_with_data(world)
    world.runtime.bad_images = {"sha256:old"}
    assert world.apply().status is UpdateStatus.ROLLED_BACK
    assert one_running(world.runtime) == "sha256:new"
    assert world.runtime.data == {"data": b"written since"}


OTHERS = [
    pytest.param(
        (Mount("volume", "data2", "/volumes/data2", "/data", read_only=False),), id="another volume"
    ),
    pytest.param((Mount("volume", "data", "/volumes/data", "/old", read_only=False),), id="another place"),
    pytest.param((Mount("volume", "data", "/volumes/data", "/data", read_only=True),), id="only read"),
    pytest.param((), id="none"),
]
"""What the workload may have instead, since somebody made it anew: `data` may be another's by now."""


@pytest.mark.parametrize("mounts", OTHERS)
def test_data_that_would_go_into_a_volume_of_another_is_not_asked_for(
    world: World, mounts: tuple[Mount, ...]
) -> None:
    updated_with_data(world)
    world.runtime.mounts = mounts
    with pytest.raises(RefusedError, match="does not have data at /data any more"):
        ask_for_data(world)


@pytest.mark.parametrize("mounts", OTHERS)
def test_data_is_not_put_into_a_volume_that_became_anothers_since_it_was_approved(
    world: World, mounts: tuple[Mount, ...]
) -> None:
    reversal_with_data(world)
    world.runtime.calls.clear()
    world.runtime.mounts = mounts
    outcome = world.apply()
    assert outcome.status is UpdateStatus.FAILED
    assert "does not have data at /data any more" in outcome.reason
    assert ("perform", "stop") not in world.runtime.calls
    assert one_running(world.runtime) == "sha256:new"
    assert world.runtime.data == {"data": b"written since"}


def test_an_update_that_kept_no_data_cannot_give_any_back(world: World) -> None:
    world.options = world.options.model_copy(update={"back_up_volumes": False})
    world.apply()
    with pytest.raises(RefusedError, match="kept no data"):
        reverse(world.update, world.database, world.runtime, ANN, NOW, stores=world.stores, with_data=True)


def test_an_update_that_did_not_succeed_cannot_be_taken_back(world: World) -> None:
    with pytest.raises(RefusedError, match="only one that succeeded"):
        reverse(world.update, world.database, world.runtime, ANN, NOW, stores=world.stores)


def test_a_finished_update_is_only_told_of(world: World) -> None:
    world.apply()
    world.runtime.calls.clear()
    assert world.apply().status is UpdateStatus.SUCCEEDED
    assert not world.runtime.calls


def test_an_update_that_nobody_approved_is_refused(world: World) -> None:
    other = add_container(world.database, key="db", host=world.host, url=f"unix:///{world.host}")
    world.update = add_update(
        world.database,
        other,
        key="db",
        host=world.host,
        to_digest=DIGEST,
        status=UpdateStatus.AWAITING_APPROVAL,
        approved=False,
    )
    with pytest.raises(RefusedError, match="nobody approved it"):
        world.apply()


def test_one_that_was_tried_and_is_asked_about_again_is_not_carried_out_before_its_answer(
    world: World,
) -> None:
    world.runtime.on_step = fail_at("perform", "pull", UnreachableError("no answer"))
    with pytest.raises(UnreachableError):
        world.apply()
    with world.database.session() as session:
        reopen(session, world.update, ("its scan got worse",), NOW)
    with pytest.raises(RefusedError, match="nobody approved it"):
        world.apply()
    world.assert_as_before()


def test_an_approval_of_another_digest_does_not_count(world: World) -> None:
    with world.database.session() as session:
        update = session.get_one(Update, world.update)
        update.to_digest = "sha256:" + "b" * 64
    with pytest.raises(RefusedError, match="nobody approved sha256:bbb"):
        world.apply()
    assert not world.runtime.calls


def test_what_is_not_the_approved_digest_is_not_deployed(world: World) -> None:
    real = world.runtime.image

    def other(name: str) -> Any:
        facts = real(name)
        return type(facts)(
            facts.image_id, (), ("localhost:5000/app@sha256:" + "c" * 64,), {}, facts.platform, None, 1
        )

    world.runtime.image = other  # type: ignore[method-assign]  # -- an engine that mixes images up
    outcome = world.apply()
    assert outcome.status is UpdateStatus.FAILED
    assert "not the approved" in outcome.reason
    world.assert_as_before()


def test_a_workload_that_somebody_else_replaced_before_is_left_to_them(world: World) -> None:
    world.runtime.boxes["web"] = Box("theirs", "sha256:theirs", running=True)
    assert world.apply().status is UpdateStatus.SUPERSEDED
    assert one_running(world.runtime) == "sha256:theirs"
    assert not world.runtime.calls


def test_a_workload_that_somebody_else_replaces_meanwhile_is_left_to_them(world: World) -> None:
    def replace(verb: str, name: str) -> None:
        if (verb, name) == ("perform", "create"):
            world.runtime.boxes["web"] = Box("theirs", "sha256:old", running=True)

    world.runtime.on_step = replace
    outcome = world.apply()
    assert outcome.status is UpdateStatus.SUPERSEDED
    assert "somebody else" in outcome.reason
    assert world.runtime.boxes["web"].id == "theirs"
    assert one_running(world.runtime) == "sha256:old"


def test_a_workload_that_is_gone_is_not_updated(world: World) -> None:
    world.runtime.boxes.clear()
    assert world.apply().status is UpdateStatus.SUPERSEDED


def test_two_runs_never_work_on_one_workload(world: World) -> None:
    with claim_workload(world.database, world.host, "web"), pytest.raises(BusyError, match="another run"):
        world.apply()
    assert world.row().status is UpdateStatus.APPROVED


def test_a_host_runs_no_more_updates_than_it_may(world: World) -> None:
    world.options = world.options.model_copy(update={"host_slots": 1})
    other = add_container(world.database, key="db", host=world.host, url=f"unix:///{world.host}")
    second = add_update(world.database, other, key="db", host=world.host, to_digest=DIGEST)
    world.runtime.boxes["db"] = Box("old-db", "sha256:old", running=True)

    def meanwhile(verb: str, name: str) -> None:
        if (verb, name) == ("perform", "pull"):
            world.runtime.on_step = lambda *_: None
            with pytest.raises(BusyError, match=f"1 updates run on host {world.host}"):
                apply(second, world.database, world.runtime, world.options, world.stores, clock=world.clock)

    world.runtime.on_step = meanwhile
    assert world.apply().status is UpdateStatus.SUCCEEDED


def test_recovery_leaves_a_living_process_alone(world: World) -> None:
    def meanwhile(verb: str, name: str) -> None:
        if (verb, name) == ("perform", "stop"):
            assert world.recover().found is Found.WORKING

    world.runtime.on_step = meanwhile
    assert world.apply().status is UpdateStatus.SUCCEEDED


def test_a_host_that_does_not_answer_is_recovered_when_it_does(world: World) -> None:
    with killed("done", "stop", after=True), pytest.raises(KilledError):
        world.apply()

    def unreachable(_: str) -> Any:
        raise UnreachableError("the host is down")

    report = recover(world.database, unreachable, world.stores, clock=world.clock)
    assert {each.host: each.found for each in report.updates}[world.host] is Found.LEFT
    assert world.row().status is UpdateStatus.APPLYING
    assert world.recover().found is Found.UNDONE
    world.assert_as_before()


def test_a_dry_run_says_every_step_and_does_none(world: World) -> None:
    plan = dry_run(world.update, world.database, world.runtime, world.options, world.stores)
    assert [step.name for step in plan.steps] == [*ALL_STEPS, "validate", "remove_old"]
    assert all(step.sentence for step in plan.steps)
    assert not world.runtime.calls
    assert world.row().status is UpdateStatus.APPROVED
    assert world.row().plan == {}
    assert not world.steps()


def test_a_disk_that_refuses_the_backup_leaves_the_old_one_running(world: World) -> None:
    world.stores = local_stores(Path("/proc/nowhere"))
    outcome = world.apply()
    assert outcome.status is UpdateStatus.FAILED
    assert "/proc/nowhere" in outcome.reason
    world.assert_as_before()


def test_who_lost_the_database_does_nothing_more(world: World) -> None:
    """The lock went with the connection: another process may be at it."""

    def cut(verb: str, name: str) -> None:
        if (verb, name) == ("perform", "stop"):
            with world.database.session() as session:
                session.execute(
                    text(
                        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid()"
                    )
                )

    world.runtime.on_step = cut
    with pytest.raises(UnreachableError):
        world.apply()
    assert [name for verb, name in world.runtime.calls] == ["pull", "create", "stop"]
    await_no_locks(world.database.url)
    assert world.recover().found is Found.UNDONE
    world.assert_as_before()
