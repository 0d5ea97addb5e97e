from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from uptainer.core.clock import Clock
from uptainer.core.enums import ContainerStatus, Health, PolicyScope
from uptainer.core.errors import NotFoundError, UnreachableError
from uptainer.policy.probes import ExecProbe, TcpProbe
from uptainer.policy.settings import EffectivePolicy, Source
from uptainer.runtimes.port import ExecResult, WorkloadState
from uptainer.updates.health import HealthPlan, Judgement, Look, Proof, judge, prove
from uptainer.updates.options import health_of
from uptainer.updates.probes import ProbeResult

STARTED = datetime(2026, 5, 1, tzinfo=UTC)
SOAK = HealthPlan(soak=timedelta(seconds=10), deadline=timedelta(seconds=60))
PROBED = SOAK.model_copy(update={"probes": (TcpProbe(port=80),)})
ASKED = SOAK.model_copy(update={"soaks": True})
ASKED_PROBED = PROBED.model_copy(update={"soaks": True})
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
        (SOAK, 60, state(ContainerStatus.PAUSED), (), Proof.UNHEALTHY, "not healthy for 60 s"),
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
        (ASKED_PROBED, 0, state(), (PASSES,), Proof.PENDING, "0.0 s of 10 s"),
        (
            ASKED_PROBED,
            10,
            state(),
            (PASSES,),
            Proof.HEALTHY,
            "connections; it ran for 10 s without a restart",
        ),
        (ASKED_PROBED, 10, state(), (FAILS,), Proof.PENDING, "refused"),
        (
            ASKED_PROBED,
            60,
            state(),
            (FAILS,),
            Proof.UNHEALTHY,
            "not healthy for 60 s: probe: 80: Connection refused",
        ),
        (ASKED_PROBED, 5, state(restarts=1), (PASSES,), Proof.UNHEALTHY, "restarted 1 times"),
        (ASKED, 9.9, state(health=Health.HEALTHY), (), Proof.PENDING, "9.9 s of 10 s"),
        (ASKED, 10, state(health=Health.HEALTHY), (), Proof.HEALTHY, "passes; it ran for 10 s"),
        (ASKED, 10, state(health=Health.STARTING), (), Proof.PENDING, "starting"),
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


@pytest.mark.parametrize(
    ("source", "soaks"),
    [
        (Source(), False),
        (Source(name="default"), True),
        (Source(scope=PolicyScope.LABEL, name="uptainer.probe.soak"), True),
        (Source(scope=PolicyScope.CONTAINER, name="nas/web"), True),
    ],
    ids=str,
)
def test_a_soak_that_somebody_set_counts_beside_probes_and_the_built_in_one_does_not(
    source: Source, *, soaks: bool
) -> None:
    policy = EffectivePolicy(probes=PROBED.probes, sources={"soak": source})
    assert health_of(policy) == HealthPlan(
        probes=PROBED.probes, soak=policy.soak, soaks=soaks, deadline=policy.health_deadline
    )


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


READY = ExecProbe(command=("ready",), interval=timedelta(seconds=4))


def test_a_probe_that_passed_is_asked_again_at_the_end_of_a_soak() -> None:
    engine = Engine(state(), exits=(0, 1, 0))
    judgement = engine.prove(ASKED.model_copy(update={"probes": (READY,)}))
    assert judgement.proof is Proof.HEALTHY
    assert engine.seconds == 14


def test_a_soak_is_waited_for_beyond_the_deadline_and_what_never_passed_is_not() -> None:
    """At its end the deadline counts from when it was last well."""
    long = HealthPlan(probes=(READY,), soak=timedelta(minutes=5), soaks=True, deadline=timedelta(minutes=1))
    engine = Engine(state(), exits=(0, 1, 0))
    assert engine.prove(long).proof is Proof.HEALTHY
    assert engine.seconds == 304
    failing = Engine(state(), exits=(1,) * 16)
    assert failing.prove(long).proof is Proof.UNHEALTHY
    assert failing.seconds == 60


def test_one_that_goes_bad_in_its_soak_has_the_deadline_to_be_well_again() -> None:
    well, bad = state(health=Health.HEALTHY), state(health=Health.UNKNOWN)
    engine = Engine(well, well, bad, well)
    assert engine.prove(ASKED).proof is Proof.HEALTHY
    never = Engine(well, well, bad)
    assert never.prove(ASKED).proof is Proof.UNHEALTHY
    assert never.seconds == 61


def test_an_engine_that_does_not_answer_for_a_moment_of_a_long_soak_is_asked_again() -> None:
    long = HealthPlan(soak=timedelta(seconds=10), deadline=timedelta(seconds=2))
    engine = Engine(*[state()] * 5, UnreachableError("gone"), state())
    assert engine.prove(long).proof is Proof.HEALTHY


def test_a_probe_is_asked_at_its_own_interval_until_it_passes() -> None:
    probe = ExecProbe(command=("ready",), interval=timedelta(seconds=5))
    engine = Engine(state(), exits=(1, 1, 0))
    judgement = engine.prove(SOAK.model_copy(update={"probes": (probe,)}))
    assert judgement == Judgement(Proof.HEALTHY, "'ready' ended with status 0: not yet")
    assert engine.seconds == 10
