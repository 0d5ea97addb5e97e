"""Policies in layers, named windows, and which block holds a registry's credentials."""

from sqlalchemy import UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from uptainer.core.enums import PolicyScope
from uptainer.store.models.base import Base, CreatedAt, Id, Instant, JsonObject, enum_type

policy_scope = enum_type(PolicyScope, "policy_scope")


class UpdatePolicy(Base):
    """`target` is "" for the default, a host's name, `host/project`, or `host/container`."""

    __tablename__ = "update_policies"
    __table_args__ = (UniqueConstraint("scope", "target"),)

    id: Mapped[Id]
    scope: Mapped[PolicyScope] = mapped_column(policy_scope)
    target: Mapped[str] = mapped_column(server_default="")
    settings: Mapped[JsonObject]
    enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[Instant | None]


class MaintenanceWindow(Base):
    """`definition` is what `uptainer.policy` validated: recurrence, duration, time zone, whether it is a freeze."""

    __tablename__ = "maintenance_windows"

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(unique=True)
    definition: Mapped[JsonObject]
    freeze: Mapped[bool] = mapped_column(server_default=text("false"))
    enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    created_at: Mapped[CreatedAt]


class RegistryCredential(Base):
    """Which Prefect block holds the credentials for a registry; never the credentials."""

    __tablename__ = "registry_credentials"

    id: Mapped[Id]
    registry_host: Mapped[str] = mapped_column(unique=True)
    block: Mapped[str]
    created_at: Mapped[CreatedAt]
