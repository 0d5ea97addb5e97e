"""`uptainer policy`: what is said in each layer, and what holds in the end."""

from typing import Annotated

import typer

from uptainer.cli import completion
from uptainer.cli.groups import examples, group
from uptainer.cli.output import AsJson
from uptainer.core.enums import PolicyScope

Scope = Annotated[PolicyScope, typer.Argument(metavar="SCOPE", help=", ".join(PolicyScope))]
Settings = Annotated[
    list[str],
    typer.Argument(
        metavar="TARGET KEY=VALUE...",
        help="The target is a host, PROJECT or HOST/PROJECT, a policy's name for labels, or HOST/NAME; default has none.",
    ),
]
Fields = Annotated[
    list[str] | None,
    typer.Argument(metavar="TARGET KEY...", help="Only these fields; without them the whole layer."),
]
Address = Annotated[
    str, typer.Argument(metavar="HOST/NAME", help="The container.", autocompletion=completion.containers)
]

Until = Annotated[str, typer.Option("--until", help="How far ahead: 24h, 7d, or a date like 2026-12-24.")]
Host = Annotated[
    str | None, typer.Option("--host", help="Only this host's.", autocompletion=completion.hosts)
]
WhatIf = Annotated[
    list[str] | None,
    typer.Option(
        "--if", metavar="LAYER", help="As if this had been set, like 'default mode=auto'; may be given again."
    ),
]


def register(app: typer.Typer) -> None:
    ours = group(app, "policy", doc="What is said in each layer of policy, and what holds for a container.")
    ours.command(epilog=examples("uptainer policy show nas/web"))(show)
    ours.command("list", epilog=examples("uptainer policy list --json"))(list_)
    ours.command(
        epilog=examples(
            "uptainer policy simulate",
            "uptainer policy simulate --until 7d --if 'default mode=auto' --if 'host nas windows=nights'",
        )
    )(simulate)
    ours.command(
        "set",
        epilog=examples(
            "uptainer policy set default mode=manual min_age=3d",
            "uptainer policy set host nas windows=nights",
            "uptainer policy set container nas/db mode=notify backup_volumes=true",
            "uptainer policy set label careful mode=manual level=patch",
        ),
    )(set_)
    ours.command(epilog=examples("uptainer policy unset default min_age", "uptainer policy unset host nas"))(
        unset
    )


def show(address: Address, as_json: AsJson = False) -> None:
    """Show the whole policy of one container, and where each field comes from."""
    from uptainer.cli import policing  # noqa: PLC0415 -- help and completion need none of it

    policing.show(address, as_json=as_json)


def list_(as_json: AsJson = False) -> None:
    """List the layers that are stored, the most general first."""
    from uptainer.cli import policing  # noqa: PLC0415 -- help and completion need none of it

    policing.show_all(as_json=as_json)


def simulate(
    until: Until = "24h", host: Host = None, what_if: WhatIf = None, as_json: AsJson = False
) -> None:
    """Say what would happen to each container until a time, and why; nothing is done."""
    from uptainer.cli import simulating  # noqa: PLC0415 -- help and completion need none of it

    simulating.show(until, host=host, what_if=what_if or [], as_json=as_json)


def set_(scope: Scope, settings: Settings) -> None:
    """Set fields in one layer; its other fields stay as they are."""
    from uptainer.cli import policing  # noqa: PLC0415 -- help and completion need none of it

    policing.put(scope, settings)


def unset(scope: Scope, fields: Fields = None) -> None:
    """Take fields out of one layer, or the whole layer."""
    from uptainer.cli import policing  # noqa: PLC0415 -- help and completion need none of it

    policing.take_out(scope, fields or [])
