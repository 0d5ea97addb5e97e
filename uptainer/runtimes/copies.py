"""What a runtime can have besides: making a second container of a configuration, with volumes of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Copy:
    """A container that is made from another's configuration under the name `name`.

    `volumes` are the names that its volumes get, by those that they had: new ones. The label of all that is made for it is
    `mark`, which nothing else has: so it is told from what is somebody else's. Without `ports` it publishes none. One that
    is `isolated` has no network and never starts by itself, and cannot write to the machine's own folders.
    """

    name: str
    volumes: Mapping[str, str]
    mark: str
    ports: bool = False
    isolated: bool = False

    LABEL: ClassVar[str] = "io.uptainer.copy"
    """None that a policy would be read from."""


@runtime_checkable
class Copies(Protocol):
    """A runtime that can make a container beside the one that its configuration is of."""

    def copy(self, configuration: Json, copy: Copy) -> None:
        """Make it and its volumes, empty and not started. What there is of one that fails is for `discard`.

        Raises:
            RefusedError: the name, or that of a volume, is taken; or it would use what is the other one's.
            NotFoundError: the image or a network is gone.
        """
        ...

    def free_bytes(self) -> int:
        """Of the disk that the volumes of a copy would lie on.

        Raises:
            UnsupportedError: that can't be asked there.
            UnreachableError.
        """
        ...

    def discard(self, mark: str) -> None:
        """Remove what has this mark: a copy, or what there is of it; it is no error that it is gone."""
        ...

    def trial_copies(self) -> Sequence[str]:
        """The marks of those that were made to try a backup, which are names (`names.Role.TEST`)."""
        ...
