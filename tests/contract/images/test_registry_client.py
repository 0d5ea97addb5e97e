"""The client against Debian's real registry: open, with basic auth, and with bearer tokens."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from tests.lab.images import build_image, push_image, push_index
from tests.lab.registry import Registry
from uptainer.core.clock import utc_now
from uptainer.core.errors import AccessDeniedError, NotFoundError
from uptainer.core.platform import Platform
from uptainer.core.reference import Reference
from uptainer.images.credentials import Credential, Keychain
from uptainer.images.issuing import Issued
from uptainer.images.manifests import Index, Manifest
from uptainer.images.registry import Head, RegistryClient


def ref(registry: Registry, name: str) -> Reference:
    return Reference.parse(registry.reference(name))


def keychain_of(registry: Registry) -> Keychain:
    assert registry.credentials is not None
    return Keychain({registry.host: Credential(*registry.credentials)})


@pytest.fixture
async def client() -> AsyncIterator[RegistryClient]:
    async with RegistryClient(Keychain()) as opened:
        yield opened


async def test_one_head_gives_the_digest_of_a_tag(registry: Registry, client: RegistryClient) -> None:
    digest = push_image(registry.url, "client/head:1", build_image())
    registry.forget_requests()

    head = await client.head(ref(registry, "client/head:1"))

    assert head.digest == digest
    assert client.requests == 1
    assert [(request.method, request.status) for request in registry.requests()] == [("HEAD", 200)]


async def test_a_tag_that_did_not_move_is_answered_with_not_modified(
    registry: Registry, client: RegistryClient
) -> None:
    digest = push_image(registry.url, "client/known:1", build_image())
    first = await client.head(ref(registry, "client/known:1"))
    registry.forget_requests()

    assert await client.head(ref(registry, "client/known:1"), known=first) == first
    assert await client.head(ref(registry, "client/known:1"), known=Head(digest)) == Head(digest)
    assert {request.status for request in registry.requests()} == {304}


async def test_a_tag_that_moved_is_told_although_it_was_known(
    registry: Registry, client: RegistryClient
) -> None:
    push_image(registry.url, "client/moved:1", build_image())
    before = await client.head(ref(registry, "client/moved:1"))
    moved = push_image(registry.url, "client/moved:1", build_image(labels={"build": "2"}))

    assert (await client.head(ref(registry, "client/moved:1"), known=before)).digest == moved


async def test_an_index_is_opened_for_its_platforms(registry: Registry, client: RegistryClient) -> None:
    images = [build_image(platform=platform) for platform in ("linux/amd64", "linux/arm/v7")]
    digest = push_index(registry.url, "client/index:1", images)
    index = await client.manifest(ref(registry, "client/index:1"))

    assert isinstance(index, Index)
    assert index.digest == digest == (await client.head(ref(registry, "client/index:1"))).digest
    for image in images:
        chosen = index.digest_for(Platform.parse(image.platform))
        assert chosen is not None
        manifest = await client.manifest(ref(registry, "client/index:1").with_digest(chosen))
        assert manifest == Manifest(chosen, image.id)


async def test_an_image_says_when_it_was_made_and_what_it_is(
    registry: Registry, client: RegistryClient
) -> None:
    image = build_image(labels={"org.opencontainers.image.version": "1.2.3"}, created="2026-02-03T04:05:06Z")
    push_image(registry.url, "client/config:1", image)
    config = await client.config(ref(registry, "client/config:1"), image.id)

    assert config.created_at == datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
    assert config.labels == {"org.opencontainers.image.version": "1.2.3"}
    assert config.platform == Platform("linux", "amd64")


async def test_all_tags_of_a_repository_are_listed(registry: Registry, client: RegistryClient) -> None:
    image = build_image()
    names = [f"1.{minor}.0" for minor in range(7)]
    for name in names:
        push_image(registry.url, f"client/tags:{name}", image)

    assert sorted(await client.tags(ref(registry, "client/tags"))) == names


@pytest.mark.parametrize("name", ["client/nothing:1", "client/head:nothing"])
async def test_what_is_not_there_is_not_found(registry: Registry, client: RegistryClient, name: str) -> None:
    push_image(registry.url, "client/head:1", build_image())
    with pytest.raises(NotFoundError, match=name):
        await client.head(ref(registry, name))
    with pytest.raises(NotFoundError):
        await client.manifest(ref(registry, name))


async def test_basic_auth_is_learnt_once(basic_auth_registry: Registry) -> None:
    registry = basic_auth_registry
    digest = push_image(registry.url, "client/basic:1", build_image(), login=registry.credentials)
    async with RegistryClient(keychain_of(registry)) as client:
        assert (await client.head(ref(registry, "client/basic:1"))).digest == digest
        assert await client.tags(ref(registry, "client/basic")) == ("1",)
        assert client.requests == 3


@pytest.mark.parametrize("credential", [None, Credential("lab-user", "wrong"), Credential("nobody", "")])
async def test_basic_auth_refuses_who_is_not_known(
    basic_auth_registry: Registry, credential: Credential | None
) -> None:
    keychain = Keychain({basic_auth_registry.host: credential} if credential else {})
    async with RegistryClient(keychain) as client:
        with pytest.raises(AccessDeniedError, match=r"no such repository, or it is private") as raised:
            await client.head(ref(basic_auth_registry, "client/basic:1"))
        assert "wrong" not in str(raised.value)
        assert client.requests <= 2


async def test_a_token_is_fetched_once_for_each_repository(auth_registry: Registry) -> None:
    registry = auth_registry
    assert registry.tokens is not None
    for name in ("client/token:1", "client/other:1"):
        push_image(registry.url, name, build_image(), login=registry.credentials)
    registry.tokens.requests.clear()
    async with RegistryClient(keychain_of(registry)) as client:
        await client.head(ref(registry, "client/token:1"))
        await client.manifest(ref(registry, "client/token:1"))
        await client.tags(ref(registry, "client/token"))
        await client.head(ref(registry, "client/other:1"))

        assert [(asked.user, asked.scopes) for asked in registry.tokens.requests] == [
            ("lab-user", ("repository:client/token:pull",)),
            ("lab-user", ("repository:client/other:pull",)),
        ]
        assert client.requests == 7


async def test_a_public_repository_needs_an_anonymous_token(
    auth_registry: Registry, client: RegistryClient
) -> None:
    registry = auth_registry
    assert registry.tokens is not None
    digest = push_image(registry.url, "public/client:1", build_image(), login=registry.credentials)
    registry.tokens.requests.clear()

    assert (await client.head(ref(registry, "public/client:1"))).digest == digest
    assert [asked.user for asked in registry.tokens.requests] == [None]


async def test_a_private_repository_is_not_shown_to_nobody(
    auth_registry: Registry, client: RegistryClient
) -> None:
    with pytest.raises(
        AccessDeniedError, match=r"does not show .* without credentials: there is no such repository"
    ):
        await client.head(ref(auth_registry, "client/token:1"))


async def test_a_token_server_that_refuses_the_password_is_named(auth_registry: Registry) -> None:
    async with RegistryClient(Keychain({auth_registry.host: Credential("lab-user", "hunter2")})) as client:
        with pytest.raises(
            AccessDeniedError, match=r"token server .* 401 \(wrong name or password\)"
        ) as raised:
            await client.head(ref(auth_registry, "client/token:1"))
    assert "hunter2" not in str(raised.value)


@dataclass(eq=False)
class Provider:
    """Gives the registry's own login for an hour, and counts."""

    login: tuple[str, str]
    asked: int = 0

    async def issue(self) -> Issued:
        self.asked += 1
        return Issued(Credential(*self.login), utc_now(), utc_now() + timedelta(hours=1))


async def test_a_providers_login_opens_a_registry_behind_a_token_server(auth_registry: Registry) -> None:
    assert auth_registry.credentials is not None
    names = ("client/issued:1", "client/issued-too:1")
    for name in names:
        push_image(auth_registry.url, name, build_image(), login=auth_registry.credentials)
    provider = Provider(auth_registry.credentials)
    async with RegistryClient(Keychain({auth_registry.host: provider})) as client:
        for name in names:
            assert isinstance(await client.manifest(ref(auth_registry, name)), Manifest)
    assert provider.asked == 1
