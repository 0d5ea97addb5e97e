"""Each way to a cluster, tried against a server on loopback that asks for a certificate and remembers who came."""

import base64
import json
import os
import ssl
import stat
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.lab.kubernetes.credentials import Credentials
from uptainer.core.enums import ConnectionType, RuntimeType
from uptainer.core.errors import (
    AccessDeniedError,
    InvalidInputError,
    RefusedError,
    UnsupportedError,
    UptainerError,
)
from uptainer.core.secrets import ClusterSecret
from uptainer.core.workloads import HostAddress
from uptainer.runtimes.kubernetes.client import Cluster


class Server:
    """Speaks TLS, takes a client certificate where one is shown, and answers 401 to tokens in `refused`."""

    def __init__(self, folder: Path) -> None:
        self.seen: list[tuple[str, str]] = []
        self.refused: set[str] = set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"https://127.0.0.1:{self._server.server_address[1]}"
        self.credentials = Credentials.write(folder, self.url)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "server.crt", folder / "server.key")
        context.load_verify_locations(self.credentials.authority)
        context.verify_mode = ssl.CERT_OPTIONAL
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            shown = self.connection.getpeercert() if isinstance(self.connection, ssl.SSLSocket) else None
            subject: Any = (shown or {}).get("subject", ())
            names = {name: value for group in subject for name, value in group}
            token = self.headers.get("authorization", "")
            server.seen.append((names.get("commonName", ""), token))
            content = json.dumps({"gitVersion": "v1.20.2"}).encode()
            self.send_response(401 if token.partition(" ")[2] in server.refused else 200)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """The test says what matters."""

    return Handler


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    folder = tmp_path / "server"
    folder.mkdir()
    made = Server(folder)
    yield made
    made.close()


def kubeconfig(server: Server, user: dict[str, Any], **cluster: Any) -> dict[str, Any]:
    content = server.credentials.kubeconfig_for(server.url, user)
    content["clusters"][0]["cluster"] |= cluster
    return content


def address(
    url: str = "kubeconfig://", *, connection: ConnectionType = ConnectionType.KUBECONFIG
) -> HostAddress:
    return HostAddress("kube", RuntimeType.KUBERNETES, connection, url, timeout=60)


def who_comes(server: Server, where: HostAddress, secret: ClusterSecret | None = None) -> tuple[str, str]:
    """The certificate's name and the Authorization header of the first call."""
    with closing(Cluster(where, secret)):
        return server.seen[0]


def text(content: dict[str, Any]) -> ClusterSecret:
    return ClusterSecret(kubeconfig=json.dumps(content))


