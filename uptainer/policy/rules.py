"""The rules: each looks at one thing and says what it means for this container, whatever the others say.

`STATE_RULES` speak of the container, and always run; `CANDIDATE_RULES` speak of its candidate, where there is one.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from uptainer.core.enums import ChangeLevel, CheckResult, PolicyMode, RecommendationType, UpdateStatus
from uptainer.core.findings import Finding, Verdict
from uptainer.core.transitions import WAITING
from uptainer.policy.durations import format_duration
from uptainer.policy.fields import GitOps
from uptainer.policy.security import (
    check_end_of_life,
    check_excused,
    check_fast_track,
    check_platforms,
    check_secrets,
    check_total,
    check_vulnerabilities,
    is_fast,
)
from uptainer.policy.signing import check_signature
from uptainer.policy.subjects import DecisionSubject, EarlierUpdate
from uptainer.policy.windows import SEARCHED, is_open, next_opening

Rule = Callable[[DecisionSubject, datetime], Finding]

WINDOW = "window"
ENABLED = "enabled"
LABELS = "labels"
OWNER = "owner"
GITOPS = "gitops"
_LEVELS = (ChangeLevel.DIGEST, ChangeLevel.PATCH, ChangeLevel.MINOR, ChangeLevel.MAJOR)
_AUTOMATIC = (PolicyMode.AUTO, PolicyMode.AUTO_IF_RECOMMENDED)
_NOT_AGAIN = (UpdateStatus.REJECTED, UpdateStatus.ROLLED_BACK, UpdateStatus.ROLLBACK_FAILED)
# Reproducible builds carry a made-up date, mostly 1970 or 1980; Docker's first release is from 2013.
_FIRST_IMAGE = datetime.fromisoformat("2013-01-01T00:00:00+00:00")


def check_enabled(subject: DecisionSubject, _now: datetime) -> Finding:
    policy = subject.policy
    if not policy.enabled:
        return Finding(ENABLED, Verdict.BLOCK, f"updates are switched off by {policy.source('enabled')}")
    if policy.mode is PolicyMode.OFF:
        return Finding(ENABLED, Verdict.BLOCK, f"the mode is off, by {policy.source('mode')}")
    return Finding(ENABLED, Verdict.ALLOW, "updates are looked for")


def check_lookup(subject: DecisionSubject, _now: datetime) -> Finding:
    because = f": {subject.check_reason}" if subject.check_reason else ""
    sentences = {
        CheckResult.CANDIDATES: (Verdict.ALLOW, "there is a newer image"),
        CheckResult.UP_TO_DATE: (Verdict.INFORM, "it is up to date"),
        CheckResult.UNKNOWN: (Verdict.BLOCK, "it is not known whether there is a newer image"),
        CheckResult.LOCAL_ONLY: (
            Verdict.INFORM,
            "its image is only on this host, and no registry has a newer one",
        ),
        CheckResult.PINNED: (Verdict.INFORM, "its image is pinned by digest, and stays as it is"),
        CheckResult.EXCLUDED: (Verdict.INFORM, "it is excluded from checks"),
    }
    verdict, sentence = sentences[subject.check]
    return Finding("lookup", verdict, sentence + because)


def check_labels(subject: DecisionSubject, _now: datetime) -> Finding:
    if not subject.label_faults:
        return Finding(LABELS, Verdict.ALLOW, "its labels are understood")
    faults = "; ".join(str(fault) for fault in subject.label_faults)
    if any(fault.unread for fault in subject.label_faults):
        return Finding(LABELS, Verdict.ASK, f"{faults}; nothing is approved until that is corrected")
    return Finding(LABELS, Verdict.ASK, f"{faults}; so a person must decide")


def check_self(subject: DecisionSubject, _now: datetime) -> Finding:
    if subject.is_self:
        return Finding(
            "self", Verdict.BLOCK, "it runs Uptainer itself, which cannot replace the ground it stands on"
        )
    return Finding("self", Verdict.ALLOW, "it is not Uptainer's own container")


def check_owner(subject: DecisionSubject, _now: datetime) -> Finding:
    """Who else holds it to an image of their own; discovery notes that as `owner` among the container's details."""
    owner = subject.container.details.get("owner")
    if owner is None:
        return Finding(OWNER, Verdict.ALLOW, "nobody else is known to set its image")
    policy, said = subject.policy, f"it belongs to {owner['name']}"
    if owner["kind"] == GITOPS:
        by = policy.source("gitops")
        if policy.gitops is GitOps.UPDATE:
            return Finding(OWNER, Verdict.ALLOW, f"{said}, and is updated all the same, by {by}")
        said += f", and `gitops` is {policy.gitops}, by {by}"
    reason = f"{said}; a change from here would be undone, so {owner['advice']}"
    return Finding(OWNER, Verdict.BLOCK, reason)


