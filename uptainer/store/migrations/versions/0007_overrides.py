"""Why an update may begin outside of its maintenance window."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

SCHEMA = "uptainer"


def upgrade() -> None:
    op.add_column("updates", sa.Column("window_override", sa.Text(), nullable=True), schema=SCHEMA)


def downgrade() -> None:
    op.drop_column("updates", "window_override", schema=SCHEMA)
