"""What is asked of a mirror, and what of the registry itself."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.lab.images import build_image, push_image
from tests.lab.registry import Registry
from tests.lab.room import Room
from tests.lab.scripted import Answer, Asked, ScriptedServer
from uptainer.core.errors import AccessDeniedError, NotFoundError, TemporaryError, UnreachableError
from uptainer.core.reference import Reference
from uptainer.images.access import Access, Mirror
from uptainer.images.credentials import Credential, Keychain
from uptainer.images.manifests import Manifest
from uptainer.images.registry import Head, RegistryClient

DIGEST, OTHER = (f"sha256:{each * 64}" for each in "12")
ORIGINS = Credential("origin-user", "hunter2")


def says(digest: str) -> Callable[[Asked], Answer]:
    return lambda _: Answer(headers={"Docker-Content-Digest": digest})


@pytest.fixture
def origin() -> Iterator[ScriptedServer]:
    with ScriptedServer(says(DIGEST)) as server:
        yield server


@pytest.fixture
def mirror() -> Iterator[ScriptedServer]:
    with ScriptedServer(says(OTHER)) as server:
        yield server


@asynccontextmanager
async def asking(
    origin: ScriptedServer, mirror: ScriptedServer, access: Access | None = None
) -> AsyncIterator[RegistryClient]:
    given = access or Access(mirrors=(Mirror(mirror.host, "hub/cache"),))
    keychain = Keychain({origin.host: ORIGINS}, accesses={origin.host: given})
    async with RegistryClient(keychain) as client:
        yield client


def app(origin: ScriptedServer) -> Reference:
    return Reference.parse(f"{origin.host}/team/app:1")


async def test_a_mirror_is_asked_first_and_below_its_prefix(
    origin: ScriptedServer, mirror: ScriptedServer
) -> None:
    async with asking(origin, mirror) as client:
        assert (await client.head(app(origin))).digest == OTHER
    assert [asked.path for asked in mirror.asked] == ["/v2/hub/cache/team/app/manifests/1"]
    assert origin.asked == []


@pytest.mark.parametrize(
    "answer",
    [
        Answer(404),
        Answer(403),
        Answer(401, headers={"WWW-Authenticate": "Basic realm=x"}),
        Answer(401, headers={"WWW-Authenticate": 'Bearer realm="https://evil.example/token"'}),
        Answer(429, headers={"Retry-After": "60"}),
        Answer(503),
        Answer(302, headers={"Location": "http://8.8.8.8/"}),
    ],
    ids=lambda answer: str(answer.status),
)
async def test_what_a_mirror_does_not_know_is_asked_of_the_registry(
    origin: ScriptedServer, mirror: ScriptedServer, answer: Answer
) -> None:
    mirror.script = lambda _: answer
    async with asking(origin, mirror) as client:
        assert (await client.head(app(origin))).digest == DIGEST
    assert [asked.path for asked in origin.asked] == ["/v2/team/app/manifests/1"]


async def test_a_mirror_that_is_not_there_is_asked_once_in_a_run(
    origin: ScriptedServer, mirror: ScriptedServer
) -> None:
    with ScriptedServer(says(OTHER)) as gone:
        pass
    access = Access(mirrors=(Mirror(gone.host), Mirror(mirror.host)))
    async with asking(origin, mirror, access) as client:
        for tag in ("1", "2", "3"):
            await client.head(app(origin).with_tag(tag))
        assert client.requests == 4
    assert len(mirror.asked) == 3


async def test_the_registrys_login_is_never_shown_to_a_mirror(
    origin: ScriptedServer, mirror: ScriptedServer
) -> None:
    challenge = {"WWW-Authenticate": "Basic realm=x"}
    origin.script = mirror.script = lambda _: Answer(401, headers=challenge)
    async with asking(origin, mirror) as client:
        with pytest.raises(AccessDeniedError):
            await client.head(app(origin))
    assert [asked.headers.get("Authorization") for asked in mirror.asked] == [None]
    assert origin.asked[-1].headers["Authorization"] == ORIGINS.basic


async def test_a_mirror_has_a_login_of_its_own(origin: ScriptedServer, auth_registry: Registry) -> None:
    assert auth_registry.credentials is not None
    digest = push_image(auth_registry.url, "hub/team/app:1", build_image(), login=auth_registry.credentials)
    keychain = Keychain(
        {origin.host: ORIGINS, auth_registry.host: Credential(*auth_registry.credentials)},
        accesses={origin.host: Access(mirrors=(Mirror(auth_registry.host, "hub"),))},
    )
    async with RegistryClient(keychain) as client:
        assert (await client.head(app(origin))).digest == digest
        assert (await client.manifest(app(origin))).digest == digest
    assert origin.asked == []


async def test_a_tag_that_did_not_move_is_known_from_the_mirror_too(
    origin: ScriptedServer, mirror: ScriptedServer
) -> None:
    mirror.script = lambda _: Answer(304)
    async with asking(origin, mirror) as client:
        assert await client.head(app(origin), known=Head(OTHER)) == Head(OTHER)
    assert origin.asked == []


def pages(names: str) -> Callable[[Asked], Answer]:
    """One tag a page, and the way to the next as registries write it."""

    def script(asked: Asked) -> Answer:
        path, _, query = asked.path.partition("?")
        at = int(query.partition("last=")[2] or 0)
        more = {"Link": f'<{path}?n=1&last={at + 1}>; rel="next"'} if at + 1 < len(names) else {}
        return Answer(body=b'{"tags": ["%s"]}' % names[at].encode(), headers=more)

    return script


@pytest.mark.parametrize(
    ("access", "tags"),
    [
        (Access(), ("a", "b", "c")),
        (Access(complete=True), ("a", "b")),
        (Access(mirrors_only=True), ("a", "b")),
    ],
    ids=["a cache", "one that knows every tag", "the only one that is asked"],
)
async def test_tags_are_listed_by_a_mirror_only_where_it_was_said_to_know_them_all(
    origin: ScriptedServer, mirror: ScriptedServer, access: Access, tags: tuple[str, ...]
) -> None:
    origin.script, mirror.script = pages("abc"), pages("ab")
    given = replace(access, mirrors=(Mirror(mirror.host, "hub"),))
    async with asking(origin, mirror, given) as client:
        assert await client.tags(app(origin)) == tags


@pytest.mark.parametrize(("status", "error"), [(404, NotFoundError), (503, TemporaryError)])
async def test_a_registry_that_may_not_be_asked_is_not_asked(
    origin: ScriptedServer, mirror: ScriptedServer, status: int, error: type[Exception]
) -> None:
    mirror.script = lambda _: Answer(status)
    access = Access(mirrors=(Mirror(mirror.host),), mirrors_only=True)
    async with asking(origin, mirror, access) as client:
        with pytest.raises(error):
            await client.head(app(origin))
    assert origin.asked == []


async def test_where_nobody_answers_it_is_the_registry_that_is_said_not_to(mirror: ScriptedServer) -> None:
    with ScriptedServer(says(DIGEST)) as gone:
        pass
    mirror.script = lambda _: Answer(404)
    async with asking(gone, mirror) as client:
        with pytest.raises(UnreachableError, match=gone.host):
            await client.head(app(gone))


class Cache(Registry):
    """A pull-through cache of another registry, as Debian's real one is when it is told so."""

    def __init__(self, room: Room, of: Registry) -> None:
        self._of = of
        super().__init__(room)

    def _write_config(self) -> Path:
        path = super()._write_config()
        config = json.loads(path.read_text())
        path.write_text(json.dumps(config | {"proxy": {"remoteurl": self._of.url}}))
        return path


