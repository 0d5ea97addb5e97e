"""`uptainer notices`: what people were told, and by whom not; and a test of a notifier."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from uptainer.cli.groups import examples, group
from uptainer.cli.output import AsJson
from uptainer.cli.saying import say

if TYPE_CHECKING:
    from uptainer.fleet.telling import DeliveryLine, NoticeLine

Failed = Annotated[
    bool, typer.Option("--failed", help="Only those that a notifier was not told, yet or for good.")
]
Limit = Annotated[int, typer.Option("--limit", min=1, max=10_000, help="So many, the newest first.")]
Block = Annotated[str, typer.Argument(metavar="BLOCK", help="The Notifier block's name.")]
AnyBlock = Annotated[str | None, typer.Argument(metavar="BLOCK", help="Only for this Notifier block.")]


@dataclass(frozen=True, slots=True)
class Row:
    """A notice as the table shows it; `told` has a phrase for each notifier."""

    at: datetime
    severity: str
    event: str
    what: str
    told: tuple[str, ...]


def register(app: typer.Typer) -> None:
    ours = group(
        app, "notices", doc="What people were told: list the notices, test a notifier, or try again."
    )
    ours.command("list", epilog=examples("uptainer notices", "uptainer notices --failed --json"))(list_)
    ours.command(epilog=examples("uptainer notices test ops-mail"))(test)
    ours.command(epilog=examples("uptainer notices retry", "uptainer notices retry ops-mail"))(retry)


def list_(failed: Failed = False, limit: Limit = 100, as_json: AsJson = False) -> None:
    """List the notices, the newest first, with who was told and why not."""
    from uptainer.cli.connection import database  # noqa: PLC0415 -- help and completion need none of it
    from uptainer.cli.rows import print_rows  # noqa: PLC0415 -- as above
    from uptainer.fleet.telling import read_notices  # noqa: PLC0415 -- as above

    with database() as opened, opened.session() as session:
        lines = read_notices(session, failed=failed, limit=limit)
    nothing = "Everybody was told everything." if failed else "Nothing was to be told yet."
    columns = ("at", "severity", "event", "what", "told")
    rows = lines if as_json else [_row(line) for line in lines]
    print_rows(rows, columns, as_json=as_json, nothing=nothing)


def test(block: Block) -> None:
    """Send a test through a Notifier block, now and whatever its rules are, and say what became of it."""
    from uuid import uuid4  # noqa: PLC0415 -- help and completion need none of it

    from uptainer.cli.connection import use_server  # noqa: PLC0415 -- as above

    use_server()
    from uptainer.cli.prefect.stores import notifier  # noqa: PLC0415 -- it reads the environment that was just set
    from uptainer.fleet.telling import trial_message  # noqa: PLC0415 -- as above

    message = trial_message(block)
    notifier(block).send(message, uuid4())
    say(f"{block} took it: look for {message.title!r} there.")


def retry(block: AnyBlock = None) -> None:
    """Have what was given up be tried again, once the block is corrected."""
    from uptainer.cli.connection import database  # noqa: PLC0415 -- help and completion need none of it
    from uptainer.core.clock import utc_now  # noqa: PLC0415 -- as above
    from uptainer.store.repositories.notices import NoticeRepository  # noqa: PLC0415 -- as above

    with database() as opened, opened.session() as session:
        count = NoticeRepository(session).revive(block, utc_now())
    if not count:
        say("Nothing was given up.")
        return
    plural = "notice is" if count == 1 else "notices are"
    say(f"{count} {plural} told again within 5 minutes, or now: uptainer run notify")


def _row(line: "NoticeLine") -> Row:
    return Row(line.at, line.severity, line.event, line.text, tuple(_phrase(each) for each in line.told))


def _phrase(told: "DeliveryLine") -> str:
    from uptainer.cli.rows import cell  # noqa: PLC0415 -- help and completion need none of it

    if told.status == "sent":
        return f"{told.notifier}: sent"
    if told.status == "failed":
        return f"{told.notifier}: given up after {told.attempts} tries: {told.error}"
    again = f"{told.notifier}: {'again' if told.attempts else 'due'} at {cell(told.due_at)}"
    return f"{again} after {told.attempts} tries: {told.error}" if told.error else again
