"""Proving that a new container is well. What is seen decides by a pure rule; the polling around it knows no rule."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from uptainer.core.clock import Clock
from uptainer.core.enums import ContainerStatus, Health
from uptainer.core.errors import NotFoundError, TemporaryError
from uptainer.core.workloads import Port
from uptainer.policy.probes import ExecProbe, Probe
from uptainer.runtimes.port import Runtime, WorkloadState
from uptainer.updates.probes import ProbeResult, run_probe

_ENDED = {ContainerStatus.EXITED, ContainerStatus.DEAD, ContainerStatus.REMOVING, ContainerStatus.VANISHED}


class HealthPlan(BaseModel):
    """How a workload proves itself.

    Its own HEALTHCHECK where it has one and `use_healthcheck`, and every probe, have to pass. Where there is neither, or
    with `soaks`, it has to run for `soak` without a restart, and they have to pass at the end of that. What is not well
    for `deadline` on end, from the start or since it last was, is not healthy.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    probes: tuple[Probe, ...] = ()
    use_healthcheck: bool = True
    soak: timedelta = timedelta(seconds=15)
    soaks: bool = False
    deadline: timedelta = timedelta(minutes=3)
    interval: timedelta = timedelta(seconds=1)


class Proof(StrEnum):
    PENDING = "pending"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True, slots=True)
class Judgement:
    proof: Proof
    reason: str


@dataclass(frozen=True, slots=True)
class Look:
    """What one look saw, `elapsed` after the first; one start that became another is a restart. `well` is when all that
    is asked of it last passed, counted as `elapsed`.
    """

    elapsed: timedelta
    state: WorkloadState
    restarted: bool = False
    probes: tuple[ProbeResult, ...] = ()
    well: timedelta = timedelta(0)


def judge(plan: HealthPlan, look: Look) -> Judgement:
    """What one look proves."""
    ended = _ending(look)
    if ended:
        return Judgement(Proof.UNHEALTHY, ended)
    if doubts := _doubts(plan, look):
        if look.elapsed - look.well >= plan.deadline:
            limit = f"{plan.deadline.total_seconds():g} s"
            return Judgement(Proof.UNHEALTHY, f"not healthy for {limit}: {'; '.join(doubts)}")
        return Judgement(Proof.PENDING, "; ".join(doubts))
    if _soaks(plan, look) and look.elapsed < plan.soak:
        soaked = f"{look.elapsed.total_seconds():.1f} s of {plan.soak.total_seconds():g} s"
        return Judgement(Proof.PENDING, f"it has run for {soaked}")
    return Judgement(Proof.HEALTHY, _praise(plan, look))


def prove(
    runtime: Runtime, key: str, plan: HealthPlan, clock: Clock, *, image_id: str | None = None
) -> Judgement:
    """Look until it is proved one way or the other; never PENDING.

    `image_id` is what must be running under the key, where that is known.

    Raises:
        TemporaryError: the engine did not answer for as long as the deadline, so nothing is known.
    """
    begun = clock.monotonic()
    answered = timedelta(0)
    watch = _Watch(runtime, key, plan, image_id)
    while True:
        elapsed = timedelta(seconds=clock.monotonic() - begun)
        try:
            judgement = watch.look(elapsed)
        except TemporaryError:
            if elapsed - answered >= plan.deadline:
                raise
        else:
            answered = elapsed
            if judgement.proof is not Proof.PENDING:
                return judgement
        clock.sleep(plan.interval.total_seconds())


