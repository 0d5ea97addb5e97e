"""The client of a cluster against a server on loopback that does what a real one does on its bad days."""

import socket
import ssl
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from tests.contract.kubernetes.scripted import (
    Asked,
    Said,
    address_of,
    cluster_of,
    refusal,
)
from tests.lab.kubernetes.credentials import Credentials
from uptainer.core.errors import (
    AccessDeniedError,
    BusyError,
    InvalidInputError,
    NotFoundError,
    PermanentError,
    ProtocolError,
    RateLimitedError,
    RefusedError,
    TemporaryError,
    UnreachableError,
    UptainerError,
)
from uptainer.core.secrets import ClusterSecret
from uptainer.runtimes.kubernetes.client import MERGE, STRATEGIC, Cluster
from uptainer.runtimes.kubernetes.resources import CRON_JOB_VERSIONS, PODS

OBJECTS = [{"metadata": {"name": f"pod-{number}"}} for number in range(7)]


def pages(asked: Asked) -> Said:
    """As the API server pages: a token says where to go on."""
    limit = int(asked.query.get("limit", len(OBJECTS)))
    start = int(asked.query.get("continue", 0))
    end = start + limit
    following = str(end) if end < len(OBJECTS) else ""
    return Said({"items": OBJECTS[start:end], "metadata": {"continue": following}})


def test_a_list_is_read_page_by_page_to_its_end() -> None:
    with cluster_of(pages, page=3) as (api, cluster):
        assert cluster.items(PODS.path(), query={"labelSelector": "a=b"}) == OBJECTS
        asked = [each for each in api.asked if each.path == PODS.path()]
    assert [each.query.get("continue") for each in asked] == [None, "3", "6"]
    assert all(each.query["labelSelector"] == "a=b" and each.query["limit"] == "3" for each in asked)


def test_only_what_is_kept_of_an_object_stays() -> None:
    with cluster_of(pages, page=2) as (_, cluster):
        names = cluster.collect(
            PODS.path(), lambda pod: pod["metadata"]["name"][-1] if pod != OBJECTS[0] else None
        )
    assert names == ["1", "2", "3", "4", "5", "6"]


def test_a_list_whose_next_page_is_gone_is_begun_again_in_one_piece() -> None:
    def script(asked: Asked) -> Said:
        if asked.query.get("continue") == "6":
            return refusal(410, "Expired", "The provided continue parameter is too old")
        return pages(asked)

    with cluster_of(script, page=3) as (api, cluster):
        assert cluster.items(PODS.path()) == OBJECTS
        assert "limit" not in api.asked[-1].query


def test_a_list_that_is_gone_again_and_again_is_a_temporary_fault_and_no_part_of_a_list() -> None:
    gone = refusal(410, "Expired", "too old")
    with cluster_of(lambda _: gone) as (_, cluster), pytest.raises(TemporaryError, match="too old"):
        cluster.items(PODS.path())


def test_an_answer_that_is_no_list_is_not_an_empty_one() -> None:
    with (
        cluster_of(lambda _: Said({"kind": "Pod"})) as (_, cluster),
        pytest.raises(ProtocolError, match="no list"),
    ):
        cluster.items(PODS.path())


RBAC = (
    'deployments.apps is forbidden: User "system:serviceaccount:ops:uptainer" cannot list resource "deployments" '
    'in API group "apps" {}'
)


@pytest.mark.parametrize(
    ("said", "fault", "words"),
    [
        (refusal(400, "BadRequest", "no such field"), InvalidInputError, "no such field"),
        (refusal(401, "Unauthorized", "Unauthorized"), AccessDeniedError, "does not know who we are"),
        (
            refusal(403, "Forbidden", RBAC.format("at the cluster scope")),
            AccessDeniedError,
            'a ClusterRole needs {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["list"]}',
        ),
        (
            refusal(403, "Forbidden", RBAC.format('in the namespace "shop"')),
            AccessDeniedError,
            'a Role in the namespace shop needs {"apiGroups": ["apps"]',
        ),
        (
            refusal(403, "Forbidden", 'pods "web" is forbidden: exceeded quota: compute'),
            RefusedError,
            "exceeded quota: compute",
        ),
        (refusal(404, "NotFound", 'pods "web" not found'), NotFoundError, 'pods "web" not found'),
        (refusal(409, "Conflict", "the object has been modified"), BusyError, "has been modified"),
        (refusal(409, "AlreadyExists", 'pods "web" already exists'), PermanentError, "already exists"),
        (refusal(422, "Invalid", "spec.replicas: Invalid value"), InvalidInputError, "spec.replicas"),
        (refusal(429, "TooManyRequests", "slow down"), RateLimitedError, "slow down"),
        (refusal(500, "InternalError", "a webhook failed"), TemporaryError, "a webhook failed"),
        (Said(b"<html>bad gateway</html>", 503), UnreachableError, "bad gateway"),
        (Said(b"", 302, {"location": "https://elsewhere.example/"}), ProtocolError, "sends us elsewhere"),
        (Said(b"<html>hello</html>"), ProtocolError, "not JSON"),
    ],
)
def test_each_refusal_is_told_in_plain_words(said: Said, fault: type[UptainerError], words: str) -> None:
    with cluster_of(lambda _: said) as (api, cluster):
        with pytest.raises(fault) as raised:
            cluster.get(PODS.path("shop"))
        assert api.paths() == [PODS.path("shop")], "it was asked once"
    assert words in str(raised.value)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "said",
    [
        Said({"message": "slow down"}, 429, {"retry-after": "7"}),
        refusal(429, "TooManyRequests", "slow down", retryAfterSeconds=7),
        Said({"message": "starting"}, 503, {"retry-after": "7"}),
    ],
)
def test_how_long_the_server_asks_us_to_wait_is_kept(said: Said) -> None:
    with cluster_of(lambda _: said) as (_, cluster), pytest.raises(TemporaryError) as raised:
        cluster.get(PODS.path())
    assert raised.value.retry_after == timedelta(seconds=7)


