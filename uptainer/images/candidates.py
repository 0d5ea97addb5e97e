"""The choice among a repository's tags: the best one on each level, and why there is none. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from uptainer.core.enums import ChangeLevel
from uptainer.images.tag_policy import LEVELS, TagPolicy
from uptainer.images.versions import Kind, Shape, Version, read_version


@dataclass(frozen=True, slots=True)
class Choice:
    """`ranked` holds the newer tags that are allowed, on each level the best one first; `reason` is for people."""

    ranked: Mapping[ChangeLevel, tuple[str, ...]]
    reason: str


def choose_tags(current: str, tags: Iterable[str], policy: TagPolicy) -> Choice:
    """Which of a repository's tags could replace `current` under this policy."""
    if policy.level is ChangeLevel.DIGEST or not policy.follows_versions:
        return Choice({}, "the policy follows no versions: only the tag's own digest is compared")
    running = policy.read(current)
    if running is None:
        return Choice({}, f"{current!r} names no version: only its own digest is compared")
    newer = _newer_versions(running, {tag: policy.read(tag) for tag in tags if tag != current})
    admitted = {tag: version for tag, version in newer.items() if policy.admits(tag)}
    ranked = _rank(running, admitted, policy)
    return Choice(
        ranked, "" if ranked else _why_none(_Sight(current, running, newer, admitted, policy), tags)
    )


def _newer_versions(running: Version, read: Mapping[str, Version | None]) -> dict[str, Version]:
    """Newer versions of the same shape; a pre-release counts only for someone who runs one."""
    return {
        tag: version
        for tag, version in read.items()
        if version
        and version.is_newer_than(running)
        and (version.prerelease is None or running.prerelease is not None)
    }


def _rank(
    running: Version, admitted: Mapping[str, Version], policy: TagPolicy
) -> dict[ChangeLevel, tuple[str, ...]]:
    newest_first = sorted(admitted, key=lambda tag: (admitted[tag].order, tag), reverse=True)
    ranked: dict[ChangeLevel, tuple[str, ...]] = {}
    for level in LEVELS:
        found = tuple(tag for tag in newest_first if admitted[tag].level_above(running) is level)
        if found and policy.allows(level):
            ranked[level] = found
    return ranked


@dataclass(frozen=True, slots=True)
class _Sight:
    current: str
    running: Version
    newer: Mapping[str, Version]
    admitted: Mapping[str, Version]
    policy: TagPolicy


def _why_none(sight: _Sight, tags: Iterable[str]) -> str:
    if sight.admitted:
        newest = max(sight.admitted, key=lambda tag: sight.admitted[tag].order)
        level = sight.admitted[newest].level_above(sight.running)
        return f"the newest is {newest}, a {level} change, and the policy follows {sight.policy.level} changes at most"
    if sight.newer:
        newest = max(sight.newer, key=lambda tag: sight.newer[tag].order)
        return f"the include and exclude patterns do not admit what is newer ({newest})"
    reason = f"no newer tag of the same shape as {sight.current}"
    other = _newest_of_another_suffix(sight.running, tags, sight.policy)
    return f"{reason}; with another suffix there is {other}" if other else reason


def _newest_of_another_suffix(running: Version, tags: Iterable[str], policy: TagPolicy) -> str | None:
    """What a person would want to know of: `1.28-alpine3.20` for someone who stays on `1.27-alpine3.19`."""
    if not running.shape.suffix:
        return None
    kinds = _without_digits(running.shape)
    read = (policy.read(tag) for tag in tags if policy.admits(tag))
    related = [
        version
        for version in read
        if version
        and version.shape != running.shape
        and _without_digits(version.shape) == kinds
        and version.numbers > running.numbers
        and version.prerelease is None
    ]
    return max(related, key=lambda version: (version.order, version.tag)).tag if related else None


def _without_digits(shape: Shape) -> tuple[str, str, str, str]:
    suffix = "".join(char for char in shape.suffix if not (char.isdigit() or char == "."))
    return shape.kind, shape.prefix, shape.numbers, suffix


def plausible_versions(tag: str, tags: Iterable[str], policy: TagPolicy, *, limit: int) -> tuple[str, ...]:
    """The version tags that a moving tag most likely stands for, the newest first.

    For `1.27-alpine` those that say it with more parts; for `latest` the releases without a suffix.
    """
    running = policy.read(tag)
    read = (policy.read(other) for other in tags if other != tag)
    fitting = [
        version
        for version in read
        if version
        and version.prerelease is None
        and (running.is_narrowed_by(version) if running else _may_be_meant_by(tag, version))
    ]
    fitting.sort(key=lambda version: (version.shape.kind is Kind.DOTTED, version.order), reverse=True)
    return tuple(version.tag for version in fitting[:limit])


def says_more(tag: str, version: str, policy: TagPolicy) -> bool:
    """Whether a version (of a label) tells more than the tag: `1.27.4` does for `1.27` and `latest`, not for `2`.

    A label that contradicts the tag was inherited from a base image, and says nothing of this one.
    """
    running, labelled = policy.read(tag), read_version(version)
    if labelled is None or running is None:
        return labelled is not None
    more = len(labelled.numbers) > len(running.numbers)
    return more and labelled.numbers[: len(running.numbers)] == running.numbers


def _may_be_meant_by(tag: str, version: Version) -> bool:
    """`bookworm` may mean `bookworm-20240110`, `stable-alpine` and `alpine` may mean `1.27.4-alpine`."""
    first, dash, rest = tag.partition("-")
    suffix = dash + rest if first in _MOVING_NAMES else f"-{tag}"
    named = version.shape.prefix == f"{tag}-" and not version.shape.suffix
    return named or (version.shape.prefix in {"", "v"} and version.shape.suffix == suffix)


_MOVING_NAMES = frozenset(
    {"latest", "stable", "mainline", "release", "current", "lts", "main", "master", "edge"}
)
