"""Marks in release notes that speak of a break, a migration, a step by hand: found by rules; pure.

Sources: https://www.conventionalcommits.org/en/v1.0.0/ (`feat!:`, `BREAKING CHANGE`), https://keepachangelog.com
(the headings `Deprecated` and `Removed`). The words are English; notes in another language have only the first.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from uptainer.advice.notes import Release, ReleaseNotes, squeeze, visible

MAX_MARKS = 40
MAX_QUOTE = 300
_MAX_SENTENCE = 2000


class MarkKind(StrEnum):
    """What a sentence announces, the gravest first: one sentence is one mark, of the first kind that it fits."""

    DATA = "data migration"
    MANUAL = "manual steps"
    BREAKING = "breaking changes"
    SETTING = "settings"
    REMOVED = "removals"
    UPGRADE = "upgrade notes"
    DEPRECATED = "deprecations"


@dataclass(frozen=True, slots=True)
class Mark:
    """`quote` stands in the notes of the release with this tag, white space evened out; at most 300 characters."""

    kind: MarkKind
    quote: str
    release: str


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


_THING = r"(?:config(?:uration)?|settings?|options?|variables?|env(?:ironment)?|flags?|keys?|parameters?|propert(?:y|ies)|arguments?)"
_GONE = r"(?:renamed|removed|moved|replaced|dropped|deleted|taken away)"
_MIGRATION = r"(?:(?:database|schema|data|storage)[ -])?migrations?"
_ALWAYS = (
    (
        MarkKind.DATA,
        _any(
            r"\birreversibl[ey]\b",
            r"\bone[- ]way (?:migration|upgrade|change|conversion)",
            r"\bcan(?:not|'t|\u2019t| not) (?:be )?(?:undo(?:ne)?|revert(?:ed)?|roll(?:ed)? back|downgraded?|go(?:ne)? back)\b",
            r"\bdowngrad(?:e|es|ing)(?: to .{1,40})? (?:is|are|will be) (?:not (?:possible|supported)|un(?:supported|possible)|impossible)",
            r"\bno (?:way back|downgrade path)\b|\bdump and restore\b|\brefuses? to start on\b",
            r"\bolder versions? (?:cannot|can't|can not|will not|won't) (?:\w+ )?(?:open|read|start|use)",
        ),
    ),
    (
        MarkKind.MANUAL,
        _any(
            rf"\brequires? (?:a |an |some )?manual\b|\b{_MIGRATION} (?:is |are )?(?:required|needed|necessary)\b",
            r"\bmanual(?:ly)? (?:steps?|actions?|interventions?|upgrades?|migrat\w+)\b|\bactions? (?:is |are )?required\b",
            r"\b(?:must|have to|need to|needs to|should) (?:first |now |be )?(?:migrate|upgrade|rename|run|re-?index)d?\b",
            r"\bbefore (?:you )?(?:upgrading|updating|upgrade|update)\b",
        ),
    ),
    (
        MarkKind.BREAKING,
        re.compile(
            r"^[\s>*+-]*(?:\[?[0-9a-f]{7,40}\]?:? )?"
            r"(?:build|chore|ci|deps|docs|feat|fix|perf|refactor|revert|security|style|test)(?:\([^)]{1,60}\))?!:"
            r"|\bBREAKING\b|💥|:boom:|(?i:\bbreaking (?:[\w-]+ )?changes?\b|^\W*breaking\s*[:!])"
            r"|(?i:\b(?:backwards?|api)[- ]incompatible\b|\bincompatible (?:changes?|with)\b)"
        ),
    ),
)
_UNLESS_FIXED = (
    (
        MarkKind.DATA,
        _any(
            r"\b(?:requires?|needs?|runs?|performs?|executes?|applies|triggers?) (?:a |an |the |some |one-time |automatic )*"
            rf"(?:new )?{_MIGRATION}\b",
            r"\b(?:database|schema|data|storage)[ -]migrations? (?:is|are|will|must|has to|have to|runs?)\b",
            r"\bmigrates? (?:the |your |existing |all )*(?:database|data|schema|storage|volumes?)\b",
            r"\bconverts? (?:the |your |existing |all )*(?:database|data|files|indexes|indices|volumes?)\b",
            r"\bback ?up (?:the |your |all )*(?:database|data|volumes?)\b",
            r"\b(?:data(?:base)?|files?|archives?|records?|volumes?|index(?:es)?)\b.{0,60}"
            r"\b(?:deleted|erased|wiped|lost|rewritten|converted)\b.{0,40}\b(?:start|startup|upgrad\w+|updat\w+)\b",
        ),
    ),
    (MarkKind.BREAKING, _any(r"(?<![\w-])(?<!line )(?<!word )(?<!page )breaking\b(?!-)")),
    (
        MarkKind.SETTING,
        _any(
            rf"\b{_THING}\b.{{0,80}}\b(?:{_GONE}|gone|no longer)\b",
            rf"\b{_GONE}\b.{{0,60}}\b{_THING}\b",
            r"\brenamed? [`\"'][^`\"']{1,80}[`\"'] (?:to|into|in favou?r of)\b",
            r"\bis now (?:called|named)\b|\bold names? (?:is|are) (?:no longer|not)\b",
        ),
    ),
    (
        MarkKind.REMOVED,
        _any(
            r"\b(?:removed?|drop(?:s|ped|ping)?) support\b|\bno longer (?:supports?|works?|accepts?|available|ships?|includes?)\b",
            r"\bsupport for .{1,80} (?:is|was|has been) (?:removed|dropped)\b",
        ),
    ),
    (MarkKind.DEPRECATED, _any(r"\b(?:is|are|was|were|been|now) deprecated\b|\bdeprecates?\b")),
)
_SECTIONS = (
    (
        MarkKind.BREAKING,
        _any(r"^(?:potentially |possibly |other |known )?breaking\b|^(?:backwards?[- ])?incompatib"),
    ),
    (MarkKind.REMOVED, _any(r"^(?:deprecat\w+ ?(?:/|and|&|,) ?)?remov(?:ed|als?)\b")),
    (MarkKind.DEPRECATED, _any(r"^deprecat")),
    (
        MarkKind.UPGRADE,
        _any(
            r"^migrat(?:ion|ing)\b|^before (?:you )?(?:upgrad|updat)|^action required|^important (?:notes?|changes?)\b",
            r"^upgrad(?:e|ing) (?:notes?|notices?|instructions?|steps?|considerations?|warnings?|guides?|from)\b",
        ),
    ),
)
_FILLER = r"(?:a |an |any |the |some |be |been |considered |known |new |other |further |intended |introduce |introduces |contain |contains |include |includes |have |has |require |requires |need |needs |expect |expected |intentional )*"
_CHANGE = r"(?:(?:api|config|database|schema|data|user-facing) )?(?:breaking|incompatible|migrations?|manual(?:ly)?|removals?|deprecations?|actions?)(?: \w+ing)?(?: changes?| steps?| actions?| interventions?| migrations?)?"
_DENIALS = _any(
    rf"\b(?:no|without|zero|never|nothing)\b:? {_FILLER}{_CHANGE}(?: (?:is|are))?(?: (?:required|needed|necessary))?",
    rf"(?:\bnot|n't|n\u2019t) (?!only|just|merely){_FILLER}{_CHANGE}",
    rf"\b{_MIGRATION} (?:is|are) not (?:required|needed|necessary)|\b(?:manual )?(?:action|step)s? (?:is|are) not (?:required|needed|necessary)",
    r"\bnon[- ]?breaking\b|\bbreaking (?:changes?)?\s*[:=-]?\s*(?:none|no|n/a|nothing)\b\W*$",
    r"\bwill be (?:removed|dropped|deleted)\b",
    r"\bno longer (?:need|have|require|must)\w*(?: to)?(?: \w+)?",
)
_NOTHING = _any(r"^\W*(?:none(?: (?:known|so far))?|no|nothing(?: to (?:do|note))?|n/?a|nil)?\W*$")
_FIXED = _any(
    r"^\W*(?:\*\*[^*]{1,40}\*\*:? ?)?(?:bug ?)?fix(?:es|ed|ing)?\b|^\W*(?:resolve[sd]?|prevent(?:s|ed)?|avoid(?:s|ed)?)\b"
)
_SENTENCE_END = re.compile(r"(?<=[.!?]) +")
_HEADING = re.compile(r"^ {0,3}(#{1,6})\s+(.*)$")
_BOLD = re.compile(r"^\W{0,4}(?:\*\*|__)([^*_]{1,80})(?:\*\*|__)\W{0,3}$")
_COLON = re.compile(r"^([A-Z][^.:!?]{1,60}):$")
_UNDERLINE = re.compile(r"^ {0,3}(?:=+|-{3,})\s*$")
_DECORATION = re.compile(r"^[^\w(]+")
_LOWEST = 7
"""A line in bold, or one that ends in a colon, heads what follows until any other heading."""


def find_marks(notes: ReleaseNotes) -> tuple[Mark, ...]:
    """Every mark in the notes of any of the releases, each sentence once, in their order; at most 40."""
    found: dict[str, Mark] = {}
    for release in notes.releases:
        for mark in _marks_of(release):
            found.setdefault(mark.quote, mark)
    return tuple(found.values())[:MAX_MARKS]


def _marks_of(release: Release) -> Iterator[Mark]:
    for kind_of_section, line in _lines(f"{visible(release.title)}\n\n{release.text}"):
        for sentence in _sentences(line):
            kind, place = _kind_of(sentence, kind_of_section)
            if kind is not None:
                yield Mark(kind, _quote(sentence, place), squeeze(visible(release.tag)))


def _lines(text: str) -> Iterator[tuple[MarkKind | None, str]]:
    """Each line of content, with the kind of the section that it stands in; a heading is content of the one above."""
    section: MarkKind | None = None
    depth = 0
    lines = text.splitlines()
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        level, title = _heading(line, following)
        if title is None:
            if line.strip() and not _UNDERLINE.match(line) and not line.lstrip().startswith("```"):
                yield section, line
            continue
        own = next((kind for kind, pattern in _SECTIONS if pattern.search(title)), None)
        if own is not None or level <= depth:
            section, depth = own, level
        if own is None:
            yield section, line


def _heading(line: str, following: str) -> tuple[int, str | None]:
    """Its level and its bare words, or None for a line that heads nothing."""
    if found := _HEADING.match(line):
        return len(found[1]), _bare(found[2])
    if line.strip() and _UNDERLINE.match(following) and not line.lstrip().startswith(("-", "*", "|")):
        return 1 if following.lstrip().startswith("=") else 2, _bare(line)
    if found := _BOLD.match(line) or _COLON.match(line.strip()):
        return _LOWEST, _bare(found[1])
    return 0, None


def _bare(title: str) -> str:
    return _DECORATION.sub("", title).rstrip("#:*_ ")


def _sentences(line: str) -> Iterator[str]:
    for sentence in _SENTENCE_END.split(squeeze(line)):
        for begin in range(0, len(sentence), _MAX_SENTENCE):
            yield sentence[begin : begin + _MAX_SENTENCE]


def _kind_of(sentence: str, section: MarkKind | None) -> tuple[MarkKind | None, int]:
    """The kind of mark that a sentence is, and where in it the word stands; what it denies is not looked at."""
    affirmed = _DENIALS.sub(lambda denied: " " * len(denied[0]), sentence)
    rules = _ALWAYS if _FIXED.search(sentence) else (*_ALWAYS, *_UNLESS_FIXED)
    found = [(kind, match.start()) for kind, pattern in rules if (match := pattern.search(affirmed))]
    if section is not None and not _NOTHING.search(affirmed):
        found.append((section, 0))
    order = tuple(MarkKind)
    return min(found, key=lambda each: order.index(each[0]), default=(None, 0))


def _quote(sentence: str, place: int) -> str:
    """The sentence, or as much of a long one as is read, with the word in it."""
    begin = (
        0 if len(sentence) <= MAX_QUOTE else max(0, min(place - MAX_QUOTE // 3, len(sentence) - MAX_QUOTE))
    )
    return sentence[begin : begin + MAX_QUOTE].strip()
