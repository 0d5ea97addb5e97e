"""The append-only log of what was decided and done, chained by hash."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

SCHEMA = "uptainer"
INSTANT = sa.DateTime(timezone=True)
NOW = sa.text("now()")

TABLES = ("audit_log",)

CHAIN = """
CREATE FUNCTION uptainer.chain_audit_log() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    last_id bigint;
    last_hash text;
BEGIN
    -- One writer at a time until it commits, so that each row knows the one before it.
    PERFORM pg_advisory_xact_lock(hashtext('uptainer.audit_log'));
    SELECT id, hash INTO last_id, last_hash FROM uptainer.audit_log ORDER BY id DESC LIMIT 1;
    NEW.id := coalesce(last_id, 0) + 1;
    NEW.previous_hash := coalesce(last_hash, '');
    NEW.hash := encode(sha256(convert_to(jsonb_build_array(
        NEW.previous_hash, NEW.id, to_char(NEW.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        NEW.actor, NEW.authenticated, NEW.action, NEW.subject, NEW.details
    )::text, 'UTF8')), 'hex');
    RETURN NEW;
END $$
"""

REFUSE = """
CREATE FUNCTION uptainer.refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END $$
"""

APPEND_ONLY = ("audit_log", "approvals")


def upgrade() -> None:
    op.create_table(
        "audit_log",
        sa.Column("id", sa.BigInteger(), server_default=sa.text("0"), autoincrement=False, nullable=False),
        sa.Column("at", INSTANT, server_default=NOW, nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("authenticated", sa.Boolean(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("details", JSONB(), nullable=False),
        sa.Column("previous_hash", sa.Text(), server_default="", nullable=False),
        sa.Column("hash", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_log"),
        sa.UniqueConstraint("hash", name="uq_audit_log_hash"),
        schema=SCHEMA,
    )
    op.create_index("ix_audit_log_action", "audit_log", ["action"], schema=SCHEMA)
    op.create_index("ix_audit_log_subject", "audit_log", ["subject"], schema=SCHEMA)
    op.execute(CHAIN)
    op.execute(REFUSE)
    op.execute(
        "CREATE TRIGGER chain BEFORE INSERT ON uptainer.audit_log "
        "FOR EACH ROW EXECUTE FUNCTION uptainer.chain_audit_log()"
    )
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {SCHEMA}.{table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION uptainer.refuse_change()"
        )


def downgrade() -> None:
    op.execute("DROP TRIGGER append_only ON uptainer.approvals")
    for table in reversed(TABLES):
        op.drop_table(table, schema=SCHEMA)
    op.execute("DROP FUNCTION uptainer.chain_audit_log()")
    op.execute("DROP FUNCTION uptainer.refuse_change()")
