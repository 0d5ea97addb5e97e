"""An update whose host has as many under way as may: not begun, and no failure."""

import pytest

from flows.update import put_off
from uptainer.core.enums import UpdateStatus
from uptainer.core.errors import BusyError
from uptainer.fleet.situations import Situation
from uptainer.updates.steps import IN_FLIGHT, READY

BUSY = BusyError("1 updates run on host nas already, which is as many as may: wait for one to finish")


def situation(status: UpdateStatus) -> Situation:
    return Situation(7, "web: nginx 1.27 -> 1.28", "nas", "web", status, "", "nginx:1.28", "", None, None)


@pytest.mark.parametrize("status", READY)
def test_what_was_not_begun_waits_and_its_run_says_until_when(status: UpdateStatus) -> None:
    said = put_off(situation(status), BUSY)
    assert (said.is_completed(), said.name) == (True, "Waiting")
    assert (
        said.message == f"web: nginx 1.27 -> 1.28: {BUSY}. `maintain` takes it up within a quarter of an hour"
    )


@pytest.mark.parametrize("status", IN_FLIGHT)
def test_what_was_begun_does_not_only_wait(status: UpdateStatus) -> None:
    with pytest.raises(BusyError):
        put_off(situation(status), BUSY)
