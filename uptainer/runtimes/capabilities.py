"""What can be done with each kind of workload: data that explains itself, read by commands, flows and the docs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from uptainer.core.errors import UnsupportedError


class Capability(StrEnum):
    UPDATE = "update"
    ROLL_BACK = "roll_back"
    START = "start"
    STOP = "stop"
    RESTART = "restart"
    PAUSE = "pause"
    UNPAUSE = "unpause"
    REMOVE = "remove"
    EXEC = "exec"
    INSPECT = "inspect"
    LOGS = "logs"
    BACK_UP_CONFIGURATION = "back_up_configuration"
    BACK_UP_VOLUMES = "back_up_volumes"
    RESTORE_VOLUMES = "restore_volumes"
    RECREATE = "recreate"
    COPY = "copy"
    KEEP_OLD = "keep_old"

    @property
    def participle(self) -> str:
        """After "it can't be"."""
        return _PARTICIPLES[self]


_PARTICIPLES: Mapping[Capability, str] = {
    Capability.UPDATE: "updated",
    Capability.ROLL_BACK: "rolled back",
    Capability.START: "started",
    Capability.STOP: "stopped",
    Capability.RESTART: "restarted",
    Capability.PAUSE: "paused",
    Capability.UNPAUSE: "unpaused",
    Capability.REMOVE: "removed",
    Capability.EXEC: "entered to run a command",
    Capability.INSPECT: "inspected",
    Capability.LOGS: "asked for its logs",
    Capability.BACK_UP_CONFIGURATION: "kept as a configuration",
    Capability.BACK_UP_VOLUMES: "backed up with its volumes",
    Capability.RESTORE_VOLUMES: "given its volumes' data back",
    Capability.RECREATE: "created again from its backup",
    Capability.COPY: "restored under another name",
    Capability.KEEP_OLD: "kept beside its successor",
}


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Of one kind of workload: everything but what is `refused`, and that with its reason, as a part of a sentence."""

    kind: str
    refused: Mapping[Capability, str] = field(default_factory=dict)

    def can(self, capability: Capability) -> bool:
        return capability not in self.refused

    def require(self, capability: Capability, key: str) -> None:
        """Raises UnsupportedError, with the reason, where it can't be done."""
        if reason := self.refused.get(capability):
            raise UnsupportedError(f"{key} can't be {capability.participle}: {reason}")


Table = Mapping[str, Mapping[Capability, str]]
"""By kind of workload."""


def capabilities_of(table: Table, kind: str) -> Capabilities:
    """Raises UnsupportedError for a kind that this runtime does not have."""
    if kind not in table:
        raise UnsupportedError(f"there is nothing of the kind {kind!r} here, only {', '.join(table)}")
    return Capabilities(kind, table[kind])
