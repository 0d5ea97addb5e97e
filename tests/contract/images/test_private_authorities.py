"""Registries whose certificate a private authority signed: Debian's real one over TLS, asked and scanned."""

import json
import ssl
import tempfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.lab.alpine import OLD_PACKAGES, alpine_files
from tests.lab.certificates import Authority
from tests.lab.images import build_image, push_image
from tests.lab.registry import Registry
from tests.lab.room import Room
from tests.lab.scripted import Answer, Asked, ScriptedServer
from tests.lab.trivy import write_cache
from uptainer.core.enums import ScanStatus
from uptainer.core.errors import InvalidInputError, UnreachableError
from uptainer.core.platform import Platform
from uptainer.core.reference import Reference
from uptainer.images.access import Access, Certificates
from uptainer.images.credentials import Keychain
from uptainer.images.registry import RegistryClient
from uptainer.images.trust import authorities_for
from uptainer.scanning.server import TrivyServer
from uptainer.scanning.trivy import RegistrySource, Scanner

AUTHORITY = Authority("private")
CLIENT = AUTHORITY.client()
CERTIFICATES = Certificates(AUTHORITY.certificate)
DIGEST = "sha256:" + "0" * 64


class TlsRegistry(Registry):
    """The content of another registry, over TLS; `known`: only for who shows a certificate of the authority's."""

    def __init__(self, room: Room, content: Registry, *, known: bool = False) -> None:
        self._content = content
        self._known = known
        super().__init__(room)

    def _write_config(self) -> Path:
        path = super()._write_config()
        config = json.loads(path.read_text())
        signed = AUTHORITY.server("localhost", "127.0.0.1")
        files = {"ca.pem": AUTHORITY.certificate, "server.pem": signed.certificate, "server.key": signed.key}
        for name, text in files.items():
            (self.directory / name).write_text(text)
        tls = {"certificate": str(self.directory / "server.pem"), "key": str(self.directory / "server.key")}
        known = {"clientcas": [str(self.directory / "ca.pem")]} if self._known else {}
        config["http"]["tls"] = tls | known
        config["storage"]["filesystem"]["rootdirectory"] = str(self._content.directory / "data")
        path.write_text(json.dumps(config))
        return path


@pytest.fixture
def private(room: Room, registry: Registry) -> Iterator[TlsRegistry]:
    made = TlsRegistry(room, registry)
    yield made
    made.close()


def reached(registry: Registry, certificates: Certificates) -> Keychain:
    return Keychain(accesses={registry.host: Access(certificates)})


async def ask(registry: Registry, keychain: Keychain, name: str) -> str:
    async with RegistryClient(keychain) as client:
        return (await client.head(Reference.parse(registry.reference(name)))).digest


async def test_its_images_are_asked_for_and_scanned(
    private: TlsRegistry, registry: Registry, room: Room, trivy_binary: Path
) -> None:
    image = build_image(files=alpine_files("3.99.0", OLD_PACKAGES))
    digest = push_image(registry.url, "private/app:1", image)

    assert await ask(private, reached(private, CERTIFICATES), "private/app:1") == digest
    with pytest.raises(UnreachableError, match=r"not believed here .* put its CA into a Registry block"):
        await ask(private, reached(private, Certificates(Authority("another").certificate)), "private/app:1")

    server = TrivyServer(
        room.directory("trivy"), trivy_binary, offline=True, ready_within=timedelta(seconds=60)
    )
    write_cache(server.cache_dir)
    await server.start()
    try:
        running = server.running()
        assert running is not None
        scanner = Scanner(
            running.address, server.cache_dir, trivy_binary, timedelta(seconds=60), offline=True
        )
        target = Reference.parse(private.reference("private/app:1")).with_digest(digest)
        platform = Platform("linux", "amd64")
        believed = RegistrySource(authorities=authorities_for(private.host, CERTIFICATES))
        scan = await scanner.scan(target, platform, believed)
        assert scan.status is ScanStatus.SUCCEEDED, scan.reason
        refused = await scanner.scan(target, platform, RegistrySource())
        assert "certificate is not trusted" in refused.reason
    finally:
        await server.stop()


async def test_a_registry_that_asks_who_we_are_is_shown_our_certificate(
    room: Room, registry: Registry
) -> None:
    digest = push_image(registry.url, "private/known:1", build_image())
    made = TlsRegistry(room, registry, known=True)
    try:
        shown = Certificates(AUTHORITY.certificate, CLIENT.certificate, CLIENT.key)
        assert await ask(made, reached(made, shown), "private/known:1") == digest
        with pytest.raises(UnreachableError, match="put a client certificate and its key"):
            await ask(made, reached(made, CERTIFICATES), "private/known:1")
    finally:
        made.close()


async def test_its_authority_is_believed_for_its_token_server_and_for_no_other_registry() -> None:
    signed = AUTHORITY.server("localhost")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_verify_locations(cadata=AUTHORITY.certificate)

    with _serving(signed.certificate, signed.key, tls, lambda _: Answer(body=b'{"token": "t"}')) as tokens:

        def script(asked: Asked) -> Answer:
            if asked.headers.get("Authorization") == "Bearer t":
                return Answer(headers={"Docker-Content-Digest": DIGEST})
            return Answer(401, headers={"WWW-Authenticate": f'Bearer realm="{tokens.url}/token"'})

        with _serving(signed.certificate, signed.key, tls, script) as own, ScriptedServer(script) as other:
            keychain = Keychain(accesses={own.host: Access(CERTIFICATES)})
            async with RegistryClient(keychain) as client:
                assert (await client.head(Reference.parse(f"{own.host}/app:1"))).digest == DIGEST
                with pytest.raises(UnreachableError, match="CERTIFICATE_VERIFY_FAILED"):
                    await client.head(Reference.parse(f"{other.host}/app:1"))


def _serving(
    certificate: str, key: str, tls: ssl.SSLContext, script: Callable[[Asked], Answer]
) -> ScriptedServer:
    """Python reads a key from a file only."""
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(certificate + key)
        file.flush()
        tls.load_cert_chain(file.name)
    return ScriptedServer(script, tls=tls)


def test_the_authorities_of_a_registry_are_those_given_to_us_and_to_docker(tmp_path: Path) -> None:
    place = tmp_path / "registry.lan:5000"
    place.mkdir()
    (place / "ca.crt").write_text("docker's")
    (place / "client.cert").write_text("not an authority")

    assert authorities_for("registry.lan:5000", Certificates("ours"), tmp_path) == "ours\ndocker's"
    assert authorities_for("other.lan", None, tmp_path) == ""
    (place / "ca.crt").write_bytes(b"\xff")
    with pytest.raises(
        InvalidInputError, match=r"registry\.lan:5000 holds a certificate that cannot be read"
    ):
        authorities_for("registry.lan:5000", None, tmp_path)
