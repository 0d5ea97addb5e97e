import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uptainer.core.enums import ChangeLevel
from uptainer.images.versions import Kind, Scheme, Version, read_version


def version(tag: str, scheme: Scheme = Scheme.AUTO) -> Version:
    read = read_version(tag, scheme)
    assert read is not None, f"{tag} is a version"
    return read


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("1.2.3", "1.2.4"),
        ("1.9", "1.10"),
        ("v1.9.0", "v1.10.0"),
        ("1.27-alpine", "1.28-alpine"),
        ("1.27.0-alpine3.19", "1.27.1-alpine3.19"),
        ("1.0.0-rc1", "1.0.0"),
        ("1.0.0-alpha", "1.0.0-beta"),
        ("1.0.0-beta.2", "1.0.0-beta.11"),
        ("1.0.0-beta", "1.0.0-beta.1"),
        ("1.0.0-dev", "1.0.0-alpha.1"),
        ("1.0.0-beta9", "1.0.0-rc1"),
        ("3.13.0b4-slim", "3.13.0rc1-slim"),
        ("3.13.0rc1-slim", "3.13.0-slim"),
        ("1.0.0-SNAPSHOT", "1.0.0"),
        ("6.0.0.Beta2", "6.0.0.CR1"),
        ("1.2.3-ls9", "1.2.3-ls12"),
        ("1.2.3-ls12", "1.2.4-ls1"),
        ("5.14.0.8-ls45", "5.14.0.10-ls1"),
        ("1.40.0.7998-c29d4c0c8-ls200", "1.40.0.8395-c67dce28e-ls208"),
        ("1.2.3-debian-12-r3", "1.2.3-debian-12-r10"),
        ("6.0.1-2", "6.0.1-10"),
        ("17.0.9_9-jdk", "17.0.10_7-jdk"),
        ("8u392-b08-jdk", "8u402-b06-jdk"),
        ("2024.1.5", "2024.2.0"),
        ("2024.12.1", "2025.1.0"),
        ("2024.12.1", "2024.13.0"),
        ("24.04", "24.10"),
        ("20240131", "20240201"),
        ("2024-01-31", "2024-02-01"),
        ("bookworm-20240110", "bookworm-20240211"),
        ("jammy-20240111", "jammy-20240212"),
        ("RELEASE.2024-01-16T16-07-38Z", "RELEASE.2024-01-16T16-07-39Z"),
        ("alpine3.9", "alpine3.19"),
        ("php8.2-apache", "php8.10-apache"),
        ("amd64-1.2.3", "amd64-1.2.4"),
        ("16", "17"),
        ("1700000000", "1700000001"),
        ("9" * 100, "1" + "0" * 100),
        ("1.02", "1.3"),
    ],
)
def test_the_newer_of_two_tags_is_known(older: str, newer: str) -> None:
    assert version(newer).is_newer_than(version(older))
    assert not version(older).is_newer_than(version(newer))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1.27-alpine", "1.28"),
        ("1.27", "1.28-alpine"),
        ("1.27", "1.27.4"),
        ("1", "1.28"),
        ("1.2.3", "1.2.3.4"),
        ("1.2.3", "v1.2.4"),
        ("1.27-alpine3.19", "1.28-alpine3.20"),
        ("1.2.3", "1.2.4-ls1"),
        ("1.2.3-1", "1.2.3-20240101"),
        ("1.2.3-debian-11-r1", "1.2.3-debian-12-r2"),
        ("1.2.3", "2024.1.5"),
        ("16", "20240101"),
        ("16", "1700000000"),
        ("20240101", "1700000000"),
        ("20240101", "2024-01-02"),
        ("20240101", "20240101123000"),
        ("1.2.3", "20240101"),
        ("bookworm-20240101", "trixie-20240102"),
        ("amd64-1.2.3", "arm64-1.2.4"),
        ("8u392", "8.400"),
    ],
)
def test_tags_of_different_shapes_are_never_compared(one: str, other: str) -> None:
    first, second = version(one), version(other)

    assert not first.is_comparable_to(second)
    assert not first.is_newer_than(second)
    assert not second.is_newer_than(first)
    assert second.level_above(first) is ChangeLevel.UNORDERED


@pytest.mark.parametrize(
    "tag",
    [
        "latest", "alpine", "stable-slim", "a1b2c3d", "deadbeef1", "0123abc", "sha-1234567", "git-12", "pr-12",
        "1.1.1w", "2024a", "3d", "_", "-1", "main", "²3", "", "v",
        "4f1c9a0e5d7b8c6a4f1c9a0e5d7b8c6a4f1c9a0e",
        "1.27-\N{LATIN SMALL LETTER LONG S}napshot", "9" * 4400, "1.2-rc" + "9" * 4400, "1.27.4-\x1b[2J", "1.2\n",
    ],
)  # fmt: skip
def test_a_tag_that_names_no_version_is_none(tag: str) -> None:
    assert read_version(tag) is None


