"""What of two scans counts for a decision: what was found, without what is excused and what the policy leaves out.

`docs/decisions/0023-excuses.md` says why it is left out here, and not when it is scanned.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from uptainer.core.errors import InvalidInputError
from uptainer.core.findings import SEVERITY_ORDER, Scan, Secret, Vulnerability
from uptainer.core.reference import Reference
from uptainer.policy.identity import ImageIdentity
from uptainer.policy.subjects import DecisionSubject

Counts = Callable[[Vulnerability], bool]


@dataclass(frozen=True, slots=True)
class Excused:
    """What does not count and why, or what counts again and since when."""

    what: str
    why: str


def brought(subject: DecisionSubject, now: datetime) -> tuple[Vulnerability, ...]:
    """What the candidate adds and that counts; one that got a worse severity counts as brought at the new one."""
    difference, scan = subject.difference, subject.candidate_scan
    if difference is None:
        return ()
    added = (*difference.new, *(after for _, after in difference.worse))
    return tuple(_counting(added, scan, _in_candidate(subject, now)))


def fixed(subject: DecisionSubject, now: datetime) -> tuple[Vulnerability, ...]:
    """What it removes of what counts: what is excused in what runs is no reason to hurry."""
    if subject.difference is None:
        return ()
    image, excuses = running_image(subject), subject.excuses
    return tuple(
        _counting(
            subject.difference.fixed, subject.running_scan, lambda each: not excuses.of(each, image, now)
        )
    )


def present(subject: DecisionSubject, now: datetime) -> tuple[Vulnerability, ...]:
    """All that the candidate has and that counts, by CVE and package, each at its worst severity."""
    scan = subject.candidate_scan
    found = scan.vulnerabilities if scan is not None else ()
    worst: dict[tuple[str, str], Vulnerability] = {}
    for each in filter(_in_candidate(subject, now), found):
        worst[_key(each)] = max(each, worst.get(_key(each), each), key=_badness)
    return tuple(worst.values())


def urgency_of(subject: DecisionSubject, now: datetime) -> int:
    """How bad the worst is that it fixes: 4 critical, 3 high, 2, 1, and 0 for none."""
    return max((_badness(each) for each in fixed(subject, now)), default=0)


def secrets(subject: DecisionSubject, now: datetime) -> tuple[Secret, ...]:
    """Those of the candidate that count."""
    scan = subject.candidate_scan
    image, excuses = candidate_image(subject), subject.excuses
    found = scan.found_secrets if scan is not None else ()
    return tuple(each for each in found if not excuses.of_secret(each, image, now))


def excused(subject: DecisionSubject, now: datetime) -> tuple[Excused, ...]:
    """All in the candidate that is excused, the worst first."""
    image, excuses = candidate_image(subject), subject.excuses
    return _told(
        subject, lambda each: excuses.of(each, image, now), lambda each: excuses.of_secret(each, image, now)
    )


def lapsed(subject: DecisionSubject, now: datetime) -> tuple[Excused, ...]:
    """All in the candidate that was allowed once and is excused by nothing now."""
    image, excuses = candidate_image(subject), subject.excuses
    return _told(
        subject,
        lambda each: (
            "" if excuses.of(each, image, now) else excuses.lapsed(each.id, each.package, image, now)
        ),
        lambda each: (
            "" if excuses.of_secret(each, image, now) else excuses.lapsed(each.rule, each.file, image, now)
        ),
    )


def running_image(subject: DecisionSubject) -> ImageIdentity:
    container, scan = subject.container, subject.running_scan
    try:
        reference = Reference.parse(container.image_reference)
    except InvalidInputError:
        reference = None
    pinned = [each.rpartition("@")[2] for each in container.repo_digests]
    return _identity(subject, reference, [container.image_id, *pinned], scan)


def candidate_image(subject: DecisionSubject) -> ImageIdentity:
    offered = subject.offered
    return _identity(subject, offered.reference, [offered.digest], subject.candidate_scan)


def _identity(
    subject: DecisionSubject, reference: Reference | None, digests: Iterable[str], scan: Scan | None
) -> ImageIdentity:
    """The architecture is what the scan says, else the container's own."""
    platform = subject.container.platform
    own = platform.architecture if platform else ""
    scanned = scan.platform.split("/")[1] if scan is not None and "/" in scan.platform else own
    known = [*digests, scan.digest if scan is not None else ""]
    return ImageIdentity(reference, frozenset(each for each in known if each), scanned)


def _in_candidate(subject: DecisionSubject, now: datetime) -> Counts:
    image, excuses = candidate_image(subject), subject.excuses
    only_fixable = subject.policy.only_fixable
    return lambda each: not (only_fixable and not each.fixed_version) and not excuses.of(each, image, now)


def _counting(found: Iterable[Vulnerability], scan: Scan | None, counts: Counts) -> Iterator[Vulnerability]:
    """A difference has one entry for all places of a CVE in a package; it counts while one of the places does."""
    places: dict[tuple[str, str], list[Vulnerability]] = {}
    for each in scan.vulnerabilities if scan is not None else ():
        places.setdefault(_key(each), []).append(each)
    for each in found:
        counting = [place for place in places.get(_key(each), [each]) if counts(place)]
        if counting:
            yield max(counting, key=_badness)


def _told(
    subject: DecisionSubject, why: Callable[[Vulnerability], str], why_secret: Callable[[Secret], str]
) -> tuple[Excused, ...]:
    scan = subject.candidate_scan
    if scan is None or not subject.excuses:
        return ()
    worst_first = sorted(scan.vulnerabilities, key=_badness, reverse=True)
    said = [Excused(f"{each.id} in {each.package}", why(each)) for each in worst_first]
    said += [Excused(f"{each.rule} in {each.place}", why_secret(each)) for each in scan.found_secrets]
    return tuple(dict.fromkeys(each for each in said if each.why))


def _key(vulnerability: Vulnerability) -> tuple[str, str]:
    return vulnerability.id, vulnerability.package


def _badness(vulnerability: Vulnerability) -> int:
    return SEVERITY_ORDER.index(vulnerability.severity)
