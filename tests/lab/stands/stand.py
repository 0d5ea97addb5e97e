"""What a test needs from a runtime under test. What it asks of the engine is asked without the code under test."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from tests.lab.room import wait_until
from tests.lab.stands.releases import Behaviour, Release
from uptainer.core.secrets import HostSecret
from uptainer.core.workloads import HostAddress
from uptainer.runtimes.connections import connect
from uptainer.runtimes.port import Runtime

NAME = "web"
"""What the workload that is updated is called; others beside it are called otherwise."""


@dataclass(frozen=True, slots=True)
class Traits:
    """How this kind of workload differs, where a test has to know, and the table of capabilities does not say it.

    `keeps_data`: what is deployed has a volume at `/data` that outlives a replacement. `pulls_first`: an image that is
    missing shows while the workload still runs untouched. `patience`: how long a new one may take to prove itself.
    `lists_images`: the engine has a store of images that can be asked. `quick`: a replacement takes a second, so that
    every case can be tried.
    """

    keeps_data: bool = True
    pulls_first: bool = True
    lists_images: bool = True
    quick: bool = True
    patience: timedelta = timedelta(seconds=20)


@dataclass(frozen=True, slots=True)
class Copy:
    """One running copy of a workload as its engine tells of it; `digests` are by which registries know its image."""

    id: str
    digests: frozenset[str]


class Stand(Protocol):
    """`kind` is the workload's, as the table of capabilities names it. `nowhere` is an address where nobody answers."""

    name: str
    kind: str
    traits: Traits
    address: HostAddress
    secret: HostSecret | None
    nowhere: HostAddress

    def push(self, behaviour: Behaviour) -> Release:
        """A new image in the registry that this engine pulls from; the engine does not have it yet."""
        ...

    def deploy(self, name: str, release: Release) -> str:
        """Have it running, by the engine's own means; returns the key of its container."""
        ...

    def replace_by_hand(self, key: str, release: Release) -> None:
        """As somebody else would, who knows nothing of an update that is under way."""
        ...

    def running(self, key: str) -> tuple[Copy, ...]:
        """The copies that run for this key, and none that is on its way out or not there yet."""
        ...

    def leftovers(self, key: str) -> tuple[str, ...]:
        """By name, what else of this workload is there: old ones, new ones beside it, volumes of nobody."""
        ...

    def is_paused(self, key: str) -> bool: ...

    def has_crashed(self, key: str) -> bool:
        """The engine has seen it end by itself at least once."""
        ...

    def data(self, key: str) -> Mapping[str, str]:
        """The files in its volume."""
        ...

    def everything(self) -> Any:
        """All that a plan must not touch, for a comparison: workloads, images, volumes."""
        ...

    def clear(self) -> None:
        """Remove all workloads and their data; images stay."""
        ...

    def close(self) -> None: ...


def open_stand(stand: Stand) -> Runtime:
    """Through the front door; a context manager."""
    return connect(stand.address, stand.secret)


def has_exactly(stand: Stand, key: str, release: Release) -> bool:
    copies = stand.running(key)
    return len(copies) == 1 and release.digest in copies[0].digests and not stand.leftovers(key)


def assert_exactly(stand: Stand, key: str, release: Release) -> None:
    """One copy runs, of this release, and nothing else of the workload is there any more.

    What is on its way out may take its time: an engine ends it after the answer.
    """
    try:
        wait_until(
            lambda: has_exactly(stand, key, release), what=f"{key} was not {release}", timeout=240, pause=0.1
        )
    except TimeoutError as error:
        found = f"{stand.running(key)} and left over {stand.leftovers(key)}"
        raise AssertionError(f"{error}, but {found}") from None
