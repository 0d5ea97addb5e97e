"""What the client does with registries that are broken, or mean harm."""

import base64
import itertools
import json
from collections.abc import Callable

import pytest

from tests.lab.scripted import Answer, Asked, ScriptedServer
from uptainer.core import errors
from uptainer.core.reference import Reference
from uptainer.images.credentials import Credential, Keychain
from uptainer.images.manifests import digest_of
from uptainer.images.registry import Limits, RegistryClient

CONFIG = json.dumps({"os": "linux", "architecture": "amd64"}).encode()
MANIFEST = json.dumps(
    {"config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest_of(CONFIG)}}
).encode()
QUICK = Limits(connect=5, read=5, call=0.5)
SECRET = Credential("user", "hunter2")
BASIC = "Basic " + base64.b64encode(b"user:hunter2").decode()


async def ask(
    server: ScriptedServer, method: str, *, limits: Limits | None = None, credential: Credential | None = None
) -> object:
    reference = Reference.parse(f"{server.host}/app:1")
    keychain = Keychain({server.host: credential} if credential else {})
    async with RegistryClient(keychain, limits=limits) as client:
        match method:
            case "config":
                return await client.config(reference, digest_of(CONFIG))
            case "tags":
                return await client.tags(reference)
            case "manifest":
                return await client.manifest(reference)
            case _:
                return await client.head(reference)


def endless() -> Answer:
    return Answer(pieces=itertools.repeat(b"[" * 65536))


def dripping() -> Answer:
    return Answer(pieces=iter((b'{"tags":', None)))


@pytest.mark.parametrize("method", ["manifest", "config", "tags"])
@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (endless, "more than 4194304 bytes"),
        (lambda: Answer(headers={"Content-Encoding": "gzip"}, body=b"x"), "compressed"),
        (lambda: Answer(body=b'{"tags":{}}', headers={"Docker-Content-Digest": "sha256:" + "0" * 64}), "digest|malformed|tags"),
        (lambda: Answer(302, headers={"Location": "/v2/app/elsewhere"}), "redirects more than 3 times"),
        (lambda: Answer(302, headers={"Location": "http://8.8.8.8/x"}), "not encrypted"),
        (lambda: Answer(302, headers={"Location": "file:///etc/passwd"}), "not an address to go to"),
        (lambda: Answer(299, body=b"\xff\xfe"), "digest|not JSON"),
    ],
)  # fmt: skip
async def test_an_answer_that_cannot_be_right_is_refused(
    method: str, answer: Callable[[], Answer], fault: str
) -> None:
    with ScriptedServer(lambda _: answer()) as server, pytest.raises(errors.ProtocolError, match=fault):
        await ask(server, method)
    assert len(server.asked) <= 4


@pytest.mark.parametrize("method", ["head", "manifest", "config", "tags"])
async def test_a_registry_that_never_ends_its_answer_is_left(method: str) -> None:
    def script(asked: Asked) -> Answer:
        return Answer(302, headers={"Location": asked.path}) if asked.method == "HEAD" else dripping()

    expected = errors.ProtocolError if method == "head" else errors.UnreachableError
    with ScriptedServer(script) as server, pytest.raises(expected, match=r"in time|redirects"):
        await ask(server, method, limits=None if method == "head" else QUICK)


async def test_an_error_without_an_end_is_left_too() -> None:
    challenge = {"WWW-Authenticate": 'Bearer realm="http://127.0.0.1:1/token"'}
    with (
        ScriptedServer(
            lambda _: Answer(401, headers=challenge, pieces=itertools.repeat(b"x" * 65536))
        ) as server,
        pytest.raises(errors.UptainerError),
    ):
        await ask(server, "tags", limits=QUICK)


async def test_a_tag_list_without_an_end_is_refused() -> None:
    pages = itertools.count()

    def script(_: Asked) -> Answer:
        page = next(pages)
        return Answer(
            body=b'{"tags":["%d"]}' % page, headers={"Link": f'</v2/app/tags/list?last={page}>; rel="next"'}
        )

    with ScriptedServer(script) as server, pytest.raises(errors.ProtocolError, match="do not end: 5 pages"):
        await ask(server, "tags", limits=Limits(pages=5))


async def test_a_tag_list_that_goes_in_a_circle_is_refused() -> None:
    link = {"Link": '</v2/app/tags/list?last=1>; rel="next"'}
    with (
        ScriptedServer(lambda _: Answer(body=b'{"tags":["1"]}', headers=link)) as server,
        pytest.raises(errors.ProtocolError, match="do not end: 2 pages"),
    ):
        await ask(server, "tags")


