"""Registries without TLS that are not on this machine: who is asked so, and that no login is ever heard on the way.

Real servers on loopback, under names that are none of loopback's: only what a name stands for is scripted.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lab.certificates import Authority
from tests.lab.names import resolve_as
from tests.lab.scripted import Answer, Asked, ScriptedServer
from uptainer.core.errors import RefusedError, UnreachableError
from uptainer.core.reference import Reference
from uptainer.images.access import Access, Certificates, Mirror
from uptainer.images.credential import Credential
from uptainer.images.credentials import Keychain
from uptainer.images.registry import RegistryClient

AUTHORITY = Authority("private")
DIGEST = "sha256:" + "0" * 64
HERE = Answer(headers={"Docker-Content-Digest": DIGEST})
PASSWORD = Credential("user", "hunter2")
LOGINS = [PASSWORD, Credential(identity_token="hunter2"), Credential(registry_token="hunter2")]
Named = Callable[[ScriptedServer], str]


@pytest.fixture
def lan(monkeypatch: pytest.MonkeyPatch) -> Named:
    """Gives a server's name on a network: `nas.lan:5000`."""
    resolve_as(monkeypatch, "nas.lan", "127.0.0.1")
    return lambda server: server.host.replace("localhost", "nas.lan")


def public(_: Asked) -> Answer:
    return HERE


def basic(asked: Asked) -> Answer:
    wanted = {"WWW-Authenticate": 'Basic realm="lan"'}
    return HERE if "Authorization" in asked.headers else Answer(401, headers=wanted)


async def ask(registry: str, keychain: Keychain, *insecure: str) -> str:
    async with RegistryClient(keychain, insecure=frozenset(insecure)) as client:
        return (await client.head(Reference.parse(f"{registry}/app:1"))).digest


def heard(server: ScriptedServer) -> list[str | bytes]:
    """What somebody on the way would have read of a login."""
    return [
        text for asked in server.asked for text in (asked.headers.get("Authorization"), asked.body) if text
    ]


async def test_it_is_asked_as_nobody_where_an_engine_asks_it_so(lan: Named) -> None:
    with ScriptedServer(public) as server:
        assert await ask(lan(server), Keychain({lan(server): PASSWORD}), lan(server)) == DIGEST
    assert heard(server) == []


async def test_without_anybodys_word_it_is_not_asked_and_what_to_do_is_said(lan: Named) -> None:
    with (
        ScriptedServer(public) as server,
        pytest.raises(UnreachableError, match="tick Plain HTTP in a Registry block"),
    ):
        await ask(lan(server), Keychain())
    assert server.asked == []


@pytest.mark.parametrize("login", LOGINS, ids=["password", "identity token", "bearer token"])
@pytest.mark.parametrize("scheme", ["Basic", "Bearer"])
async def test_an_engines_word_takes_no_login_over_plain_http(
    lan: Named, login: Credential, scheme: str
) -> None:
    with ScriptedServer(lambda _: Answer(401, headers={"WWW-Authenticate": challenge})) as server:
        registry = lan(server)
        challenge = f'{scheme} realm="http://{registry}/token",service="s"'
        with pytest.raises(RefusedError, match=r"its login, which is not sent.* tick Plain HTTP") as refused:
            await ask(registry, Keychain({registry: login}), registry)
    assert heard(server) == []
    assert "hunter2" not in str(refused.value)


async def test_an_engines_word_hands_no_login_to_another_program(lan: Named) -> None:
    with ScriptedServer(basic) as server:
        registry = lan(server)
        async with RegistryClient(Keychain({registry: PASSWORD}), insecure=frozenset({registry})) as client:
            with pytest.raises(RefusedError, match="tick Plain HTTP"):
                await client.require_own_token_server(registry)


async def test_a_persons_word_takes_it(lan: Named) -> None:
    with ScriptedServer(basic) as server:
        accesses = {lan(server): Access(plain=True)}
        assert await ask(lan(server), Keychain({lan(server): PASSWORD}, accesses=accesses)) == DIGEST
    assert heard(server) == [PASSWORD.basic]


async def test_what_speaks_tls_is_asked_by_tls_whatever_an_engine_says(lan: Named, tmp_path: Path) -> None:
    """Also where its certificate is not believed here: that an engine does not look at it is its own affair."""
    with ScriptedServer(basic, tls=AUTHORITY.server("nas.lan").context(tmp_path)) as server:
        registry = lan(server)
        with pytest.raises(UnreachableError, match="not believed here"):
            await ask(registry, Keychain({registry: PASSWORD}), registry)
        assert server.asked == []
        accesses = {registry: Access(Certificates(AUTHORITY.certificate))}
        assert await ask(registry, Keychain({registry: PASSWORD}, accesses=accesses), registry) == DIGEST


async def test_whether_it_speaks_tls_is_asked_once_in_a_run(lan: Named) -> None:
    with ScriptedServer(public) as server:
        async with RegistryClient(Keychain(), insecure=frozenset({lan(server)})) as client:
            for tag in ("1", "2", "3"):
                await client.head(Reference.parse(f"{lan(server)}/app:{tag}"))
        assert (client.requests, len(server.asked)) == (4, 3)


async def test_a_mirror_without_tls_sees_no_login_either(lan: Named) -> None:
    with ScriptedServer(basic) as mirror, ScriptedServer(public) as origin:
        name = lan(mirror)
        accesses = {origin.host: Access(mirrors=(Mirror(name),))}
        keychain = Keychain({name: PASSWORD}, accesses=accesses)
        assert await ask(origin.host, keychain, name) == DIGEST
    assert heard(mirror) == []
    assert len(origin.asked) == 1
