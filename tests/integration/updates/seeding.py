"""Rows that discovery, check and a person would have written before an update is carried out."""

from datetime import UTC, datetime

from uptainer.core.enums import (
    ApprovalChannel,
    ApprovalDecision,
    ChangeLevel,
    ConnectionType,
    ContainerStatus,
    Health,
    RuntimeType,
    UpdateStatus,
)
from uptainer.core.workloads import HostAddress
from uptainer.store.database import Database
from uptainer.store.models import Container, Update
from uptainer.store.repositories.approvals import Answer, ApprovalRepository
from uptainer.store.repositories.audit import Actor
from uptainer.store.repositories.hosts import HostRepository

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


def add_container(
    database: Database,
    *,
    key: str = "web",
    workload: str | None = None,
    host: str = "h",
    url: str = "unix:///x",
    runtime: RuntimeType = RuntimeType.DOCKER,
    connection: ConnectionType = ConnectionType.UNIX,
) -> int:
    address = HostAddress(host, runtime, connection, url)
    with database.session() as session:
        row = Container(
            host_id=HostRepository(session).add(address, "s").id,
            key=key,
            name=key,
            workload=workload or key,
            runtime_id="old",
            image_reference="app:1",
            image_id="sha256:old",
            status=ContainerStatus.RUNNING,
            health=Health.NONE,
            restart_count=0,
            labels={},
            mounts=[],
            networks=[],
            ports=[],
            depends_on=[],
            details={},
            container_created_at=NOW,
            last_seen_at=NOW,
        )
        session.add(row)
        session.flush()
        return row.id


def add_update(
    database: Database,
    container_id: int,
    *,
    to_digest: str,
    key: str = "web",
    host: str = "h",
    from_reference: str = "localhost:5000/app:1",
    to_reference: str = "localhost:5000/app:2",
    from_digest: str = "sha256:" + "0" * 64,
    from_image_id: str = "sha256:old",
    status: UpdateStatus = UpdateStatus.APPROVED,
    approved: bool = True,
    batch: str | None = None,
) -> int:
    """An update, approved by a person unless said otherwise."""
    with database.session() as session:
        row = Update(
            container_id=container_id,
            host_name=host,
            workload=key,
            from_reference=from_reference,
            from_digest=from_digest,
            from_image_id=from_image_id,
            to_reference=to_reference,
            to_digest=to_digest,
            level=ChangeLevel.MINOR,
            status=status,
            decision={},
            policy={},
            account="the account",
            account_hash="hash",
            batch=batch,
        )
        session.add(row)
        session.flush()
        if approved:
            answer = Answer(
                ApprovalDecision.APPROVE, ApprovalChannel.COMMAND, Actor("ann", authenticated=True)
            )
            ApprovalRepository(session).record(row, answer, NOW)
        return row.id
