"""What a container's own engine calls its image, and which image a check was about."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

SCHEMA = "uptainer"


def upgrade() -> None:
    op.add_column(
        "containers",
        sa.Column("repo_digests", JSONB(), server_default="[]", nullable=False),
        schema=SCHEMA,
    )
    op.add_column(
        "update_checks", sa.Column("image_id", sa.Text(), server_default="", nullable=False), schema=SCHEMA
    )


def downgrade() -> None:
    op.drop_column("update_checks", "image_id", schema=SCHEMA)
    op.drop_column("containers", "repo_digests", schema=SCHEMA)