async def test_a_real_pull_through_cache_is_asked_in_a_registrys_place(
    room: Room, registry: Registry
) -> None:
    first = push_image(registry.url, "mirrored/app:1", build_image())
    cache = Cache(room, registry)
    try:
        keychain = Keychain(accesses={registry.host: Access(mirrors=(Mirror(cache.host),))})
        reference = Reference.parse(registry.reference("mirrored/app:1"))
        async with RegistryClient(keychain) as client:
            assert (await client.head(reference)).digest == first
            manifest = await client.manifest(reference)
            assert isinstance(manifest, Manifest)
            assert (await client.config(reference, manifest.config_digest)).platform is not None
            second = push_image(registry.url, "mirrored/app:1", build_image(labels={"build": "2"}))
            assert (await client.head(reference)).digest == second
            assert await client.tags(reference) == ("1",)
        asked = [each.path.partition("?")[0] for each in cache.requests() if each.status == 200]
        assert f"/v2/mirrored/app/blobs/{manifest.config_digest}" in asked
        assert "/v2/mirrored/app/tags/list" not in asked
    finally:
        cache.close()


def test_what_is_read_whole_is_read_at_a_mirror_only_where_nothing_else_may_be_asked() -> None:
    reference = Reference.parse(f"docker.io/library/nginx@{DIGEST}")
    access = Access(mirrors=(Mirror("cache.lan:5000", "hub"),))

    assert access.where_to_read(reference) == reference
    assert str(replace(access, mirrors_only=True).where_to_read(reference)) == (
        f"cache.lan:5000/hub/library/nginx@{DIGEST}"
    )
