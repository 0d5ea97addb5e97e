"""What a copy of a container may not take over, on Docker and on Podman alike. Pure."""

from collections.abc import Mapping, Sequence

from uptainer.core.errors import RefusedError
from uptainer.runtimes.copies import Copy

_OF_OTHERS = ("com.docker.compose.", "io.podman.compose.", "com.docker.swarm.", "com.docker.stack.")
_UNIT = "PODMAN_SYSTEMD_UNIT"


def labels(given: Mapping[str, str], wanted: Copy) -> dict[str, str]:
    """Without those by which a compose tool or systemd would take it for its own."""
    kept = {name: value for name, value in given.items() if not name.startswith(_OF_OTHERS) and name != _UNIT}
    return kept | mark(wanted)


def mark(wanted: Copy) -> dict[str, str]:
    return {Copy.LABEL: wanted.mark}


def marks(labels: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Of those that were made for copies, by name; given are the labels of all."""
    return {name: each[Copy.LABEL] for name, each in labels.items() if Copy.LABEL in each}


def refuse_taken(name: str, *, is_taken: bool, volumes: Sequence[str]) -> None:
    if is_taken:
        raise RefusedError(f"there is a container named {name} already: choose another name")
    if volumes:
        raise RefusedError(
            f"there are volumes already of the names that {name} would get ({', '.join(volumes)}): choose another name, "
            "or remove them"
        )


def refuse_sharing(volumes_from: Sequence[str] | None, name: str) -> None:
    if volumes_from:
        raise RefusedError(
            f"{name} would write to the volumes of {', '.join(volumes_from)}, which it has with --volumes-from: make it by "
            "hand, and restore into it"
        )
