"""The labels and annotations of a workload that say something of its updates, as one container has them. Pure.

A label's value is short and may hold few signs, so the same name may stand as an annotation. On a workload with several
containers, the annotation `uptainer.level/app` is for the container `app` alone, and wins there.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from uptainer.runtimes.kubernetes.templates import template_of

Json = Mapping[str, Any]

PREFIX = "uptainer."
_OURS = "uptainer.io/"
"""Notes that we write ourselves."""
_SYSTEM = ("kubernetes.io", "k8s.io")
_SHOWN = "app.kubernetes.io/"
_LIMIT = 1024


def labels_of(workload: Json, container: str) -> dict[str, str]:
    """What stands on the workload counts more than what stands on its template, and an annotation more than a label."""
    merged: dict[str, str] = {}
    for holder in (template_of(workload).get("metadata") or {}, workload["metadata"]):
        merged |= holder.get("labels") or {}
        merged |= dict(_told(holder.get("annotations") or {}))
    general = {name: value for name, value in merged.items() if not _is_special(name)}
    special = {
        name.partition("/")[0]: value
        for name, value in merged.items()
        if _is_special(name) and name.partition("/")[2] == container
    }
    return general | special


def _told(annotations: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Without what the system notes for itself, which may be whole manifests with what is secret in them."""
    for name, value in annotations.items():
        domain = name.partition("/")[0] if "/" in name else ""
        system = domain.endswith(_SYSTEM) and not name.startswith(_SHOWN)
        if not system and not name.startswith(_OURS) and len(value) <= _LIMIT:
            yield name, value


def _is_special(name: str) -> bool:
    return name.startswith(PREFIX) and "/" in name
