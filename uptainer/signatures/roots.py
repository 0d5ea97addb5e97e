"""A Sigstore root of trust that was given: whose certificates and timestamps, which logs, each for its time.

Source: https://github.com/sigstore/protobuf-specs, `protos/sigstore_trustroot.proto`.
"""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Self
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from pydantic import BaseModel, ConfigDict, Field, field_validator

from uptainer.core.errors import InvalidInputError
from uptainer.signatures.keys import PublicKey, as_key, key_id, note_id, pem_of, read_key

_SHORT = 4
"""So many bytes of a checkpoint key's id are its short form."""


class _Dated(BaseModel):
    """Trusted for what was signed from `since` to `until`; None has no end."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    since: datetime | None = None
    until: datetime | None = None

    def held(self, at: datetime) -> bool:
        return (self.since is None or self.since <= at) and (self.until is None or at <= self.until)


class Authority(_Dated):
    """A Fulcio, or a timestamp authority: its certificates in PEM, the one that signs first, the root last."""

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
    """A transparency log by its public key in PEM. `origin` is the name in its checkpoints, where it is known;
    `checkpoint_id` the one that the root gives for its key there, in hexadecimal, and goes before `origin`.
    """

    key: str
    origin: str = ""
    checkpoint_id: str = ""

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

    def signs_as(self, name: str, key: PublicKey) -> bool:
        """Whether it signs checkpoints of this name; `key` is its own, read."""
        if self.checkpoint_id:
            return note_id(name, key).hex().startswith(self.checkpoint_id)
        return self.origin in {"", name}

    def is_named(self, identifier: bytes, name: str, key: PublicKey) -> bool:
        """Whether an entry means this log: by its key, or by the id of the key in its checkpoints, whole or in short."""
        noted = note_id(name, key)
        return identifier in {key_id(key), noted, noted[:_SHORT]}


class TrustRoot(BaseModel):
    """`logs` are Rekor's. Without `ct_logs`, whether a certificate was published is not looked at; without
    `timestamp_authorities`, no timestamp proves anything.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    authorities: tuple[Authority, ...] = Field(min_length=1)
    logs: tuple[Log, ...] = Field(min_length=1)
    ct_logs: tuple[Log, ...] = ()
    timestamp_authorities: tuple[Authority, ...] = ()

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
                timestamp_authorities=tuple(
                    _authority(each) for each in given.get("timestampAuthorities", ())
                ),
            )
        except KeyError as error:
            raise InvalidInputError(f"this is no trusted_root.json of Sigstore: it has no {error}") from error
        except (ValueError, TypeError, AttributeError) as error:
            raise InvalidInputError(f"this is no trusted_root.json of Sigstore: {error}"[:300]) from error


def find_log(logs: Sequence[Log], identifier: bytes, at: datetime) -> PublicKey | None:
    """The key of the log with this id (RFC 6962, 3.2), where it was trusted at that time."""
    keys = (each.read() for each in logs if each.held(at))
    return next((key for key in keys if key_id(key) == identifier), None)


def _authority(given: Mapping[str, Any]) -> Authority:
    chain = [
        x509.load_der_x509_certificate(_bytes(each["rawBytes"]))
        for each in given["certChain"]["certificates"]
    ]
    return Authority(certificates=tuple(_pem(each) for each in chain), **_dates(given))


def _log(given: Mapping[str, Any]) -> Log:
    """Rekor 2 names its checkpoints by the host that the log is at."""
    held = given["publicKey"]
    key = as_key(serialization.load_der_public_key(_bytes(held["rawBytes"])))
    named = (given.get("checkpointKeyId") or {}).get("keyId") or ""
    origin = urlsplit(str(given.get("baseUrl") or "")).hostname or ""
    return Log(key=pem_of(key), origin=origin, checkpoint_id=_bytes(named).hex(), **_dates(held))


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("rawBytes or keyId is not base64") from error


def _dates(given: Mapping[str, Any]) -> dict[str, datetime | None]:
    """Without a start, it would be trusted for all that was ever signed: Sigstore's form asks for one."""
    held = given.get("validFor") or {}
    if "start" not in held:
        raise ValueError("a validFor has no start")
    return {"since": _date(held["start"]), "until": _date(held.get("end"))}


def _date(text: str | None) -> datetime | None:
    if text is None:
        return None
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _certificate(pem: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem.encode())


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