def test_a_server_that_hangs_costs_one_timeout_and_is_asked_once() -> None:
    def script(_: Asked) -> Said:
        return api.hang()

    with cluster_of(script, timeout=2) as (api, cluster):
        with pytest.raises(UnreachableError, match=r"did not answer about /api/v1/pods in 2 s"):
            cluster.get(PODS.path())
        assert api.paths() == [PODS.path()]


def test_a_server_that_stops_in_the_middle_of_an_answer_is_unreachable() -> None:
    cut = b'HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{"items": ['
    with _Once(cut) as url, pytest.raises(UnreachableError):
        Cluster(address_of(url), ClusterSecret(token="secret"))


def test_a_server_that_never_finishes_its_answer_is_not_waited_for_without_end() -> None:
    begun = b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n"
    with (
        _Once(begun, drips=True) as url,
        pytest.raises(UnreachableError, match=r"not finished its answer about /version after 4 s"),
    ):
        Cluster(address_of(url, timeout=2), ClusterSecret(token="secret"))


def test_a_port_where_nobody_listens_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(
        UnreachableError, match=r"nothing answers at .*Connection refused; is the cluster running"
    ):
        Cluster(address_of(f"http://127.0.0.1:{port}"), ClusterSecret(token="secret"))


def test_a_server_whose_certificate_nobody_vouches_for_is_not_talked_to(tmp_path: Path) -> None:
    with _tls(tmp_path) as url, pytest.raises(AccessDeniedError, match="certificate is not trusted"):
        Cluster(address_of(url), ClusterSecret(token="secret"))


def test_a_token_is_not_sent_in_the_clear_over_a_network() -> None:
    with pytest.raises(RefusedError, match="not an https:// address"):
        Cluster(address_of("http://cluster.example:6443"), ClusterSecret(token="secret"))


@pytest.mark.parametrize("kind", [MERGE, STRATEGIC])
def test_a_patch_says_of_which_kind_it_is(kind: str) -> None:
    with cluster_of(lambda _: Said()) as (api, cluster):
        cluster.patch(PODS.path("shop", "web"), {"metadata": {}}, kind=kind)
        asked = api.asked[-1]
    assert (asked.method, asked.content_type, asked.body) == ("PATCH", kind, {"metadata": {}})
    assert asked.token == "Bearer secret"


@pytest.mark.parametrize(
    ("versions", "chosen"),
    [
        ({"v1": ["jobs", "cronjobs"], "v1beta1": ["cronjobs"]}, "batch/v1"),
        ({"v1": ["jobs"], "v1beta1": ["cronjobs"]}, "batch/v1beta1"),
        ({"v1": ["jobs"]}, None),
    ],
)
def test_the_version_is_one_that_serves_the_resource(
    versions: dict[str, list[str]], chosen: str | None
) -> None:
    def script(asked: Asked) -> Said:
        if asked.path == "/apis":
            served = [{"version": version} for version in versions]
            return Said({"groups": [{"name": "batch", "versions": served, "preferredVersion": served[0]}]})
        names = versions[asked.path.rpartition("/")[2]]
        return Said({"resources": [{"name": name} for name in names]})

    with cluster_of(script) as (api, cluster):
        found = cluster.served("batch", "cronjobs", CRON_JOB_VERSIONS)
        assert cluster.served("batch", "cronjobs", CRON_JOB_VERSIONS) == found
        assert len(set(api.paths())) == len(api.paths()), "the server was asked for each list once"
        assert cluster.served("policy", "poddisruptionbudgets", ("v1",)) is None
    assert (found.api_version if found else None) == chosen


def test_a_question_is_asked_again_where_its_idle_connection_was_closed_meanwhile() -> None:
    closing = Said({}, headers={"connection": "close"})
    with cluster_of(lambda _: closing) as (api, cluster):
        for _ in range(3):
            cluster.get(PODS.path())
        assert len(api.paths()) == 3


class _Once:
    """Answers whoever connects with the same bytes, and hangs up; or sends a little more for as long as it is heard."""

    def __init__(self, content: bytes, context: ssl.SSLContext | None = None, *, drips: bool = False) -> None:
        self._content = content
        self._drips = drips
        self._context = context
        self._pause = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            try:
                if self._context is not None:
                    client = self._context.wrap_socket(client, server_side=True)
                client.recv(65536)
                client.sendall(self._content)
                while self._drips:
                    client.sendall(b" ")
                    self._pause.wait(0.05)
            except OSError:
                pass
            client.close()

    def __enter__(self) -> str:
        scheme = "http" if self._context is None else "https"
        return f"{scheme}://127.0.0.1:{self.port}"

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def _tls(folder: Path) -> _Once:
    folder = folder / "credentials"
    folder.mkdir()
    Credentials.write(folder, "https://127.0.0.1:1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.crt", folder / "server.key")
    return _Once(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", context)
