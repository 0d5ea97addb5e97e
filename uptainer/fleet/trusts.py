"""Whose signatures count, as people give it: by the files of their keys and roots."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from uptainer.core.errors import InvalidInputError
from uptainer.core.files import read_text
from uptainer.fleet.content import TrustDeclaration
from uptainer.signatures.keys import key_id, read_key
from uptainer.signatures.roots import TrustRoot
from uptainer.signatures.trusts import IdentityTrust, KeyTrust, Trust, document_of, fingerprint, read_trust
from uptainer.store.repositories.audit import Actor
from uptainer.store.repositories.signatures import SignatureRepository

_LARGEST = 1024 * 1024


def trust_of(given: TrustDeclaration, folder: Path) -> Trust:
    """With its files read; `folder` is where their paths begin.

    Raises:
        InvalidInputError: a file can't be read, or it does not say whom to trust.
    """
    return read_trust(_document(given, folder))


def put_trust(session: Session, name: str, trust: Trust, actor: Actor) -> None:
    SignatureRepository(session).put_trust(name, document_of(trust), fingerprint(trust), actor=actor)


def who(trust: Trust) -> str:
    """Whom it trusts, in words."""
    match trust:
        case KeyTrust():
            return "the key " + ", ".join(key_id(read_key(each)).hex()[:16] for each in trust.keys)
        case IdentityTrust():
            named = trust.identity or f"who matches {trust.identity_matches}"
            return f"{named} by {trust.issuer or f'an issuer that matches {trust.issuer_matches}'}"


def _document(given: TrustDeclaration, folder: Path) -> dict[str, Any]:
    names_somebody = any((given.identity, given.identity_matches, given.issuer, given.issuer_matches))
    has_root = any((given.root, given.fulcio, given.rekor, given.ct_logs))
    annotations = dict(given.annotations)
    if given.keys and not (names_somebody or has_root):
        return {"kind": "key", "keys": _read_all(given.keys, folder), "annotations": annotations}
    if given.keys or not names_somebody:
        raise InvalidInputError(
            "give either public keys, or an identity and its issuer with the root that proves them"
        )
    return {
        "kind": "identity",
        "identity": given.identity,
        "identity_matches": given.identity_matches,
        "issuer": given.issuer,
        "issuer_matches": given.issuer_matches,
        "root": _root(given, folder).model_dump(mode="json"),
        "annotations": annotations,
    }


def _root(given: TrustDeclaration, folder: Path) -> TrustRoot:
    if given.root and not given.fulcio:
        return TrustRoot.from_json(_read(given.root, folder))
    if given.fulcio and given.rekor and not given.root:
        logs = [_read_all(paths, folder) for paths in (given.rekor, given.ct_logs)]
        return TrustRoot.from_pem(_read(given.fulcio, folder), *logs)
    raise InvalidInputError(
        "an identity is proved against a root: give a trusted_root.json, or Fulcio's certificates and a Rekor's key"
    )


def _read_all(paths: Iterable[str], folder: Path) -> list[str]:
    return [_read(path, folder) for path in paths]


def _read(path: str, folder: Path) -> str:
    return read_text(folder / path, _LARGEST)
