"""The client of GitHub's releases against a server on loopback that speaks its API."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from email.utils import formatdate

import pytest

from tests.lab.github import GitHubServer, releases
from uptainer.advice.release_notes import GitHubReleases, Project, project_of
from uptainer.core.errors import (
    AccessDeniedError,
    InvalidInputError,
    NotFoundError,
    PermanentError,
    RateLimitedError,
    UnreachableError,
    UptainerError,
)

SOURCE = "org.opencontainers.image.source"
LABELS = {SOURCE: "https://github.com/example/demo"}


@pytest.fixture
def github() -> Iterator[GitHubServer]:
    server = GitHubServer()
    yield server
    server.close()


@pytest.fixture
def client(github: GitHubServer) -> GitHubReleases:
    return GitHubReleases({"github.com": github.url}, timeout=timedelta(seconds=5))


async def test_the_notes_between_two_versions_are_read(github: GitHubServer, client: GitHubReleases) -> None:
    github.answer = lambda path, query: releases(["v1.3.0", "v1.2.0", "v1.1.0", "v1.0.0"])
    notes = await client.notes_for(LABELS, "1.0.0", "1.2.0")
    assert [release.tag for release in notes.releases] == ["v1.2.0", "v1.1.0"]
    assert (notes.source, notes.complete) == ("github.com/example/demo", True)
    assert "notes of v1.1.0" in notes.text
    assert github.asked == [("/repos/example/demo/releases?per_page=100&page=1", None)]


async def test_a_token_goes_with_the_request(github: GitHubServer) -> None:
    github.answer = lambda path, query: releases(["v1"])
    await GitHubReleases({"github.com": github.url}, token="hush").notes_for(LABELS, None, "1")
    assert github.asked[0][1] == "Bearer hush"
    assert "hush" not in repr(GitHubReleases(token="hush"))


async def test_older_pages_are_read_only_as_far_as_needed(
    github: GitHubServer, client: GitHubReleases
) -> None:
    pages = {str(page): [f"v{4 - page}.{minor}" for minor in range(100, 0, -1)] for page in (1, 2, 3)}
    github.answer = lambda path, query: releases(pages[query["page"][0]])
    notes = await client.notes_for(LABELS, "2.99", "3.1")
    assert [release.tag for release in notes.releases] == ["v3.1", "v2.100"]
    assert len(github.asked) == 2
    assert not (await client.notes_for(LABELS, "0.1", "3.1")).complete
    assert len(github.asked) == 5


async def test_drafts_are_not_read(github: GitHubServer, client: GitHubReleases) -> None:
    github.answer = lambda path, query: releases(["v1"], draft=True)
    with pytest.raises(NotFoundError, match="no notes for 1"):
        await client.notes_for(LABELS, None, "1")


async def test_an_overlong_text_is_cut_and_said_to_be(github: GitHubServer, client: GitHubReleases) -> None:
    github.answer = lambda path, query: releases(["v2", "v1"], body="x" * 500_000)
    notes = await client.notes_for(LABELS, "1", "2")
    assert len(notes.text) < 110_000
    assert not notes.complete


async def test_an_answer_of_any_size_is_not_read(github: GitHubServer) -> None:
    github.answer = lambda path, query: releases(["v1"], body="x" * 5000)
    small = GitHubReleases({"github.com": github.url}, max_bytes=1000)
    with pytest.raises(PermanentError, match="more than the 1000 bytes"):
        await small.notes_for(LABELS, None, "1")


async def test_a_renamed_project_is_followed(github: GitHubServer, client: GitHubReleases) -> None:
    moved = (301, {"Location": "/repositories/7/releases"}, b"")
    github.answer = lambda path, query: releases(["v1"]) if path.startswith("/repositories") else moved
    assert (await client.notes_for(LABELS, None, "1")).releases[0].tag == "v1"


@pytest.mark.parametrize(
    "away", ["http://169.254.169.254/latest", "https://evil.example/repos", "//127.0.0.1:1/x"]
)
async def test_a_redirect_to_another_server_is_not_followed(
    github: GitHubServer, client: GitHubReleases, away: str
) -> None:
    github.answer = lambda path, query: (302, {"Location": away}, b"")
    with pytest.raises(InvalidInputError, match="not followed"):
        await client.notes_for(LABELS, None, "1")
    assert len(github.asked) == 1


async def test_a_redirect_to_itself_ends(github: GitHubServer, client: GitHubReleases) -> None:
    github.answer = lambda path, query: (302, {"Location": path}, b"")
    with pytest.raises(PermanentError, match="in circles"):
        await client.notes_for(LABELS, None, "1")


FAULTS: list[tuple[int, Mapping[str, str], type[UptainerError], timedelta | None]] = [
    (404, {}, NotFoundError, None),
    (401, {}, AccessDeniedError, None),
    (403, {}, AccessDeniedError, None),
    (429, {"Retry-After": "60"}, RateLimitedError, timedelta(seconds=60)),
    (403, {"Retry-After": "5"}, RateLimitedError, timedelta(seconds=5)),
    (
        403,
        {
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Reset": "1000090",
            "Date": formatdate(1000000, usegmt=True),
        },
        RateLimitedError,
        timedelta(seconds=90),
    ),
    (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "9"}, RateLimitedError, timedelta(minutes=1)),
    (500, {}, UnreachableError, None),
    (503, {"Retry-After": "7"}, UnreachableError, timedelta(seconds=7)),
    (418, {}, PermanentError, None),
]


@pytest.mark.parametrize(("status", "headers", "kind", "wait"), FAULTS)
async def test_each_refusal_is_an_error_of_its_own(
    github: GitHubServer,
    status: int,
    headers: Mapping[str, str],
    kind: type[UptainerError],
    wait: timedelta | None,
) -> None:
    client = GitHubReleases({"github.com": github.url})
    github.answer = lambda path, query: (status, headers, b"{}")
    with pytest.raises(kind) as caught:
        await client.notes_for(LABELS, None, "1")
    assert getattr(caught.value, "retry_after", None) == wait


@pytest.mark.parametrize("body", [b"", b"{}", b"<html>", b'[{"name": "no tag"}]'])
async def test_what_is_no_list_of_releases_is_refused(
    github: GitHubServer, client: GitHubReleases, body: bytes
) -> None:
    github.answer = lambda path, query: (200, {}, body)
    with pytest.raises(PermanentError, match="did not answer with a list"):
        await client.notes_for(LABELS, None, "1")


async def test_a_server_that_is_away_may_be_back_later() -> None:
    with pytest.raises(UnreachableError, match="cannot be read now"):
        await GitHubReleases({"github.com": "http://127.0.0.1:1"}).notes_for(LABELS, None, "1")


async def test_an_unknown_version_is_said(client: GitHubReleases) -> None:
    with pytest.raises(NotFoundError, match="is not known"):
        await client.notes_for(LABELS, "1", None)


HOSTS = {"github.com": "https://api.github.com", "git.corp.example": "https://git.corp.example/api/v3"}


@pytest.mark.parametrize(
    "address",
    [
        "https://github.com/example/demo",
        "https://github.com/example/demo/",
        "https://github.com/example/demo.git",
        "https://github.com/example/demo.git#main",
        "https://github.com/example/demo/tree/main/docker",
        "https://www.github.com/example/demo",
        "http://github.com/example/demo",
        "git+https://github.com/example/demo.git",
        "git@github.com:example/demo.git",
        "ssh://git@github.com/example/demo.git",
        "git://github.com/example/demo.git",
        "https://me:secret@github.com/example/demo",
    ],
)
def test_a_project_is_known_however_its_address_is_written(address: str) -> None:
    assert project_of({SOURCE: address}, HOSTS) == Project("github.com", "example", "demo")


@pytest.mark.parametrize(
    "address",
    [
        "https://gitlab.com/example/demo",
        "https://github.com.evil.example/example/demo",
        "https://github.com@evil.example/example/demo",
        "https://github.com/example",
        "https://github.com/",
        "https://github.com/example/..",
        "https://github.com/../demo",
        "https://github.com/exa%2fmple/demo",
        "https://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "https://[::1",
        "not an address",
        "/example/demo",
    ],
)
def test_what_leads_elsewhere_is_refused(address: str) -> None:
    with pytest.raises(InvalidInputError, match="not a project on"):
        project_of({SOURCE: address}, HOSTS)


def test_the_home_page_is_the_second_choice() -> None:
    labels = {SOURCE: "https://example.org", "org.opencontainers.image.url": "https://git.corp.example/a/b"}
    assert str(project_of(labels, HOSTS)) == "git.corp.example/a/b"
    with pytest.raises(NotFoundError, match="names no source"):
        project_of({"maintainer": "me"}, HOSTS)


@pytest.mark.parametrize(
    "base",
    ["http://api.github.com", "ftp://x", "https://me:pw@x.example", "https://x?y", "", "http://10.0.0.1"],
)
def test_notes_are_read_by_https_or_from_this_machine(base: str) -> None:
    with pytest.raises(InvalidInputError):
        GitHubReleases({"github.com": base})
