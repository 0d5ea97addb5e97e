"""Holding a workload still: what is done to it, in which order, and that all of it is taken back."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from uptainer.backups.consistency import Hold
from uptainer.backups.hooks import Hooks
from uptainer.core.enums import ContainerStatus
from uptainer.core.errors import (
    InvalidInputError,
    PermanentError,
    TemporaryError,
    UnfinishedError,
    UnreachableError,
)
from uptainer.runtimes.port import ExecResult, Runtime


@dataclass
class Workload:
    """One that notes what is done to it."""

    done: list[str] = field(default_factory=list)
    status: ContainerStatus = ContainerStatus.RUNNING

    def execute(self, key: str, command: Sequence[str], timeout: timedelta) -> ExecResult:
        self.done.append(" ".join(command))
        if command[0] == "hang":
            raise TemporaryError("it did not end, and may still run")
        return ExecResult(1 if command[0] == "fail" else 0, "out of luck\n")

    def stop(self, key: str) -> None:
        self.done.append("stop")

    def start(self, key: str) -> None:
        self.done.append("start")

    def pause(self, key: str) -> None:
        self.done.append("pause")
        self.status = ContainerStatus.PAUSED

    def unpause(self, key: str) -> None:
        self.done.append("unpause")

    def state(self, key: str) -> Any:
        return SimpleNamespace(status=self.status)


def read(workload: Workload, *, fails: bool) -> None:
    workload.done.append("read")
    if fails:
        raise PermanentError("the disk is full")


def hold(hold: Hold, *, fails: bool = False) -> list[str]:
    workload = Workload()
    try:
        with hold.around(cast(Runtime, workload), "db"):
            read(workload, fails=fails)
    except PermanentError as error:
        workload.done.append(str(error))
    return workload.done


HOOKS = Hooks(before=("dump", "-f", "x"), after=("tidy",))
FAILS = "the command before the backup of db, 'fail', ended with 1: out of luck"
CASES: list[tuple[Hold, bool, list[str]]] = [
    (Hold(), False, ["read"]),
    (Hold(stops=True), False, ["stop", "read", "start"]),
    (Hold(pauses=True), False, ["pause", "read", "unpause"]),
    (Hold(stops=True, hooks=HOOKS), False, ["dump -f x", "stop", "read", "start", "tidy"]),
    (
        Hold(pauses=True, hooks=HOOKS),
        True,
        ["dump -f x", "pause", "read", "unpause", "tidy", "the disk is full"],
    ),
    (Hold(hooks=Hooks(before=("fail",), after=("tidy",)), stops=True), False, ["fail", "tidy", FAILS]),
    (Hold(hooks=Hooks(before=("hang",))), False, ["hang", "it did not end, and may still run"]),
    (Hold(hooks=Hooks(after=("fail",))), True, ["read", "fail", "the disk is full"]),
    (Hold(hooks=Hooks(after=("fail",))), False, ["read", "fail", FAILS.replace("before", "after")]),
]


@pytest.mark.parametrize(("held", "fails", "done"), CASES)
def test_a_workload_is_held_still_and_let_go_again(held: Hold, fails: bool, done: list[str]) -> None:
    assert hold(held, fails=fails) == done


def test_what_cannot_be_let_go_is_left_to_recovery_with_its_last_command() -> None:
    workload = Workload()
    workload.start = lambda key: (_ for _ in ()).throw(UnreachableError("no answer"))  # type: ignore[method-assign]  # -- this one does not start
    with (
        pytest.raises(UnfinishedError, match="no answer"),
        Hold(stops=True, hooks=HOOKS).around(cast(Runtime, workload), "db"),
    ):
        read(workload, fails=True)
    assert workload.done == ["dump -f x", "stop", "read"]


def test_hooks_are_stored_as_text_and_read_again() -> None:
    assert Hooks.from_json(HOOKS.as_json()) == HOOKS
    with pytest.raises(InvalidInputError, match="another version"):
        Hooks.from_json({"during": ["x"]})
