"""Which engine a host stands for: what was found, approved and backed up on one is not for the next at its address."""

import re

from uptainer.core.errors import RefusedError
from uptainer.core.workloads import EngineFacts
from uptainer.store.models import ContainerHost

_SHA256 = re.compile(r"[0-9a-f]{64}")


def refuse_other(host: ContainerHost, facts: EngineFacts) -> None:
    """Of a host that was never read nothing is known.

    Raises:
        RefusedError: the engine that answers is another one than the host stands for.
    """
    known, given = _mark(host.engine_id or ""), _mark(facts.id)
    if known and given and known != given:
        block = f" --block {host.block}" if host.block else ""
        raise RefusedError(
            f"another engine answers at {host.url} than the one that host {host.name!r} stands for (engine id "
            f"{facts.id}, and not {host.engine_id}): if it is the right one, add it anew: "
            f"`uptainer host add {host.name} {host.url}{block}`"
        )


def _mark(engine_id: str) -> str:
    """What stays of an engine's id while its machine is renamed; a Podman has only its machine's name.

    "" for a cluster that is known by its address only, for we may see nothing in it that would tell it from another.
    """
    first, *rest = engine_id.split(" ")
    if first == "podman" and rest:
        return rest[0]
    return "" if _SHA256.fullmatch(first) else first
