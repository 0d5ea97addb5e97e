"""What is asked once more right before the running workload is touched: a pull may outlast a window, or a change of mind."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.contract.fleet.seeded import ANN, AT_NIGHT, Seeded, answer
from tests.contract.fleet.test_gates_and_readiness import approved
from tests.contract.fleet.test_maintenance_plans import succeed
from tests.integration.updates.memory import Box, MemoryRuntime, one_running
from tests.lab.facts import NOW, digest
from uptainer.backups.local import local_stores
from uptainer.core.clock import Clock
from uptainer.core.enums import ApprovalDecision, UpdateStatus
from uptainer.core.errors import UnreachableError
from uptainer.core.reference import Reference
from uptainer.core.settings import Settings
from uptainer.fleet.gates import give_answer
from uptainer.fleet.updating import carry_out, override_window
from uptainer.runtimes.port import Runtime
from uptainer.store.repositories.hosts import HostRepository
from uptainer.updates.engine import MAX_TRIES
from uptainer.updates.run import Outcome

LATE = NOW.replace(hour=3, minute=50) + timedelta(days=1)
"""Ten minutes before the window closes."""


@dataclass
class Night:
    """The host's engine, and the time there, which passes only where a test says so."""

    fleet: Seeded
    directory: Path
    now: datetime = LATE
    runtime: MemoryRuntime = field(init=False)

    def __post_init__(self) -> None:
        old = Box("id-of-web", digest("image"), running=True)
        self.runtime = MemoryRuntime(images={}, boxes={"web": old}, mounts=())

    def propose(self) -> int:
        """An approved update; its image is in the registry."""
        made = self.fleet.update(approved(self.fleet))
        image = Reference.parse(made.to_reference).with_digest(made.to_digest)
        self.runtime.images[str(image)] = digest("new")
        return made.id

    def while_pulling(self, happens: Callable[[], None]) -> None:
        def on_step(verb: str, name: str) -> None:
            if (verb, name) == ("perform", "pull"):
                happens()

        self.runtime.on_step = on_step

    def pass_by(self, **passing: float) -> None:
        self.now += timedelta(**passing)

    def apply(self, update: int) -> Outcome:
        def opens(_host: str) -> AbstractContextManager[Runtime]:
            return self.runtime

        clock = Clock(now=lambda: self.now, monotonic=self.now.timestamp, sleep=lambda _seconds: None)
        stores = local_stores(self.directory)
        settings = Settings(data_dir=self.directory)
        return carry_out(self.fleet.database, update, opens, settings, stores, clock=clock)

    def assert_untouched(self, update: int) -> None:
        assert ("perform", "stop") not in self.runtime.calls
        assert one_running(self.runtime) == digest("image")
        assert self.fleet.update(update).status is UpdateStatus.APPROVED


@pytest.fixture
def night(fleet: Seeded, tmp_path: Path) -> Night:
    fleet.policy(windows=[AT_NIGHT], soak="0s")
    return Night(fleet, tmp_path)


def switch_off(fleet: Seeded) -> None:
    with fleet.database.session() as session:
        HostRepository(session).disable("alpha", "it is moved", ANN)


CHANGES: list[tuple[Callable[[Night], None], str]] = [
    (lambda night: night.pass_by(minutes=40), "the next maintenance window opens at"),
    (lambda night: night.fleet.policy(windows=[AT_NIGHT], mode="off"), "the mode is off"),
    (lambda night: switch_off(night.fleet), "it is moved"),
]


@pytest.mark.parametrize(("change", "why"), CHANGES, ids=["window", "mode", "host"])
def test_what_may_not_go_on_once_it_is_prepared_touches_nothing_and_is_approved_as_before(
    night: Night, change: Callable[[Night], None], why: str
) -> None:
    made = night.propose()
    night.while_pulling(lambda: change(night))
    outcome = night.apply(made)
    assert outcome.status is UpdateStatus.APPROVED
    assert why in outcome.reason
    night.assert_untouched(made)


def test_what_is_left_to_do_has_to_fit_into_what_is_left_of_the_window(night: Night) -> None:
    succeed(night.fleet, "1.27.9", took=timedelta(minutes=8))
    made = night.propose()
    night.while_pulling(lambda: night.pass_by(minutes=3))
    assert "it would not be done when the window closes" in night.apply(made).reason
    night.assert_untouched(made)


def test_who_overrode_the_window_did_so_for_however_long_it_takes_to_prepare(night: Night) -> None:
    made = night.propose()
    override_window(night.fleet.database, made, "it is being exploited", ANN)
    night.while_pulling(lambda: night.pass_by(minutes=40))
    assert night.apply(made).status is UpdateStatus.SUCCEEDED


def test_a_window_that_closes_first_counts_as_no_failed_try(night: Night) -> None:
    made = night.propose()
    night.while_pulling(lambda: night.pass_by(minutes=40))
    for _ in range(MAX_TRIES + 1):
        assert night.apply(made).status is UpdateStatus.APPROVED
        night.pass_by(hours=23, minutes=20)
    night.while_pulling(lambda: None)
    assert night.apply(made).status is UpdateStatus.SUCCEEDED


def test_a_snooze_between_two_tries_holds_the_second_one(night: Night) -> None:
    made = night.propose()

    def fail() -> None:
        raise UnreachableError("the registry does not answer")

    night.while_pulling(fail)
    with pytest.raises(UnreachableError):
        night.apply(made)
    snooze = answer(ApprovalDecision.SNOOZE, until=LATE + timedelta(days=7))
    assert give_answer(night.fleet.database, made, snooze, night.now).taken
    tried = list(night.runtime.calls)
    outcome = night.apply(made)
    assert outcome.status is UpdateStatus.WAITING_FOR_WINDOW
    assert "it was snoozed until" in outcome.reason
    assert night.runtime.calls == tried
