"""The steps of an update, in order: the runtime's own, with ours between them; and what the journal says comes next."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self

from uptainer.backups.hooks import Hooks
from uptainer.core.enums import StepStatus, UpdateStatus
from uptainer.core.workloads import Mount
from uptainer.runtimes.port import Affected, Phase, ReplacementPlan, Step

SAVE_CONFIGURATION = "save_configuration"
BACK_UP_VOLUMES = "back_up_volumes"
RESTORE_VOLUMES = "restore_volumes"
VALIDATE = "validate"
BEFORE_BACKUP = "before_backup"
AFTER_BACKUP = "after_backup"
OURS = (SAVE_CONFIGURATION, BEFORE_BACKUP, BACK_UP_VOLUMES, RESTORE_VOLUMES, VALIDATE, AFTER_BACKUP)

SNAPSHOT = "snapshot"
"""The step with which a runtime keeps the data by means of its own."""
START = "start"
"""The runtime's step with which the new container begins to run, and may write to the data."""

READY = (UpdateStatus.APPROVED, UpdateStatus.WAITING_FOR_WINDOW)
FORWARD = (UpdateStatus.BACKING_UP, UpdateStatus.APPLYING, UpdateStatus.VALIDATING)
BACKWARD = (UpdateStatus.ROLLING_BACK, UpdateStatus.ROLLBACK_FAILED)
IN_FLIGHT = (*FORWARD, *BACKWARD)


class Stage(StrEnum):
    """The runtime's phases, and between SWITCH and FINISH the proof that the new one is healthy."""

    PREPARE = "prepare"
    STOP = "stop"
    SWITCH = "switch"
    VALIDATE = "validate"
    FINISH = "finish"


