"""Release notes as text, and which of a project's releases lie between two versions; pure."""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from uptainer.advice.tags import ReleaseTag, read_tag

_OPEN, _CLOSE = "<!--", "-->"
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn"}
_KEPT = {"\n", "\t"}
_SELECTORS = (range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))


@dataclass(frozen=True, slots=True)
class Release:
    """One release as its project published it; `body` is what others wrote, and is never trusted."""

    tag: str
    title: str
    body: str
    url: str

    @property
    def text(self) -> str:
        """What a reader sees of it."""
        return visible(self.body)


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
        return "\n\n".join(
            f"# {visible(each.title) or visible(each.tag)}\n{each.text}" for each in self.releases
        )


def visible(text: str) -> str:
    """Without what no reader of the page sees: HTML comments, control characters, and the marks without width that
    can hold a text of their own.
    """
    shown = []
    begin = 0
    while (opened := text.find(_OPEN, begin)) >= 0 and (closed := text.find(_CLOSE, opened)) >= 0:
        shown.append(text[begin:opened])
        begin = closed + len(_CLOSE)
    whole = "".join([*shown, text[begin:]])
    return whole if whole.isascii() and whole.isprintable() else "".join(filter(_is_seen, whole))


def _is_seen(character: str) -> bool:
    if any(ord(character) in selectors for selectors in _SELECTORS):
        return False
    return character in _KEPT or unicodedata.category(character) not in _UNSEEN


def squeeze(text: str) -> str:
    """White space evened out, so that a wrapped line is still the same words."""
    return " ".join(text.split())


def is_quoted(quote: str, notes: ReleaseNotes) -> bool:
    """Whether the words stand in the notes. Nothing is no quote."""
    words = squeeze(quote)
    return bool(words) and words in squeeze(notes.text)


def fit(releases: Sequence[Release], room: int) -> tuple[tuple[Release, ...], int]:
    """The releases with bodies of at most `room` characters in sum, and how many characters were left out.

    Short ones stay whole; the long ones share what is left, and each says what is missing from it.
    """
    share, left = room, room
    for number, length in enumerate(sorted(len(each.body) for each in releases)):
        share = left // (len(releases) - number)
        if length > share:
            break
        left -= length
    fitted = tuple(_cut(each, share) for each in releases)
    return fitted, sum(max(0, len(each.body) - share) for each in releases)


def _cut(release: Release, room: int) -> Release:
    missing = len(release.body) - room
    if missing <= 0:
        return release
    return replace(release, body=f"{release.body[:room]}\n[cut off here: {missing} more characters]")


def releases_between(
    releases: Iterable[Release], before: str | None, after: str, *, name: str = ""
) -> tuple[tuple[Release, ...], bool]:
    """Those after `before` up to `after`, the newest first, and whether `before` was among the releases.

    A repository may publish several things, each with tags of its own; `name` is the image's, to tell which one is
    meant. Without a version to begin with, only the release of `after` is meant.
    """
    known = [(each, read_tag(each.tag)) for each in {each.tag: each for each in releases}.values()]
    wanted, begin = read_tag(after), read_tag(before or "")
    builds = any(
        tag.order(with_builds=True) == wanted.order(with_builds=True) for _, tag in known if tag.build
    )
    last, first = wanted.order(with_builds=builds), begin.order(with_builds=builds)
    meant = {tag.part for _, tag in known if tag.numbers and tag.order(with_builds=builds) == last}
    if not wanted.numbers or not meant:
        return (), False
    ordered = [(tag.order(with_builds=builds), tag.part, each) for each, tag in known if tag.numbers]
    parts = _parts(meant, wanted, name, {part for order, part, _ in ordered if order == first})
    ours = [(order, each) for order, part, each in ordered if part in parts]
    if not begin.numbers or first >= last:
        return tuple(each for order, each in ours if order == last), False
    chosen = sorted(
        (pair for pair in ours if first < pair[0] <= last), key=lambda pair: pair[0], reverse=True
    )
    return tuple(each for _, each in chosen), any(order == first for order, _ in ours)


def _parts(meant: set[str], wanted: ReleaseTag, name: str, started: set[str]) -> set[str]:
    """Of the parts that have such a version: the tag's own, the one called like the image, else those that also had
    the version that runs; all of them, where nothing tells.
    """
    called = {part for part in meant if name and name.lower() in {part, part.rpartition("/")[2]}}
    own = meant & {wanted.part}
    return (own if wanted.part else set()) or called or own or meant & started or meant
