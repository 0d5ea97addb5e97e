import httpx
import pytest

from uptainer.core.errors import ProtocolError
from uptainer.images.endpoints import Endpoint, require_safe_target


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
        ("nas.lan:5000", "http://nas.lan:5000"),
    ],
)
def test_plain_http_is_for_loopback_and_for_what_was_named(registry: str, url: str) -> None:
    assert str(Endpoint.of(registry, frozenset({"nas.lan:5000"})).url) == url


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
    with pytest.raises(ProtocolError, match=fault) as raised:
        await require_safe_target(httpx.URL(origin), httpx.URL(target), "its token server")

    assert "pw" not in str(raised.value)
