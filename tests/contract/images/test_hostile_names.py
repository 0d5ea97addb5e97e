"""A registry on the internet that names hosts which are, or turn out to be, in our own network.

Real servers on loopback, over TLS. Only what a name stands for is scripted: first an address of the internet's, which is
looked at, and then, as one who means harm may have it, another one, which is connected to.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.lab.certificates import Authority
from tests.lab.names import resolve_as
from tests.lab.scripted import Answer, Asked, ScriptedServer
from uptainer.core.errors import RefusedError, UnreachableError, UptainerError
from uptainer.core.reference import Reference
from uptainer.images.access import Access, Certificates
from uptainer.images.credential import Credential
from uptainer.images.credentials import Keychain
from uptainer.images.registry import RegistryClient

AUTHORITY = Authority("everybody's")
DIGEST = "sha256:" + "0" * 64
LOGIN = Credential("user", "hunter2")
HERE, INTERNET, INSIDE = "127.0.0.1", "8.8.8.8", "10.0.0.1"
Named = Callable[..., None]
Names = Callable[[str], Answer]


def redirect(there: str) -> Answer:
    return Answer(307, headers={"Location": there})


def realm(there: str) -> Answer:
    return Answer(401, headers={"WWW-Authenticate": f'Bearer realm="{there}",service="s"'})


WAYS = pytest.mark.parametrize("names", [redirect, realm])


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> Named:
    return lambda name, *addresses: resolve_as(monkeypatch, name, *addresses)


@contextmanager
def serving(
    name: str, folder: Path, script: Callable[[Asked], Answer]
) -> Iterator[tuple[ScriptedServer, str]]:
    """A server that has a certificate for this name, and its address by it."""
    with ScriptedServer(script, tls=AUTHORITY.server(name).context(folder)) as server:
        yield server, server.host.replace("localhost", name)


async def fault_of(registry: str, *, login: bool = False) -> UptainerError:
    """Why a blob of it is not read."""
    accesses = {registry: Access(Certificates(AUTHORITY.certificate))}
    keychain = Keychain({registry: LOGIN} if login else {}, accesses=accesses)
    async with RegistryClient(keychain) as client:
        with pytest.raises(UptainerError) as raised:
            await client.config(Reference.parse(f"{registry}/app:1"), DIGEST)
    return raised.value


@WAYS
async def test_a_name_of_our_own_network_is_refused(named: Named, tmp_path: Path, names: Names) -> None:
    named("registry.test", HERE, INTERNET)
    named("inside.test", INSIDE)
    with serving("registry.test", tmp_path, lambda _: names("https://inside.test/")) as (_, registry):
        fault = await fault_of(registry)
    assert isinstance(fault, RefusedError)
    assert "which is in a private network: refused; if it is right, put inside.test under Other" in str(fault)


@WAYS
async def test_a_name_that_changes_its_address_after_it_was_looked_at_gains_nothing(
    named: Named, tmp_path: Path, names: Names
) -> None:
    """Whoever is asked in its place, inside, has no certificate for that name, and hears no request."""
    named("registry.test", HERE, INTERNET)
    named("store.test", INTERNET, HERE)
    with (
        serving("inside.lan", tmp_path, lambda _: Answer(body=b"a secret")) as (inside, address),
        serving("registry.test", tmp_path, lambda _: names(there)) as (_, registry),
    ):
        there = f"https://{address.replace('inside.lan', 'store.test')}/"
        fault = await fault_of(registry)
    assert isinstance(fault, UnreachableError)
    assert "a certificate that is not believed" in str(fault)
    assert inside.asked == []


async def test_each_place_of_a_redirect_is_judged(named: Named, tmp_path: Path) -> None:
    named("registry.test", HERE, INTERNET)
    named("store.test", INTERNET, HERE)
    named("inside.test", INSIDE)
    with (
        serving("store.test", tmp_path, lambda _: redirect("https://inside.test/")) as (store, address),
        serving("registry.test", tmp_path, lambda _: redirect(f"https://{address}/")) as (_, registry),
    ):
        fault = await fault_of(registry)
    assert isinstance(fault, RefusedError)
    assert "inside.test/ as the place of its content" in str(fault)
    assert len(store.asked) == 1


async def test_a_login_is_not_taken_to_a_stranger_on_the_internet(named: Named, tmp_path: Path) -> None:
    named("registry.test", HERE, INTERNET)
    named("stranger.test", INTERNET, HERE)
    with (
        serving("stranger.test", tmp_path, lambda _: Answer(body=b'{"token": "t"}')) as (stranger, address),
        serving("registry.test", tmp_path, lambda _: realm(f"https://{address}/")) as (_, registry),
    ):
        fault = await fault_of(registry, login=True)
    assert isinstance(fault, RefusedError)
    assert "its login is not taken there" in str(fault)
    assert stranger.asked == []
