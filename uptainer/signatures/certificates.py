"""A signer's certificate: who an authority said that they were, at the time that was proved.

Source: https://github.com/sigstore/fulcio/blob/main/docs/certificate-specification.md and `docs/oid-info.md`;
RFC 6962, section 3.2, for the signed certificate timestamps.
"""

import calendar
import struct
from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.hashes import SHA256, Hash
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from uptainer.core.errors import InvalidInputError
from uptainer.signatures.keys import PublicKey, as_key, is_signed
from uptainer.signatures.refusals import DoubtError
from uptainer.signatures.roots import TrustRoot, find_log
from uptainer.signatures.trusts import IdentityTrust

_ISSUER = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.8")
_ISSUER_OF_OLD = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.1")
_UTF8, _LONG = 0x0C, 0x80


def read_certificate(der: bytes) -> x509.Certificate:
    """Raises DoubtError: it is none."""
    try:
        return x509.load_der_x509_certificate(der)
    except ValueError as error:
        raise DoubtError("its certificate cannot be read") from error


def key_of(certificate: x509.Certificate) -> PublicKey:
    """Raises DoubtError: the key is of a kind that is not taken."""
    try:
        return as_key(certificate.public_key())
    except (InvalidInputError, ValueError) as error:
        raise DoubtError(f"its certificate's key is not taken: {error}") from error


def require_trusted(certificate: x509.Certificate, root: TrustRoot, at: datetime) -> None:
    """Raise DoubtError unless one of the root's authorities vouched for it, for signing code, at that time."""
    if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
        raise DoubtError(
            f"its certificate was good from {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} to "
            f"{certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC, and it was made at {at:%Y-%m-%d %H:%M} UTC"
        )
    chain = _chain(certificate, root, at)
    _require_code_signing(certificate)
    if root.ct_logs:
        _require_published(certificate, chain[1], root)


def require_identity(certificate: x509.Certificate, trust: IdentityTrust) -> str:
    """Who it is; raises DoubtError where that is not who is trusted."""
    names, issuer = _names(certificate), _issuer(certificate)
    shown = f"{', '.join(names) or 'nobody'} by {issuer or 'no issuer'}"[:300]
    if not trust.takes_issuer(issuer):
        raise DoubtError(f"it was made by {shown}, and that issuer is not the one that is trusted")
    meant = next((name for name in names if trust.takes_identity(name)), None)
    if meant is None:
        raise DoubtError(f"it was made by {shown}, who is not trusted")
    return f"{meant} by {issuer}"


def _chain(certificate: x509.Certificate, root: TrustRoot, at: datetime) -> Sequence[x509.Certificate]:
    """Fulcio's certificates are for signing code alone: what a browser asks of their use is asked below instead."""
    signing = ExtensionPolicy.webpki_defaults_ca().may_be_present(
        x509.ExtendedKeyUsage, Criticality.NON_CRITICAL, None
    )
    leaf = ExtensionPolicy.webpki_defaults_ee().may_be_present(
        x509.ExtendedKeyUsage, Criticality.NON_CRITICAL, None
    )
    for authority in root.authorities:
        if authority.held(at):
            builder = PolicyBuilder().store(Store(list(authority.read()))).time(at)
            builder = builder.extension_policies(ca_policy=signing, ee_policy=leaf)
            try:
                return builder.build_client_verifier().verify(certificate, []).chain
            except (VerificationError, x509.UnsupportedGeneralNameType, ValueError):
                continue
    raise DoubtError("its certificate is of no authority that is trusted")


def _require_code_signing(certificate: x509.Certificate) -> None:
    try:
        use = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (x509.ExtensionNotFound, ValueError) as error:
        raise DoubtError("its certificate does not say what it is for") from error
    if not use.digital_signature or ExtendedKeyUsageOID.CODE_SIGNING not in purposes:
        raise DoubtError("its certificate is not for signing code")


def _require_published(certificate: x509.Certificate, issuer: x509.Certificate, root: TrustRoot) -> None:
    try:
        found = certificate.extensions.get_extension_for_class(
            x509.PrecertificateSignedCertificateTimestamps
        ).value
    except (x509.ExtensionNotFound, ValueError) as error:
        raise DoubtError("its certificate was never published in a log of certificates") from error
    if not any(_is_published(each, certificate, issuer, root) for each in found):
        raise DoubtError("no log of certificates that is trusted says that its certificate was published")


def _is_published(
    stamp: x509.certificate_transparency.SignedCertificateTimestamp,
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    root: TrustRoot,
) -> bool:
    at = stamp.timestamp.replace(tzinfo=certificate.not_valid_before_utc.tzinfo)
    key = find_log(root.ct_logs, stamp.log_id, at)
    if key is None:
        return False
    body = certificate.tbs_precertificate_bytes
    milliseconds = calendar.timegm(at.timetuple()) * 1000 + at.microsecond // 1000
    head = struct.pack(">BBQH", 0, 0, milliseconds, 1) + _key_hash(issuer)
    length = len(body).to_bytes(3, "big")
    extra = struct.pack(">H", len(stamp.extension_bytes)) + stamp.extension_bytes
    return is_signed(key, stamp.signature, head + length + body + extra)


def _key_hash(issuer: x509.Certificate) -> bytes:
    hashed = Hash(SHA256())
    hashed.update(
        issuer.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return hashed.finalize()


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    return (
        *names.get_values_for_type(x509.RFC822Name),
        *names.get_values_for_type(x509.UniformResourceIdentifier),
    )


def _issuer(certificate: x509.Certificate) -> str:
    """Who authenticated the signer: a DER string in the newer extension, the bare bytes in the older one."""
    newer, older = _value(certificate, _ISSUER), _value(certificate, _ISSUER_OF_OLD)
    if newer and newer[0] == _UTF8:
        skipped = 2 if newer[1] < _LONG else 2 + newer[1] - _LONG
        return newer[skipped:].decode(errors="replace")
    return older.decode(errors="replace")


def _value(certificate: x509.Certificate, name: x509.ObjectIdentifier) -> bytes:
    try:
        found = certificate.extensions.get_extension_for_oid(name).value
    except (x509.ExtensionNotFound, ValueError):
        return b""
    return found.value if isinstance(found, x509.UnrecognizedExtension) else b""
