"""The fleet's check: which registry is asked for what, and what it answered, recorded for each container."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import anyio
from sqlalchemy import select
from sqlalchemy.orm import Session

from uptainer.core.budgets import Urgency
from uptainer.core.clock import utc_now
from uptainer.core.enums import CheckResult, ContainerStatus, PolicyMode, UpdateStatus
from uptainer.core.errors import InvalidInputError
from uptainer.core.platform import Platform
from uptainer.core.workloads import is_known_image
from uptainer.fleet.budgeting import SharedBudgets
from uptainer.fleet.plain_registries import asked_plainly
from uptainer.fleet.policies import PolicyBook
from uptainer.fleet.pull_logins import NO_LOGINS, read_pull_logins
from uptainer.fleet.scope import left_alone
from uptainer.fleet.updating import Opens
from uptainer.fleet.views import candidate_of, facts_of, platform_of, repo_digests_of
from uptainer.images.credentials import Keychain
from uptainer.images.lookups import look_up
from uptainer.images.metering import Meter, SharedMeter
from uptainer.images.queries import Lookup as Answer
from uptainer.images.queries import Query, Remembered
from uptainer.images.registry import Head, RegistryClient
from uptainer.store.bulk import any_of
from uptainer.store.database import Database
from uptainer.store.models import Update
from uptainer.store.repositories.checks import CheckRepository, Lookup
from uptainer.store.repositories.checks import Remembered as RememberedHead
from uptainer.store.repositories.containers import ContainerRepository, ContainerView


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked for one container; `reference` and `image_id` are as the container has them.

    `wanted`: somebody waits for the answer, or has approved what comes of it, so that it may use the budget's reserve.
    """

    container_id: int
    reference: str
    image_id: str
    query: Query
    wanted: bool = False


Group = tuple[Sequence[Question], Keychain]
"""What is asked with the same logins."""
APPROVED = (UpdateStatus.APPROVED, UpdateStatus.WAITING_FOR_WINDOW)


