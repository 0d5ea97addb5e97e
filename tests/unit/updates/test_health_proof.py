from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from uptainer.core.clock import Clock
from uptainer.core.enums import ContainerStatus, Health
from uptainer.core.errors import NotFoundError, UnreachableError
from uptainer.policy.probes import ExecProbe, TcpProbe
from uptainer.runtimes.port import ExecResult, WorkloadState
from uptainer.updates.health import HealthPlan, Judgement, Look, Proof, judge, prove
from uptainer.updates.probes import ProbeResult

STARTED = datetime(2026, 5, 1, tzinfo=UTC)
SOAK = HealthPlan(soak=timedelta(seconds=10), deadline=timedelta(seconds=60))
PROBED = SOAK.model_copy(update={"probes": (TcpProbe(port=80),)})
PASSES = ProbeResult(passed=True, text="80 accepts connections")
FAILS = ProbeResult(passed=False, text="80: Connection refused")


def state(
    status: ContainerStatus = ContainerStatus.RUNNING,
    health: Health = Health.NONE,
    *,
    restarts: int = 0,
    exit_code: int | None = None,
    started: datetime = STARTED,
    log: str = "",
    image: str = "sha256:new",
) -> WorkloadState:
    return WorkloadState("id", status, health, restarts, exit_code, image, started, health_log=log)


RUNNING = ContainerStatus.RUNNING


@pytest.mark.parametrize(
    ("plan", "seconds", "seen", "probes", "proof", "said"),
    [
        (SOAK, 0, state(), (), Proof.PENDING, "0.0 s of 10 s"),
        (SOAK, 9.9, state(), (), Proof.PENDING, "9.9 s of 10 s"),
        (SOAK, 10, state(), (), Proof.HEALTHY, "without a restart"),
        (SOAK, 1, state(ContainerStatus.EXITED, exit_code=3), (), Proof.UNHEALTHY, "ended with status 3"),
        (SOAK, 1, state(ContainerStatus.EXITED, exit_code=0), (), Proof.UNHEALTHY, "ended with status 0"),
        (SOAK, 1, state(ContainerStatus.DEAD), (), Proof.UNHEALTHY, "ended"),
        (SOAK, 1, state(ContainerStatus.RESTARTING), (), Proof.UNHEALTHY, "crashed"),
        (SOAK, 30, state(restarts=2), (), Proof.UNHEALTHY, "restarted 2 times"),
        (SOAK, 30, state(ContainerStatus.PAUSED), (), Proof.PENDING, "paused"),
        (SOAK, 60, state(ContainerStatus.PAUSED), (), Proof.UNHEALTHY, "not healthy after 60 s"),
        (SOAK, 30, state(health=Health.STARTING), (), Proof.PENDING, "starting"),
        (SOAK, 60, state(health=Health.STARTING, log="no db"), (), Proof.UNHEALTHY, "no db"),
        (SOAK, 0, state(health=Health.HEALTHY), (), Proof.HEALTHY, "health check passes"),
        (SOAK, 0, state(health=Health.UNHEALTHY, log="500"), (), Proof.UNHEALTHY, "health check fails: 500"),
        (SOAK, 5, state(health=Health.UNKNOWN), (), Proof.PENDING, "unknown"),
        (PROBED, 0, state(), (FAILS,), Proof.PENDING, "refused"),
        (PROBED, 60, state(), (FAILS,), Proof.UNHEALTHY, "refused"),
        (PROBED, 0, state(), (PASSES,), Proof.HEALTHY, "accepts connections"),
        (PROBED, 30, state(health=Health.STARTING), (PASSES,), Proof.PENDING, "starting"),
        (PROBED, 30, state(health=Health.HEALTHY), (FAILS,), Proof.PENDING, "refused"),
        (PROBED, 30, state(health=Health.HEALTHY), (PASSES,), Proof.HEALTHY, "passes; 80 accepts"),
    ],
)
def test_what_a_look_proves(  # noqa: PLR0917 -- a row of the table
    plan: HealthPlan,
    seconds: float,
    seen: WorkloadState,
    probes: tuple[ProbeResult, ...],
    proof: Proof,
    said: str,
) -> None:
    judgement = judge(plan, Look(timedelta(seconds=seconds), seen, probes=probes))
    assert judgement.proof is proof
    assert said in judgement.reason


