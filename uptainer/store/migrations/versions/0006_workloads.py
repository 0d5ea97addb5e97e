"""Workloads of several containers, the namespaces of a cluster, and connections by token."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

SCHEMA = "uptainer"
NAMESPACES = ("namespaces", "excluded_namespaces")
BEFORE = "('unix', 'tcp', 'ssh', 'kubeconfig', 'in_cluster')"


def upgrade() -> None:
    for name in NAMESPACES:
        column = sa.Column(name, JSONB(), server_default=sa.text("'[]'"), nullable=False)
        op.add_column("container_hosts", column, schema=SCHEMA)
    op.add_column("containers", sa.Column("workload", sa.Text(), nullable=True), schema=SCHEMA)
    op.execute("UPDATE uptainer.containers SET workload = key")
    op.alter_column("containers", "workload", nullable=False, schema=SCHEMA)
    op.create_index("ix_containers_workload", "containers", ["host_id", "workload"], schema=SCHEMA)
    op.execute("ALTER TYPE uptainer.connection_type ADD VALUE 'token'")


def downgrade() -> None:
    """PostgreSQL takes no value out of an enum: it is made anew. Hosts by token are unknown to what comes before."""
    op.execute("UPDATE uptainer.container_hosts SET connection = 'kubeconfig' WHERE connection = 'token'")
    op.execute("ALTER TYPE uptainer.connection_type RENAME TO connection_type_with_token")
    op.execute(f"CREATE TYPE uptainer.connection_type AS ENUM {BEFORE}")
    op.execute(
        "ALTER TABLE uptainer.container_hosts ALTER COLUMN connection TYPE uptainer.connection_type "
        "USING connection::text::uptainer.connection_type"
    )
    op.execute("DROP TYPE uptainer.connection_type_with_token")
    op.drop_index("ix_containers_workload", "containers", schema=SCHEMA)
    op.drop_column("containers", "workload", schema=SCHEMA)
    for name in NAMESPACES:
        op.drop_column("container_hosts", name, schema=SCHEMA)
