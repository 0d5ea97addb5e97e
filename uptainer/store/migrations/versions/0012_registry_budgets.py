"""What each registry may still be asked, for all processes; and which containers run what a registry was pushed."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

SCHEMA = "uptainer"
INSTANT = sa.DateTime(timezone=True)
unit = postgresql.ENUM("request", "pull", name="quota_unit", schema=SCHEMA, create_type=False)


def upgrade() -> None:
    unit.create(op.get_bind())
    op.create_table(
        "registry_budgets",
        sa.Column("registry_host", sa.Text(), nullable=False),
        sa.Column("quota_unit", unit, nullable=True),
        sa.Column("quota_remaining", sa.Integer(), nullable=True),
        sa.Column("quota_limit", sa.Integer(), nullable=True),
        sa.Column("quota_resets_at", INSTANT, nullable=True),
        sa.Column("quota_source", sa.Text(), nullable=True),
        sa.Column("quota_seen_at", INSTANT, nullable=True),
        sa.Column("cap_requests", sa.Integer(), nullable=True),
        sa.Column("cap_seconds", sa.Integer(), nullable=True),
        sa.Column("reserve_percent", sa.Integer(), server_default=sa.text("20"), nullable=False),
        sa.Column("spent", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("spent_since", INSTANT, nullable=False),
        sa.Column("held_until", INSTANT, nullable=True),
        sa.Column("held_reason", sa.Text(), nullable=True),
        sa.Column("fault", sa.Text(), nullable=True),
        sa.Column("fault_at", INSTANT, nullable=True),
        sa.CheckConstraint(
            "(cap_requests IS NULL) = (cap_seconds IS NULL)", name="ck_registry_budgets_cap_is_whole"
        ),
        sa.CheckConstraint(
            "cap_requests > 0 AND cap_seconds > 0", name="ck_registry_budgets_cap_is_positive"
        ),
        sa.CheckConstraint(
            "reserve_percent BETWEEN 0 AND 90", name="ck_registry_budgets_reserve_leaves_room"
        ),
        sa.PrimaryKeyConstraint("registry_host", name="pk_registry_budgets"),
        schema=SCHEMA,
    )
    # Null until the next discovery, which `uptainer up` begins with.
    op.add_column("containers", sa.Column("repository", sa.Text(), nullable=True), schema=SCHEMA)
    op.create_index("ix_containers_repository", "containers", ["repository"], schema=SCHEMA)


def downgrade() -> None:
    op.drop_index("ix_containers_repository", "containers", schema=SCHEMA)
    op.drop_column("containers", "repository", schema=SCHEMA)
    op.drop_table("registry_budgets", schema=SCHEMA)
    unit.drop(op.get_bind())
