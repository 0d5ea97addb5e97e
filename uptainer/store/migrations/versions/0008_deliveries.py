"""Who was told of a notice, each on its own: a retry must not reach those who had it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

SCHEMA = "uptainer"
INSTANT = sa.DateTime(timezone=True)
EMPTY = sa.text("'[]'")
status = postgresql.ENUM(name="notification_status", schema=SCHEMA, create_type=False)
severity = postgresql.ENUM(
    "info", "warning", "critical", name="notice_severity", schema=SCHEMA, create_type=False
)


def upgrade() -> None:
    severity.create(op.get_bind())
    for column in (
        sa.Column("severity", severity, server_default="info", nullable=False),
        sa.Column("hosts", JSONB(), server_default=EMPTY, nullable=False),
        sa.Column("projects", JSONB(), server_default=EMPTY, nullable=False),
        sa.Column("routed_at", INSTANT, nullable=True),
    ):
        op.add_column("update_notifications", column, schema=SCHEMA)
    op.create_table(
        "notice_deliveries",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("notice_id", sa.BigInteger(), nullable=False),
        sa.Column("notifier", sa.Text(), nullable=False),
        sa.Column("status", status, nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("mark", sa.Uuid(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.Column("sent_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(
            ["notice_id"],
            ["uptainer.update_notifications.id"],
            name="fk_notice_deliveries_notice_id_update_notifications",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_notice_deliveries"),
        sa.UniqueConstraint("notice_id", "notifier", name="uq_notice_deliveries_notice_id_notifier"),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_notice_deliveries_pending",
        "notice_deliveries",
        ["notifier", "due_at"],
        schema=SCHEMA,
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.execute(
        "INSERT INTO uptainer.notice_deliveries (notice_id, notifier, status, attempts, error, due_at, sent_at) "
        "SELECT id, 'Prefect events', status, attempts, error, created_at, sent_at "
        "FROM uptainer.update_notifications WHERE status = 'sent'"
    )
    op.execute("UPDATE uptainer.update_notifications SET routed_at = sent_at WHERE status = 'sent'")
    op.drop_index("ix_update_notifications_unsent", "update_notifications", schema=SCHEMA)
    for name in ("status", "attempts", "error", "sent_at"):
        op.drop_column("update_notifications", name, schema=SCHEMA)
    op.create_index(
        "ix_update_notifications_unrouted",
        "update_notifications",
        ["created_at"],
        schema=SCHEMA,
        postgresql_where=sa.text("routed_at IS NULL"),
    )


def downgrade() -> None:
    """What Prefect's events were told was the only telling before; the notifiers' own is unknown there."""
    for column in (
        sa.Column("status", status, server_default="pending", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("sent_at", INSTANT, nullable=True),
    ):
        op.add_column("update_notifications", column, schema=SCHEMA)
    op.execute(
        "UPDATE uptainer.update_notifications AS notice SET status = told.status, attempts = told.attempts, "
        "error = told.error, sent_at = told.sent_at FROM uptainer.notice_deliveries AS told "
        "WHERE told.notice_id = notice.id AND told.notifier = 'Prefect events'"
    )
    op.alter_column("update_notifications", "status", server_default=None, schema=SCHEMA)
    op.drop_index("ix_update_notifications_unrouted", "update_notifications", schema=SCHEMA)
    op.create_index(
        "ix_update_notifications_unsent",
        "update_notifications",
        ["created_at"],
        schema=SCHEMA,
        postgresql_where=sa.text("status <> 'sent'"),
    )
    op.drop_table("notice_deliveries", schema=SCHEMA)
    for name in ("severity", "hosts", "projects", "routed_at"):
        op.drop_column("update_notifications", name, schema=SCHEMA)
    severity.drop(op.get_bind())