class Course(StrEnum):
    """Which way an update goes on that was found in the middle."""

    FORWARD = "forward"
    BACK = "back"


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """`status` is the update's while this step is done."""

    name: str
    stage: Stage
    sentence: str
    status: UpdateStatus


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the journal."""

    name: str
    stage: Stage
    status: StepStatus
    result: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What was planned before the first act, as it is stored with the update: another process needs nothing else.

    `runtime_id`, `image_id` and `ran` are the workload's when it was planned. `dependants` are the others that are
    stopped and started with it, and `affected` those of them that ran, and have to run afterwards. `end` is where
    undoing leads, once it was decided. `recoveries` counts how often another process took the update up.
    `same_identity` is the runtime's word that undoing brings the same `runtime_id` back, and not just one that is like it.
    """

    steps: tuple[PlannedStep, ...]
    document: Mapping[str, Any]
    affected: tuple[str, ...]
    mounts: tuple[Mount, ...]
    backup_location: str
    runtime_id: str
    image_id: str
    ran: bool
    options: Mapping[str, Any]
    end: UpdateStatus | None = None
    recoveries: int = 0
    same_identity: bool = True
    dependants: tuple[Affected, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        end = document.get("end")
        return cls(
            **{
                **document,
                "steps": tuple(_step(each) for each in document["steps"]),
                "affected": tuple(document["affected"]),
                "mounts": tuple(Mount(**each) for each in document["mounts"]),
                "dependants": tuple(Affected(**each) for each in document.get("dependants", ())),
                "end": UpdateStatus(end) if end else None,
            }
        )


def sequence(
    plan: ReplacementPlan,
    mounts: Sequence[Mount],
    key: str,
    *,
    restores: bool = False,
    hooks: Hooks | None = None,
) -> tuple[PlannedStep, ...]:
    """Every step in the order in which it is done; the hooks are for what runs, and whose data is kept."""
    by_phase = {phase: [_runtime_step(step) for step in plan.steps if step.phase is phase] for phase in Phase}
    save = PlannedStep(
        SAVE_CONFIGURATION,
        Stage.PREPARE,
        f"keep the configuration and the image of {key}",
        UpdateStatus.BACKING_UP,
    )
    validate = PlannedStep(VALIDATE, Stage.VALIDATE, f"prove that {key} is healthy", UpdateStatus.VALIDATING)
    return (
        save,
        *_before(by_phase[Phase.PREPARE], hooks, key),
        *by_phase[Phase.STOP],
        *_data_steps(mounts, key, restores=restores),
        *by_phase[Phase.SWITCH],
        validate,
        *_after(hooks, key),
        *by_phase[Phase.FINISH],
    )


def _before(preparing: Sequence[PlannedStep], hooks: Hooks | None, key: str) -> tuple[PlannedStep, ...]:
    """The last thing before the stop, so that little is written in between; a snapshot is taken after it."""
    if not hooks:
        return tuple(preparing)
    command = f"run {' '.join(hooks.before)} in" if hooks.before else "run nothing in"
    step = PlannedStep(
        BEFORE_BACKUP, Stage.PREPARE, f"{command} {key} before its backup", UpdateStatus.BACKING_UP
    )
    at = next((number for number, each in enumerate(preparing) if each.name == SNAPSHOT), len(preparing))
    return (*preparing[:at], step, *preparing[at:])


def _after(hooks: Hooks | None, key: str) -> tuple[PlannedStep, ...]:
    """In the new one, which has the data now. Undoing runs it in the old one."""
    if not hooks or not hooks.after:
        return ()
    sentence = f"run {' '.join(hooks.after)} in {key} after its backup"
    return (PlannedStep(AFTER_BACKUP, Stage.FINISH, sentence, UpdateStatus.VALIDATING),)


def course(status: UpdateStatus, steps: Sequence[PlannedStep], journal: Sequence[Entry]) -> Course:
    """Where an update goes on that its process left in the middle.

    Forward, when the new container was put in its place completely: it only has to prove itself, or has done so. Back
    otherwise, and when the undo had begun already. FINISH can't be undone, so once it has begun it goes forward.
    """
    if status in BACKWARD:
        return Course.BACK
    if any(entry.stage is Stage.FINISH for entry in journal):
        return Course.FORWARD
    done = {entry.name for entry in journal if entry.status is StepStatus.DONE}
    switches = [step.name for step in steps if step.stage is Stage.SWITCH]
    return Course.FORWARD if switches and done.issuperset(switches) else Course.BACK


def to_undo(journal: Sequence[Entry]) -> tuple[Entry, ...]:
    """What was begun and is not undone, the last first."""
    return tuple(entry for entry in reversed(journal) if entry.status is not StepStatus.UNDONE)


def touched(journal: Sequence[Entry]) -> bool:
    """Whether the running workload was touched at all."""
    return any(entry.stage is not Stage.PREPARE for entry in journal)


def data_may_differ(steps: Sequence[PlannedStep], journal: Sequence[Entry]) -> bool:
    """Whether the data may have been written to since its backup: the new container's start was at least intended, or
    other data was put back.
    """
    begun = {entry.name for entry in journal}
    switches = [step.name for step in steps if step.stage is Stage.SWITCH]
    runs_from = switches.index(START) if START in switches else 0
    return bool(begun.intersection((RESTORE_VOLUMES, *switches[runs_from:])))


def downtime(journal: Sequence[Entry]) -> timedelta | None:
    """From the stop of the old container to the start of the new one; None where one of them is not known."""
    stops = [entry.started_at for entry in journal if entry.stage is Stage.STOP]
    switches = [entry for entry in journal if entry.stage is Stage.SWITCH]
    start = next((entry for entry in switches if entry.name == START), switches[-1] if switches else None)
    if not stops or stops[0] is None or start is None or start.finished_at is None:
        return None
    return start.finished_at - stops[0]


def _runtime_step(step: Step) -> PlannedStep:
    if step.name in OURS:
        raise ValueError(f"a runtime's step may not be called {step.name}")
    status = UpdateStatus.VALIDATING if step.phase is Phase.FINISH else UpdateStatus.APPLYING
    return PlannedStep(step.name, Stage(step.phase.value), step.sentence, status)


def _data_steps(mounts: Sequence[Mount], key: str, *, restores: bool) -> tuple[PlannedStep, ...]:
    """While nothing runs. What is to be overwritten is backed up before."""
    names = ", ".join(mount.name or mount.source or mount.destination for mount in mounts)
    back_up = PlannedStep(BACK_UP_VOLUMES, Stage.STOP, f"back up {names} of {key}", UpdateStatus.BACKING_UP)
    restore = PlannedStep(
        RESTORE_VOLUMES, Stage.STOP, f"put the data of {key} back as it was", UpdateStatus.APPLYING
    )
    return (*((back_up,) if mounts else ()), *((restore,) if restores else ()))


def _step(document: Mapping[str, Any]) -> PlannedStep:
    return PlannedStep(
        document["name"], Stage(document["stage"]), document["sentence"], UpdateStatus(document["status"])
    )
