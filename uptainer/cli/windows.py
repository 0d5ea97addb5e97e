"""`uptainer window`: when updates may be applied, and when not."""

from typing import Annotated

import typer

from uptainer.cli import completion
from uptainer.cli.groups import examples, group
from uptainer.cli.output import AsJson

NewName = Annotated[str, typer.Argument(help="What policies name it by.")]
Text = Annotated[
    str, typer.Argument(metavar="WINDOW", help="When: 'Fri 22:00-05:00 Europe/Berlin', see docs/policies.md.")
]
Name = Annotated[str, typer.Argument(help="The window's name.", autocompletion=completion.windows)]
Freeze = Annotated[bool, typer.Option("--freeze", help="It forbids: nothing is applied while it lasts.")]
Days = Annotated[int, typer.Option("--days", min=1, max=366, help="How far ahead.")]
Host = Annotated[
    str | None, typer.Option("--host", help="Only this host's.", autocompletion=completion.hosts)
]
Force = Annotated[bool, typer.Option("--force", help="Although policies name it.")]


def register(app: typer.Typer) -> None:
    ours = group(app, "window", doc="When updates may be applied, and when not.")
    ours.command(
        epilog=examples(
            "uptainer window add nights 'daily 02:00-04:00 Europe/Berlin'",
            "uptainer window add holidays '2026-12-20 00:00 to 2027-01-02 06:00 UTC' --freeze",
        )
    )(add)
    ours.command("list", epilog=examples("uptainer window list --json"))(list_)
    ours.command(epilog=examples("uptainer window preview", "uptainer windows preview --days 30 --json"))(
        preview
    )
    ours.command(epilog=examples("uptainer window remove nights"))(remove)
    app.add_typer(ours, name="windows", hidden=True)  # both are said


def add(name: NewName, text: Text, freeze: Freeze = False) -> None:
    """Add a window, or change the one of this name. It counts where a policy names it."""
    from uptainer.cli import windowing  # noqa: PLC0415 -- help and completion need none of it

    windowing.add(name, text, freeze=freeze)


def list_(as_json: AsJson = False) -> None:
    """List the windows with what they mean, and when they open next."""
    from uptainer.cli import windowing  # noqa: PLC0415 -- help and completion need none of it

    windowing.show_all(as_json=as_json)


def preview(days: Days = 14, host: Host = None, as_json: AsJson = False) -> None:
    """List when the fleet's workloads may be changed next, freezes taken out, and which updates wait for it."""
    from uptainer.cli import windowing  # noqa: PLC0415 -- help and completion need none of it

    windowing.preview(days=days, host=host, as_json=as_json)


def remove(name: Name, force: Force = False) -> None:
    """Remove a window that no policy names."""
    from uptainer.cli import windowing  # noqa: PLC0415 -- help and completion need none of it

    windowing.remove(name, force=force)
