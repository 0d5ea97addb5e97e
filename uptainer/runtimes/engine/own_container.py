"""Whether a container is the one that this very process runs in."""

from pathlib import Path

from uptainer.core.errors import RefusedError

_MOUNTED_BY_ENGINE = frozenset({"/etc/hostname", "/etc/hosts", "/etc/resolv.conf", "/run/.containerenv"})
_MOUNTS_OF_THIS_PROCESS = Path("/proc/self/mountinfo")


def refuse_this_process(key: str, container_id: str) -> None:
    if _is_this_process(container_id):
        raise RefusedError(f"{key} is Uptainer itself, which can't stop itself and go on: do it by hand")


def _is_this_process(container_id: str) -> bool:
    """In a container, its own engine has mounted these files from the container's folder."""
    try:
        mounts = [line.split() for line in _MOUNTS_OF_THIS_PROCESS.read_text().splitlines()]
    except OSError:
        return False  # no Linux: containers run in a machine of their own, and this process is not in it
    return any(f"/{container_id}/" in each[3] for each in mounts if each[4] in _MOUNTED_BY_ENGINE)
