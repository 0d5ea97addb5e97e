"""Who is who in the cluster: its authority, the server's certificate, an administrator's, and the tokens.

Source: https://kubernetes.io/docs/setup/best-practices/certificates/ and .../reference/access-authn-authz/authentication/.
"""

import ipaddress
import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ADMINISTRATORS = "system:masters"
"""The group that RBAC lets do everything."""

_CONTEXT = "lab"


@dataclass(frozen=True, slots=True)
class Credentials:
    """The files in one folder, readable by their owner alone."""

    folder: Path

    @classmethod
    def write(cls, folder: Path, url: str) -> Self:
        """Make all of them, for a server at this URL on 127.0.0.1."""
        folder.chmod(0o700)
        made = cls(folder)
        authority = _Authority.create()
        made.authority.write_bytes(_pem(authority.certificate))
        for name, subject, usage in (
            ("server", {NameOID.COMMON_NAME: "kube-apiserver"}, ExtendedKeyUsageOID.SERVER_AUTH),
            (
                "admin",
                {NameOID.COMMON_NAME: "admin", NameOID.ORGANIZATION_NAME: ADMINISTRATORS},
                ExtendedKeyUsageOID.CLIENT_AUTH,
            ),
        ):
            certificate, key = authority.sign(subject, usage)
            (folder / f"{name}.crt").write_bytes(_pem(certificate))
            (folder / f"{name}.key").write_bytes(_key_pem(key))
        made.service_account_key.write_bytes(_key_pem(rsa.generate_private_key(65537, 2048)))
        made.tokens.write_text(f'{secrets.token_hex(16)},admin,admin,"{ADMINISTRATORS}"\n')
        made.kubeconfig.write_text(json.dumps(made.kubeconfig_for(url, {"token": made.token})))
        return made

    @property
    def authority(self) -> Path:
        return self.folder / "ca.crt"

    @property
    def service_account_key(self) -> Path:
        return self.folder / "service-accounts.key"

    @property
    def tokens(self) -> Path:
        return self.folder / "tokens.csv"

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig"

    @property
    def token(self) -> str:
        """The administrator's."""
        return self.tokens.read_text().partition(",")[0]

    def kubeconfig_for(self, url: str, user: dict[str, Any]) -> dict[str, Any]:
        """`user` is the kubeconfig's own: `{"token": ...}`, `{"client-certificate": PATH, "client-key": PATH}`, ..."""
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": _CONTEXT,
                    "cluster": {"server": url, "certificate-authority": str(self.authority)},
                }
            ],
            "users": [{"name": _CONTEXT, "user": user}],
            "contexts": [{"name": _CONTEXT, "context": {"cluster": _CONTEXT, "user": _CONTEXT}}],
            "current-context": _CONTEXT,
        }


@dataclass(frozen=True, slots=True)
class _Authority:
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def create(cls) -> Self:
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name({NameOID.COMMON_NAME: "uptainer-lab"})
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        built = (
            _certificate(name, name, key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(usage, critical=True)
        )
        return cls(key, built.sign(key, hashes.SHA256()))

    def sign(
        self, subject: dict[x509.ObjectIdentifier, str], usage: x509.ObjectIdentifier
    ) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))]
        own = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        built = (
            _certificate(_name(subject), self.certificate.subject, key)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(own, critical=False)
        )
        return built.sign(self.key, hashes.SHA256()), key


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=7))
    )


def _name(parts: dict[x509.ObjectIdentifier, str]) -> x509.Name:
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in parts.items()])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
