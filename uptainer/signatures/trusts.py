"""Whom somebody trusts to have signed: the holder of a key, or whoever an authority says that they are."""

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from uptainer.core.errors import InvalidInputError
from uptainer.core.patterns import compile_pattern
from uptainer.signatures.keys import PublicKey, pem_of, read_key
from uptainer.signatures.roots import TrustRoot


class _Trust(BaseModel):
    """`annotations` must all stand in what was signed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    annotations: Mapping[str, str] = Field(default_factory=dict)


class KeyTrust(_Trust):
    """Any of these public keys, in PEM."""

    kind: Literal["key"] = "key"
    keys: tuple[str, ...] = Field(min_length=1)

    @field_validator("keys")
    @classmethod
    def _must_be_keys(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_checked_key(each) for each in given)

    def read(self) -> tuple[PublicKey, ...]:
        return tuple(read_key(each) for each in self.keys)


class IdentityTrust(_Trust):
    """Who it was by the certificate's subject, and who vouched for that (the OpenID Connect issuer): each exactly, or by
    an RE2 pattern that must match the whole. All of a certificate's time and place is proved against `root`.
    """

    kind: Literal["identity"] = "identity"
    identity: str = ""
    identity_matches: str = ""
    issuer: str = ""
    issuer_matches: str = ""
    root: TrustRoot

    @model_validator(mode="after")
    def _one_of_each(self) -> "IdentityTrust":
        for name in ("identity", "issuer"):
            exact, pattern = getattr(self, name), getattr(self, f"{name}_matches")
            if bool(exact) == bool(pattern):
                raise ValueError(f"say either {name} or {name}_matches: a certificate alone proves nothing")
            if pattern:
                _checked_pattern(pattern, name)
        return self

    def takes_identity(self, found: str) -> bool:
        return _is_meant(found, self.identity, self.identity_matches, "identity")

    def takes_issuer(self, found: str) -> bool:
        return _is_meant(found, self.issuer, self.issuer_matches, "issuer")


Trust = KeyTrust | IdentityTrust
_READ: TypeAdapter[Trust] = TypeAdapter(Annotated[Trust, Field(discriminator="kind")])


def read_trust(document: Mapping[str, Any]) -> Trust:
    """A trust as it is kept.

    Raises:
        InvalidInputError: it is none; the message says what is wrong.
    """
    try:
        return _READ.validate_python(document)
    except ValidationError as error:
        faults = (fault["msg"].removeprefix("Value error, ") for fault in error.errors())
        raise InvalidInputError("; ".join(faults)) from error


def document_of(trust: Trust) -> dict[str, Any]:
    """As it is kept: plain JSON."""
    return trust.model_dump(mode="json")


def fingerprint(trust: Trust) -> str:
    """SHA-256 over all that a verification rests on: another one means that it has to be done again."""
    text = json.dumps(document_of(trust), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _checked_key(pem: str) -> str:
    try:
        return pem_of(read_key(pem))
    except InvalidInputError as error:
        raise ValueError(str(error)) from error


def _checked_pattern(pattern: str, purpose: str) -> None:
    """By itself too: `a)|(b` is one only between the parentheses that it is put into, and would match half a name."""
    try:
        compile_pattern(pattern, purpose)
        compile_pattern(_whole(pattern), purpose)
    except InvalidInputError as error:
        raise ValueError(str(error)) from error


def _whole(pattern: str) -> str:
    """A pattern for a name that only had to occur in it would be met by whoever registers a longer one."""
    return rf"\A(?:{pattern})\z"


def _is_meant(found: str, exact: str, pattern: str, purpose: str) -> bool:
    if exact:
        return found == exact
    return compile_pattern(_whole(pattern), purpose).search(found) is not None
