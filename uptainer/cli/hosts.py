"""`uptainer host`: the engines of the fleet."""

from typing import Annotated

import typer

from uptainer.cli.completion import hosts
from uptainer.cli.groups import examples, group
from uptainer.cli.output import AsJson

Name = Annotated[str, typer.Argument(help="The host's name.", autocompletion=hosts)]
MaybeName = Annotated[
    str | None, typer.Argument(metavar="NAME", help="One host; all without it.", autocompletion=hosts)
]
NewName = Annotated[str, typer.Argument(help="What you call it, in all lists.")]
Url = Annotated[
    str | None, typer.Argument(metavar="URL", help="unix:///path/to/docker.sock, or tcp://127.0.0.1:PORT.")
]
Block = Annotated[
    str | None, typer.Option("--block", help="The Docker host block that holds the address, in place of URL.")
]
Timeout = Annotated[
    float | None,
    typer.Option("--timeout", min=1, max=600, help="Seconds that it may take to answer (default: 30)."),
]
Server = Annotated[
    str | None,
    typer.Option("--server", help="The machine that it stands on, where several engines share one."),
]
Unasked = Annotated[
    bool, typer.Option("--no-test", help="Add it although nothing answers there at the moment.")
]
Force = Annotated[bool, typer.Option("--force", help="Also give up its updates that wait.")]


def register(app: typer.Typer) -> None:
    ours = group(app, "host", doc="The engines of the fleet: add, list, test, sync, remove.")
    ours.command(
        epilog=examples(
            "uptainer host add nas unix:///var/run/docker.sock",
            "uptainer host add lab tcp://127.0.0.1:2375 --timeout 10",
            "uptainer host add nas --block nas-docker",
        )
    )(add)
    ours.command("list", epilog=examples("uptainer host list --json"))(list_)
    ours.command(epilog=examples("uptainer host test nas"))(test)
    ours.command(epilog=examples("uptainer host sync", "uptainer host sync nas"))(sync)
    ours.command(epilog=examples("uptainer host remove nas --force"))(remove)


def add(  # noqa: PLR0917 -- typer's options, given by name
    name: NewName,
    url: Url = None,
    block: Block = None,
    timeout: Timeout = None,
    server: Server = None,
    no_test: Unasked = False,
) -> None:
    """Add an engine to the fleet, or change the address of one that is in it."""
    from uptainer.cli import hosting  # noqa: PLC0415 -- help and completion need none of it

    hosting.add(name, url, block=block, timeout=timeout, server=server, test=not no_test)


def list_(as_json: AsJson = False) -> None:
    """List the hosts, and whether they answer."""
    from uptainer.cli import hosting  # noqa: PLC0415 -- help and completion need none of it

    hosting.show_all(as_json=as_json)


def test(name: Name) -> None:
    """Connect now, and say what answers."""
    from uptainer.cli import hosting  # noqa: PLC0415 -- help and completion need none of it

    hosting.test(name)


def sync(name: MaybeName = None, as_json: AsJson = False) -> None:
    """Read what runs there now, and say what is new, changed or gone."""
    from uptainer.cli import hosting  # noqa: PLC0415 -- help and completion need none of it

    hosting.sync(name, as_json=as_json)


def remove(name: Name, force: Force = False) -> None:
    """Take a host out of the fleet; nothing on it is touched, and its history stays."""
    from uptainer.cli import hosting  # noqa: PLC0415 -- help and completion need none of it

    hosting.remove(name, force=force)
