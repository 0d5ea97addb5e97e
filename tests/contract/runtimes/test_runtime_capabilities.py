"""Each capability works really, or says in one sentence why it can't: never a silent nothing."""

import gc
import json
import re
from collections.abc import Callable, Mapping
from datetime import timedelta

import pytest

from tests.contract.runtimes.ground import Ground
from tests.lab.room import wait_until
from tests.lab.stands.stand import assert_exactly
from uptainer.core.enums import ContainerStatus
from uptainer.core.errors import NotFoundError, RefusedError, UnsupportedError
from uptainer.core.workloads import Mount
from uptainer.runtimes.capabilities import Capability
from uptainer.runtimes.copies import Copies, Copy

MINUTE = timedelta(minutes=1)
SOON = timedelta(seconds=2)


def update(ground: Ground) -> None:
    replacement = ground.replacement()
    for step in replacement.steps:
        replacement.perform(step)
    assert_exactly(ground.stand, ground.key, replacement.release)
    ground.release = replacement.release


def roll_back(ground: Ground) -> None:
    replacement = ground.replacement()
    for step in replacement.undoable:
        replacement.perform(step)
    for step in reversed(replacement.undoable):
        replacement.revert(step)
    assert_exactly(ground.stand, ground.key, ground.release)


def stop(ground: Ground) -> None:
    ground.runtime.stop(ground.key, SOON)
    wait_until(lambda: not ground.stand.running(ground.key), what=f"{ground.key} did not stop")
    assert ground.runtime.state(ground.key).status is not ContainerStatus.RUNNING
    assert ground.key in {each.key for each in ground.runtime.containers()}


def start(ground: Ground) -> None:
    stop(ground)
    ground.runtime.start(ground.key)
    ground.await_right()


def restart(ground: Ground) -> None:
    before = ground.runtime.state(ground.key)
    ground.runtime.restart(ground.key, SOON)
    wait_until(
        lambda: ground.runtime.state(ground.key).started_at not in (None, before.started_at),
        what=f"{ground.key} was not started anew",
    )
    ground.await_right()


def pause(ground: Ground) -> None:
    ground.runtime.pause(ground.key)
    assert ground.stand.is_paused(ground.key)
    ground.runtime.unpause(ground.key)
    assert not ground.stand.is_paused(ground.key)
    ground.await_right()


def remove(ground: Ground) -> None:
    ground.runtime.remove(ground.key, force=True)
    wait_until(lambda: not ground.stand.running(ground.key), what=f"{ground.key} was not removed")
    assert ground.key not in {each.key for each in ground.runtime.containers()}
    with pytest.raises(NotFoundError):
        ground.runtime.state(ground.key)


def execute(ground: Ground) -> None:
    done = ground.runtime.execute(ground.key, ["sh", "-c", "echo out; echo err >&2; exit 3"], MINUTE)
    assert (done.exit_code, sorted(done.output.split())) == (3, ["err", "out"])
    gc.collect()  # a connection that was left open is told of now, and not in the middle of another test


def inspect(ground: Ground) -> None:
    assert ground.release.version in json.dumps(ground.runtime.inspect(ground.key))


def logs(ground: Ground) -> None:
    assert ground.release.greeting in ground.runtime.logs(ground.key, tail=10)


def keep_configuration(ground: Ground) -> None:
    kept = ground.runtime.configuration(ground.key)
    assert json.loads(json.dumps(kept)) == kept
    assert ground.release.version in json.dumps(kept)


def recreate(ground: Ground) -> None:
    kept = json.loads(json.dumps(ground.runtime.configuration(ground.key)))
    remove(ground)
    assert ground.runtime.create_from(kept) == ground.key
    ground.runtime.start(ground.key)
    ground.await_right()


def copy(ground: Ground) -> None:
    assert isinstance(ground.runtime, Copies)
    before = ground.runtime.state(ground.key).runtime_id
    names = {mount.name: f"twin-{mount.name}" for mount in ground.facts().mounts if mount.kind == "volume"}
    ground.runtime.copy(ground.runtime.configuration(ground.key), Copy("twin", names, "twin 1"))
    assert ground.runtime.state("twin").status is not ContainerStatus.RUNNING
    ground.runtime.discard("twin 1")
    assert ground.runtime.state(ground.key).runtime_id == before


