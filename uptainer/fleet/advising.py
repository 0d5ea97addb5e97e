"""Advice on the fleet's candidates: asked for anew when something is different, and once a day."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

import anyio

from uptainer.advice.advisor import Advisor
from uptainer.advice.consulting import Consulted
from uptainer.advice.subject import AdviceSubject
from uptainer.fleet.checking import selected
from uptainer.fleet.subjects import Fleet, Known
from uptainer.store.database import Database
from uptainer.store.models import CandidateRow
from uptainer.store.repositories.recommendations import RecommendationRepository

GOOD_FOR = timedelta(days=1)
"""Release notes are read, and a model is asked, no more often than this for a candidate that nothing new is known of."""
AT_ONCE = 4


def advise_fleet(
    database: Database,
    advisor: Advisor,
    now: datetime,
    *,
    address: str | None = None,
    repository: str | None = None,
) -> int:
    """Advise on every candidate whose advice is missing or outdated, and keep it; how many there were."""
    with database.session() as session:
        fleet = Fleet.load(session, selected(session, address, repository))
        rows = [row.id for known in fleet for row in known.candidates]
        last = RecommendationRepository(session).given_at(rows)
    wanted = {row.id: known.advice_subject(row, now) for known, row in _outdated(fleet, last, now)}
    advice = anyio.run(_advise_all, advisor, wanted)
    with database.session() as session:
        asked = {candidate: each.number for candidate, each in advice.items() if each.number is not None}
        given = {candidate: each.advice for candidate, each in advice.items()}
        RecommendationRepository(session).record(given, now, asked)
    return len(advice)


def _outdated(
    fleet: Fleet, given: Mapping[int, datetime], now: datetime
) -> Iterator[tuple[Known, CandidateRow]]:
    for known in fleet:
        for row in known.candidates:
            at = given.get(row.id)
            if at is None or at < now - GOOD_FOR or at < _last_news(known, row):
                yield known, row


def _last_news(known: Known, row: CandidateRow) -> datetime:
    """When something was last learnt that the rules look at."""
    scans = [scan.scanned_at for scan in (known.running_scan, known.scan_of(row)) if scan and scan.scanned_at]
    ends = [each.finished_at or each.created_at for each in known.outcomes]
    return max([row.found_at, *scans, *ends])


async def _advise_all(advisor: Advisor, subjects: Mapping[int, AdviceSubject]) -> dict[int, Consulted]:
    advice: dict[int, Consulted] = {}
    turns = anyio.CapacityLimiter(AT_ONCE)

    async def one(number: int, subject: AdviceSubject) -> None:
        async with turns:
            advice[number] = await advisor.advise(subject)

    async with anyio.create_task_group() as group:
        for number, subject in subjects.items():
            group.start_soon(one, number, subject)
    return advice
