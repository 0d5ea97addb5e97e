"""`uptainer audit`: who did what, and the proof that nothing of it was changed."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from uptainer.cli.groups import examples, group
from uptainer.cli.output import AsJson
from uptainer.cli.saying import say

if TYPE_CHECKING:
    from uptainer.store.repositories.audit import AuditHead, AuditReport

Subject = Annotated[
    str | None, typer.Option("--subject", help="Only about this: update/17, host/nas, workload/nas/web.")
]
Action = Annotated[
    str | None, typer.Option("--action", help="Only this action: update.approved, policy.put.")
]
Limit = Annotated[int, typer.Option("--limit", min=1, max=100_000, help="So many, the newest first.")]
Head = Annotated[
    str | None,
    typer.Option(
        "--head",
        metavar="ID:HASH",
        help="A row that was written down elsewhere before: also a cut-off end shows.",
    ),
]
_HEAD = re.compile(r"(\d{1,18}):([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class AuditLine:
    """`typed`: the actor's name is a claim, and was not established."""

    id: int
    at: datetime
    actor: str
    typed: bool
    action: str
    subject: str
    details: dict[str, Any]
    hash: str


def register(app: typer.Typer) -> None:
    ours = group(app, "audit", doc="Who did what, and the proof that nothing of it was changed.")
    ours.command("list", epilog=examples("uptainer audit", "uptainer audit list --subject update/17 --json"))(
        list_
    )
    ours.command(epilog=examples("uptainer audit verify", "uptainer audit verify --head 42:9f86d0..."))(
        verify
    )


def list_(
    subject: Subject = None, action: Action = None, limit: Limit = 100, as_json: AsJson = False
) -> None:
    """List what was done, the newest first."""
    from uptainer.cli.connection import database  # noqa: PLC0415 -- help and completion need none of it
    from uptainer.cli.rows import print_rows  # noqa: PLC0415 -- as above
    from uptainer.store.repositories.audit import AuditRepository  # noqa: PLC0415 -- as above

    with database() as opened, opened.session() as session:
        rows = AuditRepository(session).listing(subject=subject, action=action, limit=limit)
        lines = [
            AuditLine(
                row.id,
                row.at,
                row.actor,
                not row.authenticated,
                row.action,
                row.subject,
                row.details,
                row.hash,
            )
            for row in rows
        ]
    columns = ("id", "at", "actor", "typed", "action", "subject", "details")
    print_rows(lines, columns, as_json=as_json, nothing="Nothing that matches has been done yet.")


def verify(head: Head = None, as_json: AsJson = False) -> None:
    """Hash every row again, in order, and say whether the chain holds.

    It prints the newest row as ID:HASH. Keep that somewhere else: given as --head later, it proves that nothing up to
    that row was rewritten or cut off.
    """
    from uptainer.cli.connection import database  # noqa: PLC0415 -- help and completion need none of it
    from uptainer.cli.output import print_json  # noqa: PLC0415 -- as above
    from uptainer.store.repositories.audit import AuditRepository  # noqa: PLC0415 -- as above

    expected = read_head(head) if head else None
    with database() as opened, opened.session() as session:
        report = AuditRepository(session).verify(expected)
    if as_json:
        print_json(report)
    _judge(report, quiet=as_json)


def read_head(text: str) -> "AuditHead":
    """Raises InvalidInputError where it is not ID:HASH."""
    from uptainer.core.errors import InvalidInputError  # noqa: PLC0415 -- help and completion need none of it
    from uptainer.store.repositories.audit import AuditHead  # noqa: PLC0415 -- as above

    found = _HEAD.fullmatch(text.strip().lower())
    if found is None:
        raise InvalidInputError(f"{text!r} is not ID:HASH, as `uptainer audit verify` prints it")
    return AuditHead(int(found[1]), found[2])


def _judge(report: "AuditReport", *, quiet: bool) -> None:
    from uptainer.core.errors import RefusedError  # noqa: PLC0415 -- help and completion need none of it

    if not report.ok:
        raise RefusedError(f"the audit log does not hold from row {report.first_bad} on: {report.fault}")
    if quiet:
        return
    say(f"The chain holds over {report.rows} rows.")
    if report.head is not None:
        say(f"Newest row: {report.head.id}:{report.head.hash}")
