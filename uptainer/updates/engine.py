"""Carrying out an update: prepare, stop, switch, prove, and finish or undo.

`apply` may be called again at any time, by any process: it reads the update's state and journal, and does what is next.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace

from sqlalchemy import Connection, exists, select

from uptainer.backups.store import Stores
from uptainer.core.clock import Clock
from uptainer.core.enums import ApprovalDecision, StepStatus, UpdateStatus
from uptainer.core.errors import (
    PermanentError,
    RefusedError,
    SupersededError,
    TemporaryError,
    UptainerError,
)
from uptainer.runtimes.port import Affected, Runtime
from uptainer.store.database import Database
from uptainer.store.models import CLOSED, Approval
from uptainer.store.repositories.backups import BackupRepository
from uptainer.updates.dependants import (
    claim_dependants,
    find_dependants,
    refuse_changed,
    refuse_unfinished,
)
from uptainer.updates.journal import Journal, Record
from uptainer.updates.locks import claim_workload, take_slots
from uptainer.updates.options import UpdateOptions
from uptainer.updates.planning import Subject, find_subject, make_plan
from uptainer.updates.rollback import roll_back
from uptainer.updates.run import Ask, Outcome, Run, unhindered
from uptainer.updates.steps import (
    FORWARD,
    IN_FLIGHT,
    READY,
    START,
    VALIDATE,
    Course,
    Entry,
    Plan,
    PlannedStep,
    Stage,
    course,
    touched,
)

MAX_TRIES = 5
"""So often is an update taken up again by itself; after that a person must look."""


def apply(
    update_id: int,
    database: Database,
    runtime: Runtime,
    options: UpdateOptions,
    stores: Stores,
    *,
    clock: Clock | None = None,
    registry_auth: Mapping[str, str] | None = None,
    ask_hindrance: Ask = unhindered,
) -> Outcome:
    """Carry an approved update out, or go on with one that was left in the middle; a closed one is only told of.

    What may not begin, or not go on once it is prepared, is untouched and waits as before; the outcome says why.

    Raises:
        RefusedError: nobody approved it, or not this digest.
        BusyError: another run works on the workload or on what is stopped with it, an update or a restore was cut off and is not put right yet, or as many updates as may run on the host or server.
        TemporaryError: the registry, engine or database did not answer. Nothing was touched and it is APPROVED again,
            or it was left in the middle, and recovery goes on with it: calling again helps in both cases.
    """
    timing = clock or Clock()
    with _claimed(database, update_id) as (connection, subject):
        journal = Journal(connection, update_id, timing.now)
        record = journal.read()
        if record.status in CLOSED:
            return Outcome(update_id, record.status, record.update.status_reason)
        if record.status not in READY:
            if record.plan is not None:
                claim_dependants(connection, subject, record.plan.dependants)
            return resume(journal, subject, runtime, stores, clock=timing, registry_auth=registry_auth)
        _check_approved(journal, subject)
        if why_not := ask_hindrance():
            return Outcome(update_id, journal.read().status, why_not)
        with journal.transaction() as session:
            BackupRepository(session).refuse_unsettled(subject.update.container_id)
        take_slots(connection, subject.host, options.host_slots, subject.server, options.server_slots)
        tries = record.plan.recoveries + 1 if record.plan else 0
        try:
            others = _claim_others(connection, journal, subject, runtime)
            plan = make_plan(subject, runtime, options, stores, tries)
        except PermanentError as error:
            return _decline(journal, subject, error)
        refuse_changed(subject, plan.dependants, others)
        journal.plan(plan)
        return _forward(Run(journal, runtime, subject, plan, stores, timing, registry_auth, ask_hindrance))


def resume(
    journal: Journal,
    subject: Subject,
    runtime: Runtime,
    stores: Stores,
    *,
    clock: Clock,
    registry_auth: Mapping[str, str] | None = None,
) -> Outcome:
    """Go on with an update whose process is dead: the caller holds its locks, so nobody is at it.

    Raises:
        TemporaryError: as `apply`.
    """
    record = journal.read()
    if record.status not in IN_FLIGHT:
        raise RefusedError(f"update {subject.update.id} is {record.status}: nobody approved it")
    plan = journal.take_up()
    run = Run(journal, runtime, subject, plan, stores, clock, registry_auth)
    if course(record.status, plan.steps, record.journal) is Course.FORWARD:
        _start_again(run, record)
        finishing = any(entry.stage is Stage.FINISH for entry in record.journal)
        return _forward(run, again=() if finishing else (VALIDATE,))
    if record.status in FORWARD:
        end = UpdateStatus.ROLLED_BACK if touched(record.journal) else UpdateStatus.APPROVED
        journal.turn_back("its process died in the middle", end=_bounded(end, plan))
    return roll_back(replace(run, plan=journal.read().plan or plan))


def dry_run(
    update_id: int, database: Database, runtime: Runtime, options: UpdateOptions, stores: Stores
) -> Plan:
    """Every step that the update would take, and nothing done.

    Raises:
        RefusedError: it can't be carried out; the message says why.
        NotFoundError, UnreachableError.
    """
    with database.session() as session:
        subject = find_subject(session, update_id)
    if subject.update.status in CLOSED:
        raise RefusedError(f"update {update_id} of {subject.key} is {subject.update.status} already")
    return make_plan(subject, runtime, options, stores)


def _start_again(run: Run, record: Record) -> None:
    """An engine that died may have left the new container stopped. One that does not start is not proved healthy."""
    step = next((step for step in run.plan.steps if step.name == START), None)
    if step is not None:
        with suppress(PermanentError):
            run.perform(step, record)


def _forward(run: Run, again: Collection[str] = ()) -> Outcome:
    """Every step that is not done yet, in order; those in `again` even so."""
    for position, step in enumerate(run.plan.steps):
        record = run.journal.read()
        entry = next((each for each in record.journal if each.name == step.name), None)
        if entry is not None and entry.status is StepStatus.DONE and step.name not in again:
            continue
        if step.stage is not Stage.PREPARE and not touched(record.journal):
            try:
                run.check_before_touch(record)
                why_not = run.ask_hindrance()
            except Exception as error:  # noqa: BLE001 -- whatever it is, the preparations are taken back
                run.journal.turn_back(str(error), end=_end_of_preparation(run, error))
                return _undo(run, error)
            if why_not:
                run.journal.turn_back(why_not, end=UpdateStatus.APPROVED, counted=False)
                return roll_back(replace(run, plan=run.journal.read().plan or run.plan))
        run.journal.intend(step, position)
        try:
            result = run.perform(step, record)
        except Exception as error:  # noqa: BLE001 -- whatever it is, it is written down and undone
            outcome = _failed(run, step, record.journal, error)
            if outcome is not None:
                return outcome
            continue
        run.journal.done(step, result)
    return _succeed(run)


def _failed(run: Run, step: PlannedStep, journal: tuple[Entry, ...], error: Exception) -> Outcome | None:
    """Undo it; None where the step can't be undone and the update goes on without it."""
    if step.stage is Stage.FINISH:
        run.journal.fail_finishing(step, _words(error))
        if isinstance(error, TemporaryError) and run.plan.recoveries < MAX_TRIES:
            raise error
        return None
    if step.stage is Stage.VALIDATE and isinstance(error, TemporaryError) and run.plan.recoveries < MAX_TRIES:
        run.journal.note(f"{step.sentence}: {_words(error)}. It is looked at again when the engine answers")
        raise error
    is_preparation = step.stage is Stage.PREPARE and not touched(journal)
    is_anothers = isinstance(error, SupersededError)
    end = _end_of_preparation(run, error) if is_preparation or is_anothers else UpdateStatus.ROLLED_BACK
    run.journal.fail(step, _words(error), end=end)
    return _undo(run, error)


