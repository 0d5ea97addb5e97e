"""Servers, hosts, images, containers and their health."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ENUM, JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SCHEMA = "uptainer"
INSTANT = sa.DateTime(timezone=True)
NOW = sa.text("now()")

runtime_type = ENUM("docker", "podman", "kubernetes", name="runtime_type", schema=SCHEMA, create_type=False)
connection_type = ENUM(
    "unix", "tcp", "ssh", "kubeconfig", "in_cluster", name="connection_type", schema=SCHEMA, create_type=False
)
container_status = ENUM(
    "created",
    "running",
    "paused",
    "restarting",
    "removing",
    "exited",
    "dead",
    "unknown",
    "vanished",
    name="container_status",
    schema=SCHEMA,
    create_type=False,
)
health_status = ENUM(
    "healthy",
    "unhealthy",
    "starting",
    "none",
    "unknown",
    name="health_status",
    schema=SCHEMA,
    create_type=False,
)
OWN_TYPES = (runtime_type, connection_type, container_status, health_status)
TABLES = ("servers", "container_hosts", "images", "containers", "health_observations")


def upgrade() -> None:
    for each in OWN_TYPES:
        each.create(op.get_bind())
    op.create_table(
        "servers",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_servers"),
        sa.UniqueConstraint("name", name="uq_servers_name"),
        schema=SCHEMA,
    )
    op.create_table(
        "container_hosts",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("server_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("runtime", runtime_type, nullable=False),
        sa.Column("connection", connection_type, nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("block", sa.Text(), nullable=True),
        sa.Column("timeout_seconds", sa.Float(), server_default="30", nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("engine_id", sa.Text(), nullable=True),
        sa.Column("engine", JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("reachable", sa.Boolean(), nullable=True),
        sa.Column("unreachable_reason", sa.Text(), nullable=True),
        sa.Column("last_tried_at", INSTANT, nullable=True),
        sa.Column("last_seen_at", INSTANT, nullable=True),
        sa.Column("created_at", INSTANT, server_default=NOW, nullable=False),
        sa.Column("removed_at", INSTANT, nullable=True),
        sa.CheckConstraint("timeout_seconds > 0", name="ck_container_hosts_timeout_is_positive"),
        sa.ForeignKeyConstraint(
            ["server_id"],
            ["uptainer.servers.id"],
            name="fk_container_hosts_server_id_servers",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_container_hosts"),
        sa.UniqueConstraint("name", name="uq_container_hosts_name"),
        schema=SCHEMA,
    )
    op.create_index("ix_container_hosts_server_id", "container_hosts", ["server_id"], schema=SCHEMA)
    op.create_table(
        "images",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("image_id", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("tags", JSONB(), nullable=False),
        sa.Column("repo_digests", JSONB(), nullable=False),
        sa.Column("labels", JSONB(), nullable=False),
        sa.Column("version", sa.Text(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("image_created_at", INSTANT, nullable=True),
        sa.Column("first_seen_at", INSTANT, server_default=NOW, nullable=False),
        sa.Column("last_seen_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_images"),
        sa.UniqueConstraint("digest", "platform", name="uq_images_digest_platform"),
        schema=SCHEMA,
    )
    op.create_table(
        "containers",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("host_id", sa.BigInteger(), nullable=False),
        sa.Column("image_pk", sa.BigInteger(), nullable=True),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("workload_kind", sa.Text(), server_default="container", nullable=False),
        sa.Column("project", sa.Text(), nullable=True),
        sa.Column("service", sa.Text(), nullable=True),
        sa.Column("runtime_id", sa.Text(), nullable=False),
        sa.Column("image_reference", sa.Text(), nullable=False),
        sa.Column("image_id", sa.Text(), nullable=False),
        sa.Column("status", container_status, nullable=False),
        sa.Column("health", health_status, nullable=False),
        sa.Column("restart_count", sa.Integer(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=True),
        sa.Column("has_healthcheck", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("labels", JSONB(), nullable=False),
        sa.Column("mounts", JSONB(), nullable=False),
        sa.Column("networks", JSONB(), nullable=False),
        sa.Column("ports", JSONB(), nullable=False),
        sa.Column("depends_on", JSONB(), nullable=False),
        sa.Column("details", JSONB(), nullable=False),
        sa.Column("container_created_at", INSTANT, nullable=False),
        sa.Column("started_at", INSTANT, nullable=True),
        sa.Column("first_seen_at", INSTANT, server_default=NOW, nullable=False),
        sa.Column("last_seen_at", INSTANT, nullable=False),
        sa.Column("vanished_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(
            ["host_id"],
            ["uptainer.container_hosts.id"],
            name="fk_containers_host_id_container_hosts",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["image_pk"], ["uptainer.images.id"], name="fk_containers_image_pk_images", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_containers"),
        sa.UniqueConstraint("host_id", "key", name="uq_containers_host_id_key"),
        schema=SCHEMA,
    )
    op.create_index("ix_containers_image_pk", "containers", ["image_pk"], schema=SCHEMA)
    op.create_index("ix_containers_project", "containers", ["project"], schema=SCHEMA)
    op.create_table(
        "health_observations",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("container_id", sa.BigInteger(), nullable=False),
        sa.Column("status", health_status, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("probes", JSONB(), nullable=False),
        sa.Column("observations", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("first_at", INSTANT, nullable=False),
        sa.Column("last_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["container_id"],
            ["uptainer.containers.id"],
            name="fk_health_observations_container_id_containers",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_health_observations"),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_health_observations_latest", "health_observations", ["container_id", "first_at"], schema=SCHEMA
    )


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table, schema=SCHEMA)
    for each in OWN_TYPES:
        each.drop(op.get_bind())
