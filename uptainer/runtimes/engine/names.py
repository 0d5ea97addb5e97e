"""The names of containers that Uptainer makes or keeps, and what each is there for.

They are the only mark on them: a label would make the new container differ from the old one.
"""

import re
from enum import StrEnum

_ANONYMOUS = re.compile(r"[0-9a-f]{64}")
_SHORT = 12
_OURS = re.compile(r"uptainer-(new|old|helper|test)-(.+)-([0-9a-f]{12})")


class Role(StrEnum):
    """NEW stands beside the one it will replace, OLD is kept for the way back, HELPER moves data and never runs, TEST is a
    backup that is being tried.
    """

    NEW = "new"
    OLD = "old"
    HELPER = "helper"
    TEST = "test"


def name_of(role: Role, key: str, container_id: str) -> str:
    """`uptainer-old-web-0123456789ab`; the id is that of the container replaced, or helped."""
    return f"uptainer-{role.value}-{key}-{container_id[:_SHORT]}"


def role(name: str) -> Role | None:
    found = _OURS.fullmatch(name)
    return Role(found.group(1)) if found else None


def is_helper_of(name: str, key: str) -> bool:
    """Whether it moves data for this container, and not for one whose name only begins with the same."""
    return role(name) is Role.HELPER and name == name_of(Role.HELPER, key, name[-_SHORT:])


def is_passing(name: str) -> bool:
    """A container that is nobody's workload, and gone again in a moment."""
    return role(name) in (Role.HELPER, Role.TEST)


def short(container_id: str) -> str:
    """An id as the engine shortens it: the default host name, and the alias that it adds by itself."""
    return container_id[:_SHORT]


def is_anonymous(volume_name: str) -> bool:
    """An engine names a volume that nobody named by 64 hexadecimal digits."""
    return _ANONYMOUS.fullmatch(volume_name) is not None
