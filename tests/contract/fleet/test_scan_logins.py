"""What a scanner is given of a login, which takes it wherever the registry says."""

import ssl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from tests.contract.fleet.seeded import Seeded
from tests.lab.certificates import Authority
from tests.lab.facts import engine, manifest
from tests.lab.scripted import Answer, Asked, ScriptedServer, serving
from uptainer.core.errors import RefusedError, UnreachableError
from uptainer.core.findings import Scan
from uptainer.core.platform import Platform
from uptainer.core.reference import Reference
from uptainer.core.workloads import ContainerFacts, EngineFacts
from uptainer.fleet.scanning import UNSCANNED, ScanJob, plan_scans, scan_image
from uptainer.fleet.updating import opener
from uptainer.images.access import Access, Certificates
from uptainer.images.credential import Credential
from uptainer.images.credentials import Keychain
from uptainer.images.manifests import digest_of
from uptainer.images.owners import AllowedHosts
from uptainer.runtimes.port import PullLogins, Runtime
from uptainer.scanning.trivy import ImageSource, RegistrySource
from uptainer.store.database import Database

MANIFEST = manifest("app")
DIGEST = digest_of(MANIFEST)
LOGIN = Credential("user", "hunter2")


class Given:
    """A scanner that keeps what it was given, and then is away, so that nothing is recorded."""

    def __init__(self) -> None:
        self.sources: list[ImageSource] = []

    async def scan(
        self, target: Reference | str, platform: Platform, source: ImageSource, *, sboms: bool = False
    ) -> Scan:
        self.sources.append(source)
        raise UnreachableError("away")


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """A registry that shows its images to everybody, and sends who logs in to somebody else's token server."""
    shown = serving(MANIFEST)
    challenge = {"WWW-Authenticate": 'Bearer realm="https://8.8.8.8/token",service="s"'}

    def script(asked: Asked) -> Answer:
        return shown(asked) if "manifests" in asked.path else Answer(401, headers=challenge)

    with ScriptedServer(script) as made:
        yield made


def scan(database: Database, server: ScriptedServer, keychain: Keychain) -> list[ImageSource]:
    given = Given()
    job = ScanJob(0, DIGEST, "linux/amd64", f"{server.host}/shop", DIGEST, None)
    with pytest.raises(UnreachableError, match="away"):
        scan_image(database, job, given, keychain)
    return given.sources


def test_no_login_is_given_for_a_registry_that_sends_it_to_a_stranger(
    database: Database, server: ScriptedServer
) -> None:
    given = Given()
    job = ScanJob(0, DIGEST, "linux/amd64", f"{server.host}/shop", DIGEST, None)
    with pytest.raises(RefusedError, match=r"put 8\.8\.8\.8 under Other hosts"):
        scan_image(database, job, given, Keychain({server.host: LOGIN}))
    assert given.sources == []
    assert all("Authorization" not in asked.headers for asked in server.asked)


def test_it_is_given_where_that_was_allowed(database: Database, server: ScriptedServer) -> None:
    allowed = {server.host: Access(allowed=AllowedHosts.parse(["8.8.8.8"]))}
    [source] = scan(database, server, Keychain({server.host: LOGIN}, accesses=allowed))
    assert source == RegistrySource("user", "hunter2")


def test_nobody_needs_no_such_question(database: Database, server: ScriptedServer) -> None:
    assert scan(database, server, Keychain()) == [RegistrySource()]
    assert [asked.path for asked in server.asked] == [f"/v2/shop/manifests/{DIGEST}"]


@pytest.mark.parametrize(
    ("credential", "entry"),
    [
        (Credential("robot$team+app", "p"), {"auth": "cm9ib3QkdGVhbSthcHA6cA=="}),
        (Credential("0", identity_token="refresh"), {"identitytoken": "refresh"}),
        (Credential(registry_token="bearer"), {"registrytoken": "bearer"}),
    ],
)
def test_each_kind_of_login_reaches_the_scanner(
    database: Database, credential: Credential, entry: dict[str, str]
) -> None:
    with ScriptedServer(serving(MANIFEST)) as server:
        keychain = Keychain({server.host: credential})
        [source] = scan(database, server, keychain)
    assert isinstance(source, RegistrySource)
    assert source.entry == entry


def test_a_registrys_authorities_reach_the_scanner(database: Database, tmp_path: Path) -> None:
    authority = Authority("a private authority")
    signed = authority.server("localhost")
    pem = tmp_path / "server.pem"
    pem.write_text(signed.certificate + signed.key)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pem)
    with ScriptedServer(serving(MANIFEST), tls=tls) as server:
        accesses = {server.host: Access(Certificates(authority.certificate))}
        [source] = scan(database, server, Keychain(accesses=accesses))
    assert source == RegistrySource(authorities=authority.certificate)


class Cluster:
    """A runtime that holds a login for the registry of one of its workloads."""

    def engine(self) -> EngineFacts:
        return engine()

    def close(self) -> None:
        pass

    def registry_logins(self, containers: Sequence[ContainerFacts]) -> Mapping[str, PullLogins]:
        login = {"username": LOGIN.username, "password": LOGIN.password}
        return {each.key: PullLogins({"corp.example": login}) for each in containers}


def test_a_cluster_s_login_is_for_the_registry_that_the_cluster_has_it_for(
    fleet: Seeded, server: ScriptedServer
) -> None:
    """The same image runs elsewhere as another registry's."""
    ours, theirs = (f"{name}/shop" for name in ("corp.example", server.host))
    fleet.run("ours", **of(ours), details={"pull_secrets": ["corp"]})
    fleet.run("theirs", **of(theirs))
    (job,) = plan_scans(fleet.database, older_than=UNSCANNED)
    assert job.name == theirs
    given = Given()
    opens = opener(fleet.database, lambda _: cast("Runtime", Cluster()))
    with pytest.raises(UnreachableError, match="away"):
        scan_image(fleet.database, replace(job, engine=None), given, Keychain(), opens)
    assert given.sources == [RegistrySource()]
    assert all("Authorization" not in asked.headers for asked in server.asked)


def of(name: str) -> dict[str, Any]:
    return {"image_reference": f"{name}:1", "repo_digests": (f"{name}@{DIGEST}",)}
