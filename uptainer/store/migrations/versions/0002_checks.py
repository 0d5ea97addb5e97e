"""What lookups found, and the policies that decide on it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ENUM, JSONB

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SCHEMA = "uptainer"
INSTANT = sa.DateTime(timezone=True)
NOW = sa.text("now()")

check_result = ENUM(
    "up_to_date",
    "candidates",
    "unknown",
    "local_only",
    "pinned",
    "excluded",
    name="check_result",
    schema=SCHEMA,
    create_type=False,
)
change_level = ENUM(
    "digest", "patch", "minor", "major", "unordered", name="change_level", schema=SCHEMA, create_type=False
)
policy_scope = ENUM(
    "default", "host", "project", "label", "container", name="policy_scope", schema=SCHEMA, create_type=False
)
OWN_TYPES = (check_result, change_level, policy_scope)
TABLES = ("update_checks", "candidates", "update_policies", "maintenance_windows", "registry_credentials")


def upgrade() -> None:
    for each in OWN_TYPES:
        each.create(op.get_bind())
    op.create_table(
        "update_checks",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("container_id", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("result", check_result, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("registry_digest", sa.Text(), nullable=True),
        sa.Column("etag", sa.Text(), nullable=True),
        sa.Column("stands_for", sa.Text(), nullable=True),
        sa.Column("decision", JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("current", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("first_checked_at", INSTANT, nullable=False),
        sa.Column("last_checked_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["container_id"],
            ["uptainer.containers.id"],
            name="fk_update_checks_container_id_containers",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_update_checks"),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_update_checks_container_id", "update_checks", ["container_id", "first_checked_at"], schema=SCHEMA
    )
    op.create_index(
        "uq_update_checks_current",
        "update_checks",
        ["container_id"],
        unique=True,
        schema=SCHEMA,
        postgresql_where=sa.text("current"),
    )
    op.create_table(
        "candidates",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("container_id", sa.BigInteger(), nullable=False),
        sa.Column("image_pk", sa.BigInteger(), nullable=True),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("level", change_level, nullable=False),
        sa.Column("version", sa.Text(), nullable=True),
        sa.Column("labels", JSONB(), nullable=False),
        sa.Column("published_at", INSTANT, nullable=True),
        sa.Column("found_at", INSTANT, nullable=False),
        sa.Column("last_seen_at", INSTANT, nullable=False),
        sa.Column("gone_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(
            ["container_id"],
            ["uptainer.containers.id"],
            name="fk_candidates_container_id_containers",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["image_pk"], ["uptainer.images.id"], name="fk_candidates_image_pk_images", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_candidates"),
        sa.UniqueConstraint(
            "container_id", "reference", "digest", name="uq_candidates_container_id_reference_digest"
        ),
        schema=SCHEMA,
    )
    op.create_index("ix_candidates_image_pk", "candidates", ["image_pk"], schema=SCHEMA)
    op.create_table(
        "update_policies",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("scope", policy_scope, nullable=False),
        sa.Column("target", sa.Text(), server_default="", nullable=False),
        sa.Column("settings", JSONB(), nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("created_at", INSTANT, server_default=NOW, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_update_policies"),
        sa.UniqueConstraint("scope", "target", name="uq_update_policies_scope_target"),
        schema=SCHEMA,
    )
    op.create_table(
        "maintenance_windows",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("definition", JSONB(), nullable=False),
        sa.Column("freeze", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("created_at", INSTANT, server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_maintenance_windows"),
        sa.UniqueConstraint("name", name="uq_maintenance_windows_name"),
        schema=SCHEMA,
    )
    op.create_table(
        "registry_credentials",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("registry_host", sa.Text(), nullable=False),
        sa.Column("block", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_registry_credentials"),
        sa.UniqueConstraint("registry_host", name="uq_registry_credentials_registry_host"),
        schema=SCHEMA,
    )


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table, schema=SCHEMA)
    for each in OWN_TYPES:
        each.drop(op.get_bind())
