import pytest

from uptainer.core.enums import ChangeLevel
from uptainer.images.candidates import choose_tags, plausible_versions, says_more
from uptainer.images.tag_policy import TagPolicy

NGINX = (
    "latest", "alpine", "1", "1.27", "1.27.2", "1.27.3", "1.27.4", "1.28.0", "1.28.1", "2.0.0", "2.1.0", "1.29.0-rc1",
    "1-alpine", "1.27-alpine", "1.28-alpine", "1.27.2-alpine", "1.27.4-alpine", "1.27.2-alpine3.20",
    "1.27.4-alpine3.21", "a1b2c3d", "20240101", "1700000000",
)  # fmt: skip


@pytest.mark.parametrize(
    ("current", "level", "best"),
    [
        ("1.27.2", "major", {"patch": "1.27.4", "minor": "1.28.1", "major": "2.1.0"}),
        ("1.27.2", "minor", {"patch": "1.27.4", "minor": "1.28.1"}),
        ("1.27.2", "patch", {"patch": "1.27.4"}),
        ("1.27-alpine", "major", {"minor": "1.28-alpine"}),
        ("1.27.2-alpine", "major", {"patch": "1.27.4-alpine"}),
        ("1.28.0", "major", {"patch": "1.28.1", "major": "2.1.0"}),
        ("1.29.0-rc0", "minor", {"patch": "1.29.0-rc1"}),
    ],
)
def test_the_best_tag_of_each_level_is_chosen(current: str, level: str, best: dict[str, str]) -> None:
    choice = choose_tags(current, NGINX, TagPolicy.compile(level=level))

    assert {str(level): tags[0] for level, tags in choice.ranked.items()} == best
    assert choice.reason == ""


def test_the_next_best_tags_come_behind_the_best() -> None:
    choice = choose_tags("1.27.2", NGINX, TagPolicy.compile(level="patch"))

    assert choice.ranked[ChangeLevel.PATCH] == ("1.27.4", "1.27.3")


@pytest.mark.parametrize(
    ("current", "settings", "reason"),
    [
        ("latest", {"level": "major"}, "'latest' names no version: only its own digest is compared"),
        ("1.27.2", {}, "the policy follows no versions: only the tag's own digest is compared"),
        ("1.28-alpine", {"level": "major"}, "no newer tag of the same shape as 1.28-alpine"),
        (
            "1.27.2-alpine3.20",
            {"level": "major"},
            "no newer tag of the same shape as 1.27.2-alpine3.20; with another suffix there is 1.27.4-alpine3.21",
        ),
        ("2.1.0", {"level": "major"}, "no newer tag of the same shape as 2.1.0"),
        (
            "1.28.1",
            {"level": "minor"},
            "the newest is 2.1.0, a major change, and the policy follows minor changes at most",
        ),
        (
            "1.28.1",
            {"level": "major", "exclude": "^2"},
            "the include and exclude patterns do not admit what is newer (2.1.0)",
        ),
    ],
)
def test_a_person_reads_why_there_is_no_candidate(
    current: str, settings: dict[str, str], reason: str
) -> None:
    choice = choose_tags(current, NGINX, TagPolicy.compile(**settings))  # type: ignore[arg-type]  # -- texts only

    assert (choice.ranked, choice.reason) == ({}, reason)


def test_a_release_is_never_followed_by_a_prerelease() -> None:
    policy = TagPolicy.compile(level="major")

    assert choose_tags("1.0.0", ["1.1.0-rc1", "2.0.0-beta.3"], policy).ranked == {}
    assert choose_tags("1.0.0-rc1", ["1.1.0-rc1"], policy).ranked == {ChangeLevel.MINOR: ("1.1.0-rc1",)}


def test_a_transform_brings_tags_of_two_bases_together() -> None:
    policy = TagPolicy.compile(level="minor", transform=r"^(.*)-alpine[0-9.]+$ => $1-alpine")

    assert choose_tags("1.27.2-alpine3.20", NGINX, policy).ranked == {
        ChangeLevel.PATCH: ("1.27.4-alpine3.21", "1.27.4-alpine")
    }


@pytest.mark.parametrize(
    ("tag", "plausible"),
    [
        ("1.27", ("1.27.4", "1.27.3", "1.27.2")),
        ("1.27-alpine", ("1.27.4-alpine", "1.27.2-alpine")),
        ("latest", ("2.1.0", "2.0.0", "1.28.1")),
        ("alpine", ("1.28-alpine", "1.27.4-alpine", "1.27.2-alpine")),
        ("1.27.4", ()),
    ],
)
def test_a_moving_tag_has_its_most_plausible_versions(tag: str, plausible: tuple[str, ...]) -> None:
    assert plausible_versions(tag, NGINX, TagPolicy(), limit=3) == plausible


@pytest.mark.parametrize(
    ("tag", "label", "says"),
    [
        ("latest", "1.27.4", True),
        ("1.27", "1.27.4", True),
        ("1.27-alpine", "1.27.4", True),
        ("1.27", "22.04", False),
        ("1.27.4", "1.27.4", False),
        ("latest", "unknown", False),
    ],
)
def test_a_version_label_counts_where_it_says_more_than_the_tag(tag: str, label: str, says: bool) -> None:
    assert says_more(tag, label, TagPolicy()) is says
