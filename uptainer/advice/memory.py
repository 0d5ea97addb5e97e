"""What is remembered of the hosts with release notes: which API they speak, until when not to ask, what they said."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from uptainer.advice.notes import Release
from uptainer.core.enums import Forge


@dataclass(frozen=True, slots=True)
class KnownHost:
    """`recognised_at` is None before it was asked which API it speaks; `forge` is None where it speaks none we know."""

    forge: Forge | None = None
    recognised_at: datetime | None = None
    paused_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class KnownPage:
    """One page of releases with its ETag; `more` says that another page follows."""

    etag: str
    releases: tuple[Release, ...]
    more: bool


class ReleaseMemory(Protocol):
    """Shared by whoever asks, so that a host is not asked twice for what is known, nor while it said "not now"."""

    async def host(self, name: str) -> KnownHost: ...
    async def recognised(self, name: str, forge: Forge | None, now: datetime) -> None: ...
    async def paused(self, name: str, until: datetime) -> None: ...
    async def page(self, url: str) -> KnownPage | None: ...
    async def keep(self, url: str, page: KnownPage, now: datetime) -> None: ...


@dataclass(slots=True)
class ProcessMemory:
    """For as long as the process lives."""

    hosts: dict[str, KnownHost] = field(default_factory=dict)
    pages: dict[str, KnownPage] = field(default_factory=dict)

    async def host(self, name: str) -> KnownHost:
        return self.hosts.get(name, KnownHost())

    async def recognised(self, name: str, forge: Forge | None, now: datetime) -> None:
        self.hosts[name] = KnownHost(forge, now, (await self.host(name)).paused_until)

    async def paused(self, name: str, until: datetime) -> None:
        known = await self.host(name)
        self.hosts[name] = KnownHost(known.forge, known.recognised_at, until)

    async def page(self, url: str) -> KnownPage | None:
        return self.pages.get(url)

    async def keep(self, url: str, page: KnownPage, now: datetime) -> None:  # noqa: ARG002 -- the database's own keeps the time
        self.pages[url] = page
