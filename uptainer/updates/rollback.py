"""Undoing an update: every step that was begun is taken back, the last one first."""

from collections.abc import Iterator

from uptainer.core.enums import UpdateStatus
from uptainer.core.errors import PermanentError, SupersededError, TemporaryError
from uptainer.core.workloads import is_known_image
from uptainer.updates.journal import Record
from uptainer.updates.planning import RUNS
from uptainer.updates.run import Outcome, Run
from uptainer.updates.steps import Entry, to_undo, touched

PAUSES = (0.5, 2.0)
"""Seconds before an undo that met a temporary fault is tried again by the same process."""


def roll_back(run: Run) -> Outcome:
    """Undo what was begun; the state is ROLLING_BACK already, and its reason says why.

    Where somebody else was there meanwhile, theirs stays, and all the rest is undone. Such a step is not written down as
    undone: a process that goes on after this one meets the same.

    Raises:
        TemporaryError: the engine or the database does not answer. It stays ROLLING_BACK, and recovery goes on with it.
    """
    record = run.journal.read()
    reason = record.update.status_reason
    try:
        theirs = [str(error) for error in _undo_all(run, record)]
        if not theirs:
            _check(run, record)
    except TemporaryError:
        raise
    except Exception as error:  # noqa: BLE001 -- whatever stopped the undo, a person must be told
        said = f"{reason}. The undo failed: {error}. {_help(run.subject.update.id)}"
        return _settle(run, UpdateStatus.ROLLBACK_FAILED, said)
    reason = run.journal.read().update.status_reason
    if theirs:
        return _settle(run, UpdateStatus.SUPERSEDED, ". ".join(dict.fromkeys([reason or "", *theirs])))
    return _settle(run, _end(run, record), reason)


def _help(update_id: int) -> str:
    """Named, it is tried also where recovery has given it up."""
    return (
        f"`uptainer run recover -p insist={update_id} --wait` tries again; "
        "docs/recovery.md says how to do it by hand"
    )


def _undo_all(run: Run, record: Record) -> Iterator[SupersededError]:
    for entry in to_undo(record.journal):
        run.journal.undoing(entry.name)
        try:
            _revert(run, entry, record)
        except SupersededError as error:
            yield error
        else:
            run.journal.undone(entry.name)


def _revert(run: Run, entry: Entry, record: Record) -> None:
    """An engine that was busy for a moment is asked again at once: the workload may be down meanwhile."""
    for pause in PAUSES:
        try:
            run.revert(entry, record)
        except TemporaryError:
            run.clock.sleep(pause)
        else:
            return
    run.revert(entry, record)


def _end(run: Run, record: Record) -> UpdateStatus:
    """What somebody else put there meanwhile is theirs, and was not rolled back."""
    if touched(record.journal) and run.plan.end is not UpdateStatus.SUPERSEDED:
        return UpdateStatus.ROLLED_BACK
    return run.plan.end or UpdateStatus.FAILED


def _check(run: Run, record: Record) -> None:
    """The old container stands under its name again, and runs if it ran. What was never touched may have come to rest."""
    if run.plan.end is UpdateStatus.SUPERSEDED:
        return
    key = run.subject.key
    state = run.runtime.state(key)
    if run.plan.same_identity and state.runtime_id != run.plan.runtime_id:
        raise PermanentError(f"{key} is not the old container ({run.plan.runtime_id[:12]})")
    is_seen = touched(record.journal) or is_known_image(state.image_id)
    if is_seen and state.image_id != run.plan.image_id:
        raise PermanentError(f"{key} runs {state.image_id}, and not {run.plan.image_id} as before")
    if run.plan.ran and touched(record.journal) and state.status not in RUNS:
        raise PermanentError(
            f"the old {key} is back, but it is {state.status}: {state.health_log or 'see its logs'}"
        )


def _settle(run: Run, status: UpdateStatus, reason: str) -> Outcome:
    run.journal.settle(status, reason)
    return Outcome(run.subject.update.id, status, reason)
