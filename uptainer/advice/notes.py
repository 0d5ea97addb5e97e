"""Release notes as text, and the lines in them that speak of a break; pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

MAX_LINES = 40
MAX_LINE_LENGTH = 300
_LEADING = re.compile(r"v?(\d+(?:\.\d+)*)", re.IGNORECASE)
_NUMBERS = re.compile(r"\d+(?:\.\d+)*")
_BREAKS = re.compile(
    r"\bbreaking\b"
    r"|\b(?:backwards?|api)[- ]incompatible\b|\bincompatible (?:change|with)\b"
    r"|\bmigration (?:is )?(?:required|needed|necessary)\b|\brequires? (?:a |an )?(?:manual |database |data )?migration\b"
    r"|\bmust (?:first |now )?(?:migrate|upgrade|be (?:migrated|upgraded|renamed|updated))\b"
    r"|\bmanual (?:step|action|intervention|upgrade|migration)s?\b|\baction required\b"
    r"|\b(?:removed?|drop(?:s|ped)?) support\b|\bno longer (?:support|work|accept)",
    re.IGNORECASE,
)
_DENIALS = re.compile(
    r"\b(?:no|not?n|without|zero)\b[^.]{0,30}\b(?:breaking|migration|manual)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Release:
    """One release as its project published it; `body` is what others wrote, and is never trusted."""

    tag: str
    title: str
    body: str
    url: str


@dataclass(frozen=True, slots=True)
class ReleaseNotes:
    """The releases after the running version up to the candidate's, the newest first.

    `complete` is False where the running version was not found among them, or where text was cut off.
    """

    source: str
    releases: tuple[Release, ...]
    complete: bool = True

    @property
    def text(self) -> str:
        return "\n\n".join(f"# {release.title or release.tag}\n{release.body}" for release in self.releases)

    @property
    def breaking_lines(self) -> tuple[str, ...]:
        return pick_breaking_lines(self.text)


def pick_breaking_lines(text: str) -> tuple[str, ...]:
    """The lines that announce a break or a migration, each once, in their order; at most 40 of 300 characters."""
    cut = (" ".join(line.split())[:MAX_LINE_LENGTH] for line in text.splitlines())
    picked = dict.fromkeys(line for line in cut if _BREAKS.search(line) and not _DENIALS.search(line))
    return tuple(picked)[:MAX_LINES]


def releases_between(
    releases: Iterable[Release], before: str | None, after: str
) -> tuple[tuple[Release, ...], bool]:
    """Those after `before` up to `after`, the newest first, and whether `before` was among the releases.

    Versions are told apart by their numbers alone, so that `v1.2.3`, `1.2.3` and `app-1.2.3` are one. Without a
    version to begin with, only the release of `after` is meant.
    """
    known = tuple(releases)
    numbered: dict[tuple[int, ...], Release] = {}
    for release in sorted(
        known, key=lambda release: release.tag.removeprefix("v") != after.removeprefix("v")
    ):
        numbered.setdefault(numbers_of(release.tag), release)
    last, first = numbers_of(after), numbers_of(before or "")
    if not last or last not in numbered:
        return (), False
    if not first or first >= last:
        return (numbered[last],), False
    chosen = [numbers for numbers in numbered if first < numbers <= last]
    return tuple(numbered[numbers] for numbers in sorted(chosen, reverse=True)), first in numbered


def numbers_of(version: str) -> tuple[int, ...]:
    """The numbers that a version begins with, else the first dotted ones in it, without trailing zeros: `v1.2.0`,
    `1.2-alpine3` and `app-1.2` are all (1, 2); () where there are none.
    """
    begun = _LEADING.match(version[:128])
    inside = [match.group() for match in _NUMBERS.finditer(version[:128])]
    text = (
        begun[1]
        if begun
        else next((number for number in inside if "." in number), inside[0] if inside else "")
    )
    numbers = [int(part[:9]) for part in text.split(".") if part]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