def check_snooze(subject: DecisionSubject, now: datetime) -> Finding:
    until = subject.snoozed_until
    if until is not None and now < until:
        return Finding("snooze", Verdict.WAIT, f"it was snoozed until {_said(until)}", until)
    return Finding("snooze", Verdict.ALLOW, "it is not snoozed")


def check_window(subject: DecisionSubject, now: datetime) -> Finding:
    """A window that is closed does not stop a proposal or a question, only the update itself."""
    windows, freezes = subject.policy.windows, subject.policy.freezes
    if is_open(windows, freezes, now):
        return Finding(
            WINDOW, Verdict.ALLOW, "a maintenance window is open" if windows else "it may be done at any time"
        )
    opens = next_opening(windows, freezes, now)
    if opens is None:
        years = SEARCHED // timedelta(days=366)
        return Finding(WINDOW, Verdict.BLOCK, f"no maintenance window opens within {years} years")
    return Finding(WINDOW, Verdict.WAIT, f"the next maintenance window opens at {_said(opens)}", opens)


def check_mode(subject: DecisionSubject, now: datetime) -> Finding:
    policy = subject.policy
    by = policy.source("mode")
    if policy.mode is PolicyMode.NOTIFY:
        return Finding("mode", Verdict.INFORM, f"it is told of and not applied, by {by}")
    if policy.mode in _AUTOMATIC:
        return Finding("mode", Verdict.ALLOW, f"updates are applied without asking, by {by}")
    if policy.fast_track_unattended and is_fast(subject, now):
        by = policy.source("fast_track_unattended")
        return Finding("mode", Verdict.ALLOW, f"what it fixes is applied without asking, by {by}")
    return Finding("mode", Verdict.ASK, f"a person must approve each update, by {by}")


def check_level(subject: DecisionSubject, _now: datetime) -> Finding:
    level, policy = subject.offered.level, subject.policy
    if level not in _LEVELS:
        return Finding("level", Verdict.ASK, "the two tags cannot be compared, so a person must decide")
    if _LEVELS.index(level) > _LEVELS.index(policy.level):
        source = policy.source("level")
        return Finding(
            "level",
            Verdict.BLOCK,
            f"a {level} change is beyond {policy.level}, the farthest allowed by {source}",
        )
    farthest = -1 if policy.auto_level == "none" else _LEVELS.index(policy.auto_level)
    if policy.mode in _AUTOMATIC and _LEVELS.index(level) > farthest:
        source = policy.source("auto_level")
        return Finding("level", Verdict.ASK, f"a {level} change is not applied without asking, by {source}")
    return Finding("level", Verdict.ALLOW, f"a {level} change is allowed")


def check_age(subject: DecisionSubject, now: datetime) -> Finding:
    """The image's own date where it is plausible, else since when the registry is known to have it."""
    least = subject.policy.min_age
    if not least:
        return Finding("age", Verdict.ALLOW, "no minimum age is asked for")
    if is_fast(subject, now):
        return Finding("age", Verdict.ALLOW, "what it fixes does not wait for the minimum age")
    since = _published(subject, now)
    if since is None:
        return Finding("age", Verdict.ASK, "it is not known when it was published, so a person must decide")
    ripe = since + least
    asked = f"a minimum age of {format_duration(least)} is asked for by {subject.policy.source('min_age')}"
    if now < ripe:
        return Finding("age", Verdict.WAIT, f"{asked}, which it reaches at {_said(ripe)}", ripe)
    return Finding("age", Verdict.ALLOW, f"{asked}, and it was published at {_said(since)}")


