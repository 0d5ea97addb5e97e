"""Which units can be restarted over a connection: judged by what the machine behind it answers."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest

from uptainer.core.enums import ConnectionType, RuntimeType
from uptainer.core.errors import RefusedError, UnsupportedError
from uptainer.core.workloads import HostAddress
from uptainer.runtimes.engine.commands import Ran
from uptainer.runtimes.podman.client import Podman
from uptainer.runtimes.podman.units import Units


class Machine:
    """Answers as a machine does that somebody reaches by SSH; without answers, as one that runs no commands."""

    address = HostAddress("lab", RuntimeType.PODMAN, ConnectionType.SSH, "ssh://somebody@lab.example")

    def __init__(self, answers: Mapping[str, str] | None, *, rootless: bool = False) -> None:
        self._answers, self._rootless = answers, rootless

    def get(self, path: str, *, about: str = "") -> Any:
        assert (path, about) == ("/info", "itself")
        return {"host": {"security": {"rootless": self._rootless}}}

    def run(self, command: Sequence[str], *, timeout: float | None = None) -> Ran:
        del timeout
        if self._answers is None:
            raise UnsupportedError("reach it by SSH")
        return Ran(0, self._answers[command[0]], "")


def units(answers: Mapping[str, str] | None, *, rootless: bool = False) -> Units:
    return Units(cast(Podman, Machine(answers, rootless=rootless)))


@pytest.mark.parametrize(("user", "rootless"), [("0", False), ("1000", True)])
def test_root_restarts_root_s_units_and_a_user_that_user_s(user: str, *, rootless: bool) -> None:
    units({"id": user, "systemctl": "loaded"}, rootless=rootless).refuse_unknown("web.service", "web")


def test_a_user_that_reaches_root_s_podman_can_t_restart_root_s_units() -> None:
    with pytest.raises(RefusedError, match=r"web belongs .*root's units can be restarted by root only"):
        units({"id": "1000\n", "systemctl": "loaded"}).refuse_unknown("web.service", "web")


def test_a_connection_to_the_engine_only_restarts_no_unit() -> None:
    with pytest.raises(RefusedError, match=r"web\.service, which can't be restarted: reach it by SSH"):
        units(None).refuse_unknown("web.service", "web")


SHOWN = """Id=web.service
ActiveState=active
RequiredBy=one.service

Id=one.service
ActiveState=inactive
PropagatesStopTo=two.service
"""


def test_a_unit_s_stop_goes_through_to_those_behind_one_that_is_stopped() -> None:
    with pytest.raises(RefusedError, match=r"stops two\.service too"):
        _Levels(SHOWN.split("\n\n")).refuse()


class _Levels(Machine):
    """Each question is answered by the next block, and the last by a unit that runs and that nobody needs."""

    def __init__(self, blocks: Sequence[str]) -> None:
        super().__init__({})
        self._blocks = [*blocks, "Id=two.service\nActiveState=active\n"]

    def run(self, command: Sequence[str], *, timeout: float | None = None) -> Ran:
        del command, timeout
        return Ran(0, self._blocks.pop(0), "")

    def refuse(self) -> None:
        Units(cast(Podman, self)).refuse_dependants("web.service", "web")
