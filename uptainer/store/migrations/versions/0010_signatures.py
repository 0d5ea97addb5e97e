"""Whose signatures are trusted, what verifying an image's found, and what an image is made of."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

SCHEMA = "uptainer"
INSTANT = sa.DateTime(timezone=True)
NOW = sa.text("now()")
status = postgresql.ENUM(
    "verified", "missing", "invalid", "unknown", name="signature_status", schema=SCHEMA, create_type=False
)
sbom_format = postgresql.ENUM("cyclonedx", "spdx", name="sbom_format", schema=SCHEMA, create_type=False)


def upgrade() -> None:
    status.create(op.get_bind())
    sbom_format.create(op.get_bind())
    op.create_table(
        "signature_trusts",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("document", JSONB(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_signature_trusts"),
        sa.UniqueConstraint("name", name="uq_signature_trusts_name"),
        schema=SCHEMA,
    )
    op.create_table(
        "signature_verifications",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("image_pk", sa.BigInteger(), nullable=False),
        sa.Column("trust_id", sa.BigInteger(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("status", status, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("signer", sa.Text(), nullable=False),
        sa.Column("signed_at", INSTANT, nullable=True),
        sa.Column("signed_digest", sa.Text(), nullable=False),
        sa.Column("verified_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["image_pk"],
            ["uptainer.images.id"],
            name="fk_signature_verifications_image_pk_images",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["trust_id"],
            ["uptainer.signature_trusts.id"],
            name="fk_signature_verifications_trust_id_signature_trusts",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_signature_verifications"),
        sa.UniqueConstraint("image_pk", "trust_id", name="uq_signature_verifications_image_pk_trust_id"),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_signature_verifications_trust_id", "signature_verifications", ["trust_id"], schema=SCHEMA
    )
    op.create_table(
        "sboms",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("image_pk", sa.BigInteger(), nullable=False),
        sa.Column("format", sbom_format, nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("components", sa.Integer(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("made_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["image_pk"], ["uptainer.images.id"], name="fk_sboms_image_pk_images", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_sboms"),
        sa.UniqueConstraint("image_pk", "format", name="uq_sboms_image_pk_format"),
        schema=SCHEMA,
    )


def downgrade() -> None:
    for table in ("sboms", "signature_verifications", "signature_trusts"):
        op.drop_table(table, schema=SCHEMA)
    sbom_format.drop(op.get_bind())
    status.drop(op.get_bind())
