import pytest
from hypothesis import given
from hypothesis import strategies as st

from uptainer.core.enums import ScanStatus, Severity
from uptainer.core.errors import InvalidInputError
from uptainer.core.findings import Scan, Vulnerability, count_by_severity
from uptainer.scanning.differences import comparable, compare, describe, difference

LOW, MEDIUM, HIGH, CRITICAL = Severity.LOW, Severity.MEDIUM, Severity.HIGH, Severity.CRITICAL


def found(
    identifier: str,
    package: str = "openssl",
    severity: Severity = HIGH,
    target: str = "app",
    version: str = "1",
) -> Vulnerability:
    return Vulnerability(identifier, package, version, "", severity, target=target)


def test_what_only_the_candidate_has_is_new_and_what_only_runs_is_fixed() -> None:
    change = difference([found("CVE-1"), found("CVE-2")], [found("CVE-2"), found("CVE-3")])
    assert (change.new, change.fixed, change.unchanged) == (
        (found("CVE-3"),),
        (found("CVE-1"),),
        (found("CVE-2"),),
    )
    assert change.worse == ()


def test_the_same_cve_in_another_package_is_another_one() -> None:
    change = difference([found("CVE-1", "libssl3")], [found("CVE-1", "libcrypto3")])
    assert [v.package for v in change.new] == ["libcrypto3"]
    assert [v.package for v in change.fixed] == ["libssl3"]


def test_a_newer_version_of_the_package_does_not_make_it_new() -> None:
    change = difference([found("CVE-1", version="1")], [found("CVE-1", version="2")])
    assert change.unchanged == (found("CVE-1", version="2"),)


@pytest.mark.parametrize(
    ("was", "now", "is_worse"), [(MEDIUM, CRITICAL, True), (CRITICAL, LOW, False), (HIGH, HIGH, False)]
)
def test_only_a_higher_severity_is_worse(was: Severity, now: Severity, is_worse: bool) -> None:
    before, after = found("CVE-1", severity=was), found("CVE-1", severity=now)
    change = difference([before], [after])
    assert change.worse == (((before, after),) if is_worse else ())
    assert change.unchanged == (() if is_worse else (after,))


def test_one_that_stands_in_several_targets_counts_once_at_its_worst() -> None:
    twice = [found("CVE-1", target="a.jar", severity=LOW), found("CVE-1", target="b.jar", severity=HIGH)]
    assert difference([], twice).new == (twice[1],)
    assert difference(twice, twice[1:]).fixed == ()
    assert difference(twice[:1], twice).worse == ((twice[0], twice[1]),)


def test_the_worst_stand_first() -> None:
    change = difference([], [found("CVE-1", severity=LOW), found("CVE-2", severity=CRITICAL), found("CVE-3")])
    assert [v.severity for v in change.new] == [CRITICAL, HIGH, LOW]


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ([], [], "no known vulnerabilities"),
        ([found("1")], [found("1")], "leaves 1 high as they are"),
        (
            [
                found("1", severity=CRITICAL),
                found("2", severity=CRITICAL),
                found("3"),
                found("4"),
                found("5"),
            ],
            [found("9", severity=MEDIUM)],
            "fixes 2 critical, 3 high; brings 1 medium",
        ),
        ([found("1", severity=LOW)], [found("1", severity=HIGH)], "makes worse 1 high"),
        ([], [found("1", severity=Severity.UNKNOWN)], "brings 1 of unknown severity"),
    ],
)
def test_the_difference_is_told_in_a_sentence(
    before: list[Vulnerability], after: list[Vulnerability], sentence: str
) -> None:
    assert describe(difference(before, after)) == sentence


def test_severities_that_do_not_occur_are_not_counted() -> None:
    assert count_by_severity([found("1"), found("2"), found("3", severity=LOW)]) == {HIGH: 2, LOW: 1}


LISTS = st.lists(
    st.builds(
        found,
        st.sampled_from(["CVE-1", "CVE-2", "CVE-3"]),
        st.sampled_from(["a", "b"]),
        st.sampled_from(list(Severity)),
        st.sampled_from(["x", "y"]),
    )
)


@given(LISTS, LISTS)
def test_nothing_is_lost_and_nothing_stands_twice(
    before: list[Vulnerability], after: list[Vulnerability]
) -> None:
    change = difference(before, after)
    keys = [(v.id, v.package) for v in (*change.new, *change.unchanged, *(now for _, now in change.worse))]
    assert sorted(keys) == sorted({(v.id, v.package) for v in after})
    gone = {(v.id, v.package) for v in before} - {(v.id, v.package) for v in after}
    assert {(v.id, v.package) for v in change.fixed} == gone


@given(LISTS)
def test_an_image_differs_from_itself_in_nothing(vulnerabilities: list[Vulnerability]) -> None:
    change = difference(vulnerabilities, list(reversed(vulnerabilities)))
    assert (change.new, change.fixed, change.worse) == ((), (), ())


GOOD = Scan("sha256:a", "linux/amd64", ScanStatus.SUCCEEDED)


@pytest.mark.parametrize(
    "other",
    [
        Scan("sha256:b", "linux/amd64", ScanStatus.FAILED),
        Scan("sha256:b", "linux/amd64", ScanStatus.UNAVAILABLE),
        Scan("sha256:b", "linux/arm64", ScanStatus.SUCCEEDED),
    ],
)
def test_what_was_not_looked_at_is_not_called_fixed(other: Scan) -> None:
    assert not comparable(GOOD, other)
    with pytest.raises(InvalidInputError, match="cannot be compared"):
        compare(GOOD, other)
    with pytest.raises(InvalidInputError, match="cannot be compared"):
        compare(other, GOOD)


def test_a_scan_that_is_missing_compares_with_nothing() -> None:
    assert not comparable(None, GOOD)
    assert not comparable(GOOD, None)
