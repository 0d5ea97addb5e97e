"""What `uptainer approve`, `reject`, `snooze` and `skip` do: the answer is written down first, then its run goes on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from uptainer.cli import connection
from uptainer.cli.asking import confirm
from uptainer.cli.saying import say
from uptainer.core.clock import utc_now
from uptainer.core.enums import ApprovalChannel, ApprovalDecision, UpdateStatus
from uptainer.core.errors import RefusedError, UptainerError
from uptainer.core.settings import Settings
from uptainer.core.text import seen
from uptainer.fleet.deciding import title_of
from uptainer.fleet.gates import give_answer, open_gate
from uptainer.fleet.situations import parse_until
from uptainer.store.database import Database
from uptainer.store.repositories.approvals import Answer
from uptainer.store.repositories.updates import UpdateRepository
from uptainer.updates.gate import Ruling
from uptainer.updates.markdown import UNLINKED


@dataclass(frozen=True, slots=True)
class Asked:
    """An update as it stood when the person was asked; `account_hash` is None where there is no account."""

    id: int
    title: str
    account: str
    account_hash: str | None
    flow_run_id: UUID | None


def answer_all(
    decision: ApprovalDecision,
    ids: Sequence[int],
    *,
    reason: str = "",
    until: str | None = None,
    batch: str | None = None,
    yes: bool = False,
) -> None:
    """Answer for each update, and let its run go on.

    Raises:
        NotFoundError: one of them is not there; nothing is answered then.
        RefusedError: an answer was not taken, and is on record with the reason; the others were.
    """
    settings, now = Settings.read(), utc_now()
    given = Answer(
        decision,
        ApprovalChannel.COMMAND,
        connection.caller(),
        reason,
        parse_until(until, now) if until is not None else None,
    )
    chosen = list(dict.fromkeys(ids))
    name = batch or (f"batch-{now:%Y%m%dT%H%M%SZ}" if len(chosen) > 1 else None)
    with connection.database(settings) as database:
        asked = [_ask_about(database, each, settings, decision) for each in chosen]
        if not yes:
            _show(asked)
        confirm(f"{decision.value.capitalize()} {_listed(asked)}?", yes=yes)
        if name and decision is ApprovalDecision.APPROVE:
            _put_together(database, chosen, name)
        rulings = [_give(database, each, given, now) for each in asked]
    told = [pair for pair in zip(asked, rulings, strict=True) if not _is_stale(pair[1])]
    _carry_on(settings, told, given, name)
    refused = [each.id for each, ruling in zip(asked, rulings, strict=True) if not ruling.taken]
    if refused:
        numbers = ", ".join(str(number) for number in refused)
        raise RefusedError(f"not taken, and on record with the reason: the answer on update {numbers}")


def _ask_about(database: Database, update_id: int, settings: Settings, decision: ApprovalDecision) -> Asked:
    """What a person decides on. An approval is always of an account, so its gate is opened where it is not yet."""
    if decision is ApprovalDecision.APPROVE:
        with database.session() as session:
            UpdateRepository(session).by_id(update_id)
        open_gate(database, update_id, connection.engines(database), connection.stores(settings), utc_now())
    with database.session() as session:
        row = UpdateRepository(session).by_id(update_id)
        return Asked(
            row.id,
            f"{row.host_name}/{title_of(row)}",
            row.account,
            row.account_hash or None,
            row.flow_run_id,
        )


def _show(asked: Sequence[Asked]) -> None:
    from rich.markdown import Markdown  # noqa: PLC0415 -- takes a moment, and only a person reads it

    from uptainer.cli.output import console  # noqa: PLC0415 -- as above

    for each in asked:
        say(f"\nUpdate {each.id}: {each.title}\n", bold=True)
        account = seen(each.account.replace(UNLINKED, ""))  # Rich makes no link of a bare address
        console().print(Markdown(account or "No account of it has been written yet."))


def _listed(asked: Sequence[Asked]) -> str:
    return ", ".join(f"update {each.id} ({each.title})" for each in asked)


def _put_together(database: Database, ids: Sequence[int], name: str) -> None:
    with database.session() as session:
        for each in ids:
            UpdateRepository(session).amend(each, batch=name)


def _give(database: Database, asked: Asked, given: Answer, now: datetime) -> Ruling:
    ruling = give_answer(database, asked.id, given, now, answered_account=asked.account_hash)
    say(f"Update {asked.id} ({asked.title}): {ruling.reason}")
    return ruling


def _is_stale(ruling: Ruling) -> bool:
    """Nothing about the update changed by it, so no run has to hear of it."""
    return not ruling.taken and not ruling.reopens and ruling.status is None


def _carry_on(
    settings: Settings, told: Sequence[tuple[Asked, Ruling]], given: Answer, batch: str | None
) -> None:
    """Let the runs hear of it. Where that fails the answer stands: the next maintenance run goes by it."""
    if not told:
        return
    try:
        connection.use_server(settings)
        _tell_runs(told, given, batch)
    except UptainerError as error:
        say(f"It is on record, and no run has heard of it yet: {error}", err=True)


def _tell_runs(told: Sequence[tuple[Asked, Ruling]], given: Answer, batch: str | None) -> None:
    from uptainer.cli.prefect.answers import Answered, go_on, go_on_together  # noqa: PLC0415 -- it reads the environment that was just set

    answers = [
        Answered(
            update_id=asked.id,
            decision=given.decision,
            by=given.by.name,
            reason=given.reason,
            snooze_until=given.snooze_until,
            flow_run_id=asked.flow_run_id,
            go=ruling.status is UpdateStatus.APPROVED,
        )
        for asked, ruling in told
    ]
    together = [each for each in answers if each.go] if batch else []
    if len(together) > 1:
        say(f"{batch}: {go_on_together(together, str(batch))}")
        answers = [each for each in answers if not each.go]
    for each in answers:
        say(f"Update {each.update_id}: {go_on(each)}")
