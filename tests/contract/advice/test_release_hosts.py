"""Release notes of GitHub, GitLab and Gitea, against a server on loopback that speaks their APIs."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from ipaddress import ip_address
from typing import Any

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream

from tests.lab.forges import Answer, ReleaseServer, gitlab_releases, releases
from uptainer.advice.fetching import Address, Fetcher, is_public
from uptainer.advice.forges import KNOWN, ReleaseHost
from uptainer.advice.memory import ProcessMemory
from uptainer.advice.projects import ANY, Project, project_of
from uptainer.advice.release_notes import ReleaseReader
from uptainer.core.enums import Forge
from uptainer.core.errors import (
    AccessDeniedError,
    InvalidInputError,
    NotFoundError,
    PermanentError,
    RateLimitedError,
    RefusedError,
    TemporaryError,
    UnreachableError,
    UptainerError,
)

SOURCE = "org.opencontainers.image.source"
LABELS = {SOURCE: "https://github.com/example/demo"}


@pytest.fixture
def github() -> Iterator[ReleaseServer]:
    server = ReleaseServer()
    yield server
    server.close()


@pytest.fixture
def client(github: ReleaseServer) -> ReleaseReader:
    return reader(github)


def reader(server: ReleaseServer, forge: Forge | None = Forge.GITHUB, **given: Any) -> ReleaseReader:
    host = ReleaseHost(server.url, forge, given.pop("token", ""))
    return ReleaseReader({given.pop("name", "github.com"): host}, timeout=timedelta(seconds=60), **given)


async def test_the_notes_between_two_versions_are_read(github: ReleaseServer, client: ReleaseReader) -> None:
    github.answer = lambda path, query: releases(["v1.3.0", "v1.2.0", "v1.1.0", "v1.0.0"])
    notes = await client.notes_for(LABELS, "1.0.0", "1.2.0")
    assert [release.tag for release in notes.releases] == ["v1.2.0", "v1.1.0"]
    assert (notes.source, notes.complete) == ("github.com/example/demo", True)
    assert "notes of v1.1.0" in notes.text
    assert github.asked == [("/api/v3/repos/example/demo/releases?per_page=100&page=1", None)]


async def test_a_token_goes_with_the_request(github: ReleaseServer) -> None:
    github.answer = lambda path, query: releases(["v1"])
    client = reader(github, token="hush")
    await client.notes_for(LABELS, None, "1")
    assert github.asked[0][1] == "Bearer hush"
    assert "hush" not in repr(client)


async def test_older_pages_are_read_only_as_far_as_needed(
    github: ReleaseServer, client: ReleaseReader
) -> None:
    pages = {str(page): [f"v{9 - page}.{minor}" for minor in range(100, 0, -1)] for page in range(1, 7)}
    github.answer = lambda path, query: releases(pages[query["page"][0]])
    notes = await client.notes_for(LABELS, "7.99", "8.1")
    assert [release.tag for release in notes.releases] == ["v8.1", "v7.100"]
    assert len(github.asked) == 2
    assert not (await client.notes_for(LABELS, "0.1", "8.1")).complete
    assert len(github.asked) == 2 + 5


async def test_drafts_are_not_read(github: ReleaseServer, client: ReleaseReader) -> None:
    github.answer = lambda path, query: releases(["v1"], draft=True)
    with pytest.raises(NotFoundError, match="no notes for 1"):
        await client.notes_for(LABELS, None, "1")


async def test_overlong_texts_are_cut_and_said_to_be(github: ReleaseServer, client: ReleaseReader) -> None:
    github.answer = lambda path, query: releases(
        [f"v{number}" for number in range(9, 0, -1)], body="x" * 200_000
    )
    one = await client.notes_for(LABELS, "1", "2")
    assert "[cut off here: 100000 more characters]" in one.text
    many = await client.notes_for(LABELS, "1", "9")
    assert len(many.releases) == 8
    assert len(many.text) < 401_000
    assert not one.complete
    assert not many.complete


async def test_an_answer_of_any_size_is_not_read(github: ReleaseServer) -> None:
    github.answer = lambda path, query: releases(["v1"], body="x" * 5000)
    small = reader(github, max_bytes=1000)
    with pytest.raises(PermanentError, match="more than the 1000 bytes"):
        await small.notes_for(LABELS, None, "1")


async def test_a_host_that_sends_a_byte_now_and_then_holds_nobody_up() -> None:
    async def drip(stream: SocketStream) -> None:
        with suppress(anyio.BrokenResourceError):
            async with stream:
                await stream.receive()
                await stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
                for _ in range(1000):
                    await stream.send(b" ")
                    await anyio.sleep(0.05)

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(SocketAttribute.local_port)
    async with anyio.create_task_group() as group:
        group.start_soon(listener.serve, drip)
        host = ReleaseHost(f"http://127.0.0.1:{port}", Forge.GITHUB)
        with pytest.raises(UnreachableError, match="was not done within"), anyio.fail_after(20):
            await ReleaseReader({"github.com": host}, timeout=timedelta(seconds=0.3)).notes_for(
                LABELS, None, "1"
            )
        group.cancel_scope.cancel()
    await listener.aclose()


async def test_names_of_any_length_do_not_reach_a_finding(
    github: ReleaseServer, client: ReleaseReader
) -> None:
    github.answer = lambda path, query: releases(["v1-" + "x" * 5000], name="y" * 5000)
    (release,) = (await client.notes_for(LABELS, None, "1")).releases
    assert (len(release.tag), len(release.title)) == (300, 300)


async def test_a_renamed_project_is_followed(github: ReleaseServer, client: ReleaseReader) -> None:
    moved = (301, {"Location": "/repositories/7/releases"}, b"")
    github.answer = lambda path, query: releases(["v1"]) if path.startswith("/repositories") else moved
    assert (await client.notes_for(LABELS, None, "1")).releases[0].tag == "v1"


@pytest.mark.parametrize(
    "away", ["http://169.254.169.254/latest", "https://evil.example/repos", "//127.0.0.1:1/x"]
)
async def test_a_redirect_to_another_server_is_not_followed(
    github: ReleaseServer, client: ReleaseReader, away: str
) -> None:
    github.answer = lambda path, query: (302, {"Location": away}, b"")
    with pytest.raises(InvalidInputError, match="not followed"):
        await client.notes_for(LABELS, None, "1")
    assert len(github.asked) == 1


@pytest.mark.parametrize("away", ["https://[::1", "https://xn--0.com/x", "http://[::x"])
async def test_a_redirect_to_nowhere_is_said(github: ReleaseServer, client: ReleaseReader, away: str) -> None:
    github.answer = lambda path, query: (302, {"Location": away}, b"")
    with pytest.raises(UptainerError, match=r"location|leads"):
        await client.notes_for(LABELS, None, "1")


@pytest.mark.parametrize("host", ["xn--0.com", "a..b"])
async def test_a_label_that_names_no_host_is_said(host: str) -> None:
    anywhere = ReleaseReader({ANY: ReleaseHost("")}, timeout=timedelta(seconds=60))
    with pytest.raises(UptainerError):
        await anywhere.notes_for({SOURCE: f"https://{host}/a/b"}, None, "1")


async def test_a_host_that_answers_a_probe_with_too_deep_a_document_is_none_of_them(
    github: ReleaseServer,
) -> None:
    github.answer = lambda path, query: (200, {}, b"[" * 100_000)
    with pytest.raises(UptainerError):
        await reader(github, forge=None).notes_for(LABELS, None, "1")


async def test_a_redirect_to_itself_ends(github: ReleaseServer, client: ReleaseReader) -> None:
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
    (
        403,
        {
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Reset": "9",
            "Date": "1 Jan 99999999999999999999 00:00:00 GMT",
        },
        RateLimitedError,
        timedelta(minutes=1),
    ),
    (429, {"Retry-After": "\xb2"}, RateLimitedError, None),
    (500, {}, UnreachableError, None),
    (503, {"Retry-After": "7"}, UnreachableError, timedelta(seconds=7)),
    (418, {}, PermanentError, None),
]


@pytest.mark.parametrize(("status", "headers", "kind", "wait"), FAULTS)
async def test_each_refusal_is_an_error_of_its_own(
    github: ReleaseServer,
    status: int,
    headers: Mapping[str, str],
    kind: type[UptainerError],
    wait: timedelta | None,
) -> None:
    client = reader(github)
    github.answer = lambda path, query: (status, headers, b"{}")
    with pytest.raises(kind) as caught:
        await client.notes_for(LABELS, None, "1")
    assert getattr(caught.value, "retry_after", None) == wait


@pytest.mark.parametrize("body", [b"", b"{}", b"<html>", b'[{"name": "no tag"}]'])
async def test_what_is_no_list_of_releases_is_refused(
    github: ReleaseServer, client: ReleaseReader, body: bytes
) -> None:
    github.answer = lambda path, query: (200, {}, body)
    with pytest.raises(PermanentError, match="did not answer with a list"):
        await client.notes_for(LABELS, None, "1")


async def test_a_server_that_is_away_may_be_back_later() -> None:
    away = ReleaseReader({"github.com": ReleaseHost("http://127.0.0.1:1", Forge.GITHUB)})
    with pytest.raises(UnreachableError, match="cannot be read now"):
        await away.notes_for(LABELS, None, "1")


async def test_an_unknown_version_is_said(client: ReleaseReader) -> None:
    with pytest.raises(NotFoundError, match="is not known"):
        await client.notes_for(LABELS, "1", None)


HOSTS = {"github.com", "git.corp.example"}


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
    project = project_of({SOURCE: address}, HOSTS)
    assert (project.host, project.path[:2]) == ("github.com", ("example", "demo"))


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
    with pytest.raises(InvalidInputError, match="not a project on a host"):
        project_of({SOURCE: address}, HOSTS)


def test_the_home_page_is_the_second_choice() -> None:
    labels = {SOURCE: "https://example.org", "org.opencontainers.image.url": "https://git.corp.example/a/b"}
    assert str(project_of(labels, HOSTS)) == "git.corp.example/a/b"
    with pytest.raises(NotFoundError, match="names no source"):
        project_of({"maintainer": "me"}, HOSTS)


@pytest.mark.parametrize(
    "root",
    [
        "http://git.example.org",
        "ftp://x",
        "https://me:pw@x.example",
        "https://x?y",
        "",
        "http://10.0.0.1",
        "https://[::1",
    ],
)
def test_notes_are_read_by_https_or_from_this_machine(root: str) -> None:
    with pytest.raises(InvalidInputError):
        ReleaseReader({"git.example.org": ReleaseHost(root)})


async def test_a_gitlab_is_asked_by_the_whole_path_of_its_project(github: ReleaseServer) -> None:
    github.answer = lambda path, query: gitlab_releases(["v1.1.0", "v1.0.0"])
    labels = {SOURCE: "https://git.example.org/group/sub/demo/-/tree/main/docker"}
    client = reader(github, Forge.GITLAB, name="git.example.org", token="hush")
    notes = await client.notes_for(labels, "1.0.0", "1.1.0")
    assert github.asked == [
        ("/api/v4/projects/group%2Fsub%2Fdemo/releases?per_page=100&page=1", "Bearer hush")
    ]
    assert notes.source == "git.example.org/group/sub/demo"
    assert "notes of v1.1.0" in notes.text


async def test_what_a_gitlab_only_announces_is_not_read(github: ReleaseServer) -> None:
    github.answer = lambda path, query: gitlab_releases(["v1"], upcoming_release=True)
    with pytest.raises(NotFoundError):
        await reader(github, Forge.GITLAB).notes_for(LABELS, None, "1")


async def test_a_gitea_is_asked_page_by_page_as_its_links_say(github: ReleaseServer) -> None:
    """It gives fewer on a page than it was asked for."""

    def answer(path: str, query: Mapping[str, list[str]]) -> Answer:
        page = int(query["page"][0])
        status, headers, body = releases([f"v{6 - 2 * page}", f"v{5 - 2 * page}"])
        return status, {**headers, "Link": '<x>; rel="next"' if page == 1 else ""}, body

    github.answer = answer
    client = reader(github, Forge.GITEA, token="hush")
    notes = await client.notes_for(LABELS, "1", "4")
    assert [release.tag for release in notes.releases] == ["v4", "v3", "v2"]
    assert [path for path, _ in github.asked] == [
        f"/api/v1/repos/example/demo/releases?limit=100&page={page}" for page in (1, 2)
    ]
    assert github.asked[0][1] == "token hush"


async def test_the_part_that_the_image_is_called_by_is_the_one_that_is_meant(
    github: ReleaseServer, client: ReleaseReader
) -> None:
    github.answer = lambda path, query: releases(["web-v2", "api-v2", "web-v1", "api-v1"])
    notes = await client.notes_for(LABELS, "1", "2", name="api")
    assert [release.tag for release in notes.releases] == ["api-v2"]


SPOKEN: list[tuple[Forge, str, Answer]] = [
    (Forge.GITEA, "/api/v1/version", (200, {}, b'{"version": "1.22.0"}')),
    (Forge.GITLAB, "/api/v4/version", (401, {}, b'{"message": "401 Unauthorized"}')),
    (Forge.GITLAB, "/api/v4/version", (200, {}, b'{"version": "17.0", "revision": "abc"}')),
    (Forge.GITHUB, "/api/v3/meta", (200, {}, b'{"installed_version": "3.12"}')),
]


@pytest.mark.parametrize(("forge", "probe", "said"), SPOKEN)
async def test_a_host_of_unknown_kind_is_asked_once_which_api_it_speaks(
    github: ReleaseServer, forge: Forge, probe: str, said: Answer
) -> None:
    nothing: Answer = (404, {}, b"<html>")
    listed = gitlab_releases(["v1"]) if forge is Forge.GITLAB else releases(["v1"])
    github.answer = lambda path, query: said if path == probe else listed if "releases" in path else nothing
    memory = ProcessMemory()
    for _ in range(2):
        await reader(github, None, memory=memory).notes_for(LABELS, None, "1")
    assert [path for path, _ in github.asked].count(probe) == 1
    assert (await memory.host("github.com")).forge is forge


async def test_a_host_that_speaks_none_of_them_is_not_asked_again_for_a_week(github: ReleaseServer) -> None:
    github.answer = lambda path, query: (404, {}, b"<html>")
    memory, now = ProcessMemory(), datetime(2026, 5, 1, tzinfo=UTC)
    for days in (0, 6, 8):
        later = now + timedelta(days=days)
        with pytest.raises(InvalidInputError, match="neither GitHub's, nor GitLab's, nor Gitea's"):
            await reader(github, None, memory=memory, clock=lambda at=later: at).notes_for(LABELS, None, "1")
    assert len(github.asked) == 6


async def test_a_host_that_is_away_is_not_taken_for_one_that_speaks_nothing(github: ReleaseServer) -> None:
    github.answer = lambda path, query: (502, {}, b"")
    memory = ProcessMemory()
    with pytest.raises(UnreachableError):
        await reader(github, None, memory=memory).notes_for(LABELS, None, "1")
    assert (await memory.host("github.com")).recognised_at is None


async def test_what_is_known_is_not_sent_again(github: ReleaseServer) -> None:
    def answer(path: str, query: Mapping[str, list[str]]) -> Answer:
        status, headers, body = releases(["v2", "v1"])
        return status, {**headers, "ETag": '"one"'}, body

    github.answer = answer
    memory = ProcessMemory()
    read = [await reader(github, memory=memory).notes_for(LABELS, "1", "2") for _ in range(2)]
    assert read[0] == read[1]
    assert github.statuses == [200, 304]


async def test_a_host_that_said_not_now_is_left_alone_until_then(github: ReleaseServer) -> None:
    github.answer = lambda path, query: (429, {"Retry-After": "600"}, b"")
    memory, now = ProcessMemory(), datetime(2026, 5, 1, tzinfo=UTC)
    for minutes in (0, 9):
        later = now + timedelta(minutes=minutes)
        with pytest.raises(RateLimitedError) as caught:
            await reader(github, memory=memory, clock=lambda at=later: at).notes_for(LABELS, None, "1")
    assert "until 2026-05-01 00:10 UTC" in str(caught.value)
    assert len(github.asked) == 1
    github.answer = lambda path, query: releases(["v1"])
    later = now + timedelta(minutes=11)
    await reader(github, memory=memory, clock=lambda: later).notes_for(LABELS, None, "1")


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("etag", [{}, {"ETag": '"one"'}])
async def test_what_was_read_once_is_known_while_its_host_cannot_be_asked(
    github: ReleaseServer, status: int, etag: Mapping[str, str]
) -> None:
    def answer(path: str, query: Mapping[str, list[str]]) -> Answer:
        _, headers, body = releases(["v2", "v1"])
        return 200, {**headers, **etag}, body

    github.answer = answer
    memory = ProcessMemory()
    read = await reader(github, memory=memory).notes_for(LABELS, "1", "2")
    github.answer = lambda path, query: (status, {}, b"")
    assert await reader(github, memory=memory).notes_for(LABELS, "1", "2") == read
    with pytest.raises(TemporaryError):
        await reader(github, memory=memory).notes_for(LABELS, "2", "3")


async def test_a_limit_that_is_just_used_up_counts_for_the_next_one(github: ReleaseServer) -> None:
    def answer(path: str, query: Mapping[str, list[str]]) -> Answer:
        status, headers, body = gitlab_releases(["v1"])
        used_up = {
            "RateLimit-Remaining": "0",
            "RateLimit-Reset": "1000090",
            "Date": formatdate(1000000, usegmt=True),
        }
        return status, {**headers, **used_up}, body

    github.answer = answer
    client = reader(github, Forge.GITLAB)
    assert (await client.notes_for(LABELS, None, "1")).releases
    with pytest.raises(RateLimitedError):
        await client.notes_for(LABELS, "1", "2")
    assert len(github.asked) == 1


def test_a_host_that_nobody_named_is_not_asked_unless_any_public_one_is() -> None:
    labels = {SOURCE: "https://git.elsewhere.example/a/b"}
    with pytest.raises(InvalidInputError, match="`Release notes host` block names one more"):
        project_of(labels, KNOWN)
    assert project_of(labels, {*KNOWN, ANY}) == Project("git.elsewhere.example", ("a", "b"))
    for address in (
        "https://10.0.0.1/a/b",
        "https://localhost/a/b",
        "https://nas/a/b",
        "https://x.example:8443/a/b",
    ):
        with pytest.raises(InvalidInputError):
            project_of({SOURCE: address}, {*KNOWN, ANY})


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("140.82.121.4", True),
        ("2606:50c0:8000::153", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fd00::1", False),
        ("::ffff:10.0.0.1", False),
        ("2002:a00:1::", False),
        ("64:ff9b::10.0.0.1", False),
        ("::10.0.0.1", False),
    ],
)
def test_an_address_is_public_or_it_is_not(address: str, *, public: bool) -> None:
    assert is_public(ip_address(address)) is public


async def test_a_name_that_leads_to_a_private_address_is_refused_before_anything_is_sent() -> None:
    async def resolve(_host: str) -> list[Address]:
        return [ip_address("140.82.121.4"), ip_address("127.0.0.1")]

    labels = {SOURCE: "https://git.elsewhere.example/a/b"}
    anywhere = ReleaseReader({ANY: ReleaseHost("")}, resolve=resolve)
    with pytest.raises(RefusedError, match="is not a public address"):
        await anywhere.notes_for(labels, None, "1")


async def test_a_guarded_host_is_reached_at_the_address_that_was_checked() -> None:
    async def resolve(_host: str) -> list[Address]:
        return [ip_address("140.82.121.4")]

    fetcher = Fetcher(timedelta(seconds=1), 1000, guarded=True, resolve=resolve)
    async with fetcher.client() as client:
        request = await fetcher.request(client, "https://git.elsewhere.example/api/v1/version", {})
    assert str(request.url) == "https://140.82.121.4/api/v1/version"
    assert request.headers["Host"] == "git.elsewhere.example"
    assert request.extensions["sni_hostname"] == "git.elsewhere.example"
