"""What `uptainer vex ...` does."""

import re
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy.orm import Session

from uptainer.cli import connection
from uptainer.cli.rows import print_rows
from uptainer.cli.saying import say
from uptainer.core.clock import utc_now
from uptainer.core.errors import InvalidInputError, NotFoundError, RefusedError
from uptainer.core.files import read_stream, read_text
from uptainer.fleet.excuses import put_document
from uptainer.policy.vex.reading import MAX_BYTES, read_document
from uptainer.policy.vex.statements import Document, Product
from uptainer.store.repositories.excuses import VexRepository
from uptainer.store.repositories.policies import PolicyRepository

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


@dataclass(frozen=True, slots=True)
class DocumentLine:
    name: str
    format: str
    sha256: str
    named_by: tuple[str, ...]
    added_by: str
    added_at: datetime


@dataclass(frozen=True, slots=True)
class StatementLine:
    """`unusable` says why it can never excuse or accuse anything, where that is so."""

    number: int
    vulnerabilities: tuple[str, ...]
    status: str
    products: tuple[str, ...]
    why: str
    unusable: str


def add(file: Path, name: str | None) -> None:
    if name is None and str(file) == "-":
        raise InvalidInputError("say what it is to be called: --name NAME")
    called = name or file.name.removesuffix(".json")
    if not _NAME.fullmatch(called):
        raise InvalidInputError(
            f"{called!r} is not a document's name: letters, digits, and `.`, `_`, `-` between them"
        )
    content = _read(file)
    with connection.database() as database, database.session() as session:
        document = put_document(session, called, content, connection.caller(), utc_now())
        named = _named_by(session, called)
    say(f"{called}: {_summary(document)}.")
    for why in dict.fromkeys(document.unusable.values()):
        numbers = ", ".join(str(number) for number, each in document.unusable.items() if each == why)
        say(f"Statement {numbers} can't count: {why}.")
    if not named:
        say(f"It counts where a policy names it: uptainer policy set default vex={called}")


def show_all(*, as_json: bool) -> None:
    with connection.database() as database, database.session() as session:
        lines = [
            DocumentLine(
                row.name,
                row.format.value,
                row.sha256,
                _named_by(session, row.name),
                row.added_by,
                row.added_at,
            )
            for row in VexRepository(session).listing()
        ]
    columns = ("name", "format", "named_by", "added_by", "added_at", "sha256")
    print_rows(lines, columns, as_json=as_json, nothing="No VEX document is kept: uptainer vex add FILE")


def show(name: str, *, as_json: bool) -> None:
    with connection.database() as database, database.session() as session:
        contents = VexRepository(session).contents([name])
    if name not in contents:
        raise NotFoundError(f"there is no VEX document {name!r}: see `uptainer vex list`")
    document = read_document(name, contents[name])
    lines = [
        StatementLine(
            each.number,
            tuple(sorted(each.names)),
            each.status.value,
            tuple(_said(product) for product in each.products),
            each.why,
            document.unusable.get(each.number, ""),
        )
        for each in document.statements
    ]
    columns = ("number", "vulnerabilities", "status", "products", "why", "unusable")
    print_rows(lines, columns, as_json=as_json, nothing="It states nothing.")


def remove(name: str, *, force: bool) -> None:
    with connection.database() as database, database.session() as session:
        named = _named_by(session, name)
        if named and not force:
            raise RefusedError(
                f"the VEX document {name!r} is named by the policies {', '.join(named)}, and what it excuses would "
                "count: change them first, or say --force"
            )
        VexRepository(session).remove(name, actor=connection.caller())
    say(f"The VEX document {name} is removed.")


def _read(file: Path) -> str:
    """To the byte, for its hash."""
    if str(file) == "-":
        return read_stream(sys.stdin.buffer, "standard input", MAX_BYTES)
    return read_text(file, MAX_BYTES)


def _named_by(session: Session, name: str) -> tuple[str, ...]:
    rows = PolicyRepository(session).policies(enabled_only=False)
    return tuple(f"{row.scope} {row.target}".strip() for row in rows if name in row.settings.get("vex", ()))


def _summary(document: Document) -> str:
    count = len(document.statements)
    usable = count - len(document.unusable)
    return f"{document.format}, {count} statements, {usable} of which can count (sha256 {document.sha256})"


def _said(product: Product) -> str:
    return " in ".join(each.to_string() for each in (product.component, product.image) if each is not None)
