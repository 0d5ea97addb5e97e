"""What a security policy goes by: where secrets are, each package's purl, what is allowed, and VEX documents."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ENUM

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

SCHEMA = "uptainer"
INSTANT = sa.DateTime(timezone=True)
EMPTY = sa.text("''")

severity = ENUM(name="severity", schema=SCHEMA, create_type=False)
vex_format = ENUM("openvex", "cyclonedx", "csaf", name="vex_format", schema=SCHEMA, create_type=False)


def upgrade() -> None:
    """A scan that did not succeed never looked for secrets: the 0 that it had is taken back."""
    op.alter_column("vulnerability_scans", "secrets", nullable=True, schema=SCHEMA)
    op.execute("UPDATE uptainer.vulnerability_scans SET secrets = NULL WHERE status <> 'succeeded'")
    op.add_column(
        "container_vulnerabilities",
        sa.Column("purl", sa.Text(), server_default=EMPTY, nullable=False),
        schema=SCHEMA,
    )
    _create_secrets()
    _create_allowances()
    vex_format.create(op.get_bind())
    op.create_table(
        "vex_documents",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("format", vex_format, nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("added_by", sa.Text(), nullable=False),
        sa.Column("added_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_vex_documents"),
        sa.UniqueConstraint("name", name="uq_vex_documents_name"),
        schema=SCHEMA,
    )


def downgrade() -> None:
    op.drop_table("vex_documents", schema=SCHEMA)
    vex_format.drop(op.get_bind())
    op.drop_table("allowances", schema=SCHEMA)
    op.drop_table("image_secrets", schema=SCHEMA)
    op.drop_column("container_vulnerabilities", "purl", schema=SCHEMA)
    op.execute("UPDATE uptainer.vulnerability_scans SET secrets = 0 WHERE secrets IS NULL")
    op.alter_column("vulnerability_scans", "secrets", nullable=False, schema=SCHEMA)


def _create_secrets() -> None:
    op.create_table(
        "image_secrets",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("scan_id", sa.BigInteger(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("severity", severity, nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["scan_id"],
            ["uptainer.vulnerability_scans.id"],
            name="fk_image_secrets_scan_id_vulnerability_scans",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_image_secrets"),
        schema=SCHEMA,
    )
    op.create_index("ix_image_secrets_scan_id", "image_secrets", ["scan_id"], schema=SCHEMA)


def _create_allowances() -> None:
    places = ("finding", "package", "image", "workload", "project")
    op.create_table(
        "allowances",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        *(sa.Column(name, sa.Text(), server_default=EMPTY, nullable=False) for name in places[1:]),
        sa.Column("finding", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("allowed_by", sa.Text(), nullable=False),
        sa.Column("allowed_at", INSTANT, nullable=False),
        sa.CheckConstraint("reason <> ''", name="ck_allowances_has_reason"),
        sa.PrimaryKeyConstraint("id", name="pk_allowances"),
        sa.UniqueConstraint(*places, name="uq_allowances_finding_package_image_workload_project"),
        schema=SCHEMA,
    )
