"""Google's access tokens from a server that verifies the assertion with the service account's public key."""

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from google.auth.compute_engine import _metadata

from tests.lab.scripted import Answer, Asked, ScriptedServer
from uptainer.core import errors
from uptainer.core.clock import utc_now
from uptainer.core.reference import Reference
from uptainer.images.credential import Credential
from uptainer.images.credentials import Keychain
from uptainer.images.providers.google import GoogleLogin
from uptainer.images.registry import RegistryClient

REGISTRY = "europe-docker.pkg.dev"
ACCOUNT = "uptainer@shop.iam.gserviceaccount.com"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
STRANGER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
TOKEN = {"access_token": "ya29.hunter2", "expires_in": 3600, "token_type": "Bearer"}


def key_file(server: ScriptedServer, key: rsa.RSAPrivateKey = KEY) -> str:
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return json.dumps(
        {
            "type": "service_account",
            "client_email": ACCOUNT,
            "private_key": pem.decode(),
            "token_uri": f"{server.url}/token",
        }
    )


def segment(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def google(asked: Asked) -> Answer:
    """The token server, and the metadata server of a machine."""
    if asked.path.startswith("/computeMetadata/") or asked.path == "/":
        return _metadata_answer(asked)
    form = parse_qs(asked.body.decode())
    header, claims, signature = form["assertion"][0].split(".")
    try:
        KEY.public_key().verify(
            segment(signature), f"{header}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256()
        )
    except InvalidSignature:
        said = {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
        return Answer(400, json.dumps(said).encode(), {"Content-Type": "application/json"})
    said = json.loads(segment(claims))
    assert form["grant_type"] == [GRANT]
    assert (said["iss"], said["scope"]) == (ACCOUNT, "https://www.googleapis.com/auth/cloud-platform")
    assert said["iat"] <= time.time() + 60 < said["exp"]
    return Answer(body=json.dumps(TOKEN).encode(), headers={"Content-Type": "application/json"})


def _metadata_answer(asked: Asked) -> Answer:
    headers = {"Metadata-Flavor": "Google", "Content-Type": "application/json"}
    if asked.headers.get("metadata-flavor", asked.headers.get("Metadata-Flavor")) != "Google":
        return Answer(403)
    if "/token" in asked.path:
        return Answer(body=json.dumps(TOKEN | {"access_token": "from-metadata"}).encode(), headers=headers)
    if "service-accounts" in asked.path:
        return Answer(body=json.dumps({"email": ACCOUNT, "scopes": []}).encode(), headers=headers)
    return Answer(body=b"shop", headers=headers | {"Content-Type": "text/plain"})


@pytest.fixture
def cloud() -> Iterator[ScriptedServer]:
    with ScriptedServer(google) as server:
        yield server


@pytest.fixture(autouse=True)
def _nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(_metadata, "_NO_GCE_CHECK", True)


async def test_a_service_accounts_key_gets_an_access_token(cloud: ScriptedServer) -> None:
    issued = await GoogleLogin(REGISTRY, key_file(cloud)).issue()

    assert issued.credential == Credential("oauth2accesstoken", "ya29.hunter2")
    assert 3000 < (issued.expires_at - utc_now()).total_seconds() <= 3600
    assert b"PRIVATE" not in cloud.asked[0].body


async def test_another_accounts_key_is_refused_and_never_shown(cloud: ScriptedServer) -> None:
    with pytest.raises(errors.AccessDeniedError, match="Invalid JWT Signature") as raised:
        await GoogleLogin(REGISTRY, key_file(cloud, STRANGER)).issue()
    assert "PRIVATE" not in str(raised.value)


async def test_a_key_file_that_the_environment_names_is_used_where_none_is_given(
    cloud: ScriptedServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(errors.AccessDeniedError, match="Give a service account's key in the block"):
        await GoogleLogin(REGISTRY).issue()
    (tmp_path / "key.json").write_text(key_file(cloud))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))

    assert (await GoogleLogin(REGISTRY).issue()).credential.password == "ya29.hunter2"


async def test_a_machine_of_googles_is_asked_who_it_is(
    cloud: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_metadata, "_NO_GCE_CHECK", False)
    monkeypatch.setattr(_metadata, "_GCE_METADATA_HOST", cloud.host)
    monkeypatch.setenv("GCE_METADATA_IP", cloud.host)

    assert (await GoogleLogin(REGISTRY).issue()).credential.password == "from-metadata"


async def test_a_cloud_that_is_not_there_is_worth_trying_again(cloud: ScriptedServer) -> None:
    key = json.loads(key_file(cloud)) | {"token_uri": "http://127.0.0.1:1/token"}
    with pytest.raises(errors.UnreachableError):
        await GoogleLogin(REGISTRY, json.dumps(key)).issue()


async def test_a_key_that_is_none_is_refused_without_quoting_it(cloud: ScriptedServer) -> None:
    key = json.loads(key_file(cloud)) | {"private_key": "hunter2"}
    with pytest.raises(errors.InvalidInputError, match="cannot be used") as raised:
        await GoogleLogin(REGISTRY, json.dumps(key)).issue()
    assert "hunter2" not in str(raised.value)


async def test_the_registry_exchanges_it_as_it_does_a_password(cloud: ScriptedServer) -> None:
    expected = Credential("oauth2accesstoken", "ya29.hunter2").basic

    def registry(asked: Asked) -> Answer:
        if asked.path.startswith("/v2/token"):
            return Answer(
                200 if asked.headers.get("Authorization") == expected else 401, b'{"token": "short"}'
            )
        if asked.headers.get("Authorization") != "Bearer short":
            realm = f'Bearer realm="http://{asked.headers["Host"]}/v2/token",service="{REGISTRY}"'
            return Answer(401, headers={"WWW-Authenticate": realm})
        return Answer(headers={"Docker-Content-Digest": "sha256:" + "0" * 64})

    with ScriptedServer(registry) as server:
        async with RegistryClient(Keychain({server.host: GoogleLogin(REGISTRY, key_file(cloud))})) as client:
            await client.head(Reference.parse(f"{server.host}/shop/images/web:1"))
    assert len(cloud.asked) == 1
