"""`uptainer containers` and `uptainer check`: what runs, and what could take its place."""

from typing import Annotated

import typer

from uptainer.cli import completion
from uptainer.cli.groups import examples, group
from uptainer.cli.output import AsJson

Pattern = Annotated[
    str | None, typer.Argument(metavar="PATTERN", help="A part of the name, or a glob with * and ?.")
]
Host = Annotated[
    str | None, typer.Option("--host", help="Only this host's.", autocompletion=completion.hosts)
]
Project = Annotated[str | None, typer.Option("--project", help="Only this compose project's.")]
Address = Annotated[
    str,
    typer.Argument(
        metavar="HOST/NAME",
        help="The container; its name alone where only one host has it.",
        autocompletion=completion.containers,
    ),
]
MaybeAddress = Annotated[
    str | None,
    typer.Argument(
        metavar="HOST/NAME", help="One container; all without it.", autocompletion=completion.containers
    ),
]


def register(app: typer.Typer) -> None:
    ours = group(app, "containers", doc="What runs: list it, or show one container whole.")
    ours.command(
        "list",
        epilog=examples(
            "uptainer containers", "uptainer containers 'web-*' --host nas", "uptainer containers --json"
        ),
    )(list_)
    ours.command(epilog=examples("uptainer containers show nas/web"))(show)
    app.command(epilog=examples("uptainer check", "uptainer check nas/web"))(check)


def list_(
    pattern: Pattern = None, host: Host = None, project: Project = None, as_json: AsJson = False
) -> None:
    """List the containers: what runs, what could take its place, and why or why not."""
    from uptainer.cli import fleet  # noqa: PLC0415 -- help and completion need none of it

    fleet.show_all(host=host, project=project, pattern=pattern, as_json=as_json)


def show(address: Address, as_json: AsJson = False) -> None:
    """Show one container: its image, its health and when it turned, and the policy that holds for it."""
    from uptainer.cli import fleet  # noqa: PLC0415 -- help and completion need none of it

    fleet.show(address, as_json=as_json)


def check(address: MaybeAddress = None, as_json: AsJson = False) -> None:
    """Look for newer images now, and show what was found and decided."""
    from uptainer.cli import fleet  # noqa: PLC0415 -- help and completion need none of it

    fleet.check(address, as_json=as_json)
