"""What language models were asked and what that took, and what is remembered of the hosts with release notes."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

SCHEMA = "uptainer"
INSTANT = sa.DateTime(timezone=True)
ZERO = sa.text("0")
COST = sa.Numeric(14, 6)
TABLES = ("model_consultations", "model_spending", "release_hosts", "release_pages")

recommendation = postgresql.ENUM(name="recommendation_type", schema=SCHEMA, create_type=False)
provider = postgresql.ENUM(
    "openai-compatible", "anthropic", "ollama", name="model_provider", schema=SCHEMA, create_type=False
)
forge = postgresql.ENUM("github", "gitlab", "gitea", name="forge", schema=SCHEMA, create_type=False)

FOREIGN_KEY = "fk_ai_recommendations_consultation_id_model_consultations"


def _consultations() -> None:
    op.create_table(
        "model_consultations",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("provider", provider, nullable=False),
        *(
            sa.Column(name, sa.Text(), nullable=False)
            for name in (
                "model",
                "workload",
                "image",
                "version_before",
                "version_after",
                "instructions",
                "question",
            )
        ),
        sa.Column("turns", JSONB(), nullable=False),
        *(
            sa.Column(name, sa.Integer(), nullable=False)
            for name in ("requests", "input_tokens", "output_tokens")
        ),
        sa.Column("cost", COST, nullable=True),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("decision", recommendation, nullable=True),
        sa.Column("risk", sa.SmallInteger(), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_model_consultations"),
        schema=SCHEMA,
    )
    op.create_index("ix_model_consultations_at", "model_consultations", ["at"], schema=SCHEMA)
    op.create_index(
        "ix_model_consultations_workload", "model_consultations", ["workload", "at"], schema=SCHEMA
    )
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR TRUNCATE ON uptainer.model_consultations "
        "FOR EACH STATEMENT EXECUTE FUNCTION uptainer.refuse_change()"
    )
    op.execute(
        "CREATE TRIGGER kept_for_a_year BEFORE DELETE ON uptainer.model_consultations "
        "FOR EACH ROW WHEN (OLD.at > now() - interval '365 days') EXECUTE FUNCTION uptainer.refuse_change()"
    )


def _spending() -> None:
    op.create_table(
        "model_spending",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("calls", sa.Integer(), server_default=ZERO, nullable=False),
        sa.Column("seconds", sa.Double(), server_default=ZERO, nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), server_default=ZERO, nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), server_default=ZERO, nullable=False),
        sa.Column("cost", COST, server_default=ZERO, nullable=False),
        sa.CheckConstraint(
            "calls >= 0 AND input_tokens >= 0 AND output_tokens >= 0", name="ck_model_spending_not_negative"
        ),
        sa.PrimaryKeyConstraint("day", name="pk_model_spending"),
        schema=SCHEMA,
    )


def _release_hosts() -> None:
    op.create_table(
        "release_hosts",
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("forge", forge, nullable=True),
        sa.Column("recognised_at", INSTANT, nullable=True),
        sa.Column("paused_until", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("host", name="pk_release_hosts"),
        schema=SCHEMA,
    )
    op.create_table(
        "release_pages",
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=False),
        sa.Column("releases", JSONB(), nullable=False),
        sa.Column("more", sa.Boolean(), nullable=False),
        sa.Column("read_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("url", name="pk_release_pages"),
        schema=SCHEMA,
    )
    op.create_index("ix_release_pages_read_at", "release_pages", ["read_at"], schema=SCHEMA)


def upgrade() -> None:
    for kind in (provider, forge):
        kind.create(op.get_bind())
    _consultations()
    _spending()
    _release_hosts()
    op.add_column(
        "ai_recommendations", sa.Column("consultation_id", sa.BigInteger(), nullable=True), schema=SCHEMA
    )
    op.create_foreign_key(
        FOREIGN_KEY,
        "ai_recommendations",
        "model_consultations",
        ["consultation_id"],
        ["id"],
        source_schema=SCHEMA,
        referent_schema=SCHEMA,
        ondelete="SET NULL",
    )
    op.create_index(
        "ix_ai_recommendations_consultation_id", "ai_recommendations", ["consultation_id"], schema=SCHEMA
    )


def downgrade() -> None:
    op.drop_column("ai_recommendations", "consultation_id", schema=SCHEMA)
    for table in reversed(TABLES):
        op.drop_table(table, schema=SCHEMA)
    for kind in (forge, provider):
        kind.drop(op.get_bind())
