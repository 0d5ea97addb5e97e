"""Azure's registry tokens from servers that speak as Entra, a machine's metadata and the registry are documented."""

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.lab.scripted import Answer, Asked, ScriptedServer
from uptainer.core import errors
from uptainer.core.reference import Reference
from uptainer.images.credentials import Keychain
from uptainer.images.providers.azure import RESOURCE, USERNAME, AzureLogin
from uptainer.images.registry import RegistryClient

TENANT, CLIENT, SECRET = "the-tenant", "the-client", "hunter2"
ENDS = datetime(2031, 2, 3, 4, 5, 6, tzinfo=UTC)
REFRESH = ".".join(
    base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()
    for text in ("{}", json.dumps({"exp": ENDS.timestamp()}), "signature")
)


def as_json(status: int = 200, **content: str) -> Answer:
    return Answer(status, json.dumps(content).encode(), {"Content-Type": "application/json"})


def form_of(asked: Asked) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}


def entra(asked: Asked) -> Answer:
    """Tokens for who has the secret or the pod's own token; and the metadata of a machine."""
    url = urlsplit(asked.path)
    if url.path == "/metadata/identity/oauth2/token":
        query = parse_qs(url.query)
        known = asked.headers.get("Metadata") == "true" and query["resource"] == [RESOURCE]
        return as_json(access_token="entra-token") if known else Answer(400)
    form = form_of(asked)
    proved = form.get("client_secret") == SECRET or (
        form.get("client_assertion") == "pod-token"
        and form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    )
    wanted = {"grant_type": "client_credentials", "scope": f"{RESOURCE}/.default", "client_id": CLIENT}
    if url.path != f"/{TENANT}/oauth2/v2.0/token" or not proved or not wanted.items() <= form.items():
        return as_json(400, error="invalid_client", error_description=f"quotes {asked.body.decode()}")
    return as_json(access_token="entra-token")


def registry(asked: Asked) -> Answer:
    """The registry with both of its token endpoints."""
    here = asked.headers["Host"]
    form = form_of(asked)
    match asked.path:
        case "/oauth2/exchange":
            known = {"grant_type": "access_token", "service": here, "access_token": "entra-token"}
            return as_json(refresh_token=REFRESH) if known.items() <= form.items() else as_json(401)
        case "/oauth2/token":
            known = {"grant_type": "refresh_token", "service": here, "refresh_token": REFRESH}
            known |= {"scope": "repository:shop/web:pull"}
            return as_json(access_token="short") if known.items() <= form.items() else as_json(401)
    if asked.headers.get("Authorization") != "Bearer short":
        realm = f'Bearer realm="http://{here}/oauth2/token",service="{here}"'
        return Answer(401, headers={"WWW-Authenticate": realm})
    return Answer(headers={"Docker-Content-Digest": "sha256:" + "0" * 64})


@dataclass(frozen=True, slots=True)
class Cloud:
    entra: ScriptedServer
    registry: ScriptedServer


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    for name in ("AZURE_FEDERATED_TOKEN_FILE", "AZURE_TENANT_ID", "AZURE_CLIENT_ID"):
        monkeypatch.delenv(name, raising=False)
    with ScriptedServer(entra) as identity, ScriptedServer(registry) as held:
        monkeypatch.setenv("AZURE_AUTHORITY_HOST", identity.url)
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", identity.url)
        yield Cloud(identity, held)


def principal(cloud: Cloud) -> AzureLogin:
    return AzureLogin(cloud.registry.host, TENANT, CLIENT, SECRET)


async def test_a_service_principals_token_is_exchanged_and_then_used(cloud: Cloud) -> None:
    keychain = Keychain({cloud.registry.host: principal(cloud)})
    async with RegistryClient(keychain) as client:
        await client.head(Reference.parse(f"{cloud.registry.host}/shop/web:1"))

    asked = [(each.method, each.path) for each in cloud.registry.asked]
    assert asked == [
        ("HEAD", "/v2/shop/web/manifests/1"),
        ("POST", "/oauth2/exchange"),
        ("POST", "/oauth2/token"),
        ("HEAD", "/v2/shop/web/manifests/1"),
    ]
    assert all(SECRET.encode() not in each.body for each in cloud.registry.asked)


async def test_the_refresh_token_says_its_end_and_an_engine_takes_it(cloud: Cloud) -> None:
    issued = await principal(cloud).issue()

    assert issued.expires_at == ENDS
    assert issued.credential.username == USERNAME
    assert issued.credential.engine_auth == {"identitytoken": REFRESH}


async def test_a_machine_of_azures_is_asked_who_it_is_past_any_proxy(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", cloud.registry.host)
    assert (await AzureLogin(cloud.registry.host).issue()).credential.identity_token == REFRESH
    assert cloud.entra.asked[0].method == "GET"


async def test_a_pod_proves_itself_with_its_own_token(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("pod-token\n")
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AZURE_TENANT_ID", TENANT)
    monkeypatch.setenv("AZURE_CLIENT_ID", CLIENT)

    assert (await AzureLogin(cloud.registry.host).issue()).credential.identity_token == REFRESH


async def test_a_wrong_secret_is_refused_and_never_shown(cloud: Cloud) -> None:
    with pytest.raises(errors.AccessDeniedError, match=r"Entra gives no token \(invalid_client\)") as raised:
        await AzureLogin(cloud.registry.host, TENANT, CLIENT, "wrong-hunter2").issue()
    assert "hunter2" not in str(raised.value)
    assert cloud.registry.asked == []


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(503), errors.TemporaryError),
        (Answer(429), errors.RateLimitedError),
        (Answer(401), errors.AccessDeniedError),
        (Answer(302, headers={"Location": "http://localhost:1/"}), errors.ProtocolError),
        (as_json(refresh_token="two\nlines"), errors.ProtocolError),
        (as_json(token="t"), errors.ProtocolError),
    ],
)
async def test_a_registry_that_gives_no_token_is_an_error(
    cloud: Cloud, answer: Answer, error: type[Exception]
) -> None:
    cloud.registry.script = _always(answer)
    with pytest.raises(error, match="localhost"):
        await principal(cloud).issue()


async def test_a_cloud_that_is_not_there_is_worth_trying_again(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", "http://127.0.0.1:1")
    with pytest.raises(errors.UnreachableError, match="Entra cannot be reached"):
        await principal(cloud).issue()


@pytest.mark.parametrize(
    ("registry", "authority"),
    [
        ("shop.azurecr.io", "https://login.microsoftonline.com"),
        ("shop.azurecr.us", "https://login.microsoftonline.us"),
        ("shop.azurecr.cn", "https://login.partner.microsoftonline.cn"),
    ],
)
def test_each_cloud_of_azures_has_its_own_authority(
    registry: str, authority: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AZURE_AUTHORITY_HOST", raising=False)
    request = AzureLogin(registry, TENANT, CLIENT, SECRET)._entra({})
    assert str(request.url) == f"{authority}/{TENANT}/oauth2/v2.0/token"


def _always(answer: Answer) -> Callable[[Asked], Answer]:
    return lambda _: answer
