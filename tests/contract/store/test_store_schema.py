from dataclasses import replace

import pytest
from sqlalchemy import inspect, select, text

from tests.contract.store.conftest import Fleet
from tests.lab.facts import ASKED, NOW, address
from tests.lab.threads import side_by_side
from uptainer.core.enums import ConnectionType, RecommendationType, ScanStatus, VexFormat
from uptainer.core.errors import InvalidInputError, RefusedError, UnreachableError
from uptainer.core.findings import Advice
from uptainer.store import schema
from uptainer.store.database import Database, create_engine_for
from uptainer.store.models import SCHEMA, Image, VulnerabilityScan
from uptainer.store.repositories.audit import SYSTEM, AuditRepository
from uptainer.store.repositories.consultations import ConsultationRepository
from uptainer.store.repositories.containers import ContainerRepository
from uptainer.store.repositories.excuses import AllowanceRepository, NewDocument, VexRepository
from uptainer.store.repositories.hosts import HostRepository
from uptainer.store.repositories.recommendations import RecommendationRepository
from uptainer.store.repositories.scans import ScanRepository
from uptainer.store.repositories.updates import UpdateRepository

TABLES = {
    *(
        "servers",
        "container_hosts",
        "containers",
        "images",
        "health_observations",
        "update_checks",
        "candidates",
    ),
    *(
        "update_policies",
        "maintenance_windows",
        "updates",
        "update_steps",
        "approvals",
        "vulnerability_scans",
    ),
    *("container_vulnerabilities", "ai_recommendations", "container_backups", "update_notifications"),
    *("notice_deliveries", "image_secrets", "allowances", "vex_documents"),
    *("registry_credentials", "registry_budgets", "audit_log"),
    *("model_consultations", "model_spending", "release_hosts", "release_pages"),
    *("signature_trusts", "signature_verifications", "sboms"),
}


def _tables(url: str) -> set[str]:
    engine = create_engine_for(url, pooled=False)
    return set(inspect(engine).get_table_names(schema=SCHEMA)) - {"alembic_version"}


def _types_and_functions(url: str) -> int:
    names = "SELECT typnamespace FROM pg_type UNION ALL SELECT pronamespace FROM pg_proc"
    with create_engine_for(url, pooled=False).connect() as connection:
        counted = f"SELECT count(*) FROM ({names}) n(id) JOIN pg_namespace s ON s.oid = n.id WHERE s.nspname = :name"
        return int(connection.scalar(text(counted), {"name": SCHEMA}) or 0)


def test_an_upgrade_makes_every_table(postgres_url: str) -> None:
    assert schema.current(postgres_url) is None
    schema.upgrade(postgres_url)
    assert _tables(postgres_url) == TABLES
    assert schema.current(postgres_url) == schema.head()


def test_a_second_upgrade_changes_nothing(postgres_url: str) -> None:
    schema.upgrade(postgres_url)
    schema.upgrade(postgres_url)
    assert schema.current(postgres_url) == schema.head()


def test_every_revision_can_be_taken_back_and_brought_up_again_with_data_in_the_tables(
    database: Database,
) -> None:
    fleet = Fleet(database, "web")
    with database.session() as session:
        (offered,) = fleet.find(session, "web", "1.28")
        asked = ConsultationRepository(session).keep(ASKED)
        held = Advice(RecommendationType.HOLD, 80, ())
        RecommendationRepository(session).record({offered: held}, NOW, {offered: asked})
        UpdateRepository(session).propose([fleet.proposal("web")], NOW)
        cluster = replace(
            address("cluster"), connection=ConnectionType.TOKEN, url="https://cluster", namespaces=("shop-*",)
        )
        HostRepository(session).add(cluster)
        HostRepository(session).disable("cluster", "it moves", SYSTEM)
        image = session.scalars(select(Image.id).limit(1)).one()
        ScanRepository(session).record_none([image], ScanStatus.FAILED, "no database", NOW)
        key = {"finding": "CVE-2026-1", "package": "", "image": "", "workload": "", "project": ""}
        AllowanceRepository(session).put(key, reason="unused", expires_at=NOW, actor=SYSTEM, now=NOW)
        document = NewDocument("vendor", VexFormat.OPENVEX, "0" * 64, "{}")
        VexRepository(session).put(document, actor=SYSTEM, now=NOW)
    database.dispose()
    for revision in (f"{number:04}" for number in range(int(schema.head()) - 1, 0, -1)):
        schema.downgrade(database.url, revision)
        assert schema.current(database.url) == revision
    with database.session() as session:
        assert session.scalar(text("SELECT key FROM uptainer.containers")) == "web"
    database.dispose()
    schema.upgrade(database.url)
    with database.session() as session:
        assert [view.address for view in ContainerRepository(session).listing()] == ["alpha/web"]
        assert HostRepository(session).by_name("cluster").disabled_reason == "no reason was given"
        AuditRepository(session).append(SYSTEM, "test", "schema", {})
        assert AuditRepository(session).verify().rows == 1


def test_a_scan_that_failed_did_not_look_for_secrets_whatever_an_earlier_version_wrote(
    database: Database,
) -> None:
    Fleet(database, "web")
    with database.session() as session:
        image = session.scalars(select(Image.id).limit(1)).one()
        ScanRepository(session).record_none([image], ScanStatus.FAILED, "no database", NOW)
    database.dispose()
    schema.downgrade(database.url, "0008")
    with database.session() as session:
        assert session.scalar(text("SELECT secrets FROM uptainer.vulnerability_scans")) == 0
    database.dispose()
    schema.upgrade(database.url)
    with database.session() as session:
        assert session.scalars(select(VulnerabilityScan.secrets)).all() == [None]


def test_a_downgrade_to_base_leaves_nothing_behind(database: Database) -> None:
    fleet = Fleet(database, "web")
    with database.session() as session:
        UpdateRepository(session).propose([fleet.proposal("web")], NOW)
    database.dispose()
    schema.downgrade(database.url, "base")
    assert _tables(database.url) == set()
    assert _types_and_functions(database.url) == 0
    assert not inspect(create_engine_for(database.url, pooled=False)).has_schema(SCHEMA)
    schema.downgrade(database.url, "base")


def test_two_upgrades_at_once_do_it_once(postgres_url: str) -> None:
    assert side_by_side(lambda: schema.upgrade(postgres_url), lambda: schema.upgrade(postgres_url)) == [
        None,
        None,
    ]
    assert _tables(postgres_url) == TABLES


def test_a_database_that_a_newer_uptainer_was_at_is_refused(database: Database) -> None:
    with database.session() as session:
        session.execute(text("UPDATE uptainer.alembic_version SET version_num = '9999'"))
    with pytest.raises(RefusedError, match="revision 9999, which this Uptainer does not know"):
        schema.upgrade(database.url)
    with pytest.raises(RefusedError, match="a newer one has been at it"):
        schema.downgrade(database.url, "base")


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("sqlite:///x.db", "must be a PostgreSQL, and sqlite"),
        ("not a url", "is not a URL"),
        ("postgresql://u:hunter2/x", "is not a URL"),
    ],
)
def test_only_a_postgresql_will_do(url: str, sentence: str) -> None:
    with pytest.raises(InvalidInputError, match=sentence) as refused:
        schema.upgrade(url)
    assert "hunter2" not in str(refused.value)


def test_a_database_that_does_not_answer_is_unreachable() -> None:
    with pytest.raises(UnreachableError, match="did not answer"):
        schema.current("postgresql://nobody@127.0.0.1:1/none")