class _Watch:
    """What is remembered between looks: the first state, when it was last well, and of each probe its last answer and when
    it is due again.
    """

    def __init__(self, runtime: Runtime, key: str, plan: HealthPlan, image_id: str | None) -> None:
        self._runtime = runtime
        self._key = key
        self._plan = plan
        self._image_id = image_id
        self._first: WorkloadState | None = None
        self._well = timedelta(0)
        self._answers: dict[int, ProbeResult] = {}
        self._due: dict[int, timedelta] = {}

    def look(self, elapsed: timedelta) -> Judgement:
        try:
            state = self._runtime.state(self._key)
            if self._image_id and state.image_id != self._image_id:
                reason = f"{self._key} runs {state.image_id}, and not {self._image_id}"
                return Judgement(Proof.UNHEALTHY, reason)
            self._first = self._first or state
            restarted = _is_restarted(self._first, state)
            if state.status is ContainerStatus.RUNNING:
                self._ask(state, elapsed)
        except NotFoundError as error:
            return Judgement(Proof.UNHEALTHY, str(error))
        look = Look(elapsed, state, restarted, tuple(self._answers.values()), self._well)
        if not _doubts(self._plan, look):
            self._well = elapsed
        return judge(self._plan, look)

    def _ask(self, state: WorkloadState, elapsed: timedelta) -> None:
        """Those that have not passed, each when its own interval is over; at the end of a soak the others once more."""
        due = [
            number
            for number in range(len(self._plan.probes))
            if elapsed >= self._due.get(number, timedelta(0))
        ]
        ports = ports_of(self._runtime, self._key, [self._plan.probes[number] for number in due])
        for number in due:
            probe = self._plan.probes[number]
            answer = run_probe(probe, self._runtime, self._key, state=state, ports=ports)
            self._answers[number] = answer
            self._due[number] = self._due_after_pass(elapsed) if answer.passed else elapsed + probe.interval

    def _due_after_pass(self, elapsed: timedelta) -> timedelta:
        return self._plan.soak if self._plan.soaks and elapsed < self._plan.soak else timedelta.max


def _is_restarted(first: WorkloadState, now: WorkloadState) -> bool:
    """A start that is not known says nothing: a workload may come to have one pod, or several, meanwhile."""
    return None not in (first.started_at, now.started_at) and first.started_at != now.started_at


def ports_of(runtime: Runtime, key: str, probes: Sequence[Probe]) -> Sequence[Port]:
    """The container's ports, where a probe needs them."""
    if all(isinstance(probe, ExecProbe) for probe in probes):
        return ()
    return next((container.ports for container in runtime.containers() if container.key == key), ())


def _ending(look: Look) -> str:
    """Why there is nothing more to wait for, or ""."""
    state = look.state
    if state.status in _ENDED:
        status = "" if state.exit_code is None else f" with status {state.exit_code}"
        return f"it ended{status} after {look.elapsed.total_seconds():.1f} s"
    if state.status is ContainerStatus.RESTARTING or state.restart_count > 0 or look.restarted:
        return f"it crashed, and was restarted {max(state.restart_count, 1)} times"
    if state.health is Health.UNHEALTHY:
        return f"its health check fails{_said(state)}"
    return ""


def _doubts(plan: HealthPlan, look: Look) -> tuple[str, ...]:
    """What does not pass now, and may yet."""
    state = look.state
    unchecked = _has_healthcheck(plan, look) and state.health is not Health.HEALTHY
    return (
        *((f"its health check is {state.health}{_said(state)}",) if unchecked else ()),
        *(f"probe: {result.text}" for result in look.probes if not result.passed),
        *((f"it is {state.status}",) if state.status is not ContainerStatus.RUNNING else ()),
    )


def _has_healthcheck(plan: HealthPlan, look: Look) -> bool:
    return plan.use_healthcheck and look.state.health is not Health.NONE


def _soaks(plan: HealthPlan, look: Look) -> bool:
    return plan.soaks or not (plan.probes or _has_healthcheck(plan, look))


def _praise(plan: HealthPlan, look: Look) -> str:
    checked = ("its health check passes",) if _has_healthcheck(plan, look) else ()
    seconds = plan.soak.total_seconds()
    soaked = (f"it ran for {seconds:g} s without a restart",) if _soaks(plan, look) else ()
    return "; ".join((*checked, *(result.text for result in look.probes), *soaked))


def _said(state: WorkloadState) -> str:
    return f": {state.health_log.strip()[-500:]}" if state.health_log.strip() else ""