@pytest.mark.parametrize(
    "link",
    [
        "http://127.0.0.1:1/v2/app/tags/list",
        "//evil.example/v2/app/tags/list",
        "/v2/other/tags/list",
        "/admin",
        "http://[::x",
    ],
)
async def test_a_tag_list_goes_on_at_the_same_place_only(link: str) -> None:
    headers = {"Link": f'<{link}>; rel="next"'}
    with (
        ScriptedServer(lambda _: Answer(body=b'{"tags":["1"]}', headers=headers)) as server,
        pytest.raises(errors.ProtocolError, match="go on"),
    ):
        await ask(server, "tags", credential=SECRET)
    assert len(server.asked) == 1


async def test_tags_are_read_over_all_their_pages() -> None:
    names = [f"1.{minor}" for minor in range(7)]

    def script(asked: Asked) -> Answer:
        start = int(asked.path.partition("from=")[2] or 0)
        link = f'<list?n=3&from={start + 3}>; rel="next"'
        headers = {"Link": link} if start + 3 < len(names) else {}
        return Answer(body=json.dumps({"tags": names[start : start + 3]}).encode(), headers=headers)

    with ScriptedServer(script) as server:
        assert await ask(server, "tags", limits=Limits(page_size=3)) == tuple(names)
    assert [asked.path.partition("?")[2] for asked in server.asked] == ["n=3", "n=3&from=3", "n=3&from=6"]


async def test_a_head_without_a_digest_is_made_good_by_the_manifest() -> None:
    with ScriptedServer(lambda _: Answer(body=MANIFEST)) as server:
        reference = Reference.parse(f"{server.host}/app:1")
        async with RegistryClient(Keychain()) as client:
            assert (await client.head(reference)).digest == digest_of(MANIFEST)
    assert [asked.method for asked in server.asked] == ["HEAD", "GET"]


@pytest.mark.parametrize(
    "digest", ["latest", "sha256:zz", "sha256:" + "A" * 64, "md5:" + "0" * 32, "../../etc"]
)
async def test_a_digest_that_is_none_is_refused(digest: str) -> None:
    with (
        ScriptedServer(lambda _: Answer(headers={"Docker-Content-Digest": digest})) as server,
        pytest.raises(errors.ProtocolError, match="as a digest"),
    ):
        await ask(server, "head")


async def test_content_under_a_wrong_digest_is_refused() -> None:
    with (
        ScriptedServer(lambda _: Answer(body=MANIFEST)) as server,
        pytest.raises(errors.ProtocolError, match="not what its digest"),
    ):
        await ask(server, "config")


@pytest.mark.parametrize("place", ["https://xn--0.com/blob", "https://a..b/blob"])
async def test_content_that_is_nowhere_is_refused(place: str) -> None:
    with (
        ScriptedServer(lambda _: Answer(307, headers={"Location": place})) as server,
        pytest.raises(errors.ProtocolError, match="no address"),
    ):
        await ask(server, "config")


async def test_content_is_fetched_elsewhere_without_the_credentials() -> None:
    with ScriptedServer(lambda _: Answer(body=CONFIG)) as store:

        def script(asked: Asked) -> Answer:
            if asked.headers.get("Authorization") != BASIC:
                return Answer(401, headers={"WWW-Authenticate": "Basic realm=x"})
            return Answer(307, headers={"Location": f"{store.url}/blob?signature=s"})

        with ScriptedServer(script) as server:
            await ask(server, "config", credential=SECRET)

    assert [asked.path for asked in store.asked] == ["/blob?signature=s"]
    assert "Authorization" not in store.asked[0].headers


async def test_a_store_that_asks_for_a_password_gets_none() -> None:
    challenge = {"WWW-Authenticate": "Basic realm=x"}
    with (
        ScriptedServer(lambda _: Answer(401, headers=challenge)) as store,
        ScriptedServer(lambda _: Answer(307, headers={"Location": store.url})) as server,
        pytest.raises(errors.AccessDeniedError),
    ):
        await ask(server, "config", credential=SECRET)
    assert [asked.headers.get("Authorization") for asked in store.asked] == [None]


