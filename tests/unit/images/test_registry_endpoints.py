import httpx
import pytest

from uptainer.core.errors import PermanentError, RefusedError
from uptainer.images.endpoints import Endpoint, require_own_token_server, require_safe_target
from uptainer.images.owners import AllowedHosts


@pytest.mark.parametrize(
    ("registry", "url"),
    [
        ("docker.io", "https://registry-1.docker.io"),
        ("ghcr.io", "https://ghcr.io"),
        ("10.0.0.5:5000", "https://10.0.0.5:5000"),
        ("localhost:5000", "http://localhost:5000"),
        ("localhost", "http://localhost"),
        ("127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("127.9.9.9:5000", "http://127.9.9.9:5000"),
        ("[::1]:5000", "http://[::1]:5000"),
        ("localhost.evil.example", "https://localhost.evil.example"),
        ("nas.lan:5000", "https://nas.lan:5000"),
    ],
)
def test_plain_http_is_for_loopback(registry: str, url: str) -> None:
    assert str(Endpoint.of(registry).url) == url


@pytest.mark.parametrize(
    ("origin", "target"),
    [
        ("https://registry-1.docker.io", "https://8.8.4.4/token"),
        ("https://ghcr.io", "https://ghcr.io/token"),
        ("https://10.0.0.5:5000", "https://10.0.0.6/token"),
        ("https://10.0.0.5:5000", "https://8.8.8.8/token"),
        ("http://localhost:5000", "http://127.0.0.1:5001/token"),
        ("http://localhost:5000", "https://8.8.8.8/token"),
        ("http://10.0.0.5:5000", "http://10.0.0.5:5000/token"),
    ],
)
async def test_a_registry_may_send_us_there(origin: str, target: str) -> None:
    await require_safe_target(httpx.URL(origin), httpx.URL(target), "its token server")


@pytest.mark.parametrize(
    ("origin", "target", "fault"),
    [
        ("https://8.8.8.8", "http://8.8.8.8/token", "not encrypted"),
        ("https://8.8.8.8", "http://8.8.4.4/token", "not encrypted"),
        ("https://8.8.8.8", "http://127.0.0.1/token", "not encrypted"),
        ("http://localhost:5000", "http://8.8.8.8/token", "not encrypted"),
        ("http://10.0.0.5:5000", "http://10.0.0.6/token", "not encrypted"),
        ("https://8.8.8.8", "https://127.0.0.1/token", "private network"),
        ("https://8.8.8.8", "https://localhost/token", "private network"),
        ("https://8.8.8.8", "https://10.0.0.1/token", "private network"),
        ("https://8.8.8.8", "https://169.254.169.254/latest/meta-data", "private network"),
        ("https://8.8.8.8", "https://[::1]/token", "private network"),
        ("https://8.8.8.8", "https://[fd00::1]/token", "private network"),
        ("https://8.8.8.8", "https://[::ffff:10.0.0.1]/token", "private network"),
        ("https://8.8.8.8", "https://user:pw@8.8.4.4/", "not an address to go to"),
        ("https://8.8.8.8", "file:///etc/passwd", "not an address to go to"),
        ("https://8.8.8.8", "/token", "not an address to go to"),
        ("https://8.8.8.8", "", "not an address to go to"),
    ],
)
async def test_a_registry_may_not_send_us_there(origin: str, target: str, fault: str) -> None:
    with pytest.raises(PermanentError, match=fault) as raised:
        await require_safe_target(httpx.URL(origin), httpx.URL(target), "its token server")

    assert "pw" not in str(raised.value)


@pytest.mark.parametrize(
    ("allowed", "target"),
    [
        (["10.0.0.0/8"], "https://10.0.0.1/token"),
        (["10.0.0.1"], "https://10.0.0.1/token"),
        (["fd00::/8"], "https://[fd00::1]/token"),
        (["localhost"], "https://localhost/token"),
        (["127.0.0.0/8"], "https://localhost/token"),
    ],
)
async def test_what_was_allowed_by_name_or_network_may_be_private(allowed: list[str], target: str) -> None:
    origin = httpx.URL("https://8.8.8.8")
    with pytest.raises(RefusedError, match="under Other hosts in a Registry block"):
        await require_safe_target(origin, httpx.URL(target), "its token server")
    await require_safe_target(origin, httpx.URL(target), "its token server", AllowedHosts.parse(allowed))


async def test_what_was_allowed_must_be_encrypted_all_the_same() -> None:
    origin, target = httpx.URL("https://8.8.8.8"), httpx.URL("http://10.0.0.1/token")
    with pytest.raises(PermanentError, match="not encrypted"):
        await require_safe_target(origin, target, "its token server", AllowedHosts.parse(["10.0.0.1"]))


@pytest.mark.parametrize(
    ("registry", "realm"),
    [
        ("docker.io", "https://auth.docker.io/token"),
        ("ghcr.io", "https://ghcr.io/token"),
        ("quay.io", "https://quay.io/v2/auth"),
        ("registry.gitlab.com", "https://gitlab.com/jwt/auth"),
        ("registry.example.org:5050", "https://gitlab.example.org/jwt/auth"),
        ("harbor.example.co.uk", "https://login.example.co.uk/service/token"),
        ("europe-docker.pkg.dev", "https://europe-docker.pkg.dev/v2/token"),
        ("shop.azurecr.io", "https://shop.azurecr.io/oauth2/token"),
        ("nas:5000", "https://nas:5001/auth"),
        ("10.0.0.5:5000", "https://10.0.0.5:8443/auth"),
        ("localhost:5000", "http://127.0.0.1:5001/auth"),
    ],
)
def test_a_login_is_taken_to_a_host_of_the_same_owner(registry: str, realm: str) -> None:
    require_own_token_server(Endpoint.of(registry), httpx.URL(realm))


@pytest.mark.parametrize(
    ("registry", "realm", "allowed"),
    [
        ("ghcr.io", "https://evil.example/token", "evil.example"),
        ("registry.example.org", "https://auth.example.com/token", "*.example.com"),
        ("shop.co.uk", "https://evil.co.uk/token", "evil.co.uk"),
        ("shop.github.io", "https://evil.github.io/token", "*.github.io"),
        ("shop.azurecr.io", "https://evil.azurecr.io/oauth2/token", "evil.azurecr.io"),
        ("europe-docker.pkg.dev", "https://evil.pkg.dev/token", "EVIL.pkg.dev"),
        ("10.0.0.5:5000", "https://10.0.0.6/token", "10.0.0.0/24"),
        ("nas:5000", "https://auth/token", "auth"),
        ("localhost:5000", "https://8.8.8.8/token", "8.8.8.8"),
    ],
)
def test_a_login_is_taken_to_nobody_elses_host_unless_that_was_allowed(
    registry: str, realm: str, allowed: str
) -> None:
    with pytest.raises(RefusedError, match=r"somebody else's host.* put .* under Other hosts"):
        require_own_token_server(Endpoint.of(registry), httpx.URL(realm))

    require_own_token_server(Endpoint.of(registry, allowed=AllowedHosts.parse([allowed])), httpx.URL(realm))


@pytest.mark.parametrize(
    "text", ["", "https://auth.example.org", "auth.example.org:443", "10.0.0.0/40", "*", "a b"]
)
def test_what_is_neither_a_host_nor_a_network_is_refused(text: str) -> None:
    with pytest.raises(PermanentError, match="neither a host's name nor a network"):
        AllowedHosts.parse([text])


def test_plain_http_is_for_what_a_person_named() -> None:
    endpoint = Endpoint.of("nas.lan:5000", plain=True)
    assert (str(endpoint.url), endpoint.overheard) == ("http://nas.lan:5000", False)


@pytest.mark.parametrize(("registry", "plain"), [("localhost:5000", False), ("nas.lan:5000", True)])
def test_a_registry_with_certificates_is_asked_by_tls_wherever_it_is(registry: str, plain: bool) -> None:
    assert Endpoint.of(registry, plain=plain, certified=True).is_encrypted
