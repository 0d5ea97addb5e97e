"""Who lives in whose network, processes or IPC: by its name or id, as one container names another. Pure.

A namespace ends with the container that has it: whoever else runs in its processes ends too, and in its network stays
in the old one, which leads nowhere, while the container that is started again has a new one.

Source: Docker Engine API, `HostConfig`; namespaces(7), pid_namespaces(7).
"""

from collections.abc import Iterable, Mapping
from typing import Any

from uptainer.core.errors import RefusedError
from uptainer.runtimes.engine import inspection, names

Json = Mapping[str, Any]

_KINDS = {"NetworkMode": "network", "IpcMode": "IPC namespace", "PidMode": "processes"}
_OF = "container:"


def shared_namespace(container: Json, provider: Json) -> str | None:
    """What of the provider's the container lives in, in words."""
    for field, kind in _KINDS.items():
        mode = container["HostConfig"].get(field) or ""
        if mode.startswith(_OF) and means(mode.removeprefix(_OF), provider):
            return kind
    return None


def means(named: str, container: Json) -> bool:
    short = names.short(container["Id"])
    return named in (inspection.key(container), container["Id"]) or (
        named.startswith(short) and container["Id"].startswith(named)
    )


def refuse_cutting_off(provider: Json, containers: Iterable[Json]) -> None:
    """Raises: RefusedError, where any of them that runs lives in a namespace that a stop would end."""
    key = inspection.key(provider)
    cut_off = [
        f"{inspection.key(each)} (its {kind})"
        for each in containers
        if inspection.is_up(each) and (kind := shared_namespace(each, provider))
    ]
    if cut_off:
        raise RefusedError(
            f"others that run live in {key}, and would be cut off when it is stopped and started again by itself: "
            f"{', '.join(sorted(cut_off))}. Stop them first, and start them again after it"
        )
