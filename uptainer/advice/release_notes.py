"""Release notes, found by what an image says of itself and read from GitHub's releases.

Sources: the OCI image specification's annotations (`org.opencontainers.image.source`, `.url`), and
https://docs.github.com/en/rest/releases/releases#list-releases. The labels are written by whoever built the image:
they choose a project on a host that the operator has named, and never the address that is asked.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, TypeAdapter, ValidationError

from uptainer.advice.notes import Release, ReleaseNotes, releases_between
from uptainer.core.errors import (
    AccessDeniedError,
    InvalidInputError,
    NotFoundError,
    PermanentError,
    RateLimitedError,
    UnreachableError,
)

LABELS = ("org.opencontainers.image.source", "org.opencontainers.image.url")
GITHUB = {"github.com": "https://api.github.com"}

_OWNER_AND_NAME = re.compile(r"/([A-Za-z0-9][A-Za-z0-9-]{0,99})/([A-Za-z0-9._-]{1,100}?)(?:\.git)?(?:/.*)?")
_SSH = re.compile(r"^(?:ssh://)?git@([A-Za-z0-9.-]+)[:/]")
_SCHEMES = {"https", "http", "ssh", "git"}
_PER_PAGE = 100
_MAX_PAGES = 3
_MAX_REDIRECTS = 3
_MAX_BODY = 100_000
_DEFAULT_WAIT = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Project:
    """`host` is the one in the label: `github.com`, or a GitHub Enterprise Server's."""

    host: str
    owner: str
    name: str

    def __str__(self) -> str:
        return f"{self.host}/{self.owner}/{self.name}"


class _Published(BaseModel):
    tag_name: str
    name: str | None = None
    body: str | None = None
    html_url: str = ""
    draft: bool = False


_PAGE = TypeAdapter(list[_Published])


@dataclass(frozen=True, slots=True)
class GitHubReleases:
    """`hosts` maps the host in a label to the base address of its API; no other address is ever asked.

    A base address is https, or plain http on loopback. `max_bytes` bounds one page of releases.
    """

    hosts: Mapping[str, str] = field(default_factory=lambda: dict(GITHUB))
    token: str = field(default="", repr=False)
    timeout: timedelta = timedelta(seconds=20)
    max_bytes: int = 8 * 1024 * 1024

    def __post_init__(self) -> None:
        for base in self.hosts.values():
            _check_base(base)

    async def notes_for(
        self, labels: Mapping[str, str], before: str | None, after: str | None
    ) -> ReleaseNotes:
        """The notes of the releases after version `before` up to version `after`.

        Raises:
            NotFoundError: the labels name no project, the version is not known, or there is no such release.
            InvalidInputError: the labels lead to a host that is not configured, or to nothing that is a project.
            AccessDeniedError: the token is wrong, or the project is not for it.
            RateLimitedError, UnreachableError: later, perhaps.
        """
        project = project_of(labels, self.hosts)
        if not after:
            raise NotFoundError(f"which version of {project} the candidate is, is not known")
        releases: list[Release] = []
        async with self._client() as client:
            for page in range(1, _MAX_PAGES + 1):
                published = await self._page(client, page, project)
                releases += [_release(release) for release in published if not release.draft]
                chosen, complete = releases_between(releases, before, after)
                if complete or len(published) < _PER_PAGE:
                    break
        if not chosen:
            raise NotFoundError(f"{project} has published no notes for {after}")
        is_whole = all(len(release.body) < _MAX_BODY for release in chosen)
        return ReleaseNotes(str(project), chosen, complete and is_whole)

    async def _page(self, client: httpx.AsyncClient, page: int, project: Project) -> list[_Published]:
        base = self.hosts[project.host].rstrip("/")
        url = f"{base}/repos/{project.owner}/{project.name}/releases?per_page={_PER_PAGE}&page={page}"
        try:
            body = await self._get(client, url, project)
        except httpx.TransportError as error:
            raise UnreachableError(f"the release notes of {project} cannot be read now: {error!r}") from error
        try:
            return _PAGE.validate_json(body)
        except ValidationError as error:
            raise PermanentError(
                f"{project.host} did not answer with a list of releases for {project}"
            ) from error

    async def _get(self, client: httpx.AsyncClient, url: str, project: Project) -> bytes:
        """Follows a renamed project, on the same API only."""
        origin = _origin(url)
        for _ in range(_MAX_REDIRECTS + 1):
            async with client.stream("GET", url) as response:
                if not response.has_redirect_location:
                    _check_answer(response, project)
                    return await _read(response, self.max_bytes, project)
                url = str(response.url.join(response.headers["Location"]))
            if _origin(url) != origin:
                raise InvalidInputError(f"{project.host} leads away to {_origin(url)}, which is not followed")
        raise PermanentError(f"{project.host} leads in circles for {project}")

    def _client(self) -> httpx.AsyncClient:
        headers = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        return httpx.AsyncClient(
            headers=headers, timeout=self.timeout.total_seconds(), follow_redirects=False
        )


