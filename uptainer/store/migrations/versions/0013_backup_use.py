"""How a workload was held still for a backup, what is still to be run in it, and when a restore of it was last tried."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

SCHEMA = "uptainer"
TABLE = "container_backups"
COLUMNS = ("was_paused", "after_hook", "tested_at", "test_passed", "test_said")


def upgrade() -> None:
    false = sa.text("false")
    op.add_column(
        TABLE, sa.Column("was_paused", sa.Boolean(), server_default=false, nullable=False), schema=SCHEMA
    )
    op.add_column(TABLE, sa.Column("after_hook", JSONB(), nullable=True), schema=SCHEMA)
    op.add_column(TABLE, sa.Column("tested_at", sa.DateTime(timezone=True), nullable=True), schema=SCHEMA)
    op.add_column(TABLE, sa.Column("test_passed", sa.Boolean(), nullable=True), schema=SCHEMA)
    op.add_column(TABLE, sa.Column("test_said", sa.Text(), nullable=True), schema=SCHEMA)


def downgrade() -> None:
    """A process that died in a backup before this has to be tidied up after first: `uptainer run recover`."""
    for column in reversed(COLUMNS):
        op.drop_column(TABLE, column, schema=SCHEMA)
