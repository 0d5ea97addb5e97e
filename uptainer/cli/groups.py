"""Commands that share a noun: `uptainer scans` lists, and `uptainer scans show IMAGE` shows one."""

from collections.abc import Mapping
from typing import Any

import typer
from typer.core import TyperGroup

LIST = "list"
_HELP = ("-h", "--help")


class ListingGroup(TyperGroup):
    """What is not the name of one of its commands is for its `list`, so that the noun alone lists."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        given = bool(args) and (args[0] in self.commands or args[0] in _HELP)
        if not given and not (ctx.resilient_parsing and not args):
            args = [LIST, *args]
        return super().parse_args(ctx, args)


def group(app: typer.Typer, name: str, *, doc: str, listing: bool = True) -> typer.Typer:
    """A group of commands under a noun; with `listing`, the noun alone is its `list`."""
    made = typer.Typer(
        name=name,
        help=doc,
        cls=ListingGroup if listing else None,
        no_args_is_help=not listing,
        context_settings={"help_option_names": list(_HELP)},
    )
    app.add_typer(made)
    return made


def examples(*lines: str) -> str:
    """The end of a command's help."""
    title = "Example" if len(lines) == 1 else "Examples"
    return "\n\n".join([f"{title}:", *(f"  {line}" for line in lines)])


def setting(text: str) -> Mapping[str, str]:
    """One `key=value`."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise typer.BadParameter(f"{text!r} is not KEY=VALUE")
    return {key.strip(): value.strip()}
