"""`uptainer run`: any flow, by hand."""

from typing import Annotated

import typer

from uptainer.cli import completion
from uptainer.cli.groups import examples, setting
from uptainer.cli.saying import say

Flow = Annotated[
    str,
    typer.Argument(
        metavar="FLOW", help=f"One of {', '.join(completion.FLOWS)}.", autocompletion=completion.flows
    ),
]
Parameters = Annotated[
    list[str] | None,
    typer.Option(
        "--param", "-p", metavar="KEY=VALUE", help="A parameter; may be given again. Lists are JSON."
    ),
]
Wait = Annotated[bool, typer.Option("--wait", "-w", help="Wait for its end, with progress.")]


def register(app: typer.Typer) -> None:
    app.command(
        epilog=examples(
            "uptainer run scan --wait",
            "uptainer run operate -p workload=nas/web -p operation=restart --wait",
            "uptainer run operate -p workload=nas/web -p operation=exec -p 'command=[\"date\"]' -w",
        )
    )(run)


def run(flow: Flow, param: Parameters = None, wait: Wait = False) -> None:
    """Start a run of a flow now; its parameters are checked first."""
    from uptainer.cli.connection import use_server  # noqa: PLC0415 -- help and completion need none of it

    given = {name: value for text in param or () for name, value in setting(text).items()}
    use_server()
    from uptainer.cli.prefect import requests  # noqa: PLC0415 -- it reads the environment that was just set

    started = requests.start(flow, given, texts=True)
    say(f"The run {started.name} was started: {started.page}")
    if wait:
        say(requests.wait(started, f"running {flow}"))
