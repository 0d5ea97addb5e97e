"""Images that are known to keep data in a format of their own, and what a new version does to it."""

from dataclasses import dataclass
from enum import StrEnum

from uptainer.core.reference import Reference


class Upgrade(StrEnum):
    """What happens to the data when a newer version is started on it.

    MIGRATED_BY_HAND: a new major version does not start on the old files. IN_PLACE: the new version converts them by
    itself, and the old one cannot read them any more. COMPATIBLE: they are read by both, or can be made again.
    """

    MIGRATED_BY_HAND = "migrated_by_hand"
    IN_PLACE = "in_place"
    COMPATIBLE = "compatible"


@dataclass(frozen=True, slots=True)
class Store:
    """`name` as people call it, `on_major` and `on_minor` what such a change does to its data."""

    name: str
    on_major: Upgrade
    on_minor: Upgrade
    advice: str


_POSTGRES = Store(
    "PostgreSQL",
    Upgrade.MIGRATED_BY_HAND,
    Upgrade.COMPATIBLE,
    "dump and restore, or run pg_upgrade: a new major version does not start on the old data directory",
)
_MYSQL = Store(
    "MySQL",
    Upgrade.IN_PLACE,
    Upgrade.IN_PLACE,
    "the data dictionary is converted at the first start, and an older version cannot read it afterwards",
)
_MARIADB = Store(
    "MariaDB",
    Upgrade.IN_PLACE,
    Upgrade.IN_PLACE,
    "run mariadb-upgrade afterwards; an older version may not start on the converted files",
)
_MONGO = Store(
    "MongoDB",
    Upgrade.IN_PLACE,
    Upgrade.COMPATIBLE,
    "go through every major version in turn, and set featureCompatibilityVersion before each step",
)
_ELASTIC = Store(
    "Elasticsearch",
    Upgrade.IN_PLACE,
    Upgrade.IN_PLACE,
    "indices of the version before the last must be reindexed first, and a node cannot go back",
)
_OPENSEARCH = Store(
    "OpenSearch", Upgrade.IN_PLACE, Upgrade.IN_PLACE, "a node that has started the new version cannot go back"
)
_REDIS = Store(
    "Redis", Upgrade.IN_PLACE, Upgrade.COMPATIBLE, "an older version cannot read the RDB file of a newer one"
)
_INFLUX = Store(
    "InfluxDB",
    Upgrade.MIGRATED_BY_HAND,
    Upgrade.COMPATIBLE,
    "the storage engines of 1, 2 and 3 differ: migrate the data",
)
_CASSANDRA = Store(
    "Cassandra", Upgrade.IN_PLACE, Upgrade.IN_PLACE, "run nodetool upgradesstables; a node cannot go back"
)
_NEO4J = Store(
    "Neo4j", Upgrade.IN_PLACE, Upgrade.IN_PLACE, "run neo4j-admin database migrate before the new version"
)
_CLICKHOUSE = Store(
    "ClickHouse",
    Upgrade.IN_PLACE,
    Upgrade.IN_PLACE,
    "data parts written by the new version may be unreadable to the old",
)
_COUCHDB = Store(
    "CouchDB", Upgrade.IN_PLACE, Upgrade.COMPATIBLE, "indexes are rebuilt, and the node cannot go back"
)
_RABBITMQ = Store(
    "RabbitMQ",
    Upgrade.IN_PLACE,
    Upgrade.IN_PLACE,
    "enable all feature flags before, and skip no minor version",
)
_KAFKA = Store(
    "Kafka", Upgrade.IN_PLACE, Upgrade.COMPATIBLE, "raise the metadata version only after the new one runs"
)
_ETCD = Store(
    "etcd",
    Upgrade.IN_PLACE,
    Upgrade.IN_PLACE,
    "go through every minor version in turn, with a snapshot before",
)
_GITLAB = Store(
    "GitLab", Upgrade.IN_PLACE, Upgrade.IN_PLACE, "follow the required upgrade stops, one after the other"
)
_NEXTCLOUD = Store(
    "Nextcloud", Upgrade.IN_PLACE, Upgrade.COMPATIBLE, "skip no major version, and there is no way back"
)
_GRAFANA = Store(
    "Grafana", Upgrade.IN_PLACE, Upgrade.COMPATIBLE, "its own database is migrated at the first start"
)
_VAULT = Store(
    "Vault", Upgrade.IN_PLACE, Upgrade.IN_PLACE, "take a snapshot of the storage: there is no way back"
)
_REGISTRY = Store("the registry", Upgrade.COMPATIBLE, Upgrade.COMPATIBLE, "its storage layout is stable")

_BY_REPOSITORY = {
    "postgres": _POSTGRES,
    "postgresql": _POSTGRES,
    "postgis": _POSTGRES,
    "timescaledb": _POSTGRES,
    "timescaledb-ha": _POSTGRES,
    "pgvector": _POSTGRES,
    "pgvecto-rs": _POSTGRES,
    "alloydb": _POSTGRES,
    "mysql": _MYSQL,
    "mysql-server": _MYSQL,
    "percona": _MYSQL,
    "percona-server": _MYSQL,
    "mariadb": _MARIADB,
    "mariadb-galera": _MARIADB,
    "mongo": _MONGO,
    "mongodb": _MONGO,
    "mongodb-community-server": _MONGO,
    "percona-server-mongodb": _MONGO,
    "elasticsearch": _ELASTIC,
    "opensearch": _OPENSEARCH,
    "redis": _REDIS,
    "redis-stack": _REDIS,
    "redis-stack-server": _REDIS,
    "valkey": _REDIS,
    "keydb": _REDIS,
    "influxdb": _INFLUX,
    "cassandra": _CASSANDRA,
    "scylla": _CASSANDRA,
    "neo4j": _NEO4J,
    "clickhouse": _CLICKHOUSE,
    "clickhouse-server": _CLICKHOUSE,
    "couchdb": _COUCHDB,
    "rabbitmq": _RABBITMQ,
    "kafka": _KAFKA,
    "cp-kafka": _KAFKA,
    "etcd": _ETCD,
    "gitlab-ce": _GITLAB,
    "gitlab-ee": _GITLAB,
    "nextcloud": _NEXTCLOUD,
    "grafana": _GRAFANA,
    "grafana-oss": _GRAFANA,
    "vault": _VAULT,
    "registry": _REGISTRY,
}


def known_store(reference: Reference) -> Store | None:
    """By the last part of the repository's name, whoever publishes it: `bitnami/postgresql` is PostgreSQL.

    None says that nothing is known of the image, not that it keeps no data.
    """
    return _BY_REPOSITORY.get(reference.repository.rpartition("/")[2])