def project_of(labels: Mapping[str, str], hosts: Mapping[str, str]) -> Project:
    """The project that the labels name, the source before the home page.

    Raises:
        NotFoundError: there is no such label.
        InvalidInputError: none of them leads to a project on a host that is configured.
    """
    given = [labels[name].strip() for name in LABELS if labels.get(name, "").strip()]
    if not given:
        raise NotFoundError(f"the image names no source: it has no label {LABELS[0]}")
    for address in given:
        project = _parse(address, hosts)
        if project is not None:
            return project
    raise InvalidInputError(
        f"{given[0][:200]} is not a project on {' or '.join(hosts)}, whose release notes are read"
    )


def _parse(address: str, hosts: Mapping[str, str]) -> Project | None:
    """Any usual way to write a repository's address; only its host's name, owner and name are taken from it."""
    url = _SSH.sub(r"ssh://\1/", address.removeprefix("git+"))
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").removeprefix("www.")
    except ValueError:
        return None
    match = _OWNER_AND_NAME.fullmatch(parts.path.rstrip("/"))
    if parts.scheme not in _SCHEMES or host not in hosts or match is None or match[2] in {".", ".."}:
        return None
    return Project(host, match[1], match[2])


def _check_base(base: str) -> None:
    parts = urlsplit(base)
    if parts.username or parts.password or parts.query or parts.fragment or not parts.hostname:
        raise InvalidInputError(
            f"{parts.hostname}: the base address of an API has a host and a path, and no more"
        )
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname)):
        raise InvalidInputError(f"{base}: release notes are read by https, or by http from this machine")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _check_answer(response: httpx.Response, project: Project) -> None:
    status = response.status_code
    wait = _wait(response.headers)
    if status == httpx.codes.TOO_MANY_REQUESTS or (status == httpx.codes.FORBIDDEN and wait is not None):
        raise RateLimitedError(
            f"{project.host} allows no more requests for now; a token raises the limit", retry_after=wait
        )
    if status in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
        raise AccessDeniedError(f"{project.host} does not show {project} to us ({status})")
    if status == httpx.codes.NOT_FOUND:
        raise NotFoundError(f"{project} does not exist, or is not public")
    if response.is_server_error:
        raise UnreachableError(f"{project.host} has a fault ({status})", retry_after=wait)
    if not response.is_success:
        raise PermanentError(f"{project.host} answered {status} for the releases of {project}")


def _wait(headers: httpx.Headers) -> timedelta | None:
    """Retry-After in seconds; or, where GitHub's own limit is used up, the time to its reset on GitHub's clock."""
    if headers.get("Retry-After", "").isdigit():
        return timedelta(seconds=int(headers["Retry-After"][:6]))
    if headers.get("X-RateLimit-Remaining") != "0" or not headers.get("X-RateLimit-Reset", "").isdigit():
        return None
    return _until(int(headers["X-RateLimit-Reset"][:12]), headers.get("Date", ""))


def _until(reset: int, date: str) -> timedelta:
    """From the answer's own date, so that a wrong clock here does not matter."""
    try:
        answered = parsedate_to_datetime(date)
    except ValueError:
        return _DEFAULT_WAIT
    return max(timedelta(seconds=reset - answered.timestamp()), timedelta(seconds=1))


async def _read(response: httpx.Response, max_bytes: int, project: Project) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > max_bytes:
            raise PermanentError(
                f"the releases of {project} are more than the {max_bytes} bytes that are read"
            )
    return bytes(body)


def _release(published: _Published) -> Release:
    body = (published.body or "").replace("\r\n", "\n")[:_MAX_BODY]
    return Release(published.tag_name, published.name or "", body, published.html_url)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
