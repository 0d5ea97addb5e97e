"""`uptainer updates`, `update`, `rollback` and `history`."""

from typing import Annotated

import typer

from uptainer.cli import completion
from uptainer.cli.asking import Yes
from uptainer.cli.groups import examples
from uptainer.cli.output import AsJson
from uptainer.core.enums import UpdateStatus

Why = Annotated[
    str | None,
    typer.Option(
        "--why",
        metavar="ID|HOST/NAME",
        help="Explain the decision on one, finding by finding.",
        autocompletion=completion.updates,
    ),
]
All = Annotated[bool, typer.Option("--all", "-a", help="Also those that are history.")]
Id = Annotated[
    int,
    typer.Argument(
        metavar="ID",
        min=1,
        help="Its number, as `uptainer updates` lists it.",
        autocompletion=completion.updates,
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say every step that it would take.")]
Override = Annotated[
    str | None,
    typer.Option(
        "--override-window",
        metavar="REASON",
        help="An emergency: also outside of its maintenance window. The reason goes into the audit log.",
    ),
]
Wait = Annotated[bool, typer.Option("--wait", "-w", help="Wait for its end.")]
WithData = Annotated[
    bool, typer.Option("--with-data", help="Also put its volumes back as they were before the update.")
]
Reason = Annotated[str, typer.Option("--reason", "-r", help="Kept with it.")]
Host = Annotated[
    str | None, typer.Option("--host", help="Only this host's.", autocompletion=completion.hosts)
]
Workload = Annotated[str | None, typer.Option("--workload", help="Only this workload's, by its name.")]
Status = Annotated[
    list[UpdateStatus] | None, typer.Option("--status", help="Only these; may be given again.")
]
Since = Annotated[
    str | None, typer.Option("--since", help="Only younger ones: 30d, or a date like 2026-10-01.")
]
Batch = Annotated[str | None, typer.Option("--batch", help="Only this batch's.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=10_000, help="So many, the newest first.")]


def register(app: typer.Typer) -> None:
    app.command(
        epilog=examples(
            "uptainer updates",
            "uptainer updates --why 17",
            "uptainer updates --why nas/web",
            "uptainer updates --json",
        )
    )(updates)
    app.command(
        epilog=examples(
            "uptainer update 17 --dry-run",
            "uptainer update 17 --wait",
            "uptainer update 17 --override-window 'CVE-2026-1234 is exploited'",
        )
    )(update)
    app.command(epilog=examples("uptainer rollback 17", "uptainer rollback 17 --with-data --yes"))(rollback)
    app.command(
        epilog=examples(
            "uptainer history --host nas --since 30d",
            "uptainer history --status rolled_back --status failed --json",
        )
    )(history)


def updates(why: Why = None, all_: All = False, as_json: AsJson = False) -> None:
    """List the updates that are on their way, the most urgent first; or explain one."""
    from uptainer.cli import updating  # noqa: PLC0415 -- help and completion need none of it

    if why is not None:
        updating.explain(why, as_json=as_json)
    else:
        updating.show_open(with_history=all_, as_json=as_json)


def update(
    update_id: Id, dry_run: DryRun = False, override_window: Override = None, wait: Wait = False
) -> None:
    """Start an approved update's run now; policy and window are asked again by it."""
    from uptainer.cli import updating  # noqa: PLC0415 -- help and completion need none of it

    if dry_run:
        updating.show_plan(update_id)
    else:
        updating.start(update_id, override=override_window, wait=wait)


def rollback(
    update_id: Id, with_data: WithData = False, reason: Reason = "", yes: Yes = False, wait: Wait = False
) -> None:
    """Take a finished update back, as long as what it kept is kept."""
    from uptainer.cli import updating  # noqa: PLC0415 -- help and completion need none of it

    updating.take_back(update_id, with_data=with_data, reason=reason, yes=yes, wait=wait)


def history(  # noqa: PLR0917 -- typer's options, given by name
    host: Host = None,
    workload: Workload = None,
    status: Status = None,
    since: Since = None,
    batch: Batch = None,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """List what was updated, the newest first, with who approved it and how it ended."""
    from uptainer.cli import updating  # noqa: PLC0415 -- help and completion need none of it

    updating.show_history(
        host=host,
        workload=workload,
        statuses=status or (),
        since=since,
        batch=batch,
        limit=limit,
        as_json=as_json,
    )