def data(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def test_a_token_with_its_authority(server: Server) -> None:
    secret = ClusterSecret(token="of-mine\n", ca=server.credentials.authority.read_text())
    assert who_comes(server, address(server.url, connection=ConnectionType.TOKEN), secret) == (
        "",
        "Bearer of-mine",
    )


def test_a_kubeconfig_file_whose_paths_are_relative_to_it(server: Server, tmp_path: Path) -> None:
    content = kubeconfig(server, {"client-certificate": "server/admin.crt", "client-key": "server/admin.key"})
    content["clusters"][0]["cluster"]["certificate-authority"] = "server/ca.crt"
    (tmp_path / "config").write_text(json.dumps(content))
    assert who_comes(server, address(f"kubeconfig://{tmp_path}/config")) == ("admin", "")


def test_a_kubeconfigs_text_that_holds_its_certificates_leaves_no_file_behind(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    folder = server.credentials.folder
    user = {
        "client-certificate-data": data(folder / "admin.crt"),
        "client-key-data": data(folder / "admin.key"),
    }
    content = kubeconfig(server, user)
    cluster = content["clusters"][0]["cluster"]
    cluster["certificate-authority-data"] = data(Path(cluster.pop("certificate-authority")))
    with closing(Cluster(address(), text(content))):
        assert server.seen[0] == ("admin", "")
        (held,) = temporary.iterdir()
        assert stat.S_IMODE(held.stat().st_mode) == 0o700
    assert list(temporary.iterdir()) == []


def test_the_context_that_is_named_counts(server: Server) -> None:
    content = kubeconfig(server, {"token": "current"})
    content["users"].append({"name": "other", "user": {"token": "other"}})
    content["contexts"].append({"name": "other", "context": {"cluster": "lab", "user": "other"}})
    assert who_comes(server, address(), text(content))[1] == "Bearer current"
    server.seen.clear()
    assert who_comes(server, address("kubeconfig://?context=other"), text(content))[1] == "Bearer other"


def test_the_servers_certificate_is_checked_even_where_a_kubeconfig_says_not_to(server: Server) -> None:
    content = kubeconfig(server, {"token": "mine"}, **{"insecure-skip-tls-verify": True})
    with pytest.raises(RefusedError, match="insecure-skip-tls-verify"):
        Cluster(address(), text(content))
    assert server.seen == []


def test_another_authority_is_not_trusted(server: Server, tmp_path: Path) -> None:
    folder = tmp_path / "others"
    folder.mkdir()
    other = Credentials.write(folder, server.url)
    with pytest.raises(AccessDeniedError, match="certificate is not trusted"):
        Cluster(
            address(server.url, connection=ConnectionType.TOKEN),
            ClusterSecret("", "mine", other.authority.read_text()),
        )
    assert server.seen == []


class Plugin:
    """A program like those of cloud providers; it counts how often it was run."""

    def __init__(self, folder: Path, script: str) -> None:
        self.count = folder / "count"
        self.path = folder / "plugin"
        self.path.write_text(f'#!/bin/sh\necho run >>"{self.count}"\n{script}\n')
        self.path.chmod(0o755)

    def user(self, **more: Any) -> dict[str, Any]:
        version = "client.authentication.k8s.io/v1beta1"
        return {"exec": {"apiVersion": version, "command": str(self.path), "args": ["one"], **more}}

    @property
    def runs(self) -> int:
        return len(self.count.read_text().splitlines())


def credential(**status: Any) -> str:
    answer = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "kind": "ExecCredential",
        "status": status,
    }
    return f"cat <<'END'\n{json.dumps(answer)}\nEND"


def test_a_plugin_gives_a_token(server: Server, tmp_path: Path) -> None:
    script = f'[ "$1" = one ] && [ "$EXTRA" = two ] || exit 1\n{credential(token="from-plugin")}'
    plugin = Plugin(tmp_path, script)
    user = plugin.user(env=[{"name": "EXTRA", "value": "two"}])
    with closing(Cluster(address(), text(kubeconfig(server, user)))) as cluster:
        cluster.get("/api")
    assert {token for _, token in server.seen} == {"Bearer from-plugin"}
    assert plugin.runs == 1, "what does not run out is asked for once"


def test_a_plugin_gives_a_certificate(server: Server, tmp_path: Path) -> None:
    folder = server.credentials.folder
    script = credential(
        clientCertificateData=(folder / "admin.crt").read_text(),
        clientKeyData=(folder / "admin.key").read_text(),
    )
    user = Plugin(tmp_path, script).user()
    assert who_comes(server, address(), text(kubeconfig(server, user))) == ("admin", "")


@pytest.mark.parametrize(("lifetime", "runs"), [(timedelta(hours=1), 1), (timedelta(seconds=5), 3)])
def test_what_runs_out_is_asked_for_again(
    server: Server, tmp_path: Path, lifetime: timedelta, runs: int
) -> None:
    expires = (datetime.now(UTC) + lifetime).isoformat(timespec="seconds")
    plugin = Plugin(tmp_path, credential(token="short", expirationTimestamp=expires))
    with closing(Cluster(address(), text(kubeconfig(server, plugin.user())))) as cluster:
        cluster.get("/api")
    assert plugin.runs == runs


def test_a_certificate_that_runs_out_is_replaced_for_the_next_connection(
    server: Server, tmp_path: Path
) -> None:
    folder = server.credentials.folder
    script = credential(
        clientCertificateData=(folder / "admin.crt").read_text(),
        clientKeyData=(folder / "admin.key").read_text(),
        expirationTimestamp=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    plugin = Plugin(tmp_path, script)
    with closing(Cluster(address(), text(kubeconfig(server, plugin.user())))) as cluster:
        key = Path(str(cluster.connection.configuration.key_file))
        key.write_text("spoilt")
        cluster.get("/api")
        assert key.read_text() == (folder / "admin.key").read_text()
    assert plugin.runs == 3


def test_a_token_that_is_not_taken_any_more_is_renewed_once(server: Server, tmp_path: Path) -> None:
    script = f'if [ $(wc -l <"{tmp_path}/count") = 1 ]; then\n{credential(token="old")}\nelse\n{credential(token="new")}\nfi'
    user = Plugin(tmp_path, script).user()
    with closing(Cluster(address(), text(kubeconfig(server, user)))) as cluster:
        server.refused = {"old"}
        cluster.get("/api")
        assert server.seen[-1][1] == "Bearer new"
        server.refused = {"old", "new"}
        asked = len(server.seen)
        with pytest.raises(AccessDeniedError, match="does not know who we are"):
            cluster.get("/api")
    assert len(server.seen) == asked + 2


@pytest.mark.parametrize(
    ("script", "timeout", "words"),
    [
        ("echo no session >&2; exit 3", 20, "ended with status 3: no session"),
        ("echo secret-half-an-answer", 20, "holds no credentials"),
        (credential(), 20, "neither a token nor a certificate"),
        (credential(clientCertificateData="x"), 20, "neither a token nor a certificate"),
        ("exec sleep 30", 0.5, "gave no credentials in 0.5 s"),
    ],
)
def test_a_plugin_that_fails_is_told_and_nobody_is_asked_without_credentials(
    server: Server, tmp_path: Path, script: str, timeout: float, words: str
) -> None:
    user = Plugin(tmp_path, script).user()
    where = replace(address(), timeout=timeout)
    with pytest.raises(AccessDeniedError) as raised:
        Cluster(where, text(kubeconfig(server, user)))
    assert words in str(raised.value)
    assert "secret-half" not in str(raised.value)
    assert server.seen == []


def test_a_plugin_that_is_not_installed_says_how_to_get_it(server: Server) -> None:
    asked = {"apiVersion": "v1", "command": "no-such-plugin", "installHint": "get it from the provider"}
    with pytest.raises(
        AccessDeniedError, match="no-such-plugin, which is not here: get it from the provider"
    ):
        Cluster(address(), text(kubeconfig(server, {"exec": asked})))


@pytest.mark.parametrize(
    ("url", "content", "fault", "words"),
    [
        ("kubeconfig:///no/such/file", "", InvalidInputError, "no kubeconfig at /no/such/file"),
        ("kubeconfig://", "", InvalidInputError, "put its text in its block"),
        ("kubeconfig://", "{", InvalidInputError, "is not YAML"),
        ("kubeconfig://", "[]", InvalidInputError, "holds no configuration"),
        ("kubeconfig://", "a: b", InvalidInputError, "no current context"),
        ("kubeconfig://?context=x", "a: b", InvalidInputError, "no context 'x'"),
    ],
)
def test_a_kubeconfig_that_says_too_little_is_refused_in_plain_words(
    url: str, content: str, fault: type[UptainerError], words: str
) -> None:
    with pytest.raises(fault) as raised:
        Cluster(address(url), ClusterSecret(kubeconfig=content))
    assert words in str(raised.value)


@pytest.mark.parametrize(
    ("where", "words"),
    [
        (address("https://127.0.0.1:1", connection=ConnectionType.TOKEN), "holds no token"),
        (address("in-cluster://", connection=ConnectionType.IN_CLUSTER), "Service host/port is not set"),
    ],
)
def test_what_is_missing_is_said(where: HostAddress, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("KUBERNETES_SERVICE")]:
        monkeypatch.delenv(name)
    with pytest.raises(InvalidInputError, match=words):
        Cluster(where)


def test_inside_a_cluster_its_service_account_is_used(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files are where the kubelet puts them, but for their folder."""
    (tmp_path / "token").write_text("of-the-pod")
    found = "kubernetes.config.incluster_config.SERVICE_{}_FILENAME"
    monkeypatch.setattr(found.format("TOKEN"), str(tmp_path / "token"))
    monkeypatch.setattr(found.format("CERT"), str(server.credentials.authority))
    host, _, port = server.url.removeprefix("https://").partition(":")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    where = address("in-cluster://", connection=ConnectionType.IN_CLUSTER)
    assert who_comes(server, where) == ("", "bearer of-the-pod")


def test_a_cluster_is_not_reached_by_a_socket() -> None:
    with pytest.raises(UnsupportedError, match="by kubeconfig, in-cluster or token, not by unix"):
        Cluster(address("unix:///run/docker.sock", connection=ConnectionType.UNIX))
