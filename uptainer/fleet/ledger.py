"""Questions to language models, counted and kept in the database that all workers share."""

from dataclasses import dataclass
from datetime import datetime

from anyio import to_thread

from uptainer.advice.consultations import Reservation
from uptainer.advice.spending import DailyLimits, admit
from uptainer.core.consultations import Consultation, Usage
from uptainer.store.database import Database
from uptainer.store.repositories.consultations import ConsultationRepository, SpendingRepository


@dataclass(frozen=True, slots=True)
class SharedLedger:
    """Each call is one transaction; the day's row is locked in it, so that two never take the same room."""

    database: Database
    limits: DailyLimits

    async def reserve(self, wanted: Usage, now: datetime) -> Reservation:
        return await to_thread.run_sync(self._reserve, wanted, now)

    async def settle(self, reserved: Reservation, used: Usage) -> None:
        await to_thread.run_sync(self._settle, reserved, used)

    async def keep(self, consultation: Consultation) -> int | None:
        return await to_thread.run_sync(self._keep, consultation)

    def _reserve(self, wanted: Usage, now: datetime) -> Reservation:
        with self.database.session() as session:
            spending = SpendingRepository(session)
            seconds = admit(spending.claim(now), self.limits, wanted)
            granted = Usage(wanted.calls, seconds, wanted.input_tokens, wanted.output_tokens, wanted.cost)
            spending.add(now, granted)
        return Reservation(now, granted, seconds)

    def _settle(self, reserved: Reservation, used: Usage) -> None:
        with self.database.session() as session:
            SpendingRepository(session).add(reserved.at, used, instead_of=reserved.wanted)

    def _keep(self, consultation: Consultation) -> int:
        with self.database.session() as session:
            return ConsultationRepository(session).keep(consultation)
