"""`uptainer credentials`: which block holds the login for a registry. The login itself stays in the block."""

from dataclasses import dataclass
from typing import Annotated

import typer

from uptainer.cli.groups import examples, group
from uptainer.cli.output import AsJson
from uptainer.cli.saying import say

Registry = Annotated[str, typer.Argument(help="Its host name, with the port where it has one: ghcr.io.")]
Block = Annotated[str, typer.Option("--block", help="The block that holds the login, of whatever kind.")]


@dataclass(frozen=True, slots=True)
class CredentialLine:
    registry: str
    block: str


def register(app: typer.Typer) -> None:
    ours = group(app, "credentials", doc="Which Prefect block holds the login for a registry.")
    ours.command(epilog=examples("uptainer credentials add ghcr.io --block ghcr"))(add)
    ours.command("list", epilog=examples("uptainer credentials list --json"))(list_)
    ours.command(epilog=examples("uptainer credentials remove ghcr.io"))(remove)


def add(registry: Registry, block: Block) -> None:
    """Use a block's login for a registry, where several blocks are for it."""
    from uptainer.cli.connection import caller, database, use_server  # noqa: PLC0415 -- help and completion need none of it
    from uptainer.store.repositories.policies import PolicyRepository  # noqa: PLC0415 -- as above

    name = registry_name(registry)
    use_server()
    from uptainer.cli.prefect.stores import credentials_registry  # noqa: PLC0415 -- it reads the environment that was just set
    from uptainer.core.errors import InvalidInputError  # noqa: PLC0415 -- as above

    held = credentials_registry(block)
    if held != name:
        raise InvalidInputError(f"the block {block!r} holds the login for {held}, and not for {name}")
    with database() as opened, opened.session() as session:
        PolicyRepository(session).put_credential(name, block, actor=caller())
    say(f"The login for {name} is the one in the block {block}.")


def list_(as_json: AsJson = False) -> None:
    """List the registries whose login is said here."""
    from uptainer.cli.connection import database  # noqa: PLC0415 -- help and completion need none of it
    from uptainer.cli.rows import print_rows  # noqa: PLC0415 -- as above
    from uptainer.store.repositories.policies import PolicyRepository  # noqa: PLC0415 -- as above

    with database() as opened, opened.session() as session:
        found = PolicyRepository(session).credentials()
    lines = [CredentialLine(name, block) for name, block in sorted(found.items())]
    nothing = "None is said here: every block with a registry's login counts for that one, then Docker's config.json."
    print_rows(lines, ("registry", "block"), as_json=as_json, nothing=nothing)


def remove(registry: Registry) -> None:
    """Leave the choice to the blocks and to Docker's config.json again."""
    from uptainer.cli.connection import caller, database  # noqa: PLC0415 -- help and completion need none of it
    from uptainer.store.repositories.policies import PolicyRepository  # noqa: PLC0415 -- as above

    with database() as opened, opened.session() as session:
        PolicyRepository(session).remove_credential(registry_name(registry), actor=caller())
    say(f"No block is named for {registry} any more.")


def registry_name(text: str) -> str:
    """As references name it: `index.docker.io` is `docker.io`.

    Raises:
        InvalidInputError: it is not a registry's host name.
    """
    from uptainer.images.access import registry_name as read  # noqa: PLC0415 -- help and completion need none of it

    return read(text)
