"""`uptainer allow`: what is accepted although a scan found it, for how long, and why."""

from typing import Annotated

import typer

from uptainer.cli import completion
from uptainer.cli.groups import examples, group
from uptainer.cli.output import AsJson

Found = Annotated[
    str,
    typer.Argument(
        metavar="FINDING", help="A vulnerability, like CVE-2026-1234, or a secret's rule, like private-key."
    ),
]
Reason = Annotated[str, typer.Option("--reason", help="Why it is accepted; it stands in every account.")]
Until = Annotated[
    str, typer.Option("--until", help="When it ends: 90d, or a date like 2026-12-24; a year at most.")
]
Package = Annotated[str, typer.Option("--package", help="Only in this package; of a secret: in this file.")]
Image = Annotated[
    str, typer.Option("--image", help="Only in these images: nginx, ghcr.io/shop/*, nginx:1.2?.")
]
Workload = Annotated[
    str,
    typer.Option("--workload", metavar="HOST/NAME", help="Only there.", autocompletion=completion.containers),
]
Project = Annotated[str, typer.Option("--project", help="Only in this project: PROJECT or HOST/PROJECT.")]
Long = Annotated[bool, typer.Option("--beyond-a-year", help="It may last longer than a year.")]
Number = Annotated[int, typer.Argument(metavar="ID", help="Its number in the list.")]


def register(app: typer.Typer) -> None:
    ours = group(app, "allow", doc="What is accepted although a scan found it, for how long, and why.")
    ours.command(
        epilog=examples(
            "uptainer allow add CVE-2026-1234 --until 90d --reason 'the module is not loaded'",
            "uptainer allow add CVE-2026-1234 --package openssl --image 'ghcr.io/shop/*' --until 2026-12-24 --reason ...",
            "uptainer allow add private-key --package '/etc/ssl/private/*' --until 30d --reason 'a test key'",
        )
    )(add)
    ours.command("list", epilog=examples("uptainer allow list --json"))(list_)
    ours.command(epilog=examples("uptainer allow remove 3"))(remove)


def add(  # noqa: PLR0917 -- typer's options, given by name
    finding: Found,
    reason: Reason,
    until: Until,
    package: Package = "",
    image: Image = "",
    workload: Workload = "",
    project: Project = "",
    beyond_a_year: Long = False,
) -> None:
    """Accept one finding until a time. One for the same place takes the place of the one before."""
    from uptainer.cli import allowing  # noqa: PLC0415 -- help and completion need none of it

    scope = {"package": package, "image": image, "workload": workload, "project": project}
    allowing.add(finding, scope, reason=reason, until=until, beyond_a_year=beyond_a_year)


def list_(as_json: AsJson = False) -> None:
    """List what is accepted, and what was and has expired."""
    from uptainer.cli import allowing  # noqa: PLC0415 -- help and completion need none of it

    allowing.show_all(as_json=as_json)


def remove(number: Number) -> None:
    """Accept it no longer: it counts from now on."""
    from uptainer.cli import allowing  # noqa: PLC0415 -- help and completion need none of it

    allowing.remove(number)
