"""A timestamp authority of the tests' own. Its tokens are put together by hand, for one that is wrong has to be, too."""

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.asn1 import encode_der
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.lab.certificates import new_certificate

_YEAR = timedelta(days=365)
_BORN = datetime(2026, 1, 1, tzinfo=UTC)
_SEQUENCE, _SET, _OCTETS, _TIME = 0x30, 0x31, 0x04, 0x18


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@dataclass
class TimestampAuthority:
    """Its own certificate is good for a year from `since` on; `purpose` is what that certificate is for."""

    since: datetime = _BORN
    purpose: x509.ObjectIdentifier = ExtendedKeyUsageOID.TIME_STAMPING
    root_key: ec.EllipticCurvePrivateKey = field(default_factory=_new_key)
    key: ec.EllipticCurvePrivateKey = field(default_factory=_new_key)
    root: x509.Certificate = field(init=False)
    certificate: x509.Certificate = field(init=False)

    def __post_init__(self) -> None:
        root = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lab timestamp root")])
        self.root = (
            new_certificate(self.root_key.public_key(), root, root, _BORN - _YEAR, _BORN + 10 * _YEAR)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self.root_key, hashes.SHA256())
        )
        own = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lab timestamps")])
        self.certificate = (
            new_certificate(self.key.public_key(), own, root, self.since, self.since + _YEAR)
            .add_extension(x509.ExtendedKeyUsage([self.purpose]), critical=True)
            .sign(self.root_key, hashes.SHA256())
        )

    @property
    def chain(self) -> tuple[str, ...]:
        """As a root names it: the one that signs first."""
        chain = (self.certificate, self.root)
        return tuple(each.public_bytes(serialization.Encoding.PEM).decode() for each in chain)

    def stamp(self, signature: bytes, at: datetime, *, embeds: bool = True) -> bytes:
        """The response to a request for it, with the authority's certificate in it or without."""
        info = _info(signature, at)
        attributes = _attributes(info)
        signed = self.key.sign(_der(_SET, attributes), ec.ECDSA(hashes.SHA256()))
        signer = _der(
            _SEQUENCE,
            encode_der(1),
            _der(
                _SEQUENCE, self.certificate.issuer.public_bytes(), encode_der(self.certificate.serial_number)
            ),
            _algorithm("2.16.840.1.101.3.4.2.1"),
            _der(0xA0, attributes),
            _algorithm("1.2.840.10045.4.3.2"),
            _der(_OCTETS, signed),
        )
        data = _der(
            _SEQUENCE,
            encode_der(3),
            _der(_SET, _algorithm("2.16.840.1.101.3.4.2.1")),
            _der(_SEQUENCE, _oid("1.2.840.113549.1.9.16.1.4"), _der(0xA0, _der(_OCTETS, info))),
            _der(0xA0, self.certificate.public_bytes(serialization.Encoding.DER)) if embeds else b"",
            _der(_SET, signer),
        )
        token = _der(_SEQUENCE, _oid("1.2.840.113549.1.7.2"), _der(0xA0, data))
        return _der(_SEQUENCE, _der(_SEQUENCE, encode_der(0)), token)


def _info(signature: bytes, at: datetime) -> bytes:
    imprint = _der(
        _SEQUENCE,
        _algorithm("2.16.840.1.101.3.4.2.1"),
        _der(_OCTETS, hashlib.sha256(signature).digest()),
    )
    time = _der(_TIME, f"{at:%Y%m%d%H%M%S}Z".encode())
    return _der(_SEQUENCE, encode_der(1), _oid("1.3.6.1.4.1.57264.2"), imprint, encode_der(7), time)


def _attributes(info: bytes) -> bytes:
    kind = _oid("1.2.840.113549.1.9.16.1.4")
    digest = _der(_OCTETS, hashlib.sha256(info).digest())
    found = [
        _der(_SEQUENCE, _oid("1.2.840.113549.1.9.3"), _der(_SET, kind)),
        _der(_SEQUENCE, _oid("1.2.840.113549.1.9.4"), _der(_SET, digest)),
    ]
    return b"".join(sorted(found))


def _algorithm(name: str) -> bytes:
    return _der(_SEQUENCE, _oid(name))


def _oid(name: str) -> bytes:
    return encode_der(x509.ObjectIdentifier(name))


def _der(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content