@dataclass(frozen=True, slots=True)
class CheckPlan:
    """Questions by registry; `settled` counts the containers whose answer needed no registry, and is recorded."""

    registries: Mapping[str, tuple[Question, ...]]
    settled: int


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What one registry answered. `requests` is how many it took."""

    registry: str
    containers: int
    with_candidates: int
    unknown: int
    requests: int


def plan_check(database: Database, *, address: str | None = None, repository: str | None = None) -> CheckPlan:
    """Who is to be asked for what, for the whole fleet, for one container (`host/name`), or for all of a repository.

    Where a repository is named, something was pushed to it: what its registry said before is not brought up again.
    """
    with database.session() as session:
        views = selected(session, address, repository)
        book = PolicyBook.load(session)
        known = {} if repository else _known(session, views)
        asked = [_question(view, book, known) for view in views]
        settled = [each for each in asked if isinstance(each, Lookup)]
        CheckRepository(session).record(settled, utc_now())
        questions = [each for each in asked if isinstance(each, Question)]
        hurried = None if address or repository else _approved(session, questions)
    by_registry: dict[str, list[Question]] = {}
    for each in questions:
        wanted = hurried is None or each.container_id in hurried
        by_registry.setdefault(each.query.reference.registry, []).append(replace(each, wanted=wanted))
    return CheckPlan({name: tuple(each) for name, each in by_registry.items()}, len(settled))


def _known(session: Session, views: Sequence[ContainerView]) -> Mapping[str, RememberedHead]:
    return CheckRepository(session).remembered(view.container.image_reference for view in views)


def _approved(session: Session, questions: Sequence[Question]) -> frozenset[int]:
    """Containers that an approved update waits to be carried out on."""
    ids = [each.container_id for each in questions]
    wanted = select(Update.container_id).where(any_of(Update.container_id, ids), Update.status.in_(APPROVED))
    return frozenset(session.scalars(wanted))


def check_registry(
    database: Database,
    registry: str,
    questions: Sequence[Question],
    keychain: Keychain,
    opens: Opens | None = None,
) -> CheckReport:
    """Ask one registry for all that the fleet wants of it, and record each container's answer.

    A container whose cluster has a login for this registry is asked for with that one, and with no other's; `opens`
    reaches the clusters. What is wanted most is asked first. A registry that does not answer, or whose budget is used
    up, gives UNKNOWN with its reason for each container; that is recorded, not raised.
    """
    asked_at = utc_now()
    logins = (
        read_pull_logins(database, [each.container_id for each in questions], opens) if opens else NO_LOGINS
    )
    with database.session() as session:
        remembered = _remembered(session, questions)
        insecure = asked_plainly(session, [each.container_id for each in questions])
    asked: list[Question] = []
    answers: list[Answer] = []
    requests = 0
    for urgency, some in _by_urgency(questions):
        groups = logins.by_keychain(registry, some, keychain)
        meters = [SharedMeter(SharedBudgets(database), urgency) for _ in groups]
        for (given, _), (found, made) in zip(
            groups, anyio.run(_ask_all, groups, meters, remembered, insecure), strict=True
        ):
            asked += given
            answers += found
            requests += made
    lookups = [
        _lookup(each, answer, logins.faults.get(each.container_id))
        for each, answer in zip(asked, answers, strict=True)
    ]
    with database.session() as session:
        CheckRepository(session).record(lookups, utc_now(), asked_at=asked_at)
    return CheckReport(
        registry,
        len(lookups),
        sum(each.result is CheckResult.CANDIDATES for each in lookups),
        sum(each.result is CheckResult.UNKNOWN for each in lookups),
        requests,
    )


def record_unasked(database: Database, questions: Sequence[Question], reason: str) -> None:
    """Their registry was not asked at all: what was found the last time is not known to hold any more."""
    lookups = [
        Lookup(each.container_id, each.reference, CheckResult.UNKNOWN, reason, image_id=each.image_id)
        for each in questions
    ]
    with database.session() as session:
        CheckRepository(session).record(lookups, utc_now())


def selected(session: Session, address: str | None, repository: str | None = None) -> Sequence[ContainerView]:
    """The whole fleet, the one container that is named, or those that run an image of the repository."""
    containers = ContainerRepository(session)
    if address is None and repository is not None:
        return containers.running(repository)
    return containers.listing() if address is None else [containers.by_address(address)]


def _question(
    view: ContainerView, book: PolicyBook, known: Mapping[str, RememberedHead]
) -> Question | Lookup:
    reason = left_alone(view) or _off(view, book)
    if reason is not None:
        return _settled(view, CheckResult.EXCLUDED, reason)
    if unseen := _unseen(view):
        return _settled(view, CheckResult.UNKNOWN, unseen)
    last = known.get(view.container.image_reference)
    head = Head(last.digest, last.etag) if last and last.digest else None
    try:
        tags = book.policy_of(view).tags
    except InvalidInputError as error:
        return _settled(view, CheckResult.UNKNOWN, f"its policy can't be followed: {error}")
    try:
        query = Query.of(facts_of(view), tags, platform_of(view), head)
    except InvalidInputError as error:
        return _settled(view, CheckResult.PINNED, f"{error}: there is no tag to follow")
    return Question(view.container.id, view.container.image_reference, view.container.image_id, query)


def _unseen(view: ContainerView) -> str:
    """Why it is not known what runs; "" where it is."""
    if view.container.status is ContainerStatus.UNKNOWN:
        return f"host {view.host.name} does not answer"
    if not view.container.image_id:
        return "none of its pods has started, so that it is not known what runs"
    is_held = view.container.platform is not None and is_known_image(view.container.image_id)
    is_known = is_held or repo_digests_of(view)
    return "" if is_known else "its engine does not hold its image, so that it is not known what runs"


def _off(view: ContainerView, book: PolicyBook) -> str | None:
    policy = book.policy_of(view).policy
    if not policy.enabled:
        return f"updates are switched off by {policy.source('enabled')}"
    return f"the mode is off, by {policy.source('mode')}" if policy.mode is PolicyMode.OFF else None


def _settled(view: ContainerView, result: CheckResult, reason: str) -> Lookup:
    container = view.container
    return Lookup(container.id, container.image_reference, result, reason, image_id=container.image_id)


def _by_urgency(questions: Sequence[Question]) -> Sequence[tuple[Urgency, Sequence[Question]]]:
    """The most wanted first; one that is asked as wanted for one container is not asked again for another."""
    wanted = {each.query for each in questions if each.wanted}
    parts = (
        (Urgency.WANTED, [each for each in questions if each.query in wanted]),
        (Urgency.SWEEP, [each for each in questions if each.query not in wanted]),
    )
    return [part for part in parts if part[1]]


async def _ask_all(
    groups: Sequence[Group], meters: Sequence[Meter], remembered: Remembered, insecure: frozenset[str]
) -> Sequence[tuple[Sequence[Answer], int]]:
    """Side by side: a registry that does not answer costs its time once."""
    pairs = zip(groups, meters, strict=True)
    return await asyncio.gather(
        *(_ask(asked, keys, meter, remembered, insecure) for (asked, keys), meter in pairs)
    )


async def _ask(
    questions: Sequence[Question],
    keychain: Keychain,
    meter: Meter,
    remembered: Remembered,
    insecure: frozenset[str],
) -> tuple[Sequence[Answer], int]:
    async with RegistryClient(keychain, insecure=insecure, meter=meter) as client:
        answers = await look_up([each.query for each in questions], client, remembered=remembered)
        return answers, client.requests


def _remembered(session: Session, questions: Iterable[Question]) -> Remembered:
    """What earlier candidates said of themselves: a digest's configuration is fetched once, ever."""
    platforms: Mapping[int, Platform] = {each.container_id: each.query.platform for each in questions}
    rows = CheckRepository(session).candidates(list(platforms))
    return {
        (row.digest, platforms[container]): candidate_of(row)
        for container, found in rows.items()
        for row in found
    }


def _lookup(question: Question, answer: Answer, fault: str | None) -> Lookup:
    """What could not be read of its pull secrets may be why it is unknown."""
    unknown = answer.result is CheckResult.UNKNOWN
    return Lookup(
        container_id=question.container_id,
        reference=question.reference,
        result=answer.result,
        reason=f"{answer.reason}; {fault}" if fault and unknown else answer.reason,
        registry_digest=answer.current_digest,
        etag=answer.etag,
        stands_for=answer.stands_for,
        candidates=answer.candidates,
        platform=question.query.platform,
        image_id=question.image_id,
        unanswered=answer.unanswered,
    )
