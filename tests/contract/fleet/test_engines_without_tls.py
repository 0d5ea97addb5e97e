"""What an engine's word of a registry does, that it asks without TLS: for what it runs, and never to anybody's login."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from prefect.logging import disable_run_logger
from sqlalchemy import select

from tasks import resources
from tests.contract.fleet.seeded import Seeded
from tests.lab.facts import NOW, address, container, engine, manifest
from tests.lab.names import resolve_as
from tests.lab.scripted import Answer, Asked, ScriptedServer
from uptainer.core.enums import CheckResult
from uptainer.core.errors import RefusedError, UnreachableError
from uptainer.core.findings import Scan
from uptainer.core.platform import Platform
from uptainer.core.reference import Reference
from uptainer.fleet.checking import check_registry, plan_check
from uptainer.fleet.plain_registries import asked_plainly, is_insecure
from uptainer.fleet.scanning import UNSCANNED, plan_scans, scan_image
from uptainer.images.access import PLAIN, Access
from uptainer.images.credential import Credential
from uptainer.images.credentials import Keychain
from uptainer.images.manifests import digest_of
from uptainer.scanning.sources import ImageSource, RegistrySource
from uptainer.store.models import Container, UpdateCheck
from uptainer.store.repositories.containers import ContainerRepository
from uptainer.store.repositories.hosts import HostRepository

MANIFEST = manifest("app")
DIGEST = digest_of(MANIFEST)
LOGIN = Credential("user", "hunter2")


class Lan:
    """A registry without TLS, `nas.lan`: everybody may see the image, and while it is `shut`, who logs in."""

    def __init__(self, server: ScriptedServer, fleet: Seeded) -> None:
        self.server = server
        self.shut = False
        self.fleet = fleet
        self.name = server.host.replace("localhost", "nas.lan")
        server.script = self._answer

    def run(self, host: str, *insecure: str) -> None:
        """A container of its image on a host whose engine asks these registries without TLS."""
        image = f"{self.name}/app"
        with self.fleet.database.session() as session:
            hosts = HostRepository(session)
            known = {each.name: each.id for each in hosts.all()}
            number = known.get(host) or hosts.add(address(host)).id
            facts = engine() if number == self.fleet.host_id else engine(host)
            hosts.mark_seen(number, replace(facts, insecure_registries=insecure), NOW)
            app = container("app", image_reference=f"{image}:1", repo_digests=(f"{image}@{DIGEST}",))
            ContainerRepository(session).record(number, [app], NOW)

    def heard(self) -> list[str]:
        return [
            asked.headers["Authorization"] for asked in self.server.asked if "Authorization" in asked.headers
        ]

    def _answer(self, asked: Asked) -> Answer:
        if self.shut or asked.path == "/v2/":
            return Answer(401, headers={"WWW-Authenticate": 'Basic realm="lan"'})
        if asked.path.partition("?")[0].endswith("/tags/list"):
            return Answer(body=b'{"tags": ["1"]}')
        return Answer(body=MANIFEST, headers={"Docker-Content-Digest": DIGEST})


@pytest.fixture
def lan(monkeypatch: pytest.MonkeyPatch, fleet: Seeded) -> Iterator[Lan]:
    resolve_as(monkeypatch, "nas.lan", "127.0.0.1")
    with ScriptedServer(lambda _: Answer()) as server:
        yield Lan(server, fleet)


class Given:
    """A scanner that keeps what it was given, and then is away, so that nothing is recorded."""

    def __init__(self) -> None:
        self.sources: list[ImageSource] = []

    async def scan(
        self, target: Reference | str, platform: Platform, source: ImageSource, *, sboms: bool = False
    ) -> Scan:
        self.sources.append(source)
        raise UnreachableError("away")


def check(lan: Lan, keychain: Keychain) -> tuple[CheckResult, str]:
    """What the last container's check says."""
    database = lan.fleet.database
    check_registry(database, lan.name, plan_check(database).registries[lan.name], keychain)
    with database.session() as session:
        *_, row = session.scalars(select(UpdateCheck).order_by(UpdateCheck.id))
    return row.result, row.reason


def scan(lan: Lan, keychain: Keychain) -> ImageSource:
    [job] = plan_scans(lan.fleet.database, older_than=UNSCANNED)
    given = Given()
    with pytest.raises(UnreachableError, match="away"):
        scan_image(lan.fleet.database, replace(job, engine=None), given, keychain)
    [source] = given.sources
    return source


