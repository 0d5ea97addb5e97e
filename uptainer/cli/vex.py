"""`uptainer vex`: suppliers' statements that a vulnerability does not apply."""

from pathlib import Path
from typing import Annotated

import typer

from uptainer.cli.groups import examples, group
from uptainer.cli.output import AsJson

File = Annotated[
    Path, typer.Argument(metavar="FILE", help="OpenVEX, CycloneDX or CSAF, as JSON; - reads standard input.")
]
NewName = Annotated[
    str | None, typer.Option("--name", help="What policies name it by; without it, the file's own name.")
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The document's name.")]
Force = Annotated[bool, typer.Option("--force", help="Although policies name it.")]


def register(app: typer.Typer) -> None:
    ours = group(app, "vex", doc="Suppliers' statements that a vulnerability does not apply to an image.")
    ours.command(
        epilog=examples(
            "uptainer vex add vendor.openvex.json",
            "curl -s https://vendor.example/vex.json | uptainer vex add - --name vendor",
        )
    )(add)
    ours.command("list", epilog=examples("uptainer vex list --json"))(list_)
    ours.command(epilog=examples("uptainer vex show vendor"))(show)
    ours.command(epilog=examples("uptainer vex remove vendor"))(remove)


def add(file: File, name: NewName = None) -> None:
    """Keep a document, or a newer form of it. Its statements count where a policy names it."""
    from uptainer.cli import vexing  # noqa: PLC0415 -- help and completion need none of it

    vexing.add(file, name)


def list_(as_json: AsJson = False) -> None:
    """List the documents that are kept, and the policies that name them."""
    from uptainer.cli import vexing  # noqa: PLC0415 -- help and completion need none of it

    vexing.show_all(as_json=as_json)


def show(name: Name, as_json: AsJson = False) -> None:
    """Show each statement of a document, and why it can't count, where it can't."""
    from uptainer.cli import vexing  # noqa: PLC0415 -- help and completion need none of it

    vexing.show(name, as_json=as_json)


def remove(name: Name, force: Force = False) -> None:
    """Remove a document that no policy names."""
    from uptainer.cli import vexing  # noqa: PLC0415 -- help and completion need none of it

    vexing.remove(name, force=force)
