"""What strangers wrote, as a person may be shown it."""

import re

_PERHAPS_UNSEEN = re.compile(r"[^\n\t -~]")


def seen(text: str) -> str:
    """Nothing in it is obeyed by a terminal, turns the direction of reading, or has no looks: U+FFFD stands there.

    Lines and tabs stay; space of any other kind is a space.
    """
    return _PERHAPS_UNSEEN.sub(_looks, text)


def one_line(text: str) -> str:
    """The same on one line, its words one space apart."""
    return " ".join(seen(text).split())


def _looks(found: re.Match[str]) -> str:
    character = found.group()
    if character.isprintable():
        return character
    return " " if character.isspace() else "\N{REPLACEMENT CHARACTER}"