@pytest.mark.parametrize(
    ("realm", "fault"),
    [
        ("http://8.8.8.8/token", "not encrypted"),
        ("http://evil.example/token", "not encrypted"),
        ("ftp://localhost/token", "not an address to go to"),
        ("https://a:b@localhost/token", "not an address to go to"),
        ("", "not an address to go to"),
        ("http://[::x", "no address"),
        ("https://xn--0.com/token", "no address"),
        ("https://a..b/token", "no address"),
        ("https://evil.example/token", "somebody else's host"),
        ("https://8.8.8.8/token", "put 8.8.8.8 under Other hosts in a Registry block"),
    ],
)
async def test_a_password_is_not_taken_where_it_could_be_heard(realm: str, fault: str) -> None:
    challenge = {"WWW-Authenticate": f'Bearer realm="{realm}",service="s"'}
    with (
        ScriptedServer(lambda _: Answer(401, headers=challenge)) as server,
        pytest.raises(errors.PermanentError, match=fault) as raised,
    ):
        await ask(server, "head", credential=SECRET)
    assert "hunter2" not in str(raised.value)
    assert all("Authorization" not in asked.headers for asked in server.asked)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(body=b"{}"), errors.ProtocolError),
        (Answer(body=b"[]"), errors.ProtocolError),
        (Answer(body=b'{"token": 7}'), errors.ProtocolError),
        (Answer(body=b'{"token": "a\\r\\nX-Evil: 1"}'), errors.ProtocolError),
        (Answer(body=b'{"token": "t", "expires_in": "soon"}'), errors.ProtocolError),
        (Answer(302, headers={"Location": "http://localhost:1/"}), errors.ProtocolError),
        (Answer(429, headers={"Retry-After": "3"}), errors.RateLimitedError),
        (Answer(502), errors.TemporaryError),
        (Answer(403), errors.AccessDeniedError),
    ],
)
async def test_a_token_server_that_gives_no_token_is_an_error(answer: Answer, error: type[Exception]) -> None:
    with ScriptedServer(lambda _: answer) as tokens:
        challenge = {"WWW-Authenticate": f'Bearer realm="{tokens.url}/token"'}
        with (
            ScriptedServer(lambda _: Answer(401, headers=challenge)) as server,
            pytest.raises(error, match="token server"),
        ):
            await ask(server, "head", credential=SECRET)


async def test_an_identity_token_is_exchanged_by_post() -> None:
    with ScriptedServer(lambda _: Answer(body=b'{"access_token": "short"}')) as tokens:
        challenge = {"WWW-Authenticate": f'Bearer realm="{tokens.url}/token",service="s"'}

        def script(asked: Asked) -> Answer:
            if asked.headers.get("Authorization") == "Bearer short":
                return Answer(body=b'{"tags":["1"]}')
            return Answer(401, headers=challenge)

        with ScriptedServer(script) as server:
            assert await ask(server, "tags", credential=Credential(identity_token="long")) == ("1",)

    assert [asked.method for asked in tokens.asked] == ["POST"]
    assert b"grant_type=refresh_token&refresh_token=long" in tokens.asked[0].body


async def test_a_refused_token_is_asked_for_once_more_and_no_further() -> None:
    with ScriptedServer(lambda _: Answer(body=b'{"token": "t"}')) as tokens:
        challenge = {"WWW-Authenticate": f'Bearer realm="{tokens.url}/token"'}
        with ScriptedServer(lambda _: Answer(401, headers=challenge)) as server:
            with pytest.raises(errors.AccessDeniedError):
                await ask(server, "head")
            assert (len(server.asked), len(tokens.asked)) == (2, 1)


@pytest.mark.parametrize(
    ("answer", "error", "fault"),
    [
        (Answer(429, headers={"Retry-After": "9"}), errors.RateLimitedError, "too many requests"),
        (Answer(503), errors.TemporaryError, "answered 503"),
        (Answer(401), errors.AccessDeniedError, "offers no way that is known"),
        (Answer(401, headers={"WWW-Authenticate": "Negotiate"}), errors.AccessDeniedError, "offers no way"),
        (Answer(304), errors.ProtocolError, "answered 304"),
        (Answer(302, headers={"Location": "http://[::x"}), errors.UnreachableError, "Invalid URL"),
    ],
)
async def test_each_refusal_is_its_own_error(answer: Answer, error: type[Exception], fault: str) -> None:
    with ScriptedServer(lambda _: answer) as server, pytest.raises(error, match=fault):
        await ask(server, "head")


async def test_a_registry_that_is_not_there_is_unreachable() -> None:
    with ScriptedServer(lambda _: Answer()) as server:
        pass
    with pytest.raises(errors.UnreachableError, match=r"localhost:\d+ cannot be reached"):
        await ask(server, "head")


@pytest.mark.parametrize(
    ("status", "error"),
    [(429, errors.RateLimitedError), (503, errors.TemporaryError), (404, errors.NotFoundError)],
)
async def test_who_does_not_say_where_a_login_is_taken_gets_none_by_way_of_another_program(
    status: int, error: type[Exception]
) -> None:
    """The scanner asks again by itself, and would follow what is said then."""
    with ScriptedServer(lambda _: Answer(status)) as server:
        async with RegistryClient(Keychain({server.host: SECRET})) as client:
            with pytest.raises(error):
                await client.require_own_token_server(server.host)
    assert all("Authorization" not in asked.headers for asked in server.asked)
