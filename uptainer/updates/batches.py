"""Several updates as one batch, in order: one that does not succeed stops those that depend on it, and no others."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from uptainer.core.enums import UpdateStatus
from uptainer.core.errors import UptainerError
from uptainer.updates.run import Outcome


@dataclass(frozen=True, slots=True)
class BatchItem:
    """`depends_on` are keys of workloads, of this batch or not."""

    update_id: int
    key: str
    depends_on: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class BatchReport:
    """`errors` were raised and may go by; `stopped` were not begun, each with the reason."""

    outcomes: tuple[Outcome, ...] = ()
    errors: tuple[tuple[int, UptainerError], ...] = ()
    stopped: tuple[tuple[int, str], ...] = field(default=())


def run_batch(items: Sequence[BatchItem], apply_one: Callable[[int], Outcome]) -> BatchReport:
    """Carry the items out in the order given (`policy.schedule` gives one); `apply_one` is the engine's `apply`."""
    outcomes: list[Outcome] = []
    errors: list[tuple[int, UptainerError]] = []
    stopped: list[tuple[int, str]] = []
    failed: set[str] = set()
    for item in items:
        missing = sorted(item.depends_on & failed)
        if missing:
            stopped.append((item.update_id, f"{item.key} needs {missing[0]}, whose update did not succeed"))
            failed.add(item.key)
            continue
        try:
            outcome = apply_one(item.update_id)
        except UptainerError as error:
            errors.append((item.update_id, error))
            failed.add(item.key)
            continue
        outcomes.append(outcome)
        if outcome.status is not UpdateStatus.SUCCEEDED:
            failed.add(item.key)
    return BatchReport(tuple(outcomes), tuple(errors), tuple(stopped))
