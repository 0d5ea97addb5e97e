"""An authority of the tests' own, and what it signs."""

import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAY = timedelta(days=1)
_SERVER, _CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH


@dataclass(frozen=True, slots=True)
class Signed:
    """Both as PEM text."""

    certificate: str
    key: str

    def context(self, folder: Path) -> ssl.SSLContext:
        """For a server that shows it. Python reads a key from a file only, which is made in `folder`."""
        path = folder / "server.pem"
        path.write_text(self.certificate + self.key)
        found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        found.load_cert_chain(path)
        return found


class Authority:
    def __init__(self, name: str = "lab") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        builder = self._builder(name, self._key.public_key(), valid_for=_DAY)
        signed = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(
            self._key, hashes.SHA256()
        )
        self.certificate = _pem(signed)

    def server(self, *names: str) -> Signed:
        """For these names and addresses."""
        entries: list[x509.GeneralName] = [_general_name(name) for name in names]
        return self._sign(names[0], _SERVER, _DAY, x509.SubjectAlternativeName(entries))

    def client(self, *, valid_for: timedelta = _DAY) -> Signed:
        """A negative `valid_for` gives one that has expired."""
        return self._sign("client", _CLIENT, valid_for)

    def _sign(
        self, name: str, usage: x509.ObjectIdentifier, valid_for: timedelta, *more: x509.ExtensionType
    ) -> Signed:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(name, key.public_key(), valid_for=valid_for)
        for extension in (x509.ExtendedKeyUsage([usage]), *more):
            builder = builder.add_extension(extension, critical=False)
        text = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return Signed(_pem(builder.sign(self._key, hashes.SHA256())), text.decode())

    def _builder(
        self, name: str, key: ec.EllipticCurvePublicKey, *, valid_for: timedelta
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(_named(name))
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 2 * _DAY)
            .not_valid_after(now + valid_for)
        )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def new_certificate(
    key: ec.EllipticCurvePublicKey, subject: x509.Name, issuer: x509.Name, since: datetime, until: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(until)
    )


def key_usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