def test_a_health_check_that_the_policy_ignores_proves_nothing_either_way() -> None:
    plan = SOAK.model_copy(update={"use_healthcheck": False})
    assert judge(plan, Look(timedelta(0), state(health=Health.HEALTHY))).proof is Proof.PENDING


def test_a_soak_that_is_longer_than_the_deadline_can_still_be_passed() -> None:
    plan = HealthPlan(soak=timedelta(minutes=10), deadline=timedelta(minutes=1))
    assert judge(plan, Look(timedelta(minutes=9), state())).proof is Proof.PENDING
    assert judge(plan, Look(timedelta(minutes=10), state())).proof is Proof.HEALTHY


def test_a_probe_that_fails_does_not_wait_for_a_soak_that_is_not_asked_for() -> None:
    plan = PROBED.model_copy(update={"soak": timedelta(hours=1)})
    assert judge(plan, Look(timedelta(seconds=60), state(), probes=(FAILS,))).proof is Proof.UNHEALTHY


class Engine:
    """Gives one answer after the other; the last one stays."""

    def __init__(self, *answers: WorkloadState | Exception, exits: tuple[int, ...] = ()) -> None:
        self._answers: Iterator[WorkloadState | Exception] = iter(answers)
        self._last: WorkloadState | Exception = answers[-1]
        self.exits = list(exits)
        self.seconds = 0.0

    def state(self, key: str) -> WorkloadState:
        answer = next(self._answers, self._last)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def execute(self, key: str, command: Any, timeout: timedelta) -> ExecResult:
        return ExecResult(self.exits.pop(0), "not yet")

    def prove(self, plan: HealthPlan, image_id: str | None = None) -> Judgement:
        clock = Clock(monotonic=lambda: self.seconds, sleep=self._sleep)
        return prove(self, "web", plan, clock, image_id=image_id)  # type: ignore[arg-type]  # -- the two calls it makes

    def _sleep(self, seconds: float) -> None:
        self.seconds += seconds


def test_one_that_keeps_running_is_proved_when_its_time_is_over() -> None:
    engine = Engine(state())
    assert engine.prove(SOAK).proof is Proof.HEALTHY
    assert engine.seconds == 10


def test_one_that_crashes_is_known_at_once() -> None:
    engine = Engine(state(), state(), state(ContainerStatus.EXITED, exit_code=1))
    assert engine.prove(SOAK).proof is Proof.UNHEALTHY
    assert engine.seconds == 2


def test_a_restart_between_two_looks_is_noticed_without_a_count() -> None:
    later = state(started=STARTED + timedelta(seconds=3))
    assert Engine(state(), later).prove(SOAK).proof is Proof.UNHEALTHY


def test_one_of_another_image_is_not_the_new_one() -> None:
    judgement = Engine(state(image="sha256:old")).prove(SOAK, image_id="sha256:new")
    assert judgement.proof is Proof.UNHEALTHY
    assert "sha256:old" in judgement.reason


def test_one_that_is_gone_is_not_healthy() -> None:
    assert Engine(NotFoundError("there is no web")).prove(SOAK).proof is Proof.UNHEALTHY


def test_an_engine_that_does_not_answer_for_a_moment_is_asked_again() -> None:
    assert Engine(state(), UnreachableError("gone"), state()).prove(SOAK).proof is Proof.HEALTHY


def test_an_engine_that_never_answers_leaves_it_unknown() -> None:
    with pytest.raises(UnreachableError):
        Engine(UnreachableError("gone")).prove(SOAK)


def test_a_probe_is_asked_at_its_own_interval_until_it_passes() -> None:
    probe = ExecProbe(command=("ready",), interval=timedelta(seconds=5))
    engine = Engine(state(), exits=(1, 1, 0))
    judgement = engine.prove(SOAK.model_copy(update={"probes": (probe,)}))
    assert judgement == Judgement(Proof.HEALTHY, "'ready' ended with status 0: not yet")
    assert engine.seconds == 10
