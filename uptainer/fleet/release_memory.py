"""What is remembered of the hosts with release notes, in the database that all workers share."""

from dataclasses import dataclass
from datetime import datetime

from anyio import to_thread

from uptainer.advice.memory import KnownHost, KnownPage
from uptainer.advice.notes import Release
from uptainer.core.enums import Forge
from uptainer.store.database import Database
from uptainer.store.repositories.release_hosts import ReleaseHostRepository


@dataclass(frozen=True, slots=True)
class SharedReleaseMemory:
    database: Database

    async def host(self, name: str) -> KnownHost:
        return await to_thread.run_sync(self._host, name)

    async def recognised(self, name: str, forge: Forge | None, now: datetime) -> None:
        await to_thread.run_sync(self._recognised, name, forge, now)

    async def paused(self, name: str, until: datetime) -> None:
        await to_thread.run_sync(self._paused, name, until)

    async def page(self, url: str) -> KnownPage | None:
        return await to_thread.run_sync(self._page, url)

    async def keep(self, url: str, page: KnownPage, now: datetime) -> None:
        await to_thread.run_sync(self._keep, url, page, now)

    def _host(self, name: str) -> KnownHost:
        with self.database.session() as session:
            row = ReleaseHostRepository(session).host(name)
            return KnownHost() if row is None else KnownHost(row.forge, row.recognised_at, row.paused_until)

    def _recognised(self, name: str, forge: Forge | None, now: datetime) -> None:
        with self.database.session() as session:
            ReleaseHostRepository(session).recognised(name, forge, now)

    def _paused(self, name: str, until: datetime) -> None:
        with self.database.session() as session:
            ReleaseHostRepository(session).paused(name, until)

    def _page(self, url: str) -> KnownPage | None:
        with self.database.session() as session:
            row = ReleaseHostRepository(session).page(url)
            if row is None:
                return None
            return KnownPage(row.etag, tuple(Release(*each) for each in row.releases), row.more)

    def _keep(self, url: str, page: KnownPage, now: datetime) -> None:
        releases = [(each.tag, each.title, each.body, each.url) for each in page.releases]
        with self.database.session() as session:
            ReleaseHostRepository(session).keep(url, page.etag, releases, now, more=page.more)
