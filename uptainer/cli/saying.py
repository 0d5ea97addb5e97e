"""What commands say to a person or a program. Everything goes through here or `output`: much of it strangers wrote."""

import re

import typer

from uptainer.core.text import seen

_PERHAPS_UNSEEN = re.compile(r"[^\n\r\t -~]")


def say(text: str = "", *, bold: bool = False, err: bool = False) -> None:
    typer.secho(seen(text), bold=bold or None, err=err)  # noqa: TID251 -- the one place that speaks


def say_json(document: str) -> None:
    """The document as it is, but for what a terminal would obey or hide: JSON's own escapes stand there."""
    typer.echo(_PERHAPS_UNSEEN.sub(_escaped, document))  # noqa: TID251 -- as above


def _escaped(found: re.Match[str]) -> str:
    """UTF-16, as RFC 8259 (section 7) writes what is beyond four digits."""
    character = found.group()
    if character.isprintable():
        return character
    digits = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{digits[begin : begin + 4]}" for begin in range(0, len(digits), 4))
