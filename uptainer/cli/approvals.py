"""`uptainer approve`, `reject`, `snooze` and `skip`: answers, from the operating system's account."""

from typing import Annotated

import typer

from uptainer.cli import completion
from uptainer.cli.asking import Yes
from uptainer.cli.groups import examples
from uptainer.core.enums import ApprovalDecision

Ids = Annotated[
    list[int],
    typer.Argument(
        metavar="ID...",
        min=1,
        help="Numbers, as `uptainer updates` lists them.",
        autocompletion=completion.updates,
    ),
]
Reason = Annotated[str, typer.Option("--reason", "-r", help="Kept with the answer.")]
Batch = Annotated[
    str | None, typer.Option("--batch", help="A name for these together, to find them by in the history.")
]
Until = Annotated[
    str, typer.Option("--until", help="A duration like 3d, or a time like 2026-12-01T06:00+01:00.")
]


def register(app: typer.Typer) -> None:
    app.command(
        epilog=examples(
            "uptainer approve 17", 'uptainer approve 17 18 --batch october --reason "read the notes" --yes'
        )
    )(approve)
    app.command(epilog=examples('uptainer reject 17 --reason "breaks the login"'))(reject)
    app.command(epilog=examples("uptainer snooze 17 --until 3d"))(snooze)
    app.command(epilog=examples("uptainer skip 17"))(skip)


def approve(ids: Ids, reason: Reason = "", batch: Batch = None, yes: Yes = False) -> None:
    """Approve updates, after showing the account of each.

    One alone begins when its policy and window allow. Several are applied by one run, in the order of their
    dependencies.
    """
    from uptainer.cli.approving import answer_all  # noqa: PLC0415 -- help and completion need none of it

    answer_all(ApprovalDecision.APPROVE, ids, reason=reason, batch=batch, yes=yes)


def reject(ids: Ids, reason: Reason = "", yes: Yes = False) -> None:
    """Reject exactly these images; a newer one is offered again."""
    from uptainer.cli.approving import answer_all  # noqa: PLC0415 -- help and completion need none of it

    answer_all(ApprovalDecision.REJECT, ids, reason=reason, yes=yes)


def snooze(ids: Ids, until: Until, reason: Reason = "", yes: Yes = False) -> None:
    """Put the question off until a time; nothing is applied before."""
    from uptainer.cli.approving import answer_all  # noqa: PLC0415 -- help and completion need none of it

    answer_all(ApprovalDecision.SNOOZE, ids, reason=reason, until=until, yes=yes)


def skip(ids: Ids, reason: Reason = "", yes: Yes = False) -> None:
    """Reject the whole version for good, whatever image it comes as."""
    from uptainer.cli.approving import answer_all  # noqa: PLC0415 -- help and completion need none of it

    answer_all(ApprovalDecision.SKIP, ids, reason=reason, yes=yes)
