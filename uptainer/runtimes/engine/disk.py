"""The disk of an engine's machine."""

from uptainer.core.errors import UnsupportedError
from uptainer.runtimes.engine.client import Engine


def free_bytes(engine: Engine, folder: str) -> int:
    """Of the disk that the folder is on. Source: df(1) of GNU coreutils.

    Raises:
        UnsupportedError: no command can be run there, or none that sees the folder.
        UnreachableError: it does not end.
    """
    ran = engine.run(("df", "--block-size=1", "--output=avail", "--", folder))
    _, _, free = ran.output.strip().rpartition("\n")
    if ran.exit_code != 0 or not free.strip().isdecimal():
        raise UnsupportedError(f"df does not say how much of {folder} on {engine.address.name} is free")
    return int(free)
