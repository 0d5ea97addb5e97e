"""What of a unit's container would not come back as it was, for the unit removes it and makes another. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from uptainer.core.errors import RefusedError
from uptainer.runtimes.engine import inspection
from uptainer.runtimes.podman.create_command import parse
from uptainer.runtimes.podman.dependants import find_dependants
from uptainer.runtimes.podman.discovery import is_infra
from uptainer.runtimes.podman.units import unit_of

Json = Mapping[str, Any]

_TAKES_WHAT_IS_HERE = frozenset({"", "missing", "never"})


def refuse_unnamed_volumes(target: Json, unit: str) -> None:
    unnamed = [each.destination for each in inspection.mounts(target) if each.anonymous]
    if unnamed:
        raise RefusedError(
            f"{inspection.key(target)}: {unit} would make it again without what is in its unnamed volumes "
            f"({', '.join(sorted(unnamed))}): name them in the unit's file"
        )


def refuse_own_pulls(target: Json, unit: str) -> None:
    command = parse(target["Config"].get("CreateCommand") or ())
    policy = (command.value("pull") if command else None) or ""
    if policy.lower() not in _TAKES_WHAT_IS_HERE:
        raise RefusedError(
            f"{inspection.key(target)}: {unit} pulls for itself (--pull {policy}) whatever its tag stands for when it starts, "
            "and not what was approved: write Pull=missing into the unit's file, and restart it"
        )


def refuse_companions(target: Json, unit: str, containers: Iterable[Json]) -> None:
    """Containers that could not stay while this one is removed, or that the same unit makes again too."""
    others = list(containers)
    needing = [each.container for each in find_dependants(target, others) if each.recreate]
    beside = [each for each in others if _is_made_with(each, target, unit)]
    if found := sorted({inspection.key(each) for each in (*needing, *beside)}):
        raise RefusedError(
            f"{inspection.key(target)} can't be updated by way of {unit}: {', '.join(found)} would be stopped with it, and "
            "not come back as it was"
        )


def _is_made_with(container: Json, target: Json, unit: str) -> bool:
    if container["Id"] == target["Id"] or is_infra(container) or container.get("IsService"):
        return False
    return unit_of(container["Config"].get("Labels") or {}) == unit
