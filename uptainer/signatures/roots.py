"""A Sigstore root of trust that was given: whose certificates, which transparency logs, each for its time.

Source: https://github.com/sigstore/protobuf-specs, `protos/sigstore_trustroot.proto`.
"""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Self

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from pydantic import BaseModel, ConfigDict, Field, field_validator

from uptainer.core.errors import InvalidInputError
from uptainer.signatures.keys import PublicKey, as_key, key_id, pem_of, read_key


class _Dated(BaseModel):
    """Trusted for what was signed from `since` to `until`; None has no end."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    since: datetime | None = None
    until: datetime | None = None

    def held(self, at: datetime) -> bool:
        return (self.since is None or self.since <= at) and (self.until is None or at <= self.until)


class Authority(_Dated):
    """A Fulcio: its certificates in PEM, the one that signs first, the root last."""

    certificates: tuple[str, ...] = Field(min_length=1)

    @field_validator("certificates")
    @classmethod
    def _must_be_certificates(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for pem in given:
            _certificate(pem)
        return given

    def read(self) -> tuple[x509.Certificate, ...]:
        return tuple(_certificate(pem) for pem in self.certificates)


class Log(_Dated):
    """A transparency log by its public key in PEM."""

    key: str

    @field_validator("key")
    @classmethod
    def _must_be_a_key(cls, given: str) -> str:
        try:
            read_key(given)
        except InvalidInputError as error:
            raise ValueError(str(error)) from error
        return given

    def read(self) -> PublicKey:
        return read_key(self.key)


class TrustRoot(BaseModel):
    """`logs` are Rekor's. Without `ct_logs`, whether a certificate was published is not looked at."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    authorities: tuple[Authority, ...] = Field(min_length=1)
    logs: tuple[Log, ...] = Field(min_length=1)
    ct_logs: tuple[Log, ...] = ()

    @classmethod
    def from_pem(cls, fulcio: str, rekor: Sequence[str], ct_logs: Sequence[str] = ()) -> Self:
        """From Fulcio's certificates in one PEM text, the signing one first, and the logs' public keys.

        Raises:
            InvalidInputError: one is not what it should be.
        """
        try:
            chain = x509.load_pem_x509_certificates(fulcio.encode())
        except ValueError as error:
            raise InvalidInputError("Fulcio's file holds no certificate in PEM") from error
        authority = Authority(certificates=tuple(_pem(each) for each in chain))
        return cls(
            authorities=(authority,),
            logs=tuple(Log(key=pem_of(read_key(each))) for each in rekor),
            ct_logs=tuple(Log(key=pem_of(read_key(each))) for each in ct_logs),
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
        """From `trusted_root.json`, as `cosign trusted-root create` and Sigstore's own repository write it.

        Raises:
            InvalidInputError: it is none, or has no authority or no log.
        """
        try:
            given = json.loads(text)
            return cls(
                authorities=tuple(_authority(each) for each in given["certificateAuthorities"]),
                logs=tuple(_log(each) for each in given["tlogs"]),
                ct_logs=tuple(_log(each) for each in given.get("ctlogs", ())),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InvalidInputError(f"this is no trusted_root.json of Sigstore: {error!r}"[:300]) from error


def find_log(logs: Sequence[Log], identifier: bytes, at: datetime) -> PublicKey | None:
    """The key of the log with this id (RFC 6962, 3.2), where it was trusted at that time."""
    keys = (each.read() for each in logs if each.held(at))
    return next((key for key in keys if key_id(key) == identifier), None)


def _authority(given: Mapping[str, Any]) -> Authority:
    chain = [x509.load_der_x509_certificate(_bytes(each)) for each in given["certChain"]["certificates"]]
    return Authority(certificates=tuple(_pem(each) for each in chain), **_dates(given.get("validFor") or {}))


def _log(given: Mapping[str, Any]) -> Log:
    held = given["publicKey"]
    key = as_key(serialization.load_der_public_key(_bytes(held)))
    return Log(key=pem_of(key), **_dates(held.get("validFor") or {}))


def _bytes(given: Mapping[str, Any]) -> bytes:
    try:
        return base64.b64decode(given["rawBytes"], validate=True)
    except binascii.Error as error:
        raise ValueError("rawBytes is not base64") from error


def _dates(given: Mapping[str, Any]) -> dict[str, datetime | None]:
    return {"since": _date(given.get("start")), "until": _date(given.get("end"))}


def _date(text: str | None) -> datetime | None:
    if text is None:
        return None
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _certificate(pem: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem.encode())


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