def data_mount(ground: Ground) -> Mount:
    return next(each for each in ground.facts().mounts if each.destination == "/data")


def back_up_volumes(ground: Ground) -> None:
    mount = data_mount(ground)
    ground.runtime.check_mount(ground.key, mount)
    with ground.runtime.read_mount(ground.key, mount) as chunks:
        assert ground.release.version.encode() in b"".join(chunks)


def restore_volumes(ground: Ground) -> None:
    """Exactly: what came after is gone, and what was changed is as it was."""
    mount, before = data_mount(ground), ground.stand.data(ground.key)
    with ground.runtime.read_mount(ground.key, mount) as chunks:
        tar = b"".join(chunks)
    script = "echo changed >/data/kept; echo more >/data/extra"
    assert ground.runtime.execute(ground.key, ["sh", "-c", script], MINUTE).exit_code == 0
    assert ground.stand.data(ground.key) != before
    ground.runtime.stop(ground.key, SOON)
    ground.runtime.write_mount(ground.key, mount, iter([tar]))
    assert ground.stand.data(ground.key) == before
    ground.runtime.start(ground.key)
    ground.await_right()


def keep_old(ground: Ground) -> None:
    """Where this very workload's old one could not be kept without harm, the plan says so before a touch."""
    before = ground.stand.everything()
    try:
        replacement = ground.replacement(keep_old=True)
    except RefusedError:
        assert ground.stand.everything() == before
        return
    for step in replacement.steps:
        replacement.perform(step)
    assert ground.stand.leftovers(ground.key)
    assert any(replacement.release.digest in each.digests for each in ground.stand.running(ground.key))


REALLY: Mapping[Capability, Callable[[Ground], None]] = {
    Capability.UPDATE: update,
    Capability.ROLL_BACK: roll_back,
    Capability.START: start,
    Capability.STOP: stop,
    Capability.RESTART: restart,
    Capability.PAUSE: pause,
    Capability.UNPAUSE: pause,
    Capability.REMOVE: remove,
    Capability.EXEC: execute,
    Capability.INSPECT: inspect,
    Capability.LOGS: logs,
    Capability.BACK_UP_CONFIGURATION: keep_configuration,
    Capability.BACK_UP_VOLUMES: back_up_volumes,
    Capability.RESTORE_VOLUMES: restore_volumes,
    Capability.RECREATE: recreate,
    Capability.COPY: copy,
    Capability.KEEP_OLD: keep_old,
}

_ANY = Mount("volume", "data", "", "/data", read_only=False)

CALLS: Mapping[Capability, Callable[[Ground], object]] = {
    Capability.START: lambda on: on.runtime.start(on.key),
    Capability.STOP: lambda on: on.runtime.stop(on.key),
    Capability.RESTART: lambda on: on.runtime.restart(on.key),
    Capability.PAUSE: lambda on: on.runtime.pause(on.key),
    Capability.UNPAUSE: lambda on: on.runtime.unpause(on.key),
    Capability.REMOVE: lambda on: on.runtime.remove(on.key, force=True),
    Capability.EXEC: lambda on: on.runtime.execute(on.key, ["true"], SOON),
    Capability.LOGS: lambda on: on.runtime.logs(on.key, tail=1),
    Capability.BACK_UP_VOLUMES: lambda on: on.runtime.read_mount(on.key, _ANY).__enter__(),
    Capability.RESTORE_VOLUMES: lambda on: on.runtime.write_mount(on.key, _ANY, iter(())),
}
"""What somebody would do who did not look at the table."""


@pytest.mark.parametrize("capability", Capability, ids=str)
def test_what_the_table_promises_is_really_done_and_what_it_refuses_is_said(
    ground: Ground, capability: Capability
) -> None:
    table = ground.capabilities()
    if table.can(capability):
        REALLY[capability](ground)
        return
    reason = re.escape(table.refused[capability])
    with pytest.raises(UnsupportedError, match=reason):
        table.require(capability, ground.key)
    if capability in CALLS:
        before = ground.stand.everything()
        with pytest.raises(UnsupportedError, match=reason):
            CALLS[capability](ground)
        assert ground.stand.everything() == before


def test_a_kind_that_a_runtime_does_not_have_is_said_so(ground: Ground) -> None:
    with pytest.raises(UnsupportedError, match="spaceship"):
        ground.runtime.capabilities("spaceship")
