"""How far an update is, read from its journal: for whoever watches it, beside the process that carries it out."""

from collections.abc import Sequence
from dataclasses import dataclass

from uptainer.core.enums import StepStatus
from uptainer.store.database import Database
from uptainer.store.repositories.journal import JournalRepository
from uptainer.store.repositories.updates import UpdateRepository
from uptainer.updates.journal import entry_of
from uptainer.updates.steps import Entry, Plan, PlannedStep

_UNDOING = (StepStatus.UNDOING, StepStatus.UNDONE)


@dataclass(frozen=True, slots=True)
class Progress:
    """`percent` is how much of the update stands: it falls again while it is undone. `said` has a sentence for each
    step that was begun, failed or was undone, in the order in which that can have happened.
    """

    percent: float
    doing: str
    said: tuple[str, ...]


def read_progress(database: Database, update_id: int) -> Progress:
    with database.session() as session:
        update = UpdateRepository(session).by_id(update_id)
        rows = JournalRepository(session).steps(update_id)
    plan = Plan.from_json(update.plan) if update.plan else None
    return measure(plan.steps if plan else (), [entry_of(row) for row in rows])


def measure(steps: Sequence[PlannedStep], journal: Sequence[Entry]) -> Progress:
    """What the journal says of these steps."""
    if not steps:
        return Progress(0, "planning what to do", ())
    sentences = {step.name: step.sentence for step in steps}
    known = [entry for entry in journal if entry.name in sentences]
    begun = [f"{_number(steps, each)} {sentences[each.name]}" for each in known]
    failed = [f"failed: {sentences[each.name]}: {each.error}" for each in known if each.error]
    undone = [f"undone: {sentences[each.name]}" for each in reversed(known) if each.status in _UNDOING]
    done = sum(each.status is StepStatus.DONE for each in known)
    said = (*begun, *failed, *undone)
    return Progress(100 * done / len(steps), said[-1] if said else "about to begin", said)


def _number(steps: Sequence[PlannedStep], entry: Entry) -> str:
    names = [step.name for step in steps]
    return f"{names.index(entry.name) + 1}/{len(names)}"
