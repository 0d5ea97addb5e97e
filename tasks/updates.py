"""One update: its gate, its answer, whether it may begin, and carrying it out."""

from collections.abc import Sequence
from uuid import UUID

from tasks.resources import database, engines, registry_auth, settings, stores
from tasks.retries import retryable
from uptainer.core.clock import utc_now
from uptainer.core.reference import Reference
from uptainer.fleet import gates, readiness, situations, updating
from uptainer.fleet.deciding import NewUpdate
from uptainer.fleet.gates import Gate
from uptainer.fleet.readiness import Readiness
from uptainer.fleet.situations import Situation, read_situation
from uptainer.store.repositories.approvals import Answer
from uptainer.store.repositories.audit import Actor
from uptainer.updates.gate import Ruling
from uptainer.updates.run import Outcome


@retryable(
    name="read update",
    run_name="read update {update_id}",
    description="Reads where the update stands, so that the run does what is next.",
)
def read_update(update_id: int) -> Situation:
    return read_situation(database(), update_id)


@retryable(
    name="open gate",
    run_name="open the gate of update {update_id}",
    description="Writes the account that a person decides on, and lets the update wait for the answer.",
)
def open_gate(update_id: int) -> Gate | None:
    return gates.open_gate(database(), update_id, engines(), stores(), utc_now())


@retryable(
    name="take answer",
    run_name="take the answer on update {update_id}",
    description="Rules on an answer and records it with who gave it, by which way, and on which account.",
)
def take_answer(update_id: int, answer: Answer, account_hash: str) -> Ruling:
    return gates.give_answer(database(), update_id, answer, utc_now(), answered_account=account_hash)


@retryable(
    name="ask whether it may begin",
    run_name="may update {update_id} begin?",
    description="Asks the policy and the maintenance window again, whatever started the run.",
)
def ask_readiness(update_id: int) -> Readiness:
    return readiness.readiness(database(), update_id, utc_now())


@retryable(
    name="override window",
    run_name="let update {update_id} begin outside of its window",
    description="An emergency: writes down who lets an approved update begin now, and why.",
)
def override_window(update_id: int, reason: str, by: str) -> None:
    updating.override_window(database(), update_id, reason, Actor(by))


@retryable(
    name="plan update",
    run_name="plan update {update_id}",
    description="Works out every step that the update would take, and does none of them.",
)
def plan_update(update_id: int) -> str:
    plan = updating.plan_update(database(), update_id, engines(), settings(), stores())
    return "\n".join(f"{number}. {step.sentence}" for number, step in enumerate(plan.steps, 1))


@retryable(
    name="apply update",
    run_name="apply update {update_id}",
    description="Prepares, stops, switches and proves; commits, or rolls back. The journal of its steps is in Postgres.",
)
def apply_update(update_id: int, reference: str) -> Outcome:
    auth = registry_auth(Reference.parse(reference).registry, update_id)
    return updating.carry_out(database(), update_id, engines(), settings(), stores(), registry_auth=auth)


@retryable(
    name="bind run",
    run_name="bind update {update_id} to this run",
    description="Remembers which run carries the update, so that an answer given elsewhere resumes it.",
)
def bind_run(update_id: int, flow_run_id: UUID) -> None:
    situations.bind_run(database(), update_id, flow_run_id)


@retryable(
    name="close update",
    run_name="write how update {update_id} went",
    description="Writes the closing account, and what people are told of it.",
)
def close_update(update_id: int) -> str:
    return situations.close_account(database(), update_id)


@retryable(
    name="list asked",
    run_name="list what waits for an answer",
    description="Reads which updates wait for a person.",
)
def list_asked() -> Sequence[NewUpdate]:
    return situations.list_asked(database())
