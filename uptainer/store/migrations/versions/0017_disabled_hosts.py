"""Why a host was switched off: whoever finds it so must not have to ask around."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

SCHEMA = "uptainer"
TABLE = "container_hosts"


def upgrade() -> None:
    op.add_column(TABLE, sa.Column("disabled_reason", sa.Text(), nullable=True), schema=SCHEMA)
    op.execute(
        "UPDATE uptainer.container_hosts SET disabled_reason = 'no reason was given' WHERE NOT enabled"
    )
    op.create_check_constraint(
        "ck_container_hosts_disabled_for_a_reason",
        TABLE,
        "enabled = (disabled_reason IS NULL)",
        schema=SCHEMA,
    )


def downgrade() -> None:
    op.drop_column(TABLE, "disabled_reason", schema=SCHEMA)
