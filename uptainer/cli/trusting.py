"""What `uptainer trust ...` does."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import typer

from uptainer.cli import connection
from uptainer.cli.groups import setting
from uptainer.cli.rows import print_rows
from uptainer.core.errors import InvalidInputError
from uptainer.signatures.keys import key_id, read_key
from uptainer.signatures.roots import TrustRoot
from uptainer.signatures.trusts import IdentityTrust, KeyTrust, Trust, document_of, fingerprint, read_trust
from uptainer.store.models import SignatureTrust
from uptainer.store.repositories.signatures import SignatureRepository

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_LARGEST = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Given:
    """The options of `uptainer trust add`."""

    keys: tuple[Path, ...] = ()
    identity: str = ""
    identity_matches: str = ""
    issuer: str = ""
    issuer_matches: str = ""
    root: Path | None = None
    fulcio: Path | None = None
    rekor: tuple[Path, ...] = ()
    ct_logs: tuple[Path, ...] = ()
    annotations: tuple[str, ...] = ()

    @property
    def names_somebody(self) -> bool:
        return any((self.identity, self.identity_matches, self.issuer, self.issuer_matches))


@dataclass(frozen=True, slots=True)
class TrustLine:
    """`verified` is how many images are known to be signed by it."""

    name: str
    kind: str
    who: str
    annotations: Mapping[str, str]
    verified: int
    fingerprint: str
    created_at: datetime


def add(name: str, given: Given) -> None:
    """Raises InvalidInputError: a file or an option is wrong; nothing is stored then."""
    if not _NAME.fullmatch(name):
        raise InvalidInputError(f"{name!r} is no name: write letters, digits, dots, dashes and underscores")
    trust = read_trust(_document(given))
    with connection.database() as database, database.session() as session:
        SignatureRepository(session).put_trust(
            name, document_of(trust), fingerprint(trust), actor=connection.caller()
        )
    typer.echo(f"{name} trusts {_who(trust)}. A policy asks for it with signed_by={name}.")


def show(*, as_json: bool) -> None:
    with connection.database() as database, database.session() as session:
        signatures = SignatureRepository(session)
        counts = signatures.verified_counts()
        lines = [_line(row, counts.get(row.id, 0)) for row in signatures.trusts()]
    nothing = "No trust is stored: uptainer trust add NAME --key cosign.pub"
    columns = ("name", "kind", "who", "annotations", "verified", "created_at")
    print_rows(lines, columns, as_json=as_json, nothing=nothing)


def remove(name: str) -> None:
    """Raises NotFoundError: there is no such trust."""
    with connection.database() as database, database.session() as session:
        SignatureRepository(session).remove_trust(name, actor=connection.caller())
    typer.echo(f"{name} is forgotten, with what was verified against it.")


def _document(given: Given) -> dict[str, Any]:
    annotations = {key: value for each in given.annotations for key, value in setting(each).items()}
    has_root = any((given.root, given.fulcio, given.rekor, given.ct_logs))
    if given.keys and not (given.names_somebody or has_root):
        return {"kind": "key", "keys": [_read(path) for path in given.keys], "annotations": annotations}
    if given.keys or not given.names_somebody:
        raise InvalidInputError(
            "give either public keys (--key), or an identity and its issuer (--identity, --issuer) with a root"
        )
    return {
        "kind": "identity",
        "identity": given.identity,
        "identity_matches": given.identity_matches,
        "issuer": given.issuer,
        "issuer_matches": given.issuer_matches,
        "root": _root(given).model_dump(mode="json"),
        "annotations": annotations,
    }


def _root(given: Given) -> TrustRoot:
    if given.root is not None and given.fulcio is None:
        return TrustRoot.from_json(_read(given.root))
    if given.fulcio is not None and given.rekor and given.root is None:
        return TrustRoot.from_pem(_read(given.fulcio), _all(given.rekor), _all(given.ct_logs))
    raise InvalidInputError(
        "an identity is proved against a root: give --root trusted_root.json, or both --fulcio and --rekor"
    )


def _all(paths: Sequence[Path]) -> list[str]:
    return [_read(path) for path in paths]


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST:
            raise InvalidInputError(f"{path} has more than {_LARGEST} bytes: it is not what is asked for")
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"{path} can't be read: {error}") from error


def _line(row: SignatureTrust, verified: int) -> TrustLine:
    trust = read_trust(row.document)
    kind = "key" if isinstance(trust, KeyTrust) else "identity"
    return TrustLine(
        row.name, kind, _who(trust), trust.annotations, verified, row.fingerprint, row.created_at
    )


def _who(trust: Trust) -> str:
    match trust:
        case KeyTrust():
            return "the key " + ", ".join(key_id(read_key(each)).hex()[:16] for each in trust.keys)
        case IdentityTrust():
            who = trust.identity or f"who matches {trust.identity_matches}"
            return f"{who} by {trust.issuer or f'an issuer that matches {trust.issuer_matches}'}"
