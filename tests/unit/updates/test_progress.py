import pytest

from uptainer.core.enums import StepStatus, UpdateStatus
from uptainer.updates.progress import measure
from uptainer.updates.steps import Entry, PlannedStep, Stage

STEPS = tuple(
    PlannedStep(name, stage, sentence, UpdateStatus.APPLYING)
    for name, stage, sentence in [
        ("pull", Stage.PREPARE, "pull the image"),
        ("stop", Stage.STOP, "stop web"),
        ("start", Stage.SWITCH, "start the new web"),
        ("validate", Stage.VALIDATE, "prove that web is healthy"),
    ]
)


def journal(*statuses: StepStatus, error: str | None = None) -> list[Entry]:
    entries = [Entry(step.name, step.stage, status) for step, status in zip(STEPS, statuses, strict=False)]
    if error:
        last = entries[-1]
        entries[-1] = Entry(last.name, last.stage, last.status, error=error)
    return entries


DONE, BEGUN, FAILED, UNDONE = StepStatus.DONE, StepStatus.INTENT, StepStatus.FAILED, StepStatus.UNDONE


@pytest.mark.parametrize(
    ("statuses", "error", "percent", "doing"),
    [
        ((), None, 0, "about to begin"),
        ((BEGUN,), None, 0, "1/4 pull the image"),
        ((DONE, BEGUN), None, 25, "2/4 stop web"),
        ((DONE, DONE, DONE, DONE), None, 100, "4/4 prove that web is healthy"),
        ((DONE, DONE, DONE, FAILED), "it hurts", 75, "failed: prove that web is healthy: it hurts"),
        ((DONE, DONE, UNDONE, FAILED), "it hurts", 50, "undone: start the new web"),
        ((UNDONE, UNDONE, UNDONE, UNDONE), "it hurts", 0, "undone: pull the image"),
    ],
)
def test_progress_is_how_much_of_the_update_stands(
    statuses: tuple[StepStatus, ...], error: str | None, percent: float, doing: str
) -> None:
    found = measure(STEPS, journal(*statuses, error=error))
    assert (found.percent, found.doing) == (percent, doing)


def test_without_a_plan_nothing_is_known_but_that_it_is_made() -> None:
    assert measure((), []).doing == "planning what to do"


def test_what_was_said_once_stays_said_while_it_goes_on() -> None:
    before = measure(STEPS, journal(DONE, DONE, BEGUN))
    after = measure(STEPS, journal(DONE, DONE, FAILED, error="no"))
    assert set(before.said) < set(after.said)
