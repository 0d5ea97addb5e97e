from sqlalchemy import BigInteger, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from uptainer.core.enums import BackupStatus
from uptainer.store.models.base import Base, CreatedAt, Id, Instant, JsonList, JsonObject, enum_type
from uptainer.store.models.fleet import Container
from uptainer.store.models.updates import Update

backup_status = enum_type(BackupStatus, "backup_status")


class ContainerBackup(Base):
    """What was kept of a workload, and where: `location` is a directory or a URL, and `store` the block that opens it,
    "" for the local directory. Each of `archives` names its mount, file, bytes and sha256.

    `was_running` says that the workload was stopped for it, and must run again; `was_paused` that it was paused for it;
    `after_hook` is what is to be run in it at the end, until that was done (`uptainer.backups.hooks`). `restores_id` says
    that this is the safety copy of restoring that backup, which is RUNNING until the restore is over: from `verified_at` on
    the copy is whole, and from `finished_at` on the restored data is, and only has to be let go. `tested_at` is when
    a restore of it was last tried, and `test_said` what came of that. `removed_at` is when the files of a pruned one went:
    before that they may still be there, in part. `copying_as` is the mark of a copy that is being made of it under another
    name, until that one is whole (`uptainer.runtimes.port.Copy`).
    """

    __tablename__ = "container_backups"
    __table_args__ = (
        Index("ix_container_backups_container_id", "container_id", "created_at"),
        Index("ix_container_backups_copying_as", "id", postgresql_where=text("copying_as IS NOT NULL")),
    )

    id: Mapped[Id]
    container_id: Mapped[int] = mapped_column(ForeignKey(Container.id, ondelete="RESTRICT"))
    update_id: Mapped[int | None] = mapped_column(ForeignKey(Update.id, ondelete="SET NULL"), index=True)
    status: Mapped[BackupStatus] = mapped_column(backup_status)
    reason: Mapped[str]
    image_reference: Mapped[str]
    image_digest: Mapped[str]
    image_id: Mapped[str]
    configuration: Mapped[JsonObject]
    location: Mapped[str]
    store: Mapped[str] = mapped_column(server_default="")
    was_running: Mapped[bool] = mapped_column(server_default=text("false"))
    was_paused: Mapped[bool] = mapped_column(server_default=text("false"))
    after_hook: Mapped[JsonObject | None]
    restores_id: Mapped[int | None] = mapped_column(
        ForeignKey("uptainer.container_backups.id", ondelete="SET NULL")
    )
    archives: Mapped[JsonList] = mapped_column(server_default=text("'[]'"))
    size: Mapped[int] = mapped_column(BigInteger, server_default="0")
    error: Mapped[str | None]
    created_at: Mapped[CreatedAt]
    finished_at: Mapped[Instant | None]
    verified_at: Mapped[Instant | None]
    removed_at: Mapped[Instant | None]
    tested_at: Mapped[Instant | None]
    test_passed: Mapped[bool | None]
    test_said: Mapped[str | None]
    copying_as: Mapped[str | None]
