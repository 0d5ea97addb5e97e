"""Where a backup lies: a directory or a URL, and the block of the store that opens it."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

SCHEMA = "uptainer"
TABLE = "container_backups"


def upgrade() -> None:
    op.alter_column(TABLE, "directory", new_column_name="location", schema=SCHEMA)
    op.add_column(TABLE, sa.Column("store", sa.Text(), server_default="", nullable=False), schema=SCHEMA)


def downgrade() -> None:
    """A place in a store is no directory, but it still says where the backup is."""
    op.drop_column(TABLE, "store", schema=SCHEMA)
    op.alter_column(TABLE, "location", new_column_name="directory", schema=SCHEMA)
