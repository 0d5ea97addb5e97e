import pickle

import pytest

from uptainer.core.enums import ChangeLevel
from uptainer.core.errors import InvalidInputError
from uptainer.core.patterns import matches, transform_tag
from uptainer.images.tag_policy import TagPolicy
from uptainer.images.versions import Scheme


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"include": "("}, r"include pattern '\(' is refused: missing \)"),
        ({"exclude": "[a"}, r"exclude pattern '\[a' is refused: missing ]"),
        ({"include": "^(?=1)"}, "look-ahead and look-behind are not known to RE2"),
        ({"include": "(a)\\1"}, "invalid escape sequence"),
        ({"include": "a{2000}"}, "invalid repetition size"),
        ({"include": ""}, "1 to 1000 characters"),
        ({"include": "a" * 1001}, "1 to 1000 characters, not 1001"),
        ({"transform": "v(.*)"}, "PATTERN => REPLACEMENT"),
        ({"transform": "=> $1"}, "PATTERN => REPLACEMENT"),
        ({"transform": "(a => $1"}, "transform pattern '\\(a' is refused"),
        ({"transform": "(a)b => $2"}, r"uses \$2, and its pattern has 1 group"),
        ({"scheme": "roman"}, "choose one of auto, semver, calver, numeric, digest"),
        ({"level": "everything"}, "choose one of digest, patch, minor, major"),
        ({"level": "unordered"}, "choose one of digest, patch, minor, major"),
    ],
)
def test_a_policy_that_cannot_work_is_refused_and_says_why(settings: dict[str, str], fault: str) -> None:
    with pytest.raises(InvalidInputError, match=fault):
        TagPolicy.compile(**settings)  # type: ignore[arg-type]  # -- the table holds only texts


def test_a_policy_says_which_changes_it_follows() -> None:
    policy = TagPolicy.compile(level="minor")

    assert [level for level in ChangeLevel if policy.allows(level)] == ["digest", "patch", "minor"]
    assert policy.follows_versions
    assert not TagPolicy.compile().follows_versions
    assert not TagPolicy.compile(scheme="digest", level="major").follows_versions


@pytest.mark.parametrize(
    ("include", "exclude", "tag", "admitted"),
    [
        (None, None, "1.27", True),
        ("^1\\.", None, "1.27", True),
        ("^1\\.", None, "2.0", False),
        ("alpine", None, "1.27-alpine3.19", True),
        (None, "rc|beta", "1.28-rc1", False),
        (None, "rc|beta", "1.28", True),
        ("^1", "rc", "1.28-rc1", False),
    ],
)
def test_patterns_say_which_tags_may_be_candidates(
    include: str | None, exclude: str | None, tag: str, admitted: bool
) -> None:
    assert TagPolicy.compile(include=include, exclude=exclude).admits(tag) is admitted


@pytest.mark.parametrize(
    ("transform", "tag", "result"),
    [
        (r"^version-(.*)$ => $1", "version-1.2.3", "1.2.3"),
        (r"^(\d+)_(\d+)$ => $1.$2", "1_2", "1.2"),
        (r"^(\d+\.\d+)-alpine[0-9.]+$ => $1-alpine", "1.27-alpine3.19", "1.27-alpine"),
        (r"^(a)|(b)$ => x$1", "b", "x"),
        (r"^v => $0", "1.2", "1.2"),
    ],
)
def test_a_transform_rewrites_what_it_matches_and_leaves_the_rest(
    transform: str, tag: str, result: str
) -> None:
    assert transform_tag(transform, tag) == result


def test_a_transformed_version_keeps_the_name_of_its_tag() -> None:
    policy = TagPolicy.compile(transform=r"^build_(\d+)_(\d+)$ => $1.$2")
    read = policy.read("build_4_7")

    assert read is not None
    assert (read.tag, read.numbers) == ("build_4_7", (4, 7))


def test_a_pattern_that_hangs_other_engines_is_answered_at_once() -> None:
    assert not matches("^(a+)+$", "include", "a" * 127 + "!")
    assert not matches("(.*a){50}(.*b){50}c", "include", "ab" * 64)


def test_a_policy_is_a_value() -> None:
    policy = TagPolicy.compile(include="^1", level="patch", scheme="semver")

    assert policy == TagPolicy.compile(include="^1", level="patch", scheme="semver")
    assert len({policy, TagPolicy.compile(include="^2", level="patch", scheme="semver")}) == 2
    assert pickle.loads(pickle.dumps(policy)) == policy
    assert policy.scheme is Scheme.SEMVER
