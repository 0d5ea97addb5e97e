"""Registries with a certificate of their own, as Docker is told of them in `certs.d`."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.lab.scripted import Answer, ScriptedServer
from uptainer.core.errors import InvalidInputError
from uptainer.images.bodies import open_http


async def nothing(_: httpx.Request) -> None:
    return None


def self_signed(folder: Path) -> Path:
    """A certificate for localhost, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    path = folder / "server.pem"
    path.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(pem)
    )
    return path


async def fetch(url: str, certificates: Path) -> int:
    async with open_http(httpx.Timeout(5), nothing, certificates) as client:
        return (await client.get(url)).status_code


async def test_a_registrys_own_authority_is_believed_for_that_registry_only(tmp_path: Path) -> None:
    pem = self_signed(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pem)
    with (
        ScriptedServer(lambda _: Answer(), tls=tls) as server,
        ScriptedServer(lambda _: Answer(), tls=tls) as other,
    ):
        place = tmp_path / "certs.d" / server.host
        place.mkdir(parents=True)
        (place / "ca.crt").write_bytes(pem.read_bytes())

        assert await fetch(server.url, tmp_path / "certs.d") == 200
        with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
            await fetch(other.url, tmp_path / "certs.d")
        with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
            await fetch(server.url, tmp_path / "nothing")


@pytest.mark.parametrize("name", ["ca.crt", "client.cert"])
def test_a_file_that_holds_no_certificate_is_named(tmp_path: Path, name: str) -> None:
    place = tmp_path / "registry.lan"
    place.mkdir()
    (place / name).write_text("not a certificate")

    with pytest.raises(InvalidInputError, match=name):
        open_http(httpx.Timeout(5), nothing, tmp_path)
