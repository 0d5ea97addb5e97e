from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from tests.contract.store.conftest import Fleet, counted_statements
from tests.lab.facts import NOW, address, container, digest
from uptainer.core.enums import ContainerStatus, Health
from uptainer.core.errors import InvalidInputError, NotFoundError
from uptainer.core.workloads import Mount, Port
from uptainer.store.database import Database
from uptainer.store.models import Image
from uptainer.store.repositories.containers import ContainerRepository, Recorded
from uptainer.store.repositories.hosts import HostRepository

LATER = NOW + timedelta(minutes=5)


def test_what_was_recorded_is_read_back_as_it_was(database: Database, fleet: Fleet) -> None:
    facts = container(
        "shop",
        project="store",
        service="front",
        labels={"uptainer.enable": "true", "naïve": "çé€"},
        mounts=(Mount("volume", "data", "/var/lib/docker/volumes/data", "/data", read_only=False),),
        networks=("front", "back"),
        ports=(Port(80, "tcp", "0.0.0.0", 8080), Port(443, "tcp")),
        depends_on=("db",),
        health=Health.HEALTHY,
        restart_count=3,
        details={"command": ["a", "b"], "nested": {"x": 1}},
    )
    with database.session() as session:
        ContainerRepository(session).record(fleet.host_id, [facts], NOW)
    with database.session() as session:
        row = ContainerRepository(session).by_address("alpha/shop").container
    assert row.labels == facts.labels
    assert row.mounts[0]["destination"] == "/data"
    assert [port["host_port"] for port in row.ports] == [8080, None]
    assert (row.networks, row.depends_on, row.details) == (["front", "back"], ["db"], facts.details)
    assert (row.project, row.service, row.restart_count, row.health) == ("store", "front", 3, Health.HEALTHY)
    assert (row.platform, row.container_created_at) == ("linux/amd64", NOW)


def test_the_difference_to_the_last_time_is_told_by_key(database: Database, fleet: Fleet) -> None:
    with database.session() as session:
        recorded = ContainerRepository(session).record(
            fleet.host_id,
            [container("web"), container("db", status=ContainerStatus.EXITED), container("new")],
            LATER,
        )
    assert recorded == Recorded(added=("new",), changed=("db",), vanished=("cache",))


def test_a_vanished_container_keeps_its_row_and_is_told_once(database: Database, fleet: Fleet) -> None:
    for expected in (("web", "db", "cache"), ()):
        with database.session() as session:
            assert set(ContainerRepository(session).record(fleet.host_id, [], LATER).vanished) == set(
                expected
            )
    with database.session() as session:
        containers = ContainerRepository(session)
        assert containers.listing() == []
        row = containers.by_address("web", with_vanished=True).container
        assert (row.status, row.health, row.vanished_at) == (ContainerStatus.VANISHED, Health.UNKNOWN, LATER)
        assert containers.record(fleet.host_id, [container("web")], LATER).added == ("web",)
        assert containers.by_address("web").container.id == fleet.ids["web"]


def test_when_it_was_first_seen_does_not_move(database: Database, fleet: Fleet) -> None:
    with database.session() as session:
        ContainerRepository(session).record(fleet.host_id, [container("web")], LATER)
    with database.session() as session:
        row = ContainerRepository(session).by_address("web").container
        assert (row.first_seen_at, row.last_seen_at) == (NOW, LATER)


@pytest.mark.parametrize(
    "hostile", ["nul \0 in it", "half a pair \ud800", "\\u0000 spelt out", 'quote " and \\']
)
def test_a_strangers_label_does_not_keep_a_host_from_being_read(
    database: Database, fleet: Fleet, hostile: str
) -> None:
    facts = [container("web", labels={hostile: hostile}, image_labels={"x": hostile})]
    with database.session() as session:
        ContainerRepository(session).record(fleet.host_id, facts, NOW)
        again = ContainerRepository(session).record(fleet.host_id, facts, NOW)
        assert again == Recorded((), (), ())


def test_ten_thousand_containers_are_recorded_in_as_few_statements_as_ten(
    database: Database, fleet: Fleet
) -> None:
    def facts(count: int) -> list[Any]:
        return [
            container(f"c{number}", repo_digests=(f"nginx@{digest(number % 500)}",))
            for number in range(count)
        ]

    with database.session() as session, counted_statements(database) as few:
        ContainerRepository(session).record(fleet.host_id, facts(10), NOW)
    with database.session() as session, counted_statements(database) as many:
        recorded = ContainerRepository(session).record(fleet.host_id, facts(10_000), NOW)
    assert len(recorded.added) == 10_000 - 10
    assert len(many) <= len(few) <= 4


def test_a_thousand_containers_of_one_image_are_one_image(database: Database, fleet: Fleet) -> None:
    facts = [container(f"c{number}") for number in range(1000)]
    with database.session() as session:
        ContainerRepository(session).record(fleet.host_id, facts, NOW)
        assert [row.digest for row in session.scalars(select(Image))] == [digest("running")]