@pytest.mark.parametrize(
    ("older", "newer", "level"),
    [
        ("1.2.3", "2.0.0", ChangeLevel.MAJOR),
        ("1.2.3", "1.3.0", ChangeLevel.MINOR),
        ("1.2.3", "1.2.4", ChangeLevel.PATCH),
        ("1.2.3.4", "1.2.3.5", ChangeLevel.PATCH),
        ("1.27", "1.28", ChangeLevel.MINOR),
        ("16", "17", ChangeLevel.MAJOR),
        ("1.2.3-rc1", "1.2.3", ChangeLevel.PATCH),
        ("1.2.3-ls1", "1.2.3-ls2", ChangeLevel.PATCH),
        ("2024.1.5", "2024.2.0", ChangeLevel.MINOR),
        ("20240131", "20240201", ChangeLevel.MINOR),
        ("2024.12.1", "2025.1.0", ChangeLevel.MAJOR),
    ],
)
def test_the_first_number_that_differs_says_how_far_it_is(older: str, newer: str, level: ChangeLevel) -> None:
    assert version(newer).level_above(version(older)) is level


@pytest.mark.parametrize(
    ("scheme", "tag", "kind"),
    [
        (Scheme.AUTO, "24.04", Kind.DOTTED),
        (Scheme.CALVER, "24.04", Kind.CALENDAR),
        (Scheme.CALVER, "2024.1", Kind.CALENDAR),
        (Scheme.CALVER, "v120.1", None),
        (Scheme.SEMVER, "1.2.3", Kind.DOTTED),
        (Scheme.SEMVER, "20240101", None),
        (Scheme.SEMVER, "2024.1.5", None),
        (Scheme.SEMVER, "1700000000", None),
        (Scheme.NUMERIC, "16", Kind.SERIAL),
        (Scheme.NUMERIC, "20240101", Kind.SERIAL),
        (Scheme.NUMERIC, "1.2.3", Kind.SERIAL),
        (Scheme.DIGEST, "1.2.3", None),
    ],
)
def test_a_chosen_scheme_reads_its_own_kind_only(scheme: Scheme, tag: str, kind: Kind | None) -> None:
    read = read_version(tag, scheme)

    assert (read.shape.kind if read else None) is kind


@pytest.mark.parametrize("tag", ["20241399", "20240230", "19990000"])
def test_eight_digits_that_are_no_day_are_a_serial_number(tag: str) -> None:
    assert version(tag).shape.kind is Kind.SERIAL


@pytest.mark.parametrize(
    ("tag", "other", "narrowed"),
    [
        ("1", "1.27.4", True),
        ("1.27-alpine", "1.27.4-alpine", True),
        ("1.27-alpine", "1.27.4", False),
        ("1.2", "1.27.4", False),
        ("1.27.4", "1.27", False),
        ("v1", "v1.2.3", True),
    ],
)
def test_a_moving_tag_is_narrowed_by_a_longer_version(tag: str, other: str, narrowed: bool) -> None:
    assert version(tag).is_narrowed_by(version(other)) is narrowed


_numbers = st.lists(st.integers(0, 10**12), min_size=1, max_size=4).map(
    lambda parts: ".".join(map(str, parts))
)
_prereleases = st.sampled_from(["", "", "-rc1", "-rc.2", "-beta", "-alpha.1", "-b3", "-dev", "-rc10"])
_suffixes = st.sampled_from(["", "", "-alpine", "-alpine3.19", "-slim-bookworm", "-debian-12"])
_counters = st.sampled_from(["", "", "-ls1", "-ls12", "-r3"])
_tags = st.builds(
    "".join, st.tuples(st.sampled_from(["", "v", "release-"]), _numbers, _prereleases, _suffixes, _counters)
)
_versions = _tags.map(version)


@given(_versions, _versions)
def test_of_two_versions_at_most_one_is_newer(one: Version, other: Version) -> None:
    assert not (one.is_newer_than(other) and other.is_newer_than(one))
    if one.is_comparable_to(other) and one.order != other.order:
        assert one.is_newer_than(other) or other.is_newer_than(one)


@given(_versions, _versions, _versions)
def test_newer_than_a_newer_one_is_newer(one: Version, two: Version, three: Version) -> None:
    if one.is_newer_than(two) and two.is_newer_than(three):
        assert one.is_newer_than(three)


@given(_versions, _versions, _suffixes)
def test_no_order_ever_crosses_a_suffix_or_a_number_of_parts(
    one: Version, other: Version, suffix: str
) -> None:
    if other.is_newer_than(one):
        assert other.shape.suffix == one.shape.suffix
        assert len(other.numbers) == len(one.numbers)
    moved = version(other.tag + suffix)
    assert moved.is_newer_than(one) <= (moved.shape.suffix == one.shape.suffix)


@given(_versions)
def test_a_version_is_not_newer_than_itself(one: Version) -> None:
    assert not one.is_newer_than(one)


@given(st.from_regex(re.compile(r"\w[\w.-]{0,127}", re.ASCII), fullmatch=True))
def test_any_tag_is_read_or_is_no_version(tag: str) -> None:
    for scheme in Scheme:
        read = read_version(tag, scheme)
        if read:
            assert read.tag == tag
            assert not read.is_newer_than(read)
