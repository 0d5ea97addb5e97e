"""Rules about the release notes: whether they are known, and what in them speaks of a break."""

from collections.abc import Iterable

from uptainer.advice.breaking import Mark, MarkKind, find_marks
from uptainer.advice.judgements import APPLY, REVIEW, Judgement
from uptainer.advice.notes import ReleaseNotes
from uptainer.advice.subject import AdviceSubject

_WEIGHTS = {
    MarkKind.DATA: (30, REVIEW, "they speak of data that is migrated, or of no way back"),
    MarkKind.MANUAL: (25, REVIEW, "they ask for a step by hand"),
    MarkKind.BREAKING: (20, REVIEW, "they speak of a break"),
    MarkKind.SETTING: (20, REVIEW, "they speak of settings that are renamed or gone"),
    MarkKind.REMOVED: (20, REVIEW, "they speak of what was removed"),
    MarkKind.UPGRADE: (10, REVIEW, "they have words for who upgrades"),
    MarkKind.DEPRECATED: (5, APPLY, "they speak of what will be removed one day"),
}
"""Points, what is asked for, and the sentence. Several kinds add up: a break that also migrates data is held."""
_MAX_QUOTES = 3


def judge_notes(subject: AdviceSubject) -> tuple[Judgement, ...]:
    """Whether there is something to read at all, and whether it is all there is; then one for each kind of mark in it."""
    if subject.notes is None:
        return (Judgement("release notes", f"the release notes are not known: {subject.notes_reason}"),)
    marks = find_marks(subject.notes)
    found = {kind: [mark for mark in marks if mark.kind is kind] for kind in MarkKind}
    return (
        _judge_whole(subject.notes, is_marked=bool(marks)),
        *(_judge(kind, quoted) for kind, quoted in found.items() if quoted),
    )


def _judge_whole(notes: ReleaseNotes, *, is_marked: bool) -> Judgement:
    count = len(notes.releases)
    read = f"{count} release{'s' if count != 1 else ''} of {notes.source}"
    part = "" if notes.complete else ", though not all of it was found"
    if is_marked:
        return Judgement("release notes", f"{read} read, and there is something in them{part}")
    if not any(release.text.strip() for release in notes.releases):
        return Judgement("release notes", f"{read}, and they say nothing{part}")
    return Judgement("release notes", f"no word of a break in {read}{part}", in_favour=notes.complete)


def _judge(kind: MarkKind, marks: list[Mark]) -> Judgement:
    points, asks_for, sentence = _WEIGHTS[kind]
    more = f" and {len(marks) - _MAX_QUOTES} more" if len(marks) > _MAX_QUOTES else ""
    return Judgement(kind.value, f"{sentence}: {_listed(marks[:_MAX_QUOTES])}{more}", points, asks_for)


def _listed(marks: Iterable[Mark]) -> str:
    return "; ".join(f'"{mark.quote}" ({mark.release})' for mark in marks)
