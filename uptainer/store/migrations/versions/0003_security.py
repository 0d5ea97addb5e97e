"""Scans by image, their vulnerabilities, and advice."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ENUM, JSONB

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SCHEMA = "uptainer"
INSTANT = sa.DateTime(timezone=True)
NOW = sa.text("now()")

scan_status = ENUM("succeeded", "failed", "unavailable", name="scan_status", schema=SCHEMA, create_type=False)
severity = ENUM(
    "unknown", "low", "medium", "high", "critical", name="severity", schema=SCHEMA, create_type=False
)
recommendation_type = ENUM(
    "apply", "review", "hold", name="recommendation_type", schema=SCHEMA, create_type=False
)
OWN_TYPES = (scan_status, severity, recommendation_type)
TABLES = ("vulnerability_scans", "container_vulnerabilities", "ai_recommendations")


def upgrade() -> None:
    for each in OWN_TYPES:
        each.create(op.get_bind())
    op.create_table(
        "vulnerability_scans",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("image_pk", sa.BigInteger(), nullable=False),
        sa.Column("status", scan_status, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("counts", JSONB(), nullable=False),
        sa.Column("secrets", sa.Integer(), nullable=False),
        sa.Column("os_family", sa.Text(), nullable=False),
        sa.Column("os_version", sa.Text(), nullable=False),
        sa.Column("end_of_life", sa.Boolean(), nullable=True),
        sa.Column("scanner_version", sa.Text(), nullable=False),
        sa.Column("database_at", INSTANT, nullable=True),
        sa.Column("scanned_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["image_pk"],
            ["uptainer.images.id"],
            name="fk_vulnerability_scans_image_pk_images",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_vulnerability_scans"),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_vulnerability_scans_latest", "vulnerability_scans", ["image_pk", "scanned_at"], schema=SCHEMA
    )
    op.create_table(
        "container_vulnerabilities",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("scan_id", sa.BigInteger(), nullable=False),
        sa.Column("cve", sa.Text(), nullable=False),
        sa.Column("package", sa.Text(), nullable=False),
        sa.Column("installed_version", sa.Text(), nullable=False),
        sa.Column("fixed_version", sa.Text(), nullable=False),
        sa.Column("severity", severity, nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("score", sa.Float(), nullable=True),
        sa.Column("published_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(
            ["scan_id"],
            ["uptainer.vulnerability_scans.id"],
            name="fk_container_vulnerabilities_scan_id_vulnerability_scans",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_container_vulnerabilities"),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_container_vulnerabilities_scan_id",
        "container_vulnerabilities",
        ["scan_id", "severity"],
        schema=SCHEMA,
    )
    op.create_table(
        "ai_recommendations",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("candidate_id", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("recommendation", recommendation_type, nullable=False),
        sa.Column("risk", sa.SmallInteger(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("findings", JSONB(), nullable=False),
        sa.Column("created_at", INSTANT, server_default=NOW, nullable=False),
        sa.CheckConstraint("risk BETWEEN 0 AND 100", name="ck_ai_recommendations_risk_in_range"),
        sa.ForeignKeyConstraint(
            ["candidate_id"],
            ["uptainer.candidates.id"],
            name="fk_ai_recommendations_candidate_id_candidates",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_ai_recommendations"),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_ai_recommendations_candidate_id", "ai_recommendations", ["candidate_id"], schema=SCHEMA
    )


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table, schema=SCHEMA)
    for each in OWN_TYPES:
        each.drop(op.get_bind())
