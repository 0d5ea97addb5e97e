"""Updates, their journal, the answers of people, backups and notices."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ENUM, JSONB

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

SCHEMA = "uptainer"
INSTANT = sa.DateTime(timezone=True)
NOW = sa.text("now()")

change_level = ENUM(
    "digest", "patch", "minor", "major", "unordered", name="change_level", schema=SCHEMA, create_type=False
)
update_status = ENUM(
    "proposed",
    "awaiting_approval",
    "approved",
    "waiting_for_window",
    "backing_up",
    "applying",
    "validating",
    "succeeded",
    "rolling_back",
    "rolled_back",
    "rollback_failed",
    "rejected",
    "expired",
    "superseded",
    "failed",
    name="update_status",
    schema=SCHEMA,
    create_type=False,
)
step_status = ENUM(
    "intent", "done", "failed", "undoing", "undone", name="step_status", schema=SCHEMA, create_type=False
)
approval_decision = ENUM(
    "approve", "reject", "snooze", "skip", name="approval_decision", schema=SCHEMA, create_type=False
)
approval_channel = ENUM(
    "prefect_form", "command", "policy", name="approval_channel", schema=SCHEMA, create_type=False
)
backup_status = ENUM(
    "running", "succeeded", "failed", "pruned", name="backup_status", schema=SCHEMA, create_type=False
)
notification_status = ENUM(
    "pending", "sent", "failed", name="notification_status", schema=SCHEMA, create_type=False
)
OWN_TYPES = (
    update_status,
    step_status,
    approval_decision,
    approval_channel,
    backup_status,
    notification_status,
)
TABLES = ("updates", "update_steps", "approvals", "container_backups", "update_notifications")


def upgrade() -> None:
    for each in OWN_TYPES:
        each.create(op.get_bind())
    op.create_table(
        "updates",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("container_id", sa.BigInteger(), nullable=False),
        sa.Column("candidate_id", sa.BigInteger(), nullable=True),
        sa.Column("reverses_id", sa.BigInteger(), nullable=True),
        sa.Column("host_name", sa.Text(), nullable=False),
        sa.Column("workload", sa.Text(), nullable=False),
        sa.Column("from_reference", sa.Text(), nullable=False),
        sa.Column("from_digest", sa.Text(), nullable=False),
        sa.Column("from_image_id", sa.Text(), nullable=False),
        sa.Column("from_version", sa.Text(), nullable=True),
        sa.Column("to_reference", sa.Text(), nullable=False),
        sa.Column("to_digest", sa.Text(), nullable=False),
        sa.Column("to_version", sa.Text(), nullable=True),
        sa.Column("level", change_level, nullable=False),
        sa.Column("platform", sa.Text(), nullable=True),
        sa.Column("status", update_status, nullable=False),
        sa.Column("status_reason", sa.Text(), server_default="", nullable=False),
        sa.Column("urgency", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("decision", JSONB(), nullable=False),
        sa.Column("policy", JSONB(), nullable=False),
        sa.Column("account", sa.Text(), server_default="", nullable=False),
        sa.Column("account_hash", sa.Text(), server_default="", nullable=False),
        sa.Column("plan", JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("batch", sa.Text(), nullable=True),
        sa.Column("flow_run_id", sa.Uuid(), nullable=True),
        sa.Column("snoozed_until", INSTANT, nullable=True),
        sa.Column("expires_at", INSTANT, nullable=True),
        sa.Column("opens_at", INSTANT, nullable=True),
        sa.Column("created_at", INSTANT, server_default=NOW, nullable=False),
        sa.Column("approved_at", INSTANT, nullable=True),
        sa.Column("started_at", INSTANT, nullable=True),
        sa.Column("finished_at", INSTANT, nullable=True),
        sa.Column("downtime_seconds", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(
            ["candidate_id"],
            ["uptainer.candidates.id"],
            name="fk_updates_candidate_id_candidates",
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["container_id"],
            ["uptainer.containers.id"],
            name="fk_updates_container_id_containers",
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["reverses_id"],
            ["uptainer.updates.id"],
            name="fk_updates_reverses_id_updates",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_updates"),
        schema=SCHEMA,
    )
    op.create_index("ix_updates_candidate_id", "updates", ["candidate_id"], schema=SCHEMA)
    op.create_index("ix_updates_container_id", "updates", ["container_id", "created_at"], schema=SCHEMA)
    op.create_index("ix_updates_created_at", "updates", ["created_at"], schema=SCHEMA)
    op.create_index("ix_updates_status", "updates", ["status", "created_at"], schema=SCHEMA)
    op.create_index(
        "uq_updates_open",
        "updates",
        ["container_id"],
        unique=True,
        schema=SCHEMA,
        postgresql_where=sa.text(
            "status NOT IN ('succeeded', 'rolled_back', 'rejected', 'expired', 'superseded', 'failed')"
        ),
    )
    op.create_table(
        "update_steps",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("update_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("status", step_status, nullable=False),
        sa.Column("result", JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("finished_at", INSTANT, nullable=True),
        sa.Column("undone_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(
            ["update_id"],
            ["uptainer.updates.id"],
            name="fk_update_steps_update_id_updates",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_update_steps"),
        sa.UniqueConstraint("update_id", "name", name="uq_update_steps_update_id_name"),
        sa.UniqueConstraint("update_id", "position", name="uq_update_steps_update_id_position"),
        schema=SCHEMA,
    )
    op.create_table(
        "approvals",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("update_id", sa.BigInteger(), nullable=False),
        sa.Column("decision", approval_decision, nullable=False),
        sa.Column("channel", approval_channel, nullable=False),
        sa.Column("answered_by", sa.Text(), nullable=False),
        sa.Column("authenticated", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("snooze_until", INSTANT, nullable=True),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("account_hash", sa.Text(), nullable=False),
        sa.Column("taken", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("refusal", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", INSTANT, server_default=NOW, nullable=False),
        sa.ForeignKeyConstraint(
            ["update_id"], ["uptainer.updates.id"], name="fk_approvals_update_id_updates", ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_approvals"),
        schema=SCHEMA,
    )
    op.create_index("ix_approvals_update_id", "approvals", ["update_id"], schema=SCHEMA)
    op.create_table(
        "container_backups",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("container_id", sa.BigInteger(), nullable=False),
        sa.Column("update_id", sa.BigInteger(), nullable=True),
        sa.Column("status", backup_status, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("image_reference", sa.Text(), nullable=False),
        sa.Column("image_digest", sa.Text(), nullable=False),
        sa.Column("image_id", sa.Text(), nullable=False),
        sa.Column("configuration", JSONB(), nullable=False),
        sa.Column("directory", sa.Text(), nullable=False),
        sa.Column("was_running", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("restores_id", sa.BigInteger(), nullable=True),
        sa.Column("archives", JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("size", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", INSTANT, server_default=NOW, nullable=False),
        sa.Column("finished_at", INSTANT, nullable=True),
        sa.Column("verified_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(
            ["restores_id"],
            [f"{SCHEMA}.container_backups.id"],
            name="fk_container_backups_restores_id_container_backups",
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["container_id"],
            ["uptainer.containers.id"],
            name="fk_container_backups_container_id_containers",
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["update_id"],
            ["uptainer.updates.id"],
            name="fk_container_backups_update_id_updates",
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_container_backups"),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_container_backups_container_id",
        "container_backups",
        ["container_id", "created_at"],
        schema=SCHEMA,
    )
    op.create_index("ix_container_backups_update_id", "container_backups", ["update_id"], schema=SCHEMA)
    op.create_table(
        "update_notifications",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("update_id", sa.BigInteger(), nullable=True),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("payload", JSONB(), nullable=False),
        sa.Column("once", sa.Text(), nullable=False),
        sa.Column("status", notification_status, nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", INSTANT, server_default=NOW, nullable=False),
        sa.Column("sent_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(
            ["update_id"],
            ["uptainer.updates.id"],
            name="fk_update_notifications_update_id_updates",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_update_notifications"),
        sa.UniqueConstraint("once", name="uq_update_notifications_once"),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_update_notifications_unsent",
        "update_notifications",
        ["created_at"],
        schema=SCHEMA,
        postgresql_where=sa.text("status <> 'sent'"),
    )
    op.create_index("ix_update_notifications_update_id", "update_notifications", ["update_id"], schema=SCHEMA)


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table, schema=SCHEMA)
    for each in OWN_TYPES:
        each.drop(op.get_bind())
