"""The real Trivy, and what it sends over a network: all of that goes by a proxy here, which hears it."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.lab.scripted import Answer, ScriptedServer
from uptainer.core.errors import UptainerError
from uptainer.core.platform import Platform
from uptainer.core.reference import Reference
from uptainer.scanning.sources import RegistrySource, unheard
from uptainer.scanning.trivy import Scanner, ServerAddress

SERVER = "http://trivy.lan:4954"
LOGIN = RegistrySource("me", "hush")


@pytest.mark.parametrize(
    ("source", "expected"), [(LOGIN, False), (RegistrySource("me", "hush", insecure=True), True)]
)
async def test_a_login_is_heard_only_where_a_person_said_that_it_may_be(
    trivy_binary: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    source: RegistrySource,
    expected: bool,
) -> None:
    """By itself Trivy falls back to plain HTTP for private addresses, as soon as TLS fails."""
    wanted = {"WWW-Authenticate": 'Basic realm="nas"'}
    scanner = Scanner(
        ServerAddress("http://127.0.0.1:1"), tmp_path, trivy_binary, timedelta(seconds=60), offline=True
    )
    with ScriptedServer(lambda _: Answer(401, headers=wanted)) as network:
        monkeypatch.setenv("HTTP_PROXY", network.url)
        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
        target = Reference.parse(f"10.9.9.9:5000/app@sha256:{'0' * 64}")
        try:
            scan = await scanner.scan(target, Platform("linux", "amd64"), source)
            said = scan.reason
        except UptainerError as error:
            said = str(error)
    assert "10.9.9.9:5000/app" in said
    assert any("Authorization" in asked.headers for asked in network.asked) is expected


@pytest.mark.parametrize(
    ("environ", "spared"),
    [
        ({}, "trivy.lan:4954"),
        ({"NO_PROXY": "10.0.0.0/8", "HTTP_PROXY": "http://proxy.lan"}, "trivy.lan:4954"),
        ({"NO_PROXY": ".lan", "HTTPS_PROXY": "http://proxy.lan"}, "trivy.lan:4954,.lan"),
        ({"https_proxy": "http://proxy.lan"}, "trivy.lan:4954"),
    ],
)
def test_only_trivys_own_server_is_asked_without_tls_while_a_login_is_there(
    environ: dict[str, str], spared: str
) -> None:
    given = unheard(LOGIN, SERVER, environ)
    assert (given["NO_PROXY"], given["no_proxy"]) == (spared, spared)
    assert given["HTTP_PROXY"] == given["http_proxy"]
    assert unheard(RegistrySource(), SERVER, environ) == {}
