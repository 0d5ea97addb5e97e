"""Tags read as versions: which two may be compared at all, and which of two is the newer one.

A tag is taken apart into a prefix (`v`, `bookworm-`), numbers, a pre-release, counters (`-ls12`, `-r3`) and
a suffix (`-alpine3.19`). Two tags are comparable only when they have the same shape: the same kind, prefix,
number of parts and suffix. `docs/decisions/0003-version-shapes.md` says why.
"""

import re
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from uptainer.core.enums import ChangeLevel


class Scheme(StrEnum):
    """How tags are read. AUTO tells the kinds apart by itself; DIGEST reads no tag as a version."""

    AUTO = "auto"
    SEMVER = "semver"
    CALVER = "calver"
    NUMERIC = "numeric"
    DIGEST = "digest"


class Kind(StrEnum):
    """Dotted version, calendar date, or serial number: three orders that are never mixed."""

    DOTTED = "dotted"
    CALENDAR = "calendar"
    SERIAL = "serial"


Identifier = tuple[int, int, str]
"""One piece of a pre-release: a number sorts before a word, words by their stage."""


@dataclass(frozen=True, slots=True)
class Shape:
    """`numbers` and `suffix` are the tag's text with `#` where a number that is compared stood."""

    kind: Kind
    prefix: str
    numbers: str
    suffix: str


@dataclass(frozen=True, slots=True)
class Version:
    """One tag, read. `prerelease` is None for a release, which sorts after each of its pre-releases."""

    tag: str
    shape: Shape
    numbers: tuple[int, ...]
    prerelease: tuple[Identifier, ...] | None = None
    counters: tuple[int, ...] = ()

    @property
    def order(self) -> tuple[tuple[int, ...], bool, tuple[Identifier, ...], tuple[int, ...]]:
        """Sorts versions of one shape. Equal for tags that name the same version: `1.02` and `1.2`."""
        return self.numbers, self.prerelease is None, self.prerelease or (), self.counters

    def is_comparable_to(self, other: "Version") -> bool:
        return self.shape == other.shape

    def is_newer_than(self, other: "Version") -> bool:
        """False for versions of different shapes, whichever way they are asked."""
        return self.is_comparable_to(other) and self.order > other.order

    def level_above(self, other: "Version") -> ChangeLevel:
        """How far this one is from an older one: by the first number in which they differ."""
        if not self.is_comparable_to(other):
            return ChangeLevel.UNORDERED
        pairs = zip(self.numbers, other.numbers, strict=True)
        place = next((at for at, (new, old) in enumerate(pairs) if new != old), len(self.numbers))
        return (ChangeLevel.MAJOR, ChangeLevel.MINOR, ChangeLevel.PATCH)[min(place, 2)]

    def is_narrowed_by(self, other: "Version") -> bool:
        """Whether the other tag says the same with more parts, as `1.27.4-alpine` does for `1.27-alpine`."""
        ours, theirs = self.shape, other.shape
        return (
            (ours.kind, ours.prefix, ours.suffix) == (theirs.kind, theirs.prefix, theirs.suffix)
            and len(other.numbers) > len(self.numbers)
            and other.numbers[: len(self.numbers)] == self.numbers
        )


_ARCHITECTURE = r"(?:amd64|arm64|arm64v8|arm32v[5-7]|armhf|i386|386|s390x|ppc64le|riscv64|x86_64)-"
_HEAD = re.compile(
    rf"(?P<prefix>(?:{_ARCHITECTURE})?(?:[A-Za-z][A-Za-z_-]*[.]?)?)(?P<numbers>[0-9]+(?:[.u][0-9]+)*)",
    re.ASCII,
)
_DATE = re.compile(
    r"(?P<year>(?:19|20)[0-9]{2})(?P<sep>[-_.]?)(?P<month>[0-9]{2})(?P=sep)(?P<day>[0-9]{2})"
    r"(?:[T_-]?(?P<time>[0-9]{2}[-.]?[0-9]{2}[-.]?[0-9]{2})Z?)?(?![0-9])(?P<more>(?:[.][0-9]+)*)"
)
_HEX = re.compile(r"g?[0-9a-f]{7,64}")
_COMPONENT = re.compile(r"[-_+.][^-_+]*|[^-_+]+")
_STAGES = {
    name: rank
    for rank, names in enumerate(
        (
            ("dev", "snapshot", "nightly", "canary", "unstable", "next", "ea"),
            ("alpha", "a"),
            ("beta", "b"),
            ("milestone", "m"),
            ("preview", "pre"),
            ("rc", "c", "cr"),
        )
    )
    for name in names
}
_PRERELEASE = re.compile(
    rf"(?P<stage>{'|'.join(name for name in _STAGES if len(name) > 1)}|[abcm](?=[.]?[0-9]))"
    r"(?P<numbers>(?:[.]?[0-9]+(?:[.][0-9]+)*)?)",
    re.IGNORECASE | re.ASCII,
)
_COUNTER = re.compile(r"(?P<name>ls|r|p|u|rev|build|post)[.]?(?P<number>[0-9]+)")
_NOT_VERSIONS = frozenset({"sha", "git", "commit", "rev", "pr", "mr", "pull", "branch"})
_SERIAL_DIGITS = 6
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,127}")
"""The distribution specification's, and the `+` of semantic versions, for labels name versions too."""


def read_version(tag: str, scheme: Scheme = Scheme.AUTO) -> Version | None:
    """The version that a tag or an image's label names, or None where it names none (`latest`, a commit's hash, `pr-12`,
    what is no tag at all).
    """
    if scheme is Scheme.DIGEST or not _TAG.fullmatch(tag) or _is_hash(tag):
        return None
    read = None if scheme is Scheme.NUMERIC else _read_date(tag)
    version = read or _read_numbers(tag, scheme)
    return version if version and _belongs(version.shape.kind, scheme) else None


