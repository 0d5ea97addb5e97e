"""When a pruned backup's files were removed: until then they are tried again, for their store may have been away."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

SCHEMA = "uptainer"
TABLE = "container_backups"


def upgrade() -> None:
    """What was pruned before lay in the local directory, and its files went with it."""
    instant = sa.DateTime(timezone=True)
    op.add_column(TABLE, sa.Column("removed_at", instant, nullable=True), schema=SCHEMA)
    op.execute("UPDATE uptainer.container_backups SET removed_at = now() WHERE status = 'pruned'")


def downgrade() -> None:
    op.drop_column(TABLE, "removed_at", schema=SCHEMA)
