"""The labels of Watchtower, WUD, Diun, Keel and Podman that mean the same here, so that no compose file need be touched.

A label stands in `FOREIGN` only where it means exactly what a field of ours means; one that would matter, and that
we do not do, stands in `NOT_FOLLOWED` with the reason, so that nobody relies on it unawares. The rest (icons, links,
how to notify) changes nothing about updates and is passed over.

Sources: containrrr.dev/watchtower (container selection, linked containers, lifecycle hooks, stop signals);
getwud.github.io/wud, watchers, labels; crazymax.dev/diun/providers/docker; keel.sh/docs, policies and approvals; podman-auto-update(1).
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

Meaning = Callable[[str], dict[str, Any]]

_WATCHTOWER = "com.centurylinklabs.watchtower"
_LONGEST_HOURS = 24 * 365
_KEEL_LEVELS = {"patch": "patch", "minor": "minor", "major": "major"}


def _flag(value: str) -> bool:
    match value.strip().lower():
        case "true" | "1" | "t":
            return True
        case "false" | "0" | "f":
            return False
    raise ValueError("it is neither true nor false")


def _enabled(value: str) -> dict[str, Any]:
    return {"enabled": _flag(value)}


def _monitor_only(value: str) -> dict[str, Any]:
    """False is the absence of a restriction, and sets nothing."""
    return {"mode": "notify"} if _flag(value) else {}


def _depends_on(value: str) -> dict[str, Any]:
    return {"depends_on": [name.strip().removeprefix("/") for name in value.split(",") if name.strip()]}


def _any_of(field: str) -> Meaning:
    """Diun's list, where one match is enough, as one pattern."""

    def read(value: str) -> dict[str, Any]:
        patterns = [pattern.strip() for pattern in value.split(";") if pattern.strip()]
        return {field: patterns[0] if len(patterns) == 1 else "|".join(f"(?:{each})" for each in patterns)}

    return read


def _field(name: str) -> Meaning:
    return lambda value: {name: value}


def _keel_policy(value: str) -> dict[str, Any]:
    word = value.strip().lower()
    if word == "never":
        return {"enabled": False}
    if word in _KEEL_LEVELS:
        return {"level": _KEEL_LEVELS[word]}
    raise ValueError(
        "only never, patch, minor and major mean the same here; use uptainer.level or uptainer.tags.include"
    )


def _keel_approvals(value: str) -> dict[str, Any]:
    word = value.strip()
    if word == "0":
        return {}
    if word == "1":
        return {"mode": "manual"}
    raise ValueError("an update is approved by one person here, not by several")


def _keel_deadline(value: str) -> dict[str, Any]:
    """In hours, within which somebody must have approved."""
    word = value.strip()
    if not word.isdecimal() or not 0 < int(word) <= _LONGEST_HOURS:
        raise ValueError(f"it is not a number of hours from 1 to {_LONGEST_HOURS}")
    return {"approval_expiry": timedelta(hours=int(word))}


def _podman_autoupdate(value: str) -> dict[str, Any]:
    """Podman follows the tag that the container has, and no other."""
    match value.strip().lower():
        case "registry" | "image":
            return {"level": "digest"}
        case "disabled" | "":
            return {"enabled": False}
    raise ValueError(
        "an image that is newer in the host's own storage only is not looked for here; "
        "use uptainer.enable=false to leave the container to podman auto-update"
    )


FOREIGN: dict[str, Meaning] = {
    f"{_WATCHTOWER}.enable": _enabled,
    f"{_WATCHTOWER}.monitor-only": _monitor_only,
    f"{_WATCHTOWER}.depends-on": _depends_on,
    "wud.watch": _enabled,
    "wud.tag.include": _field("tag_include"),
    "wud.tag.exclude": _field("tag_exclude"),
    "wud.tag.transform": _field("tag_transform"),
    "diun.enable": _enabled,
    "diun.include_tags": _any_of("tag_include"),
    "diun.exclude_tags": _any_of("tag_exclude"),
    "keel.sh/policy": _keel_policy,
    "keel.sh/approvals": _keel_approvals,
    "keel.sh/approvalDeadline": _keel_deadline,
    "io.containers.autoupdate": _podman_autoupdate,
}

_HOOK = "hooks are not run here"
NOT_FOLLOWED: dict[str, str] = {
    f"{_WATCHTOWER}.no-pull": "images are always pulled by digest here",
    f"{_WATCHTOWER}.stop-signal": "the container's own stop signal is used: set it with --stop-signal",
    f"{_WATCHTOWER}.lifecycle.pre-check": _HOOK,
    f"{_WATCHTOWER}.lifecycle.pre-update": _HOOK,
    f"{_WATCHTOWER}.lifecycle.post-update": _HOOK,
    f"{_WATCHTOWER}.lifecycle.post-check": _HOOK,
    "wud.trigger.include": "there are no triggers here: say with uptainer.mode what may happen",
    "wud.trigger.exclude": "there are no triggers here: say with uptainer.mode what may happen",
    "keel.sh/monitorContainers": "say uptainer.enable=false of the containers that it leaves out",
    "keel.sh/match-tag": "use uptainer.level=digest to stay on the tag",
    "keel.sh/matchTag": "use uptainer.level=digest to stay on the tag",
}


def is_foreign(label: str) -> bool:
    """Whether it is a label of another tool that has a meaning, or a lack of one, for updates here."""
    return label in FOREIGN or label in NOT_FOLLOWED
