"""What a candidate changes, by CVE and package: the difference between two scans."""

from collections.abc import Iterable

from uptainer.core.enums import ScanStatus, Severity
from uptainer.core.errors import InvalidInputError
from uptainer.core.findings import SEVERITY_ORDER, Scan, ScanDifference, Vulnerability, count_by_severity

_Key = tuple[str, str]
_WORST_FIRST = tuple(reversed(SEVERITY_ORDER))


def comparable(running: Scan | None, candidate: Scan | None) -> bool:
    """Whether both sides were looked at, and on one platform: only then there is a difference to speak of."""
    return (
        running is not None
        and candidate is not None
        and running.status is ScanStatus.SUCCEEDED
        and candidate.status is ScanStatus.SUCCEEDED
        and running.platform == candidate.platform
    )


def compare(running: Scan, candidate: Scan) -> ScanDifference:
    """The difference between two scans that succeeded.

    Raises:
        InvalidInputError: one of them did not succeed, or they are of different platforms, so that a difference
            would say "fixed" of what nobody looked for.
    """
    if not comparable(running, candidate):
        raise InvalidInputError(
            f"the scans of {running.digest} ({running.status}, {running.platform}) and "
            f"{candidate.digest} ({candidate.status}, {candidate.platform}) cannot be compared"
        )
    return difference(running.vulnerabilities, candidate.vulnerabilities)


def difference(before: Iterable[Vulnerability], after: Iterable[Vulnerability]) -> ScanDifference:
    """By CVE and package. One that stands in several targets counts once, at its worst severity.

    One whose severity fell is unchanged, in its newer form: it is still there.
    """
    old, new = _by_key(before), _by_key(after)
    both = [(old[key], new[key]) for key in new if key in old]
    return ScanDifference(
        new=_sorted(new[key] for key in new if key not in old),
        fixed=_sorted(old[key] for key in old if key not in new),
        worse=tuple(sorted((pair for pair in both if _is_worse(*pair)), key=lambda pair: _rank(pair[1]))),
        unchanged=_sorted(now for was, now in both if not _is_worse(was, now)),
    )


def describe(change: ScanDifference) -> str:
    """One clause for a person: `fixes 2 critical, 3 high; brings 1 medium`."""
    clauses = [
        ("fixes", change.fixed),
        ("brings", change.new),
        ("makes worse", tuple(now for _, now in change.worse)),
    ]
    said = [f"{verb} {_enumerate(found)}" for verb, found in clauses if found]
    if said:
        return "; ".join(said)
    return (
        f"leaves {_enumerate(change.unchanged)} as they are"
        if change.unchanged
        else "no known vulnerabilities"
    )


def _enumerate(vulnerabilities: Iterable[Vulnerability]) -> str:
    return ", ".join(
        f"{number} {severity if severity is not Severity.UNKNOWN else 'of unknown severity'}"
        for severity, number in count_by_severity(vulnerabilities).items()
    )


def _by_key(vulnerabilities: Iterable[Vulnerability]) -> dict[_Key, Vulnerability]:
    best: dict[_Key, Vulnerability] = {}
    for vulnerability in vulnerabilities:
        key = (vulnerability.id, vulnerability.package)
        if key not in best or _rank(vulnerability) < _rank(best[key]):
            best[key] = vulnerability
    return best


def _is_worse(was: Vulnerability, now: Vulnerability) -> bool:
    return SEVERITY_ORDER.index(now.severity) > SEVERITY_ORDER.index(was.severity)


def _sorted(vulnerabilities: Iterable[Vulnerability]) -> tuple[Vulnerability, ...]:
    return tuple(sorted(vulnerabilities, key=_rank))


def _rank(vulnerability: Vulnerability) -> tuple[int, str, str, str, str]:
    worst_first = _WORST_FIRST.index(vulnerability.severity)
    return (
        worst_first,
        vulnerability.id,
        vulnerability.package,
        vulnerability.target,
        vulnerability.installed_version,
    )
