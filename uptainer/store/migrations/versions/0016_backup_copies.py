"""Which copy is being made of a backup, so that one that was cut off can be told from whole ones, and removed."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

SCHEMA = "uptainer"
TABLE = "container_backups"
INDEX = "ix_container_backups_copying_as"


def upgrade() -> None:
    op.add_column(TABLE, sa.Column("copying_as", sa.Text(), nullable=True), schema=SCHEMA)
    op.create_index(INDEX, TABLE, ["id"], schema=SCHEMA, postgresql_where=sa.text("copying_as IS NOT NULL"))


def downgrade() -> None:
    """A copy that was cut off before this has to be tidied up after first: `uptainer run recover`."""
    op.drop_index(INDEX, TABLE, schema=SCHEMA)
    op.drop_column(TABLE, "copying_as", schema=SCHEMA)
