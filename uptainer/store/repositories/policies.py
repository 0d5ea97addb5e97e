"""Policies in layers, windows by name, and which block holds a registry's credentials."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from uptainer.core.enums import PolicyScope
from uptainer.core.errors import NotFoundError
from uptainer.store.models import MaintenanceWindow, RegistryCredential, UpdatePolicy
from uptainer.store.repositories.audit import Actor, AuditRepository


class PolicyRepository:
    """What is put here has been checked by `uptainer.policy` before; each change is written to the audit log."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._audit = AuditRepository(session)

    def policies(self, *, enabled_only: bool = True) -> Sequence[UpdatePolicy]:
        """The most general layer first."""
        wanted = select(UpdatePolicy).order_by(UpdatePolicy.scope, UpdatePolicy.target)
        return self._session.scalars(wanted.where(UpdatePolicy.enabled) if enabled_only else wanted).all()

    def put_policy(
        self,
        scope: PolicyScope,
        target: str,
        settings: Mapping[str, Any],
        *,
        actor: Actor,
        now: datetime,
        enabled: bool = True,
    ) -> UpdatePolicy:
        values = {"settings": dict(settings), "enabled": enabled, "updated_at": now}
        statement = insert(UpdatePolicy).values(scope=scope, target=target, **values)
        statement = statement.on_conflict_do_update(index_elements=["scope", "target"], set_=values)
        details = {"settings": dict(settings), "enabled": enabled}
        self._audit.append(actor, "policy.put", f"policy/{scope}/{target}", details)
        return self._session.scalars(
            statement.returning(UpdatePolicy).execution_options(populate_existing=True)
        ).one()

    def remove_policy(self, scope: PolicyScope, target: str, *, actor: Actor) -> None:
        gone = delete(UpdatePolicy).where(UpdatePolicy.scope == scope, UpdatePolicy.target == target)
        if self._session.scalar(gone.returning(UpdatePolicy.id)) is None:
            raise NotFoundError(f"there is no policy for {scope} {target!r}".removesuffix(" ''"))
        self._audit.append(actor, "policy.removed", f"policy/{scope}/{target}", {})

    def windows(self, *, enabled_only: bool = True) -> Sequence[MaintenanceWindow]:
        wanted = select(MaintenanceWindow).order_by(MaintenanceWindow.name)
        return self._session.scalars(
            wanted.where(MaintenanceWindow.enabled) if enabled_only else wanted
        ).all()

    def put_window(
        self,
        name: str,
        definition: Mapping[str, Any],
        *,
        actor: Actor,
        freeze: bool = False,
        enabled: bool = True,
    ) -> MaintenanceWindow:
        values = {"definition": dict(definition), "freeze": freeze, "enabled": enabled}
        statement = insert(MaintenanceWindow).values(name=name, **values)
        statement = statement.on_conflict_do_update(index_elements=["name"], set_=values)
        self._audit.append(actor, "window.put", f"window/{name}", values)
        return self._session.scalars(
            statement.returning(MaintenanceWindow).execution_options(populate_existing=True)
        ).one()

    def remove_window(self, name: str, *, actor: Actor) -> None:
        gone = delete(MaintenanceWindow).where(MaintenanceWindow.name == name)
        if self._session.scalar(gone.returning(MaintenanceWindow.id)) is None:
            known = ", ".join(window.name for window in self.windows(enabled_only=False)) or "none"
            raise NotFoundError(f"there is no window {name!r}; known: {known}")
        self._audit.append(actor, "window.removed", f"window/{name}", {})

    def credentials(self) -> Mapping[str, str]:
        """The name of the block that holds the credentials, by registry."""
        rows = self._session.execute(select(RegistryCredential.registry_host, RegistryCredential.block))
        return dict(rows.tuples().all())

    def put_credential(self, registry: str, block: str, *, actor: Actor) -> None:
        statement = insert(RegistryCredential).values(registry_host=registry, block=block)
        statement = statement.on_conflict_do_update(index_elements=["registry_host"], set_={"block": block})
        self._session.execute(statement)
        self._audit.append(actor, "credential.put", f"registry/{registry}", {"block": block})

    def remove_credential(self, registry: str, *, actor: Actor) -> None:
        gone = delete(RegistryCredential).where(RegistryCredential.registry_host == registry)
        if self._session.scalar(gone.returning(RegistryCredential.id)) is None:
            raise NotFoundError(f"no credentials are registered for {registry}")
        self._audit.append(actor, "credential.removed", f"registry/{registry}", {})
