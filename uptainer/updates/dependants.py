"""The others that an update stops, and starts or makes again: held while it runs, and looked at before they are touched."""

from collections.abc import Sequence

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from uptainer.core.errors import BusyError, NotFoundError, SupersededError, TemporaryError
from uptainer.runtimes.port import Affected, Runtime
from uptainer.store.repositories.updates import UpdateRepository
from uptainer.updates.locks import claim_others
from uptainer.updates.planning import Subject
from uptainer.updates.steps import IN_FLIGHT


def find_dependants(runtime: Runtime, subject: Subject) -> Sequence[Affected]:
    """Raises: SupersededError where the subject is gone; UnreachableError."""
    try:
        return runtime.affected_by(subject.key)
    except NotFoundError as error:
        raise SupersededError(f"{subject.key} is not on {subject.host} any more") from error


def claim_dependants(connection: Connection, subject: Subject, dependants: Sequence[Affected]) -> None:
    """With the subject's own lock, and for as long.

    Raises:
        BusyError: another run works on one of them.
        UnreachableError: the database did not answer.
    """
    keys = [each.key for each in dependants]
    claim_others(connection, subject.host, keys, f"which is stopped and started with {subject.key}")


def refuse_unfinished(session: Session, subject: Subject, dependants: Sequence[Affected]) -> None:
    """To be asked with all claimed: an update that is under way on one of them then is a dead run's. That knows the
    containers by their ids, and has to find them.

    Raises:
        BusyError: recovery has to finish or undo it first.
    """
    ours = {subject.key, *(each.key for each in dependants)}
    for each in UpdateRepository(session).open():
        theirs = {each.workload, *(other["key"] for other in each.plan.get("dependants", ()))}
        is_under_way = each.id != subject.update.id and each.status in IN_FLIGHT
        if is_under_way and each.host_name == subject.host and ours & theirs:
            raise BusyError(
                f"update {each.id} of {each.workload} on {each.host_name}, which goes down and up with {subject.key} or "
                "with what that takes along, was left in the middle, and is finished or undone first: by the next "
                "`recover`, or by `uptainer run recover`"
            )


def refuse_changed(subject: Subject, planned: Sequence[Affected], found: Sequence[Affected]) -> None:
    """Raises TemporaryError where some came, went, were replaced, stopped or started: the update is right still, and its
    plan is not.
    """
    changed = sorted({each.key for each in set(planned) ^ set(found)})
    if changed:
        raise TemporaryError(
            f"{', '.join(changed)}, stopped and started with {subject.key}, changed while this was prepared: it is "
            "planned anew"
        )
