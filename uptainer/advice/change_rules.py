"""Rules about the change itself: how far it goes, how old it is, whether it goes forward."""

from datetime import datetime, timedelta

from uptainer.advice.judgements import APPLY, REVIEW, Judgement
from uptainer.advice.subject import AdviceSubject
from uptainer.advice.tags import numbers_of
from uptainer.core.enums import ChangeLevel

_FIRST_BELIEVABLE_YEAR = 2013
"""Docker's first. Reproducible builds write the epoch, or a date that says nothing."""

_LEVELS = {
    ChangeLevel.DIGEST: (5, APPLY, "the same tag, built anew"),
    ChangeLevel.PATCH: (5, APPLY, "a patch"),
    ChangeLevel.MINOR: (15, APPLY, "a minor change"),
    ChangeLevel.MAJOR: (45, REVIEW, "a major change, which may break"),
    ChangeLevel.UNORDERED: (40, REVIEW, "which of the two is newer cannot be told from the tags"),
}
_AGES = ((timedelta(days=1), 20), (timedelta(days=3), 10), (timedelta(days=7), 5))
_UNKNOWN_AGE_POINTS = 10
_OLDER_POINTS = 25


def effective_level(subject: AdviceSubject) -> ChangeLevel:
    """The level, seen through a tag that stays: `postgres:latest` may go from 16 to 17 under one name."""
    before, after = numbers_of(subject.version_before or ""), numbers_of(subject.version_after or "")
    if subject.candidate.level is not ChangeLevel.DIGEST or not (before and after) or before == after:
        return subject.candidate.level
    if before[:1] != after[:1]:
        return ChangeLevel.MAJOR
    return ChangeLevel.MINOR if (before[1:2] or (0,)) != (after[1:2] or (0,)) else ChangeLevel.PATCH


def judge_level(subject: AdviceSubject) -> Judgement:
    level = effective_level(subject)
    points, asks_for, sentence = _LEVELS[level]
    if level is not subject.candidate.level:
        sentence = f"the tag {subject.reference.tag} stays, and what it stands for changes: {sentence}"
    return Judgement("change level", f"{sentence} ({subject.change})", points, asks_for)


def judge_age(subject: AdviceSubject) -> Judgement:
    """Days since the candidate was built: the young ones have been tried by few."""
    published = believable(subject.candidate.published_at)
    if published is None:
        return Judgement("age", "when it was published is not known", _UNKNOWN_AGE_POINTS)
    age = max(subject.now - published, timedelta())
    points = next((points for limit, points in _AGES if age < limit), 0)
    days = "today" if age < timedelta(days=1) else f"{age.days} day{'s' if age.days > 1 else ''} ago"
    return Judgement("age", f"published {days}", points, in_favour=points == 0)


def judge_direction(subject: AdviceSubject) -> Judgement:
    """A candidate that was built before what runs may be a step back, whatever its tag says."""
    running = believable(subject.running.created_at) if subject.running else None
    published = believable(subject.candidate.published_at)
    if running is None or published is None:
        return Judgement("direction", "which of the two was built later is not known")
    if published >= running:
        return Judgement("direction", "it was built later than what runs", in_favour=True)
    reason = (
        f"it was built on {published:%Y-%m-%d}, before what runs ({running:%Y-%m-%d}): it may be a step back"
    )
    return Judgement("direction", reason, _OLDER_POINTS, REVIEW)


def believable(moment: datetime | None) -> datetime | None:
    return moment if moment is not None and moment.year >= _FIRST_BELIEVABLE_YEAR else None
