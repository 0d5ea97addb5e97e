"""Asking the person at the terminal before something is done that cannot simply be taken back."""

import sys
from typing import Annotated

import typer

from uptainer.core.errors import RefusedError
from uptainer.core.text import one_line

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask; needed where nobody is at the terminal.")]


def confirm(question: str, *, yes: bool) -> None:
    """Go on only with a yes.

    Raises:
        RefusedError: it was no, or nobody is here to ask and --yes was not given.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise RefusedError(f"{question} Nobody is at the terminal to say so: add --yes")
    if not typer.confirm(one_line(question)):  # noqa: TID251 -- the one place that asks
        raise RefusedError("nothing was done")
