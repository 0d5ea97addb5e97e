"""Release notes, found by what an image says of itself and read from its project's releases."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import httpx

from uptainer.advice.fetching import Answer, Fetcher, Resolve, check_answer, wait_of
from uptainer.advice.forges import (
    KNOWN,
    MAX_BODY,
    PER_PAGE,
    PROBES,
    ReleaseHost,
    answers_as,
    check_root,
    headers_for,
    named,
    read_page,
    releases_url,
)
from uptainer.advice.memory import KnownPage, ProcessMemory, ReleaseMemory
from uptainer.advice.notes import Release, ReleaseNotes, fit, releases_between
from uptainer.advice.projects import ANY, Project, project_of
from uptainer.core.clock import utc_now
from uptainer.core.enums import Forge
from uptainer.core.errors import InvalidInputError, NotFoundError, RateLimitedError, TemporaryError

_MAX_PAGES = 5
_MAX_NOTES = 400_000
"""Characters of all releases together."""
_DEFAULT_PAUSE = timedelta(minutes=1)
_MAX_PAUSE = timedelta(days=1)
_ASKED_AGAIN = timedelta(days=7)
"""A server that spoke no API that we know may be another one by then."""


@dataclass(frozen=True, slots=True)
class ReleaseReader:
    """`hosts` says how each host that a label may name is asked; no other is, unless `*` is among them.

    A host's address is https, or plain http on loopback. `max_bytes` bounds one page of releases.
    """

    hosts: Mapping[str, ReleaseHost] = field(default_factory=lambda: dict(KNOWN))
    memory: ReleaseMemory = field(default_factory=ProcessMemory)
    timeout: timedelta = timedelta(seconds=30)
    max_bytes: int = 8 * 1024 * 1024
    clock: Callable[[], datetime] = utc_now
    resolve: Resolve | None = None

    def __post_init__(self) -> None:
        for name, host in self.hosts.items():
            if name != ANY:
                check_root(host.root)

    async def notes_for(
        self, labels: Mapping[str, str], before: str | None, after: str | None, *, name: str = ""
    ) -> ReleaseNotes:
        """The notes of the releases after version `before` up to version `after`; `name` is the image's last part.

        Raises:
            NotFoundError: the labels name no project, the version is not known, or there is no such release.
            InvalidInputError: the labels lead to a host that is not to be asked, or to nothing that is a project.
            RefusedError: they lead to a private address.
            AccessDeniedError: the token is wrong, or the project is not for it.
            RateLimitedError, UnreachableError: later, perhaps.
        """
        project = project_of(labels, self.hosts)
        if not after:
            raise NotFoundError(f"which version of {project} the candidate is, is not known")
        host = self.hosts.get(project.host) or ReleaseHost(f"https://{project.host}")
        fetcher = Fetcher(self.timeout, self.max_bytes, project.host not in self.hosts, self.resolve)
        async with fetcher.client() as client:
            visit = _Visit(self, fetcher, client, host, project)
            return await visit.read(before, after, name)


@dataclass(frozen=True, slots=True)
class _Visit:
    """One project, asked by one connection."""

    reader: ReleaseReader
    fetcher: Fetcher
    client: httpx.AsyncClient
    host: ReleaseHost
    project: Project

    async def read(self, before: str | None, after: str, name: str) -> ReleaseNotes:
        forge = self.host.forge or await self._forge()
        source = named(self.project, forge)
        releases: list[Release] = []
        chosen: tuple[Release, ...] = ()
        complete, fault = False, None
        for number in range(1, _MAX_PAGES + 1):
            page, missed = await self._page(forge, source, number)
            fault = fault or missed
            releases += page.releases
            chosen, complete = releases_between(releases, before, after, name=name)
            if complete or not page.more:
                break
        if not chosen and fault is not None:
            raise fault
        if not chosen:
            raise NotFoundError(f"{source} has published no notes for {after}")
        is_whole = all(len(release.body) <= MAX_BODY for release in chosen)
        fitted, left_out = fit(chosen, _MAX_NOTES)
        return ReleaseNotes(source, fitted, complete and is_whole and not left_out)

    async def _page(self, forge: Forge, source: str, number: int) -> tuple[KnownPage, TemporaryError | None]:
        """As it is now; where the host cannot be asked now, as it was read the last time, and why."""
        url = releases_url(self.host, forge, self.project, number)
        known = await self.reader.memory.page(url)
        try:
            return await self._read_page(url, forge, source, known), None
        except TemporaryError as error:
            if known is None:
                raise
            return known, error

    async def _read_page(self, url: str, forge: Forge, source: str, known: KnownPage | None) -> KnownPage:
        """Asked with the ETag of the last time: an answer that nothing changed costs GitHub's limit nothing."""
        memory, now = self.reader.memory, self.reader.clock()
        headers = headers_for(self.host, forge)
        if known is not None and known.etag:
            headers["If-None-Match"] = known.etag
        answer = await self._asked(url, headers)
        if known is not None and answer.status == httpx.codes.NOT_MODIFIED:
            await memory.keep(url, known, now)
            return known
        check_answer(answer, self.project.host, source)
        releases, entries = read_page(answer.body, source)
        page = KnownPage(answer.headers.get("ETag", ""), tuple(releases), _has_more(answer, entries))
        await memory.keep(url, page, now)
        return page

    async def _asked(self, url: str, headers: Mapping[str, str]) -> Answer:
        """What a host says of its limit holds for all who ask it."""
        await self._mind_the_pause()
        answer = await self.fetcher.get(self.client, url, headers)
        wait = wait_of(answer.headers)
        if answer.status == httpx.codes.TOO_MANY_REQUESTS and wait is None:
            wait = _DEFAULT_PAUSE
        if wait is not None:
            await self.reader.memory.paused(self.project.host, self.reader.clock() + min(wait, _MAX_PAUSE))
        return answer

    async def _mind_the_pause(self) -> None:
        known, now = await self.reader.memory.host(self.project.host), self.reader.clock()
        if known.paused_until is not None and known.paused_until > now:
            raise RateLimitedError(
                f"{self.project.host} allows no more requests until {known.paused_until:%Y-%m-%d %H:%M} UTC; "
                "a token raises the limit",
                retry_after=known.paused_until - now,
            )

    async def _forge(self) -> Forge:
        """Which API it speaks, as it was found out before, or is now."""
        known, now = await self.reader.memory.host(self.project.host), self.reader.clock()
        at = known.recognised_at
        if at is not None and (known.forge is not None or at > now - _ASKED_AGAIN):
            found = known.forge
        else:
            found = await self._recognised()
            await self.reader.memory.recognised(self.project.host, found, now)
        if found is None:
            raise InvalidInputError(
                f"{self.project.host} speaks neither GitHub's, nor GitLab's, nor Gitea's API, so there is nothing to read"
            )
        return found

    async def _recognised(self) -> Forge | None:
        for forge, path, probe in PROBES:
            url = self.host.root.rstrip("/") + path
            try:
                answer = await self._asked(url, headers_for(self.host, forge))
            except InvalidInputError:  # it leads away, to where nobody named
                continue
            if httpx.codes.is_server_error(answer.status) or answer.status == httpx.codes.TOO_MANY_REQUESTS:
                check_answer(answer, self.project.host, str(self.project))
            if answers_as(probe, answer.status, answer.headers, answer.body):
                return forge
        return None


def _has_more(answer: Answer, entries: int) -> bool:
    """By the link to the next page; where there are no links at all, by whether the page is full."""
    links = answer.headers.get("Link")
    return entries >= PER_PAGE if links is None else 'rel="next"' in links
