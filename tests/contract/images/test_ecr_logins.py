"""ECR's logins from a server that verifies AWS's signatures, and speaks as AWS documents it."""

import base64
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.lab.scripted import Answer, Asked, ScriptedServer
from tests.lab.sigv4 import is_signed, read_signer
from uptainer.core import errors
from uptainer.core.reference import Reference
from uptainer.images.credential import Credential
from uptainer.images.credentials import Keychain
from uptainer.images.issuing import IssuedLogins
from uptainer.images.providers.ecr import PUBLIC, EcrLogin, region_of
from uptainer.images.registry import RegistryClient

ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TEMPORARY = ("ASIATEMPORARY", "temporary-secret", "session/token==")
ENDS = datetime(2031, 2, 3, 4, 5, 6, tzinfo=UTC)
ROLE = "arn:aws:iam::123456789012:role/uptainer"


def given(password: str = "hunter2", *, many: bool = True) -> bytes:
    entry = {
        "authorizationToken": base64.b64encode(f"AWS:{password}".encode()).decode(),
        "expiresAt": ENDS.timestamp() if many else ENDS.isoformat(),
    }
    return json.dumps({"authorizationData": [entry] if many else entry}).encode()


def assumed() -> bytes:
    key, secret, token = TEMPORARY
    return f"""<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>{key}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey><SessionToken>{token}</SessionToken>
<Expiration>2031-02-03T04:05:06Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>""".encode()


def refused(code: str, status: int = 400) -> Answer:
    said = {"__type": code, "message": "as AWS says it"}
    return Answer(
        status,
        json.dumps(said).encode(),
        {"Content-Type": "application/x-amz-json-1.1", "x-amzn-ErrorType": code},
    )


def aws(asked: Asked) -> Answer:
    """ECR, ECR Public and STS behind one address."""
    key, scope = read_signer(asked.headers)
    secret = {KEY: SECRET, TEMPORARY[0]: TEMPORARY[1]}.get(key, "")
    if not is_signed(asked.method, asked.path, asked.headers, asked.body, secret):
        return refused("InvalidSignatureException", 403)
    if key == TEMPORARY[0] and asked.headers.get("X-Amz-Security-Token") != TEMPORARY[2]:
        return refused("UnrecognizedClientException")
    service = scope.split("/")[2]
    if service == "sts":
        return Answer(body=assumed(), headers={"Content-Type": "text/xml"})
    return Answer(body=given(many=service == "ecr"), headers={"Content-Type": "application/x-amz-json-1.1"})


@pytest.fixture(autouse=True)
def _nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "BOTO_CONFIG"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    with ScriptedServer(aws) as server:
        _point_to(server, monkeypatch)
        yield server


