"""What GitHub, GitLab and Gitea call the same thing: a project's releases, a token, the end of a page.

Sources: https://docs.github.com/en/rest/releases/releases#list-releases, https://docs.gitlab.com/api/releases/,
https://docs.gitea.com/api/ (Forgejo and Codeberg speak the same).
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

import httpx
from pydantic import AliasChoices, AliasPath, BaseModel, Field, TypeAdapter, ValidationError

from uptainer.advice.notes import Release
from uptainer.advice.projects import Project
from uptainer.core.enums import Forge
from uptainer.core.errors import InvalidInputError, ProtocolError

PER_PAGE = 100
MAX_BODY = 100_000
"""Characters of one release's notes that are read."""
_MAX_NAME = 300
"""Of its tag and of its title, which stand in findings."""
_MAX_ADDRESS = 2000

_GITHUB_API = "https://api.github.com"
_OWNER_AND_NAME = 2


@dataclass(frozen=True, slots=True)
class ReleaseHost:
    """A host that image labels name, and how it is asked. Without a `forge`, it is found out which API answers.

    `root` is the server's address, below which its API is; `token` goes to that address and to no other.
    """

    root: str
    forge: Forge | None = None
    token: str = field(default="", repr=False)


def _known() -> Mapping[str, ReleaseHost]:
    gitlab = (
        "gitlab.com",
        "gitlab.gnome.org",
        "gitlab.freedesktop.org",
        "invent.kde.org",
        "salsa.debian.org",
        "framagit.org",
    )
    return {
        "github.com": ReleaseHost(_GITHUB_API, Forge.GITHUB),
        **{host: ReleaseHost(f"https://{host}", Forge.GITLAB) for host in gitlab},
        **{host: ReleaseHost(f"https://{host}", Forge.GITEA) for host in ("codeberg.org", "gitea.com")},
    }


KNOWN = _known()
"""Public hosts whose release notes are read without anybody naming them."""


class _Published(BaseModel):
    """A release as any of the three writes it."""

    tag_name: str
    name: str | None = None
    body: str | None = Field(default=None, validation_alias=AliasChoices("body", "description"))
    url: str = Field(default="", validation_alias=AliasChoices("html_url", AliasPath("_links", "self")))
    draft: bool = Field(default=False, validation_alias=AliasChoices("draft", "upcoming_release"))


_PAGE = TypeAdapter(list[_Published])
_Answered = Callable[[int, httpx.Headers, object], bool]


def _is_gitea(status: int, _headers: httpx.Headers, document: object) -> bool:
    return status == httpx.codes.OK and isinstance(document, dict) and set(document) == {"version"}


def _is_gitlab(status: int, headers: httpx.Headers, document: object) -> bool:
    """Its version is for those who have a token; to others it says so in its own words."""
    if status == httpx.codes.OK:
        return isinstance(document, dict) and {"version", "revision"} <= set(document)
    return status == httpx.codes.UNAUTHORIZED and (
        "x-gitlab-meta" in headers or document == {"message": "401 Unauthorized"}
    )


def _is_github(status: int, headers: httpx.Headers, document: object) -> bool:
    if "x-github-enterprise-version" in headers or "x-github-request-id" in headers:
        return True
    return status == httpx.codes.OK and isinstance(document, dict) and "installed_version" in document


PROBES: tuple[tuple[Forge, str, _Answered], ...] = (
    (Forge.GITEA, "/api/v1/version", _is_gitea),
    (Forge.GITLAB, "/api/v4/version", _is_gitlab),
    (Forge.GITHUB, "/api/v3/meta", _is_github),
)
"""What each answers without a project being named, and how it is known by the answer."""

_PATHS = {Forge.GITHUB: "/api/v3", Forge.GITLAB: "/api/v4", Forge.GITEA: "/api/v1"}


def answers_as(probe: _Answered, status: int, headers: httpx.Headers, body: bytes) -> bool:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    return probe(status, headers, document)


def releases_url(host: ReleaseHost, forge: Forge, project: Project, page: int) -> str:
    root = host.root.rstrip("/")
    api = root if root == _GITHUB_API else root + _PATHS[forge]
    if forge is Forge.GITLAB:
        return f"{api}/projects/{quote('/'.join(project.path), safe='')}/releases?per_page={PER_PAGE}&page={page}"
    owner, name = project.path[:_OWNER_AND_NAME]
    size = "per_page" if forge is Forge.GITHUB else "limit"
    return f"{api}/repos/{owner}/{name}/releases?{size}={PER_PAGE}&page={page}"


def named(project: Project, forge: Forge) -> str:
    """The project as a person knows it: on a GitLab, with all of its groups."""
    path = project.path if forge is Forge.GITLAB else project.path[:_OWNER_AND_NAME]
    return "/".join((project.host, *path))


def headers_for(host: ReleaseHost, forge: Forge | None) -> dict[str, str]:
    own = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
    headers = own if forge is Forge.GITHUB else {"Accept": "application/json"}
    if not host.token:
        return headers
    scheme = "token" if forge is Forge.GITEA else "Bearer"
    return {**headers, "Authorization": f"{scheme} {host.token}"}


def read_page(body: bytes, project: str) -> tuple[list[Release], int]:
    """The releases of one page, without drafts and announcements, and how many entries the page had.

    Raises:
        ProtocolError: it is no list of releases.
    """
    try:
        published = _PAGE.validate_json(body)
    except ValidationError as error:
        raise ProtocolError(f"{project} did not answer with a list of releases") from error
    return [_release(each) for each in published if not each.draft], len(published)


def _release(published: _Published) -> Release:
    body = (published.body or "").replace("\r\n", "\n")
    if len(body) > MAX_BODY:
        body = f"{body[:MAX_BODY]}\n[cut off here: {len(body) - MAX_BODY} more characters]"
    return Release(
        published.tag_name[:_MAX_NAME], (published.name or "")[:_MAX_NAME], body, published.url[:_MAX_ADDRESS]
    )


def check_root(root: str) -> None:
    """Raises InvalidInputError: it is not https, nor http on this machine, or has more than a host and a path."""
    url = _parsed(root)
    if url is None or not url.host or url.userinfo or url.query or url.fragment:
        raise InvalidInputError(
            f"{url.host if url else root!r}: the address of a server with release notes has a host and a path, and no more"
        )
    if url.scheme != "https" and not (url.scheme == "http" and url.host in {"localhost", "127.0.0.1", "::1"}):
        raise InvalidInputError(f"{root}: release notes are read by https, or by http from this machine")


def _parsed(root: str) -> httpx.URL | None:
    try:
        return httpx.URL(root)
    except httpx.InvalidURL:
        return None