def _undo(run: Run, error: Exception) -> Outcome:
    """Raises the error again where it is temporary and nothing was touched: then the update is APPROVED again."""
    plan = run.journal.read().plan or run.plan
    outcome = roll_back(replace(run, plan=plan))
    if outcome.status is UpdateStatus.APPROVED:
        raise error
    return outcome


def _end_of_preparation(run: Run, error: Exception) -> UpdateStatus:
    if isinstance(error, SupersededError):
        return UpdateStatus.SUPERSEDED
    return (
        _bounded(UpdateStatus.APPROVED, run.plan)
        if isinstance(error, TemporaryError)
        else UpdateStatus.FAILED
    )


def _bounded(end: UpdateStatus, plan: Plan) -> UpdateStatus:
    """An approval is not lost to a network that failed once, and not tried for ever either."""
    return UpdateStatus.FAILED if end is UpdateStatus.APPROVED and plan.recoveries >= MAX_TRIES else end


def _succeed(run: Run) -> Outcome:
    journal = run.journal.read().journal
    left = [f"{entry.name}: {entry.error}" for entry in journal if entry.status is StepStatus.FAILED]
    proof = next(
        (str(entry.result.get("reason", "")) for entry in journal if entry.stage is Stage.VALIDATE), ""
    )
    reason = "; ".join([proof, *(f"left over by {each}" for each in left)])
    run.journal.succeed(reason)
    return Outcome(run.subject.update.id, UpdateStatus.SUCCEEDED, reason)


def _decline(journal: Journal, subject: Subject, error: PermanentError) -> Outcome:
    status = UpdateStatus.SUPERSEDED if isinstance(error, SupersededError) else UpdateStatus.FAILED
    journal.decline(status, str(error))
    return Outcome(subject.update.id, status, str(error))


def _check_approved(journal: Journal, subject: Subject) -> None:
    """Raises RefusedError unless an answer that was taken approves exactly the digest that would be deployed."""
    update = subject.update
    approved = exists().where(
        Approval.update_id == update.id,
        Approval.decision == ApprovalDecision.APPROVE,
        Approval.taken,
        Approval.digest == update.to_digest,
    )
    with journal.transaction() as session:
        if not session.scalar(select(approved)):
            raise RefusedError(f"update {update.id} of {subject.key}: nobody approved {update.to_digest}")


@contextmanager
def _claimed(database: Database, update_id: int) -> Iterator[tuple[Connection, Subject]]:
    with database.session() as session:
        subject = find_subject(session, update_id)
    with claim_workload(database, subject.host, subject.key) as connection:
        yield connection, subject


def _claim_others(
    connection: Connection, journal: Journal, subject: Subject, runtime: Runtime
) -> Sequence[Affected]:
    """Before the plan is made, so that it is not made of what is stopped for a moment by somebody else's work on it."""
    others = find_dependants(runtime, subject)
    claim_dependants(connection, subject, others)
    with journal.transaction() as session:
        refuse_unfinished(session, subject, others)
    return others


def _words(error: Exception) -> str:
    """A fault that is not ours may be many lines, with SQL in them: people read the first, and the log has all."""
    text = str(error) if isinstance(error, UptainerError) else f"{type(error).__name__}: {error}"
    return text.strip().partition("\n")[0] or type(error).__name__
