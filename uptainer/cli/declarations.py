"""`uptainer apply`: the fleet as a file says, kept in git."""

from pathlib import Path
from typing import Annotated

import typer

from uptainer.cli.asking import Yes
from uptainer.cli.groups import examples
from uptainer.cli.output import AsJson

File = Annotated[
    Path | None, typer.Option("--file", "-f", metavar="FILE", help="The YAML file, or - for standard input.")
]
Prune = Annotated[bool, typer.Option("--prune", help="Also remove what is stored and not in the file.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")]
Schema = Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of the file, for editors.")]


def register(app: typer.Typer) -> None:
    app.command(
        epilog=examples(
            "uptainer apply -f uptainer.yaml --dry-run",
            "uptainer apply -f uptainer.yaml --yes",
            "uptainer apply --schema > uptainer.schema.json",
        )
    )(apply)


def apply(  # noqa: PLR0917 -- typer's options, given by name
    file: File = None,
    prune: Prune = False,
    dry_run: DryRun = False,
    schema: Schema = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Make hosts, windows, policies, trusts, notifiers and the like what a file says; the difference is shown first."""
    from uptainer.cli import declaring  # noqa: PLC0415 -- help and completion need none of it

    if schema:
        declaring.show_schema()
    else:
        declaring.apply(file, prune=prune, dry_run=dry_run, yes=yes, as_json=as_json)