def _point_to(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for service in ("ECR", "ECR_PUBLIC", "STS"):
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", server.url)


def test_the_server_computes_the_signature_that_aws_published() -> None:
    """Case `get-vanilla` of the Signature Version 4 test suite."""
    signature = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
    authorization = (
        f"AWS4-HMAC-SHA256 Credential={KEY}/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders=host;x-amz-date, Signature={signature}"
    )
    headers = {
        "Host": "example.amazonaws.com",
        "X-Amz-Date": "20150830T123600Z",
        "Authorization": authorization,
    }
    assert is_signed("GET", "/", headers, b"", SECRET)
    assert not is_signed("GET", "/", headers, b"", "another")
    assert not is_signed("GET", "/", headers, b"body", SECRET)


async def test_an_access_key_gets_a_password_for_twelve_hours(cloud: ScriptedServer) -> None:
    issued = await EcrLogin(ECR, KEY, SECRET).issue()

    assert (issued.credential, issued.expires_at) == (Credential("AWS", "hunter2"), ENDS)
    [asked] = cloud.asked
    assert asked.headers["X-Amz-Target"] == ("AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken")
    assert read_signer(asked.headers)[1].split("/")[1:3] == ["eu-west-1", "ecr"]
    assert SECRET.encode() not in asked.body


async def test_ecr_public_has_a_way_of_its_own(cloud: ScriptedServer) -> None:
    issued = await EcrLogin(PUBLIC, KEY, SECRET).issue()

    assert (issued.credential.password, issued.expires_at) == ("hunter2", ENDS)
    assert read_signer(cloud.asked[0].headers)[1].split("/")[1:3] == ["us-east-1", "ecr-public"]


async def test_a_role_is_taken_on_first(cloud: ScriptedServer) -> None:
    await EcrLogin(ECR, KEY, SECRET, role_arn=ROLE, external_id="theirs").issue()

    first, second = cloud.asked
    assert b"Action=AssumeRole" in first.body
    assert b"ExternalId=theirs" in first.body
    assert read_signer(second.headers)[0] == TEMPORARY[0]


async def test_what_aws_gives_this_machine_is_used_where_no_key_is_given(
    cloud: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(errors.AccessDeniedError, match="give an access key in the block"):
        await EcrLogin(ECR).issue()
    key, secret, token = TEMPORARY
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    monkeypatch.setenv("AWS_SESSION_TOKEN", token)

    assert (await EcrLogin(ECR).issue()).credential.password == "hunter2"


async def test_a_wrong_secret_is_refused_and_never_shown(cloud: ScriptedServer) -> None:
    with pytest.raises(errors.AccessDeniedError, match=f"no login for {ECR} from AWS") as raised:
        await EcrLogin(ECR, KEY, "not-the-secret").issue()
    assert "not-the-secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refused("AccessDeniedException"), errors.AccessDeniedError),
        (refused("ThrottlingException"), errors.RateLimitedError),
        (Answer(body=b'{"authorizationData": [{"authorizationToken": "eA==", "expiresAt": 1}]}'), errors.ProtocolError),
    ],
)  # fmt: skip
async def test_each_refusal_is_its_own_error(
    answer: Answer, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    with ScriptedServer(lambda _: answer) as server:
        _point_to(server, monkeypatch)
        with pytest.raises(error):
            await EcrLogin(ECR, KEY, SECRET).issue()


async def test_a_cloud_that_is_not_there_is_worth_trying_again(
    monkeypatch: pytest.MonkeyPatch, cloud: ScriptedServer
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_ECR", "http://127.0.0.1:1")
    with pytest.raises(errors.UnreachableError):
        await EcrLogin(ECR, KEY, SECRET).issue()


async def test_the_registry_is_shown_the_password_and_aws_is_asked_once(cloud: ScriptedServer) -> None:
    expected = Credential("AWS", "hunter2").basic
    logins = IssuedLogins(clock=lambda: ENDS - timedelta(hours=12))

    def registry(asked: Asked) -> Answer:
        if asked.headers.get("Authorization") != expected:
            return Answer(
                401, headers={"WWW-Authenticate": 'Basic realm="https://ecr/",service="ecr.amazonaws.com"'}
            )
        return Answer(headers={"Docker-Content-Digest": "sha256:" + "0" * 64})

    with ScriptedServer(registry) as server:
        keychain = Keychain({server.host: EcrLogin(ECR, KEY, SECRET)}, issued=logins)
        async with RegistryClient(keychain) as client:
            for name in ("shop/web", "shop/db"):
                await client.head(Reference.parse(f"{server.host}/{name}:1"))
    assert len(cloud.asked) == 1


@pytest.mark.parametrize(
    ("registry", "region"),
    [
        (ECR, "eu-west-1"),
        ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("123456789012.dkr-ecr.eu-west-1.on.aws", "eu-west-1"),
        (PUBLIC, "us-east-1"),
    ],
)
def test_a_registrys_name_says_its_region(registry: str, region: str) -> None:
    assert region_of(registry) == region


def test_without_awss_library_it_is_said_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, no_module: Callable[[str], None]
) -> None:
    no_module("botocore.session")
    with pytest.raises(errors.UnsupportedError, match="--extra aws`, then start"):
        EcrLogin(ECR)._issue()


@pytest.fixture
def no_module(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    import sys  # noqa: PLC0415 -- for this alone

    return lambda name: monkeypatch.setitem(sys.modules, name, None)