def check_earlier(subject: DecisionSubject, _now: datetime) -> Finding:
    """A refusal counts for good, also behind a later failure."""
    ended = [each for each in subject.earlier if each.digest == subject.offered.digest]
    refused = [each for each in ended if each.status in _NOT_AGAIN]
    if refused:
        told = f"was {_told(max(refused, key=_ended_at))}"
        return Finding("earlier", Verdict.BLOCK, f"this digest {told}, and is not offered again")
    failed = [each for each in ended if each.status is UpdateStatus.FAILED]
    if failed:
        told = _told(max(failed, key=_ended_at))
        return Finding("earlier", Verdict.ASK, f"an update to this digest {told}, so a person must decide")
    return Finding("earlier", Verdict.ALLOW, "this digest was not refused before")


def check_skip(subject: DecisionSubject, _now: datetime) -> Finding:
    offered = subject.offered
    # A tag that moves is not skipped for good by its name: what was skipped then is the digest.
    names = {offered.digest}
    if offered.level is not ChangeLevel.DIGEST:
        names |= {name for name in (offered.version, offered.reference.tag) if name is not None}
    skipped = sorted(names & subject.skipped)
    if skipped:
        return Finding("skip", Verdict.BLOCK, f"{skipped[0]} was skipped")
    return Finding("skip", Verdict.ALLOW, "this version was not skipped")


def check_open_update(subject: DecisionSubject, _now: datetime) -> Finding:
    other = subject.open_update
    if other is None:
        return Finding("open_update", Verdict.ALLOW, "no other update of it is open")
    if other.status not in WAITING:
        return Finding("open_update", Verdict.WAIT, f"update {other.id} of it is {_worded(other.status)}")
    if other.digest == subject.offered.digest:
        return Finding("open_update", Verdict.WAIT, f"update {other.id} already offers this digest")
    return Finding(
        "open_update", Verdict.INFORM, f"it takes the place of update {other.id}, which is still waiting"
    )


def check_advice(subject: DecisionSubject, _now: datetime) -> Finding:
    advice = subject.advice
    strict = subject.policy.mode is PolicyMode.AUTO_IF_RECOMMENDED
    if advice is None:
        return Finding("advice", Verdict.ASK if strict else Verdict.INFORM, "there is no advice on it")
    said = f"the advice is to {advice.recommendation}, at a risk of {advice.risk} of 100"
    if advice.recommendation is RecommendationType.APPLY:
        return Finding("advice", Verdict.ALLOW, said)
    return Finding("advice", Verdict.ASK if strict else Verdict.INFORM, said)


STATE_RULES: tuple[Rule, ...] = (
    check_enabled,
    check_lookup,
    check_labels,
    check_self,
    check_snooze,
    check_window,
)
CANDIDATE_RULES: tuple[Rule, ...] = (
    check_owner,
    check_mode,
    check_level,
    check_age,
    check_earlier,
    check_skip,
    check_open_update,
    check_vulnerabilities,
    check_total,
    check_end_of_life,
    check_secrets,
    check_platforms,
    check_excused,
    check_fast_track,
    check_signature,
    check_advice,
)


def _published(subject: DecisionSubject, now: datetime) -> datetime | None:
    published = subject.offered.published_at
    if published is not None and _FIRST_IMAGE <= published <= now:
        return published
    return subject.first_seen_at


def _ended_at(update: EarlierUpdate) -> datetime:
    return update.ended_at


def _told(update: EarlierUpdate) -> str:
    reason = f" ({update.reason})" if update.reason else ""
    return f"{_worded(update.status)} at {_said(update.ended_at)}{reason}"


def _worded(status: UpdateStatus) -> str:
    return status.value.replace("_", " ")


def _said(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M %Z}"
