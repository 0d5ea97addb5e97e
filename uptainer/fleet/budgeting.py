"""The budgets that lookups and scans share: one short transaction for a handful of requests."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from uptainer.core.budgets import NO_NEWS, NOTHING, SCAN, Account, Cost, Fault, Grant, Hold, Urgency
from uptainer.core.clock import utc_now
from uptainer.core.errors import RateLimitedError
from uptainer.images.metering import UNSAID, refused
from uptainer.store.database import Database
from uptainer.store.repositories.budgets import BudgetRepository


@dataclass(frozen=True, slots=True)
class SharedBudgets:
    """The ledger of a registry client's meter; no lock is held while a registry is asked."""

    database: Database
    clock: Callable[[], datetime] = utc_now

    def exchange(self, registry: str, account: Account, wanted: Cost, urgency: Urgency) -> Grant:
        with self.database.session() as session:
            return BudgetRepository(session).exchange(registry, account, wanted, urgency, self.clock())

    @contextmanager
    def scanning(self, registry: str, urgency: Urgency) -> Iterator[None]:
        """Pay for a scan of one of its images; where the registry tells the scanner "not now", all leave it alone.

        Raises:
            RateLimitedError: the budget does not have it, or the registry did not want it.
        """
        self._pay(registry, SCAN, urgency)
        try:
            yield
        except RateLimitedError as error:
            now = self.clock()
            hold = Hold(now + (error.retry_after or UNSAID), "it answered a scan with 429")
            fault = Fault(f"{registry} answered a scan with 429: too many requests", now)
            self.exchange(registry, Account(hold=hold, fault=fault), NOTHING, urgency)
            raise

    def _pay(self, registry: str, cost: Cost, urgency: Urgency) -> None:
        grant = self.exchange(registry, NO_NEWS, cost, urgency)
        if grant.refusal is not None:
            self.exchange(registry, Account(unused=grant.allowed), NOTHING, urgency)
            raise refused(registry, grant.refusal, self.clock())
