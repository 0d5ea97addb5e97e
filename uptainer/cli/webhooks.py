"""`uptainer webhooks`: who may tell of pushes, and the process that is told."""

from dataclasses import dataclass
from typing import Annotated

import typer

from uptainer.cli.groups import examples, group
from uptainer.cli.output import AsJson
from uptainer.cli.saying import say
from uptainer.core.enums import WebhookKind
from uptainer.core.errors import InvalidInputError

Name = Annotated[str, typer.Argument(help="A name of your choice; it is a part of the address.")]
Kind = Annotated[WebhookKind, typer.Option("--kind", help="Whose notifications it sends.")]
RegistryName = Annotated[
    str,
    typer.Option(
        "--registry",
        help="How your images call this registry, where its notifications call it otherwise: registry.example.org:5000.",
    ),
]


@dataclass(frozen=True, slots=True)
class SourceLine:
    """`address` is without its secret. `fault` is why nothing is taken from it; it is then not known what kind it is of."""

    name: str
    kind: str
    address: str
    proof: str
    registry: str
    fault: str = ""


def register(app: typer.Typer) -> None:
    ours = group(app, "webhooks", doc="Registries that tell when something is pushed.")
    ours.command("list", epilog=examples("uptainer webhooks", "uptainer webhooks --json"))(list_)
    ours.command(
        epilog=examples(
            "uptainer webhooks add ghcr --kind github", "uptainer webhooks add harbor --kind harbor"
        )
    )(add)
    ours.command(epilog=examples("uptainer webhooks remove ghcr"))(remove)
    ours.command(epilog="Example: UPTAINER_WEBHOOK_PORT=4280 uptainer webhooks serve")(serve)


def list_(as_json: AsJson = False) -> None:
    """List the sources, with the address that each one is told and how it proves itself."""
    from uptainer.cli.connection import use_server  # noqa: PLC0415 -- help and completion need none of it
    from uptainer.cli.rows import print_rows  # noqa: PLC0415 -- as above

    use_server()
    from uptainer.cli.prefect.webhook_sources import known  # noqa: PLC0415 -- it reads the environment that was just set

    lines = [
        SourceLine(name, "", _address(name), "", "", str(each))
        if isinstance(each, InvalidInputError)
        else _line(name, each.kind, each.registry)
        for name, each in known().items()
    ]
    columns = ["name", "kind", "address", "proof", "registry"]
    if any(line.fault for line in lines):
        columns.append("fault")
    nothing = "No registry tells us of pushes: `uptainer webhooks add NAME --kind KIND` lets one."
    print_rows(lines, columns, as_json=as_json, nothing=nothing)


def add(name: Name, kind: Kind, registry: RegistryName = "") -> None:
    """Let a registry tell us of pushes: makes a Webhook source block with a new secret, and shows that once."""
    import secrets  # noqa: PLC0415 -- help and completion need none of it

    from uptainer.cli.connection import use_server  # noqa: PLC0415 -- as above

    use_server()
    from uptainer.cli.prefect.webhook_sources import make  # noqa: PLC0415 -- it reads the environment that was just set

    secret = secrets.token_urlsafe(32)
    make(name, kind, secret, registry)
    line = _line(name, kind, registry)
    say(f"Address:  {line.address}")
    say(f"Secret:   {secret}")
    say(
        f"It is proved by {line.proof}. The secret is shown this once: docs/webhooks.md says where to put it."
    )


def remove(name: Name) -> None:
    """Take no more notifications from a source."""
    from uptainer.cli.connection import use_server  # noqa: PLC0415 -- help and completion need none of it

    use_server()
    from uptainer.cli.prefect.webhook_sources import forget  # noqa: PLC0415 -- it reads the environment that was just set

    forget(name)
    say(f"{name} is not listened to any more.")


def serve() -> None:
    """Receive webhooks on UPTAINER_WEBHOOK_PORT until Ctrl-C; `uptainer up` does so by itself where it is set."""
    from uptainer.cli.connection import database, use_server  # noqa: PLC0415 -- help and completion need none of it
    from uptainer.core.settings import Settings  # noqa: PLC0415 -- as above

    settings = Settings.read()
    use_server(settings)
    from uptainer.cli.prefect.receiving import serve as receive  # noqa: PLC0415 -- it reads the environment that was just set

    with database(settings) as opened:
        receive(settings, opened)


def _line(name: str, kind: WebhookKind, registry: str) -> SourceLine:
    from uptainer.webhooks.proofs import Source  # noqa: PLC0415 -- help and completion need none of it

    signs = Source(kind, "").signs
    proof = "its signature" if signs else "the Authorization header, or the secret behind the address"
    return SourceLine(name, kind.value, _address(name), proof, registry)


def _address(name: str) -> str:
    from uptainer.core.settings import Settings  # noqa: PLC0415 -- help and completion need none of it

    settings = Settings.read()
    port = settings.webhook_port or "UPTAINER_WEBHOOK_PORT"
    return f"http://{settings.webhook_host}:{port}/webhooks/{name}"