def test_what_only_such_an_engine_runs_is_asked_as_nobody(lan: Lan) -> None:
    lan.run("alpha", lan.name)
    result, _ = check(lan, Keychain({lan.name: LOGIN}))
    assert result is CheckResult.UP_TO_DATE
    lan.shut = True
    result, reason = check(lan, Keychain({lan.name: LOGIN}))
    assert (result, "its login, which is not sent" in reason) == (CheckResult.UNKNOWN, True)
    assert lan.heard() == []


def test_what_another_engine_runs_as_well_is_asked_by_tls_only(lan: Lan) -> None:
    lan.run("alpha", lan.name)
    lan.run("beta")
    result, reason = check(lan, Keychain())
    assert result is CheckResult.UNKNOWN
    assert "tick Plain HTTP in a Registry block" in reason
    assert lan.server.asked == []


def test_all_engines_that_run_it_have_to_say_so(lan: Lan) -> None:
    lan.run("alpha", lan.name, "other.lan", "docker.io")
    lan.run("beta", lan.name, "10.0.0.0/8")
    with lan.fleet.database.session() as session:
        ids = {row.host_id: row.id for row in session.scalars(select(Container))}
        assert asked_plainly(session, ids.values()) == {lan.name}
        assert asked_plainly(session, [ids[lan.fleet.host_id]]) == {lan.name, "other.lan", "docker.io"}
        assert asked_plainly(session, []) == frozenset()


def test_the_scanner_is_told_so_as_nobody_and_given_no_login(lan: Lan) -> None:
    lan.run("alpha", lan.name)
    assert scan(lan, Keychain()) == RegistrySource(insecure=True)
    [job] = plan_scans(lan.fleet.database, older_than=UNSCANNED)
    given = Given()
    with pytest.raises(RefusedError, match="tick Plain HTTP in a Registry block"):
        scan_image(lan.fleet.database, replace(job, engine=None), given, Keychain({lan.name: LOGIN}))
    assert given.sources == []
    assert lan.heard() == []


def test_the_scanner_is_given_it_where_a_person_said_so(lan: Lan) -> None:
    lan.run("alpha")
    keychain = Keychain({lan.name: LOGIN}, accesses={lan.name: Access(plain=True)})
    assert scan(lan, keychain) == RegistrySource("user", "hunter2", insecure=True)


@pytest.mark.parametrize(
    ("registry", "access", "given"),
    [
        ("nas.lan:5000", PLAIN, False),
        ("nas.lan:5000", Access(plain=True), True),
        ("ghcr.io", PLAIN, True),
    ],
)
def test_an_engine_that_asks_without_tls_is_given_no_login_for_its_pull(
    fleet: Seeded, monkeypatch: pytest.MonkeyPatch, registry: str, access: Access, given: bool
) -> None:
    fleet.run("web")
    made = fleet.propose()
    insecure = replace(engine(), insecure_registries=("nas.lan:5000",))
    with fleet.database.session() as session:
        HostRepository(session).mark_seen(fleet.host_id, insecure, NOW)
    monkeypatch.setattr(resources, "database", lambda: fleet.database)
    monkeypatch.setattr(
        resources, "keychain", lambda: Keychain({registry: LOGIN}, accesses={registry: access})
    )
    with disable_run_logger():
        auth = resources.registry_auth(registry, made)
    assert auth == (LOGIN.engine_auth if given else None)


@pytest.mark.parametrize(
    ("named", "registry", "expected"),
    [
        (["nas.lan:5000"], "nas.lan:5000", True),
        (["nas.lan:5000"], "nas.lan", False),
        (["10.0.0.0/8"], "10.1.2.3:5000", True),
        (["10.0.0.0/8"], "192.168.1.1:5000", False),
        (["fd00::/8"], "[fd00::1]:5000", True),
        (["10.0.0.0/8"], "inside.lan:5000", True),
        (["10.0.0.0/8", "nas.lan"], "nowhere.invalid", False),
        (["127.0.0.0/8", "::1/128", "localhost:5000"], "localhost:5000", False),
        (["127.0.0.0/8"], "127.0.0.1:5000", False),
        (["nas.lan:5000/team"], "nas.lan:5000", True),
        (["*.lan"], "nas.lan:5000", True),
        (["*.lan"], "nas.other:5000", False),
        ([], "docker.io", False),
    ],
)
def test_an_engine_names_registries_and_ranges_of_addresses(
    monkeypatch: pytest.MonkeyPatch, named: list[str], registry: str, expected: bool
) -> None:
    resolve_as(monkeypatch, "inside.lan", "10.9.9.9")
    assert is_insecure(named, registry) is expected
