"""What a policy has run in a workload around the backup that an update makes, with an engine in memory."""

from pathlib import Path

import pytest

from tests.integration.updates.test_update_rules import World, fail_at
from uptainer.backups.hooks import Hooks
from uptainer.core.enums import StepStatus, UpdateStatus
from uptainer.core.errors import PermanentError, UnsupportedError
from uptainer.runtimes.capabilities import Capabilities, Capability
from uptainer.store.database import Database
from uptainer.updates.engine import dry_run


@pytest.fixture
def world(database: Database, tmp_path: Path) -> World:
    return World(database, tmp_path / "backups")


def ask_for(world: World, before: str = "dump", after: str = "tidy") -> None:
    hooks = Hooks(before=(before,), after=(after,))
    world.options = world.options.model_copy(update={"hooks": hooks})


def test_the_dump_comes_before_the_stop_and_the_last_command_when_the_new_one_is_well(world: World) -> None:
    ask_for(world)
    assert world.apply().status is UpdateStatus.SUCCEEDED
    done = [name for _, name in world.runtime.calls]
    assert done.index("create") < done.index("dump") < done.index("stop")
    assert done.index("start") < done.index("tidy") < done.index("remove_old")


def test_a_dump_that_fails_keeps_the_workload_as_it_is(world: World) -> None:
    ask_for(world, before="fail")
    outcome = world.apply()
    assert outcome.status is UpdateStatus.FAILED
    assert "the command before the backup of web, 'fail', ended with 1: said" in outcome.reason
    world.assert_as_before()
    assert "stop" not in [name for _, name in world.runtime.calls]
    assert ("execute", "tidy") in world.runtime.calls


def test_what_is_undone_has_its_last_command_run_in_the_old_one(world: World) -> None:
    ask_for(world)
    world.runtime.on_step = fail_at("perform", "start", PermanentError("no"))
    assert world.apply().status is UpdateStatus.ROLLED_BACK
    world.assert_as_before()
    assert world.runtime.calls[-1] != ("execute", "dump")
    assert ("execute", "tidy") in world.runtime.calls


def test_a_last_command_that_fails_does_not_take_back_what_is_well(world: World) -> None:
    ask_for(world, after="fail")
    outcome = world.apply()
    assert outcome.status is UpdateStatus.SUCCEEDED
    assert "left over by after_backup: the command after the backup of web" in outcome.reason
    world.assert_updated()
    assert world.steps()["after_backup"] is StepStatus.FAILED


def test_a_last_command_that_fails_does_not_keep_from_going_back(world: World) -> None:
    ask_for(world, after="fail")
    world.runtime.on_step = fail_at("perform", "start", PermanentError("no"))
    outcome = world.apply()
    assert outcome.status is UpdateStatus.ROLLED_BACK
    world.assert_as_before()
    assert "the command after the backup of web" in (world.row().status_reason or "")


def test_nothing_is_run_around_an_update_that_keeps_no_data(world: World) -> None:
    ask_for(world)
    world.options = world.options.model_copy(update={"back_up_volumes": False})
    assert world.apply().status is UpdateStatus.SUCCEEDED
    assert "execute" not in [verb for verb, _ in world.runtime.calls]


def test_what_can_not_be_run_is_said_before_anything_is_touched(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask_for(world)
    refused = Capabilities("container", {Capability.EXEC: "it has no shell to its name"})
    monkeypatch.setattr(world.runtime, "capabilities", lambda kind: refused)
    with pytest.raises(UnsupportedError, match="it has no shell to its name"):
        dry_run(world.update, world.database, world.runtime, world.options, world.stores)
    assert world.apply().status is UpdateStatus.FAILED
    world.assert_as_before()
