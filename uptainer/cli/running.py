"""`uptainer up`, `down` and `status`: the system itself."""

from pathlib import Path
from typing import Annotated

import typer

from uptainer.cli.output import AsJson
from uptainer.cli.saying import say
from uptainer.core.settings import Settings

Port = Annotated[
    int | None, typer.Option("--port", "-p", help="The port of the page and the API [default: 4200].")
]
DataDirectory = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Where everything is kept [default: the user's data directory]."),
]


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: uptainer up --port 4300")(up)
    app.command(epilog="Example: uptainer down")(down)
    app.command(epilog="Example: uptainer status --json")(status)


def up(port: Port = None, data_dir: DataDirectory = None) -> None:
    """Start everything, look at the fleet once, and stay up with the schedules running until Ctrl-C."""
    from uptainer.cli.up import run  # noqa: PLC0415 -- help and completion need none of it

    run(_settings(port=port, data_dir=data_dir))


def down(data_dir: DataDirectory = None) -> None:
    """Stop the running `uptainer up`, and wait until everything that it started is gone."""
    from uptainer.console.stopping import stop  # noqa: PLC0415 -- help and completion need none of it

    pid = stop(_settings(data_dir=data_dir).data_dir)
    say(f"Uptainer (process {pid}) has stopped.")


def status(data_dir: DataDirectory = None, as_json: AsJson = False) -> None:
    """Say what runs: the processes, where they are reached, what is in the fleet, and what runs next."""
    from uptainer.cli.status import show  # noqa: PLC0415 -- help and completion need none of it

    show(_settings(data_dir=data_dir), as_json=as_json)


def _settings(**given: object) -> Settings:
    """The environment's settings; an option says it louder."""
    read = Settings.read()
    return read.model_validate(
        {**read.model_dump(), **{name: value for name, value in given.items() if value is not None}}
    )
