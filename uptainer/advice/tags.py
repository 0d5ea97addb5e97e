"""Releases' tags, read: the numbers that order them, and the part of a repository that they belong to; pure.

`v1.2.3`, `1.2.3` and `release-1.2.3` are one version of one project; `server-v1.2.3` and `@shop/client@1.2.3` are
versions of parts that share a repository.
"""

import re
from dataclasses import dataclass

_LEADING = re.compile(r"v?(\d+(?:\.\d+)*)", re.IGNORECASE)
_NUMBERS = re.compile(r"\d+(?:\.\d+)*")
_DATE = re.compile(r"(?:19|20)\d\d-\d\d-\d\d(?:T\d\d-\d\d-\d\d)?")
_STAGE = re.compile(
    r"[-_.+]?(alpha|beta|rc|preview|pre|dev|nightly|snapshot|canary|milestone|a|b|m)(?![a-z])[-_.]?(\d{1,9})?",
    re.IGNORECASE,
)
_COUNTER = re.compile(r"[-_+](?:ls|r|p|rev|build|post)?[.]?(\d{1,5})(?![\d.])", re.IGNORECASE)
_STAGES = (
    "dev",
    "nightly",
    "snapshot",
    "canary",
    "a",
    "alpha",
    "b",
    "beta",
    "m",
    "milestone",
    "preview",
    "pre",
    "rc",
)
_RELEASED = (len(_STAGES), 0)
_NO_PART = {"v", "ver", "version", "rel", "release", "releases", "r", "stable", "tags"}
_MAX_TAG = 128


@dataclass(frozen=True, slots=True)
class ReleaseTag:
    """`part` is "" for the project itself; `stage` sorts a pre-release before its release; `build` is 0 without one."""

    part: str
    numbers: tuple[int, ...]
    stage: tuple[int, int] = _RELEASED
    build: int = 0

    def order(self, *, with_builds: bool) -> tuple[tuple[int, ...], tuple[int, int], int]:
        return self.numbers, self.stage, self.build if with_builds else 0


def read_tag(tag: str) -> ReleaseTag:
    text = tag[:_MAX_TAG]
    begin, end, numbers = _find(text)
    tail = text[end:]
    stage = _STAGE.match(tail)
    counter = None if stage else _COUNTER.match(tail)
    rank = (_STAGES.index(stage[1].lower()), int(stage[2] or 0)) if stage else _RELEASED
    return ReleaseTag(_part(text[:begin]), numbers, rank, int(counter[1]) if counter else 0)


def numbers_of(version: str) -> tuple[int, ...]:
    """The numbers that a version begins with, else the first dotted ones in it, without trailing zeros: `v1.2.0`,
    `1.2-alpine3` and `app-1.2` are all (1, 2); () where there are none.
    """
    return _find(version[:_MAX_TAG])[2]


def _find(text: str) -> tuple[int, int, tuple[int, ...]]:
    """Where the numbers begin and end, and what they are."""
    dated = _DATE.search(text)
    inside = list(_NUMBERS.finditer(text))
    dotted = next((found for found in inside if "." in found[0]), None)
    found = dated or _LEADING.match(text) or dotted or (inside[0] if inside else None)
    if found is None:
        return len(text), len(text), ()
    numbers = [int(part[:9]) for part in re.findall(r"\d+", found[0])]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return found.start(), found.end(), tuple(numbers)


def _part(before: str) -> str:
    """What stands before the numbers, without the `v` and the separators that belong to them."""
    name = re.sub(r"(?:^|(?<=[-_/@.]))v$", "", before.lower()).strip("-_/@. ")
    return "" if name in _NO_PART else name
