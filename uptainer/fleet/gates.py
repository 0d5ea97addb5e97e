"""The gate of one update: the account that a person decides on, written anew each time it opens."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from uptainer.backups.store import Stores
from uptainer.core.enums import ApprovalDecision, UpdateStatus
from uptainer.core.errors import InvalidInputError, SupersededError, UptainerError
from uptainer.core.reference import Reference
from uptainer.fleet.deciding import as_json, findings_from, title_of
from uptainer.fleet.noticing import note_updates
from uptainer.fleet.readiness import known_of, worse_since
from uptainer.fleet.scope import hosts_switched_off
from uptainer.fleet.subjects import Known
from uptainer.fleet.updating import Opens
from uptainer.notices.notice import Event, Notice, update_turned
from uptainer.policy.decisions import decide
from uptainer.policy.rules import LABELS, check_labels
from uptainer.policy.windows import is_open, next_opening
from uptainer.store.database import Database
from uptainer.store.models import CandidateRow, Update
from uptainer.store.repositories.approvals import Answer, ApprovalRepository
from uptainer.store.repositories.audit import SYSTEM
from uptainer.store.repositories.notices import NoticeRepository
from uptainer.store.repositories.updates import UpdateRepository
from uptainer.updates.account import Account, hash_account, write_account
from uptainer.updates.engine import dry_run
from uptainer.updates.gate import ASKED, Ruling, answer
from uptainer.updates.options import UpdateOptions
from uptainer.updates.steps import Plan

NO_ACCOUNT = "its account has not been written yet, and an approval is given on one"

UNPLANNED = "It could not be planned to the end, and will not be begun while that is so"
UNREAD = "It cannot be approved while its policy cannot be read, and what stands here is without what that asks for."


@dataclass(frozen=True, slots=True)
class Gate:
    """An open gate. `generation` counts the answers before it: one that was not taken, or a snooze, asks anew."""

    update_id: int
    generation: int
    title: str
    account: str
    account_hash: str
    expires_at: datetime | None

    @property
    def key(self) -> str:
        return f"gate-{self.update_id}-{self.generation}"

    def patience(self, now: datetime) -> timedelta:
        """How long the form is kept open; expiry itself is ours, and comes first."""
        if self.expires_at is None:
            return timedelta(days=365)
        return max(self.expires_at - now, timedelta(0)) + timedelta(days=1)


def open_gate(database: Database, update_id: int, opens: Opens, stores: Stores, now: datetime) -> Gate | None:
    """Write the account of an update that nobody has answered, and let it wait; None where none is waited for.

    Called again, as each resumed run does, it gives the gate that stands.
    """
    with database.session() as session:
        update = UpdateRepository(session).by_id(update_id)
        if update.status not in ASKED:
            return None
        if _stands(update):
            return _gate(session, update)
    try:
        plan, notes = _plan(database, update_id, opens, stores)
    except SupersededError as error:
        _give_up(database, update_id, str(error), now)
        return None
    with database.session() as session:
        update = UpdateRepository(session).by_id(update_id, lock=True)
        if update.status not in ASKED:
            return None
        return _gate(session, update) if _stands(update) else _written(session, update, plan, notes, now)


def give_answer(
    database: Database, update_id: int, given: Answer, now: datetime, *, answered_account: str | None = None
) -> Ruling:
    """Take an answer, or record why it was not; a gate that opens anew gets a new account."""
    with database.session() as session:
        update = UpdateRepository(session).by_id(update_id, lock=True)
        ruling = _rule_on(session, update, given, now, answered_account)
        if ruling.reopens:
            UpdateRepository(session).amend(update_id, account_hash="")
    return ruling


def _stands(update: Update) -> bool:
    """An account that somebody may have before them is not written again."""
    return update.status is UpdateStatus.AWAITING_APPROVAL and bool(update.account_hash)


def _give_up(database: Database, update_id: int, reason: str, now: datetime) -> None:
    """Nobody is asked about what could not be done any more."""
    with database.session() as session:
        UpdateRepository(session).close(
            [update_id], UpdateStatus.SUPERSEDED, reason=reason, actor=SYSTEM, now=now
        )


def _rule_on(session: Session, update: Update, given: Answer, now: datetime, account: str | None) -> Ruling:
    if given.refusal:
        return _not_taken(session, update, given, now)
    if given.decision is ApprovalDecision.APPROVE and update.status in ASKED and not update.account_hash:
        return _not_taken(session, update, replace(given, refusal=NO_ACCOUNT), now)
    known, row = known_of(session, update)
    try:
        return answer(
            session,
            update.id,
            given,
            now,
            candidate_digest=_stands_for(update, known),
            answered_account=account,
            worse=_since(update, known, row, now) if row else (),
            unread=known.policy.unread,
        )
    except InvalidInputError as error:
        return _not_taken(session, update, replace(given, refusal=str(error)), now)


def _not_taken(session: Session, update: Update, given: Answer, now: datetime) -> Ruling:
    """It says nothing that can be followed: kept with the reason, and asked anew where it was asked."""
    ApprovalRepository(session).record(update, given, now)
    return Ruling(None, given.refusal, refusal=given.refusal, reopens=update.status in ASKED)


def _written(
    session: Session, update: Update, plan: Plan | None, notes: tuple[str, ...], now: datetime
) -> Gate:
    known, row = known_of(session, update)
    decision = _decided_anew(known, row, now) if row else update.decision
    account = replace(_account(known, row, update, plan, now), findings=findings_from(decision))
    notes = (*notes, *((UNREAD,) if known.policy.unread else ()))
    text = write_account(replace(account, notes=notes, changed_since=_refusals(session, update)))
    values = {
        "account": text,
        "account_hash": hash_account(text),
        "decision": decision,
        "policy": known.policy.policy.model_dump(mode="json"),  # what is said of the backup is what is done
    }
    updates = UpdateRepository(session)
    if update.status is UpdateStatus.PROPOSED:
        reason = "a person must decide"
        update = updates.transition(
            update.id,
            (UpdateStatus.PROPOSED,),
            UpdateStatus.AWAITING_APPROVAL,
            reason=reason,
            actor=SYSTEM,
            now=now,
            **values,
        )
    else:
        update = updates.amend(update.id, **values)
    gate = _gate(session, update)
    note_updates(session, now, only=update.id)  # that it is proposed is told before that it waits
    NoticeRepository(session).put(_waiting(known, update, gate))
    return gate


def _waiting(known: Known, update: Update, gate: Gate) -> Notice:
    """Told anew for each gate: an answer that was not taken asks again. The end of a snooze is told by `note_updates`."""
    return update_turned(
        Event.UPDATE_WAITING,
        update.id,
        update.host_name,
        update.workload,
        f"{update.host_name}/{gate.title} waits for approval",
        project=known.view.container.project,
        generation=str(gate.generation),
    )


def _decided_anew(known: Known, row: CandidateRow, now: datetime) -> Mapping[str, Any]:
    """The decision as it is now: the account must not say what was true when the update was proposed."""
    return as_json(decide(known.decision_subject(row, ignoring_open=True), now), known.brings(row))


def _gate(session: Session, update: Update) -> Gate:
    answers = ApprovalRepository(session).for_update(update.id)
    return Gate(
        update.id, len(answers), title_of(update), update.account, update.account_hash, update.expires_at
    )


def _refusals(session: Session, update: Update) -> tuple[str, ...]:
    """Why it is asked again: the last answer was not taken, or what it approved has changed since (`reopen`)."""
    last = ApprovalRepository(session).for_update(update.id)[-1:]
    reopened = [row for row in last if row.taken and row.decision is ApprovalDecision.APPROVE]
    return tuple(row.refusal for row in last if not row.taken) or tuple(
        update.status_reason for _ in reopened
    )


def _plan(
    database: Database, update_id: int, opens: Opens, stores: Stores
) -> tuple[Plan | None, tuple[str, ...]]:
    """What would be done, or why that cannot be said now; it is planned again before anything is touched."""
    with database.session() as session:
        update = UpdateRepository(session).by_id(update_id)
        options = UpdateOptions.of(known_of(session, update)[0].policy.policy)
        off = hosts_switched_off(session).get(update.host_name)
    if off is not None:
        return None, (f"{UNPLANNED}: {off}",)
    try:
        with opens(update.host_name) as runtime:
            return dry_run(update_id, database, runtime, options, stores), ()
    except SupersededError:
        raise
    except UptainerError as error:
        return None, (f"{UNPLANNED}: {error}",)


def _account(
    known: Known, row: CandidateRow | None, update: Update, plan: Plan | None, now: datetime
) -> Account:
    policy = known.policy.policy
    waits = bool(policy.windows) or not is_open((), policy.freezes, now)
    return Account(
        workload=update.workload,
        host=update.host_name,
        from_reference=update.from_reference,
        from_digest=update.from_digest,
        to_reference=update.to_reference,
        to_digest=update.to_digest,
        level=update.level,
        findings=(),
        from_version=update.from_version,
        to_version=update.to_version,
        published_at=row.published_at if row else None,
        running_scan=known.running_scan,
        candidate_scan=known.scan_of(row) if row else None,
        difference=known.difference(row) if row else None,
        advice=known.advice.get(row.id) if row else None,
        approvers=policy.approvers,
        has_window=waits,
        opens_at=next_opening(policy.windows, policy.freezes, now) if waits else None,
        backs_up_volumes=policy.backup_volumes,
        backup_store=policy.backup_store,
        volumes=tuple(each.name or each.source for each in known.facts.mounts if each.kind == "volume"),
        affected=plan.affected if plan else (),
    )


def _since(update: Update, known: Known, row: CandidateRow, now: datetime) -> tuple[str, ...]:
    """What the account does not speak of: what the candidate's scan found since, and a policy that is read otherwise."""
    before = [each for each in findings_from(update.decision) if each.rule == LABELS]
    today = check_labels(known.decision_subject(row, ignoring_open=True), now)
    otherwise = () if before == [today] else (f"its policy is read otherwise now: {today.reason}",)
    return (*worse_since(update, known, row), *otherwise)


def _stands_for(update: Update, known: Known) -> str | None:
    """What the update's tag stood for at the last lookup; None where that is not known."""
    offered = [each for each in known.candidates if each.gone_at is None]
    same_tag = [each.digest for each in offered if each.reference == update.to_reference]
    if same_tag:
        return same_tag[-1]
    check = known.view.check
    is_own = check is not None and Reference.parse(update.from_reference) == Reference.parse(
        update.to_reference
    )
    return check.registry_digest if check is not None and is_own else None
