"""Advice on the fleet's candidates: asked for anew when something is different, and once a day."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import anyio
from anyio import to_thread

from uptainer.advice.advisor import Advisor
from uptainer.advice.consulting import Consulted, Earlier
from uptainer.advice.opinions import keep_opinion
from uptainer.advice.subject import AdviceSubject
from uptainer.core.errors import UptainerError
from uptainer.core.findings import Advice
from uptainer.fleet.checking import selected
from uptainer.fleet.subjects import Fleet, Known
from uptainer.store.database import Database
from uptainer.store.models import CandidateRow
from uptainer.store.repositories.consultations import ConsultationRepository
from uptainer.store.repositories.recommendations import RecommendationRepository

GOOD_FOR = timedelta(days=1)
"""Release notes are read no more often than this for a candidate that nothing new is known of; a model is asked then,
where it has something else to read than the last time."""
AT_ONCE = 4
KEPT_AT_ONCE = 20
"""So many pieces of advice are lost, and asked for anew, where a process dies."""

Advised = Mapping[int, Consulted]


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
    earlier = {
        row.id: advice for known in fleet for row in known.candidates if (advice := known.advice.get(row.id))
    }
    wanted = {row.id: known.advice_subject(row, now) for known, row in _outdated(fleet, last, now)}
    records = _Records(database, earlier if advisor.desk is not None else {}, now)
    anyio.run(_advise_all, advisor, wanted, records)
    return len(wanted)


@dataclass(frozen=True, slots=True)
class _Records:
    """What was advised before, by candidate id, as far as it counts; and where advice is kept."""

    database: Database
    earlier: Mapping[int, Advice]
    now: datetime

    def recall(self, candidates: Collection[int]) -> Mapping[int, Earlier]:
        with self.database.session() as session:
            numbers = RecommendationRepository(session).asked_for(
                [each for each in candidates if each in self.earlier]
            )
            asked = dict(ConsultationRepository(session).by_ids(list(numbers.values())))
        return {
            candidate: Earlier(self.earlier[candidate], number, asked[number])
            for candidate, number in numbers.items()
            if number in asked
        }

    def keep(self, advice: Advised) -> None:
        asked = {candidate: each.number for candidate, each in advice.items() if each.number is not None}
        given = {candidate: self._with_opinion(candidate, each) for candidate, each in advice.items()}
        with self.database.session() as session:
            RecommendationRepository(session).record(given, self.now, asked)

    def _with_opinion(self, candidate: int, given: Consulted) -> Advice:
        """Where no model was heard, with what one said before."""
        earlier = self.earlier.get(candidate)
        return keep_opinion(given.advice, earlier) if earlier and given.answer is None else given.advice


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


async def _advise_all(advisor: Advisor, subjects: Mapping[int, AdviceSubject], records: _Records) -> None:
    """Some at a time, and those are kept before the next are asked about.

    Raises:
        UptainerError: the database did not answer; what was asked until then is kept where that could be.
    """
    numbers = list(subjects)
    for begin in range(0, len(numbers), KEPT_AT_ONCE):
        some = {each: subjects[each] for each in numbers[begin : begin + KEPT_AT_ONCE]}
        earlier = await to_thread.run_sync(records.recall, some.keys())
        advice, faults = await _advise_some(advisor, some, earlier)
        await to_thread.run_sync(records.keep, advice)
        if faults:
            raise faults[0]


async def _advise_some(
    advisor: Advisor, subjects: Mapping[int, AdviceSubject], earlier: Mapping[int, Earlier]
) -> tuple[Advised, list[UptainerError]]:
    advice, faults = dict[int, Consulted](), list[UptainerError]()
    turns = anyio.CapacityLimiter(AT_ONCE)

    async def one(number: int, subject: AdviceSubject) -> None:
        async with turns:
            try:
                advice[number] = await advisor.advise(subject, earlier.get(number))
            except UptainerError as error:
                faults.append(error)

    async with anyio.create_task_group() as group:
        for number, subject in subjects.items():
            group.start_soon(one, number, subject)
    return advice, faults
