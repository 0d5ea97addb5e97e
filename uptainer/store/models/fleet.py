"""Servers, hosts and containers: what was found, and when."""

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.orm import Mapped, mapped_column, relationship

from uptainer.core.enums import ConnectionType, ContainerStatus, Health, RuntimeType
from uptainer.store.models.base import Base, CreatedAt, Id, Instant, JsonList, JsonObject, enum_type
from uptainer.store.models.images import Image

runtime_type = enum_type(RuntimeType, "runtime_type")
connection_type = enum_type(ConnectionType, "connection_type")
container_status = enum_type(ContainerStatus, "container_status")
health_status = enum_type(Health, "health_status")


class Server(Base):
    """A machine; several hosts may stand on one."""

    __tablename__ = "servers"

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[CreatedAt]


class ContainerHost(Base):
    """One engine, by one connection. `reachable` is null until it was tried; `block` names the secret's holder.

    A host that is removed keeps its row (`removed_at`), for the history of updates speaks of its containers. One that is
    not `enabled` is left alone by all rounds.
    """

    __tablename__ = "container_hosts"
    __table_args__ = (
        CheckConstraint("timeout_seconds > 0", name="timeout_is_positive"),
        CheckConstraint("enabled = (disabled_reason IS NULL)", name="disabled_for_a_reason"),
    )

    id: Mapped[Id]
    server_id: Mapped[int] = mapped_column(ForeignKey(Server.id, ondelete="RESTRICT"), index=True)
    name: Mapped[str] = mapped_column(unique=True)
    runtime: Mapped[RuntimeType] = mapped_column(runtime_type)
    connection: Mapped[ConnectionType] = mapped_column(connection_type)
    url: Mapped[str]
    block: Mapped[str | None]
    timeout_seconds: Mapped[float] = mapped_column(server_default="30")
    namespaces: Mapped[JsonList] = mapped_column(server_default=text("'[]'"))
    excluded_namespaces: Mapped[JsonList] = mapped_column(server_default=text("'[]'"))
    enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    disabled_reason: Mapped[str | None]
    engine_id: Mapped[str | None]
    engine: Mapped[JsonObject] = mapped_column(server_default=text("'{}'"))
    reachable: Mapped[bool | None]
    unreachable_reason: Mapped[str | None]
    last_tried_at: Mapped[Instant | None]
    last_seen_at: Mapped[Instant | None]
    created_at: Mapped[CreatedAt]
    removed_at: Mapped[Instant | None]

    server: Mapped[Server] = relationship(lazy="raise")


def _own_key(context: DefaultExecutionContext) -> str:
    """A container stands for itself where nothing else is replaced with it."""
    given = context.get_current_parameters()  # type: ignore[no-untyped-call]  # SQLAlchemy gives it no types
    return str(given["key"])


class Container(Base):
    """A workload's container. The row outlives the engine's ids: `key` names it on its host.

    `repository` is the registry and repository of its image, as `docker.io/library/nginx`, where it is named by one;
    `repo_digests` are what its own engine knows the image by, which another may know by others.
    `workload` is the key of what is replaced as one with it: its own, or its pod's, its Deployment's.
    """

    __tablename__ = "containers"
    __table_args__ = (
        UniqueConstraint("host_id", "key"),
        Index("ix_containers_workload", "host_id", "workload"),
    )

    id: Mapped[Id]
    host_id: Mapped[int] = mapped_column(ForeignKey(ContainerHost.id, ondelete="CASCADE"))
    image_pk: Mapped[int | None] = mapped_column(ForeignKey(Image.id, ondelete="SET NULL"), index=True)
    key: Mapped[str]
    name: Mapped[str]
    workload: Mapped[str] = mapped_column(default=_own_key)
    workload_kind: Mapped[str] = mapped_column(server_default="container")
    project: Mapped[str | None] = mapped_column(index=True)
    service: Mapped[str | None]
    runtime_id: Mapped[str]
    image_reference: Mapped[str]
    repository: Mapped[str | None] = mapped_column(index=True)
    image_id: Mapped[str]
    repo_digests: Mapped[JsonList] = mapped_column(server_default=text("'[]'"))
    status: Mapped[ContainerStatus] = mapped_column(container_status)
    health: Mapped[Health] = mapped_column(health_status)
    restart_count: Mapped[int]
    platform: Mapped[str | None]
    has_healthcheck: Mapped[bool] = mapped_column(server_default=text("false"))
    labels: Mapped[JsonObject]
    mounts: Mapped[JsonList]
    networks: Mapped[JsonList]
    ports: Mapped[JsonList]
    depends_on: Mapped[JsonList]
    details: Mapped[JsonObject]
    container_created_at: Mapped[Instant]
    started_at: Mapped[Instant | None]
    first_seen_at: Mapped[CreatedAt]
    last_seen_at: Mapped[Instant]
    vanished_at: Mapped[Instant | None]

    host: Mapped[ContainerHost] = relationship(lazy="raise")
    image: Mapped[Image | None] = relationship(lazy="raise")


class HealthObservation(Base):
    """The history of probes: a row for each turn, stretched while nothing changes."""

    __tablename__ = "health_observations"
    __table_args__ = (Index("ix_health_observations_latest", "container_id", "first_at"),)

    id: Mapped[Id]
    container_id: Mapped[int] = mapped_column(ForeignKey(Container.id, ondelete="CASCADE"))
    status: Mapped[Health] = mapped_column(health_status)
    reason: Mapped[str]
    probes: Mapped[JsonList]
    observations: Mapped[int] = mapped_column(BigInteger, server_default="1")
    first_at: Mapped[Instant]
    last_at: Mapped[Instant]