def test_what_an_image_says_of_itself_stays_known_where_another_host_does_not_tell(
    database: Database, fleet: Fleet
) -> None:
    """A cluster never says what labels an image has: by them a container's own are told from those of its image."""
    labels = {"org.opencontainers.image.version": "1.27.4", "uptainer.mode": "auto"}
    with database.session() as session:
        cluster = HostRepository(session).add(address("cluster")).id
    for host, said in ((fleet.host_id, labels), (cluster, {})):
        with database.session() as session:
            ContainerRepository(session).record(host, [container("web", image_labels=said)], LATER)
    with database.session() as session:
        for view in ContainerRepository(session).listing(pattern="web"):
            assert view.image is not None
            assert (view.image.labels, view.image.version) == (labels, "1.27.4")


@pytest.mark.parametrize(
    ("reference", "repo_digests", "expected"),
    [
        ("nginx:1.27", ("nginx@sha256:a",), "sha256:a"),
        ("nginx:1.27", ("mirror.example/nginx@sha256:b", "nginx@sha256:a"), "sha256:a"),
        ("docker.io/library/nginx", ("nginx@sha256:a",), "sha256:a"),
        ("mirror.example/nginx:1", ("nginx@sha256:a", "mirror.example/nginx@sha256:b"), "sha256:b"),
        ("localhost:5000/app:1", ("localhost:5000/app@sha256:c",), "sha256:c"),
        ("built-here:1", (), "sha256:id"),
        ("built-here:1", ("nginx@sha256:a",), "sha256:id"),
        ("f" * 64, (), "sha256:id"),
    ],
)
def test_an_image_goes_by_the_digest_of_the_registry_it_is_named_by(
    database: Database, fleet: Fleet, reference: str, repo_digests: tuple[str, ...], expected: str
) -> None:
    facts = container("x", image_reference=reference, image_id="sha256:id", repo_digests=repo_digests)
    with database.session() as session:
        ContainerRepository(session).record(fleet.host_id, [facts], NOW)
        image = ContainerRepository(session).by_address("x").image
        assert image is not None
        assert image.digest == expected


def test_the_listing_is_filtered_by_host_project_and_name(database: Database, fleet: Fleet) -> None:
    with database.session() as session:
        other = HostRepository(session).add(address("beta")).id
        facts = [container("web"), container("web_2", project="shop"), container("webx2")]
        ContainerRepository(session).record(other, facts, NOW)
        listing = ContainerRepository(session).listing

        def found(**filters: Any) -> list[str]:
            return [view.address for view in listing(**filters)]

        assert found(host="alpha") == ["alpha/cache", "alpha/db", "alpha/web"]
        assert found(project="shop") == ["beta/web_2"]
        assert found(pattern="WEB") == ["alpha/web", "beta/web", "beta/web_2", "beta/webx2"]
        assert found(pattern="web?2") == ["beta/web_2", "beta/webx2"]
        assert found(pattern="web_2") == ["beta/web_2"]
        assert found(pattern="*e", host="alpha") == ["alpha/cache"]


def test_a_name_that_two_hosts_have_must_be_said_with_its_host(database: Database, fleet: Fleet) -> None:
    with database.session() as session:
        other = HostRepository(session).add(address("beta")).id
        ContainerRepository(session).record(other, [container("web")], NOW)
        containers = ContainerRepository(session)
        assert containers.by_address("beta/web").container.host_id == other
        with pytest.raises(InvalidInputError, match="several containers: say which of alpha/web, beta/web"):
            containers.by_address("web")


def test_a_name_that_is_not_there_is_answered_with_what_is_spelt_like_it(
    database: Database, fleet: Fleet
) -> None:
    with database.session() as session:
        containers = ContainerRepository(session)
        with pytest.raises(NotFoundError, match=r"'alpha/wep'; did you mean .*alpha/web"):
            containers.by_address("alpha/wep")
        with pytest.raises(NotFoundError, match="see `uptainer containers`"):
            containers.by_address("zzzzzzzz")


def test_a_key_with_a_slash_in_it_is_found(database: Database, fleet: Fleet) -> None:
    with database.session() as session:
        containers = ContainerRepository(session)
        containers.record(fleet.host_id, [replace(container("x"), key="ns/app")], NOW)
        assert containers.by_address("ns/app").address == "alpha/ns/app"
        assert containers.by_address("alpha/ns/app").address == "alpha/ns/app"


def test_a_workload_stands_for_its_only_container(database: Database, fleet: Fleet) -> None:
    with database.session() as session:
        containers = ContainerRepository(session)
        app = replace(container("app"), key="ns/deployment/shop/app", workload="ns/deployment/shop")
        proxy = replace(app, key="ns/deployment/shop/proxy", runtime_id="proxy")
        containers.record(fleet.host_id, [app], NOW)
        assert containers.by_address("alpha/ns/deployment/shop").address == "alpha/ns/deployment/shop/app"
        containers.record(fleet.host_id, [app, proxy], NOW)
        with pytest.raises(
            InvalidInputError, match="say which of alpha/ns/deployment/shop/app, alpha/ns/dep"
        ):
            containers.by_address("ns/deployment/shop")