def _belongs(kind: Kind, scheme: Scheme) -> bool:
    wanted = {Scheme.SEMVER: Kind.DOTTED, Scheme.CALVER: Kind.CALENDAR, Scheme.NUMERIC: Kind.SERIAL}
    return wanted.get(scheme, kind) is kind


def _is_hash(text: str) -> bool:
    """A commit's short or long name; an all-digit one is read as a number, as nothing tells them apart."""
    return bool(_HEX.fullmatch(text)) and not text.isdigit() and any(char.isdigit() for char in text)


def _read_date(tag: str) -> Version | None:
    """`20240115`, `2024-01-15`, `RELEASE.2024-01-15T10-20-30Z`: always a calendar version."""
    found = _DATE.search(tag)
    if not found or not _is_prefix(tag[: found.start()]):
        return None
    numbers = [int(found[part]) for part in ("year", "month", "day")]
    if not _is_day(*numbers):
        return None
    numbers += [int(part) for part in re.findall("[0-9]{2}", found["time"] or "")]
    numbers += [int(part) for part in found["more"].split(".")[1:]]
    sep, text = found["sep"], found[0]
    shape = f"#{sep}#{sep}#" + ("T###" if found["time"] else "") + ".#" * found["more"].count(".")
    tail = _read_tail(tag[found.start() + len(text) :])
    if tail is None:
        return None
    return tail.version(tag, Kind.CALENDAR, tag[: found.start()], shape, tuple(numbers))


def _is_day(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def _is_prefix(text: str) -> bool:
    return not text or bool(re.fullmatch(rf"(?:{_ARCHITECTURE})?[A-Za-z][A-Za-z_.-]*|{_ARCHITECTURE}", text))


def _read_numbers(tag: str, scheme: Scheme) -> Version | None:
    found = _HEAD.match(tag)
    if not found or found["prefix"].lower().rstrip("-_.") in _NOT_VERSIONS:
        return None
    tail = _read_tail(tag[found.end() :])
    if tail is None:
        return None
    numbers = tuple(int(part) for part in re.split("[.u]", found["numbers"]))
    kind = _kind_of(found["numbers"], numbers, scheme)
    return tail.version(tag, kind, found["prefix"], re.sub("[0-9]+", "#", found["numbers"]), numbers)


def _kind_of(text: str, numbers: tuple[int, ...], scheme: Scheme) -> Kind:
    if scheme is Scheme.NUMERIC:
        return Kind.SERIAL
    if len(numbers) == 1:
        return Kind.SERIAL if len(text) >= _SERIAL_DIGITS else Kind.DOTTED
    is_year = 1970 <= numbers[0] <= 2999  # noqa: PLR2004 -- the years that people put into tags
    is_short_year = scheme is Scheme.CALVER and numbers[0] <= 99  # noqa: PLR2004 -- 24.04, where calver was asked for
    return Kind.CALENDAR if is_year or is_short_year else Kind.DOTTED


@dataclass(frozen=True, slots=True)
class _Tail:
    """What follows the numbers. A commit's hash says nothing of order, and becomes a mark in the suffix."""

    suffix: str = ""
    prerelease: tuple[Identifier, ...] | None = None
    counters: tuple[int, ...] = ()

    def version(self, tag: str, kind: Kind, prefix: str, shape: str, numbers: tuple[int, ...]) -> Version:
        return Version(tag, Shape(kind, prefix, shape, self.suffix), numbers, self.prerelease, self.counters)


def _read_tail(text: str) -> _Tail | None:
    """Read `-rc1`, `-alpine3.19`, `-ls12` and their like; None where letters follow the numbers unexplained."""
    suffix: list[str] = []
    prerelease: list[Identifier] = []
    counters: list[int] = []
    before = "numbers"
    for component in _COMPONENT.findall(text):
        separator, word = (component[0], component[1:]) if component[0] in "-_+." else ("", component)
        if stage := _PRERELEASE.fullmatch(word):
            prerelease += _identifiers(stage)
            before = "prerelease"
        elif word.isdecimal() and before == "prerelease":
            prerelease.append((0, int(word), ""))
        elif counter := _counter_in(word, after_numbers=before == "numbers"):
            counters.append(counter[1])
            suffix.append(f"{separator}{counter[0]}#")
            before = "counter"
        elif not separator:
            return None
        else:
            suffix.append(separator + ("<commit>" if _is_hash(word) else word))
            before = "suffix"
    return _Tail("".join(suffix), tuple(prerelease) or None, tuple(counters))


def _identifiers(stage: re.Match[str]) -> list[Identifier]:
    rank = _STAGES[stage["stage"].lower()]
    name = next(name for name, at in _STAGES.items() if at == rank)
    numbers = [(0, int(part), "") for part in re.findall("[0-9]+", stage["numbers"])]
    word = stage["stage"].lower() if rank == 0 else name
    return [(1, rank, word), *numbers]


def _counter_in(word: str, *, after_numbers: bool) -> tuple[str, int] | None:
    """A build counter: named (`ls12`), or a bare number right behind the version (`6.0.1-2`).

    A long bare number (`6.0.1-20240101`) has a mark of its own, so that a date never counts as the later build.
    """
    if named := _COUNTER.fullmatch(word):
        return named["name"], int(named["number"])
    if not (word.isdecimal() and after_numbers):
        return None
    return "#" if len(word) >= _SERIAL_DIGITS else "", int(word)
