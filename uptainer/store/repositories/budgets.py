"""The registries' budgets, as all processes share them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from uptainer.core.budgets import Account, Budget, Cap, Cost, Fault, Grant, Hold, Quota, Urgency
from uptainer.core.errors import NotFoundError
from uptainer.store.models import RegistryBudget
from uptainer.store.repositories.audit import Actor, AuditRepository


@dataclass(frozen=True, slots=True)
class Terms:
    """What a person may say of a registry's budget: a cap or none, and the reserve in percent."""

    cap: Cap | None
    reserve_percent: int


class BudgetRepository:
    def __init__(self, session: Session) -> None:
        self._session = session
        self._audit = AuditRepository(session)

    def exchange(
        self, registry: str, account: Account, wanted: Cost, urgency: Urgency, now: datetime
    ) -> Grant:
        """Tell what was used and seen, and be granted more. The row is locked to the transaction's end: keep it short."""
        budget = self._locked(registry, now).after(account, now)
        budget, grant = budget.grant(wanted, urgency)
        self._keep(budget)
        return grant

    def all(self, now: datetime) -> Sequence[Budget]:
        """As they stand now, by name."""
        rows = self._session.scalars(select(RegistryBudget).order_by(RegistryBudget.registry_host))
        return [_budget(row).at(now) for row in rows]

    def set_terms(self, registry: str, terms: Terms, *, actor: Actor, now: datetime) -> None:
        """What was spent so far does not count against a new cap."""
        budget = replace(self._locked(registry, now), spent=0, spent_since=now)
        self._keep(replace(budget, cap=terms.cap, reserve_percent=terms.reserve_percent))
        cap = terms.cap and f"{terms.cap.requests}/{terms.cap.window.total_seconds():.0f}s"
        details = {"cap": cap, "reserve_percent": terms.reserve_percent}
        self._audit.append(actor, "registry.limited", f"registry/{registry}", details)

    def release(self, registry: str, *, actor: Actor, now: datetime) -> None:
        """Ask it again, whatever it said.

        Raises:
            NotFoundError: it was never asked.
        """
        if self._session.get(RegistryBudget, registry) is None:
            raise NotFoundError(f"{registry} was never asked: see `uptainer registries`")
        self._keep(replace(self._locked(registry, now), hold=None, quota=None))
        self._audit.append(actor, "registry.released", f"registry/{registry}", {})

    def terms(self, registry: str, now: datetime) -> Terms:
        budget = self._locked(registry, now)
        return Terms(budget.cap, budget.reserve_percent)

    def _locked(self, registry: str, now: datetime) -> Budget:
        made = insert(RegistryBudget).values(registry_host=registry, spent_since=now)
        self._session.execute(made.on_conflict_do_nothing())
        found = select(RegistryBudget).where(RegistryBudget.registry_host == registry).with_for_update()
        row = self._session.scalars(found.execution_options(populate_existing=True)).one()
        return _budget(row).at(now)

    def _keep(self, budget: Budget) -> None:
        row = self._session.get_one(RegistryBudget, budget.registry)
        for name, value in _columns(budget).items():
            setattr(row, name, value)
        self._session.flush()


def _budget(row: RegistryBudget) -> Budget:
    quota = cap = hold = fault = None
    if row.quota_unit is not None:
        quota = Quota(
            row.quota_unit,
            row.quota_remaining or 0,
            row.quota_limit,
            row.quota_resets_at,
            row.quota_source,
            row.quota_seen_at,
        )
    if row.cap_requests is not None and row.cap_seconds is not None:
        cap = Cap(row.cap_requests, timedelta(seconds=row.cap_seconds))
    if row.held_until is not None:
        hold = Hold(row.held_until, row.held_reason or "")
    if row.fault is not None and row.fault_at is not None:
        fault = Fault(row.fault, row.fault_at)
    return Budget(row.registry_host, row.spent_since, row.spent, quota, cap, row.reserve_percent, hold, fault)


def _columns(budget: Budget) -> dict[str, Any]:
    quota, cap, hold, fault = budget.quota, budget.cap, budget.hold, budget.fault
    return {
        "quota_unit": quota and quota.unit,
        "quota_remaining": quota and quota.remaining,
        "quota_limit": quota and quota.limit,
        "quota_resets_at": quota and quota.resets_at,
        "quota_source": quota and quota.source,
        "quota_seen_at": quota and quota.seen_at,
        "cap_requests": cap and cap.requests,
        "cap_seconds": cap and int(cap.window.total_seconds()),
        "reserve_percent": budget.reserve_percent,
        "spent": budget.spent,
        "spent_since": budget.spent_since,
        "held_until": hold and hold.until,
        "held_reason": hold and hold.reason,
        "fault": fault and fault.message,
        "fault_at": fault and fault.at,
    }
