"""Keys and certificates as they come out of a form's field, which may have made one line of them."""

import re

_BLOCK = re.compile(r"(-----BEGIN [A-Z0-9 ]+-----)(.*?)(-----END [A-Z0-9 ]+-----)", re.DOTALL)
_WIDTH = 64
_KEY_KINDS = ("ssh-", "ecdsa-", "sk-")
_FIELDS = 3


def pem(text: str) -> str:
    """The same with the lines that PEM has; what is no PEM comes back as it is, for the check to speak of."""
    return _BLOCK.sub(_lines, text.strip())


def known_hosts(text: str) -> str:
    """The same with a line for each key."""
    words = text.split()
    if "\n" in text.strip() or len(words) % _FIELDS:
        return text.strip()
    lines = [words[n : n + _FIELDS] for n in range(0, len(words), _FIELDS)]
    return "\n".join(map(" ".join, lines)) if all(line[1].startswith(_KEY_KINDS) for line in lines) else text


def _lines(found: re.Match[str]) -> str:
    begin, body, end = found.groups()
    if "\n" in body.strip() or ":" in body:
        return found.group()
    letters = "".join(body.split())
    wrapped = [letters[n : n + _WIDTH] for n in range(0, len(letters), _WIDTH)]
    return "\n".join((begin, *wrapped, end))
