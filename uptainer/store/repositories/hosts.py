"""Container hosts: added, found, seen, unreachable, removed."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from urllib.parse import urlsplit

from sqlalchemy import case, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from uptainer.core.enums import ConnectionType, ContainerStatus, Health, UpdateStatus
from uptainer.core.errors import InvalidInputError, NotFoundError, RefusedError
from uptainer.core.transitions import CLOSED, WAITING
from uptainer.core.workloads import EngineFacts, HostAddress
from uptainer.store.models import Container, ContainerHost, Server, Update
from uptainer.store.repositories.audit import SYSTEM, Actor, AuditRepository
from uptainer.store.repositories.identities import refuse_other
from uptainer.store.repositories.updates import UpdateRepository


class HostRepository:
    def __init__(self, session: Session) -> None:
        self._session = session

    def add(
        self, address: HostAddress, server_name: str | None = None, *, actor: Actor = SYSTEM
    ) -> ContainerHost:
        """Add a host, or change the address of the one that has this name; a removed one is taken back.

        At another address, and where it was removed, it stands for whatever engine answers there next.

        Raises:
            RefusedError: another host already stands for this engine's address.
        """
        self._refuse_second_address(address)
        self._audit_address(address, server_name, actor)
        server_name = server_name or self._moved_to(address)
        given = {} if server_name is None else {"server_id": self._server(server_name)}
        values = {
            "runtime": address.runtime,
            "connection": address.connection,
            "url": address.url,
            "block": address.block,
            "timeout_seconds": address.timeout,
            "namespaces": list(address.namespaces),
            "excluded_namespaces": list(address.excluded_namespaces),
            "removed_at": None,
        }
        server = given or {"server_id": self._server(_server_of(address))}
        statement = insert(ContainerHost).values(name=address.name, **values, **server)
        # The server that somebody said it stands on stays, unless another is said.
        moved = or_(ContainerHost.url != address.url, ContainerHost.removed_at.is_not(None))
        engine = {"engine_id": case((moved, None), else_=ContainerHost.engine_id)}
        statement = statement.on_conflict_do_update(
            index_elements=["name"], set_={**values, **given, **engine}
        )
        returning = statement.returning(ContainerHost).execution_options(populate_existing=True)
        return self._session.scalars(returning).one()

    def remove(self, name: str, now: datetime, *, force: bool = False, actor: Actor = SYSTEM) -> None:
        """Take a host out of the fleet. Its row and its containers' stay, for history speaks of them.

        Raises:
            NotFoundError: there is no such host.
            RefusedError: updates of its containers are open (with `force` those that wait are given up), or one is
                under way, which is never left alone.
        """
        host = self.by_name(name)
        self._give_up_updates(host, force=force, actor=actor, now=now)
        gone = {"status": ContainerStatus.VANISHED, "health": Health.UNKNOWN, "vanished_at": now}
        self._session.execute(
            update(Container)
            .where(Container.host_id == host.id, Container.vanished_at.is_(None))
            .values(**gone)
            .execution_options(synchronize_session=False)
        )
        host.removed_at = now
        host.enabled, host.disabled_reason = True, None
        self._session.flush()
        self._audit(actor, "host.removed", name, {"forced": force})

    def disable(self, name: str, reason: str, actor: Actor) -> None:
        """Have all rounds leave a host alone; what runs there is unknown until it is enabled and read again.

        Raises:
            InvalidInputError: no reason is given.
            NotFoundError: there is no such host.
        """
        if not reason.strip():
            raise InvalidInputError("to switch a host off needs a reason, for whoever finds it so")
        host = self.by_name(name)
        host.enabled, host.disabled_reason = False, reason.strip()
        self._session.flush()
        self._forget_states(host.id)
        self._audit(actor, "host.disabled", name, {"reason": reason.strip()})

    def enable(self, name: str, reason: str, actor: Actor) -> bool:
        """Have the rounds take it up again; whether it was switched off. Raises NotFoundError: there is no such host."""
        host = self.by_name(name)
        if host.enabled:
            return False
        host.enabled, host.disabled_reason = True, None
        self._session.flush()
        self._audit(actor, "host.enabled", name, {"reason": reason.strip()})
        return True

    def all(self, *, enabled_only: bool = False) -> Sequence[ContainerHost]:
        wanted = select(ContainerHost).where(ContainerHost.removed_at.is_(None)).order_by(ContainerHost.name)
        if enabled_only:
            wanted = wanted.where(ContainerHost.enabled)
        return self._session.scalars(wanted).all()

    def by_name(self, name: str) -> ContainerHost:
        """Raises NotFoundError, which names the hosts that there are."""
        hosts = {host.name: host for host in self.all()}
        if name not in hosts:
            known = ", ".join(hosts) or "none yet: add one with `uptainer host add`"
            raise NotFoundError(f"there is no host {name!r}; known: {known}")
        return hosts[name]

    @staticmethod
    def address(host: ContainerHost) -> HostAddress:
        return HostAddress(
            host.name,
            host.runtime,
            host.connection,
            host.url,
            host.block,
            timeout=host.timeout_seconds,
            namespaces=tuple(host.namespaces),
            excluded_namespaces=tuple(host.excluded_namespaces),
        )

    def mark_seen(self, host_id: int, facts: EngineFacts, now: datetime) -> None:
        """It answered.

        Raises:
            RefusedError: it is the engine of another host, and each of its containers would be updated twice; or it is
                another one than this host stands for.
        """
        refuse_other(self._session.get_one(ContainerHost, host_id), facts)
        twin = self._session.scalar(
            select(ContainerHost.name).where(
                ContainerHost.engine_id == facts.id,
                ContainerHost.id != host_id,
                ContainerHost.enabled,
                ContainerHost.removed_at.is_(None),
            )
        )
        if facts.id and twin is not None:
            raise RefusedError(
                f"this is the engine that host {twin!r} stands for already (engine id {facts.id}): remove one of them"
            )
        engine = {**asdict(facts), "platform": str(facts.platform)}
        self._note(
            host_id,
            {
                "engine_id": facts.id,
                "engine": engine,
                "reachable": True,
                "unreachable_reason": None,
                "last_tried_at": now,
                "last_seen_at": now,
            },
        )

    def accept_engine(self, name: str, actor: Actor) -> None:
        """Have a host stand for whatever engine answers at its address next: its machine was set up anew."""
        host = self.by_name(name)
        if host.engine_id is not None:
            self._audit(actor, "host.engine-accepted", name, {"instead_of": host.engine_id})
            host.engine_id = None
            self._session.flush()

    def mark_unreachable(self, host_id: int, reason: str, now: datetime) -> None:
        """It did not answer: what runs on it is unknown until it does."""
        self._note(host_id, {"reachable": False, "unreachable_reason": reason, "last_tried_at": now})
        self._forget_states(host_id)

    def _forget_states(self, host_id: int) -> None:
        self._session.execute(
            update(Container)
            .where(Container.host_id == host_id, Container.vanished_at.is_(None))
            .values(status=ContainerStatus.UNKNOWN, health=Health.UNKNOWN)
            .execution_options(synchronize_session=False)
        )

    def _audit(self, actor: Actor, action: str, host: str, details: Mapping[str, object]) -> None:
        AuditRepository(self._session).append(actor, action, f"host/{host}", details)

    def _note(self, host_id: int, values: dict[str, object]) -> None:
        self._session.execute(update(ContainerHost).where(ContainerHost.id == host_id).values(**values))

    def _server(self, name: str) -> int:
        statement = insert(Server).values(name=name)
        statement = statement.on_conflict_do_update(index_elements=["name"], set_={"name": name})
        return self._session.scalars(statement.returning(Server.id)).one()

    def _refuse_second_address(self, address: HostAddress) -> None:
        """Where the block itself says where it is, as a kubeconfig's text does, another block is another place."""
        same = [ContainerHost.url == address.url]
        if _is_placed_by_block(address):
            same.append(ContainerHost.block == address.block)
        twin = self._session.scalar(
            select(ContainerHost.name).where(
                *same, ContainerHost.name != address.name, ContainerHost.removed_at.is_(None)
            )
        )
        if twin is not None:
            raise RefusedError(
                f"{address.url} is host {twin!r} already: remove that one first, or use its name"
            )

    def server(self, host: ContainerHost) -> str:
        """The name of the machine that it stands on."""
        return self._session.get_one(Server, host.server_id).name

    def _moved_to(self, address: HostAddress) -> str | None:
        """The server of its new URL, where its old one came from its old URL and nobody said another."""
        known = self._session.scalar(select(ContainerHost).where(ContainerHost.name == address.name))
        if known is None or known.url == address.url or self.server(known) != _server_of(self.address(known)):
            return None
        return _server_of(address)

    def _audit_address(self, address: HostAddress, server: str | None, actor: Actor) -> None:
        """Only where it is news: every start adds the engines that it finds."""
        found = [host for host in self.all() if host.name == address.name]
        known = [self.address(host) for host in found]
        if known != [address] or (server and server != self.server(found[0])):
            action = "host.changed" if known else "host.added"
            details = {
                "url": address.url,
                "runtime": address.runtime,
                "connection": address.connection,
                "block": address.block,
                "namespaces": list(address.namespaces),
                "excluded_namespaces": list(address.excluded_namespaces),
                **({"server": server} if server else {}),
            }
            self._audit(actor, action, address.name, details)

    def _give_up_updates(self, host: ContainerHost, *, force: bool, actor: Actor, now: datetime) -> None:
        rows = self._session.scalars(
            select(Update)
            .join(Container, Container.id == Update.container_id)
            .where(Container.host_id == host.id, Update.status.not_in(CLOSED))
            .with_for_update(of=Update)
        ).all()
        stuck = [row for row in rows if row.status not in WAITING]
        if stuck:
            names = ", ".join(f"{row.workload} ({row.status})" for row in stuck)
            raise RefusedError(f"host {host.name!r} cannot be removed while updates are under way: {names}")
        if rows and not force:
            names = ", ".join(row.workload for row in rows)
            raise RefusedError(
                f"host {host.name!r} has updates that wait: {names}. Remove it with --force to drop them"
            )
        UpdateRepository(self._session).close(
            [row.id for row in rows],
            UpdateStatus.SUPERSEDED,
            reason=f"host {host.name} was removed",
            actor=actor,
            now=now,
        )


def _is_placed_by_block(address: HostAddress) -> bool:
    return address.connection is ConnectionType.KUBECONFIG and not urlsplit(address.url).path


def _server_of(address: HostAddress) -> str:
    """The machine behind an address: this one for a socket, else the host part of the URL."""
    if address.connection is ConnectionType.UNIX:
        return platform.node() or "localhost"
    return urlsplit(address.url).hostname or address.name
