"""What `uptainer trust ...` does."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from uptainer.cli import connection
from uptainer.cli.groups import setting
from uptainer.cli.rows import print_rows
from uptainer.cli.saying import say
from uptainer.core.errors import InvalidInputError
from uptainer.fleet.content import TrustDeclaration
from uptainer.fleet.trusts import put_trust, trust_of, who
from uptainer.signatures.trusts import KeyTrust, read_trust
from uptainer.store.models import SignatureTrust
from uptainer.store.repositories.signatures import SignatureRepository

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


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


def add(name: str, given: TrustDeclaration, annotations: Sequence[str]) -> None:
    """Raises InvalidInputError: a file or an option is wrong; nothing is stored then."""
    if not _NAME.fullmatch(name):
        raise InvalidInputError(f"{name!r} is no name: write letters, digits, dots, dashes and underscores")
    signed_with = {key: value for each in annotations for key, value in setting(each).items()}
    trust = trust_of(given.model_copy(update={"annotations": signed_with}), Path())
    with connection.database() as database, database.session() as session:
        put_trust(session, name, trust, connection.caller())
    say(f"{name} trusts {who(trust)}. A policy asks for it with signed_by={name}.")


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
    say(f"{name} is forgotten, with what was verified against it.")


def _line(row: SignatureTrust, verified: int) -> TrustLine:
    trust = read_trust(row.document)
    kind = "key" if isinstance(trust, KeyTrust) else "identity"
    return TrustLine(row.name, kind, who(trust), trust.annotations, verified, row.fingerprint, row.created_at)
