"""A command in a pod, over a WebSocket with a channel for each stream.

The package that the configuration comes from opens such a connection without any timeout; so it is opened here.

Source: https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.20/#pod-v1-core (exec) and the subprotocol
v4.channel.k8s.io of k8s.io/apimachinery, `util/remotecommand`.
"""

import json
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from uptainer.core.errors import PermanentError, ProtocolError, TemporaryError, UnreachableError
from uptainer.runtimes.engine import output
from uptainer.runtimes.kubernetes.client import Cluster
from uptainer.runtimes.kubernetes.faults import refuse
from uptainer.runtimes.port import ExecResult

if TYPE_CHECKING:
    from websocket import WebSocket

_PROTOCOL = "v4.channel.k8s.io"
_OUTPUT = (1, 2)
_ENDED = 3


def run_command(
    cluster: Cluster, path: str, container: str, command: Sequence[str], timeout: float
) -> ExecResult:
    """Run it in the pod whose `exec` is at `path`, and read what it writes, at most a mebibyte of it.

    Raises:
        TemporaryError: it did not end in `timeout` seconds. Nothing can end it, so it may still be running.
        PermanentError: it can't be run there.
        UnreachableError, AccessDeniedError.
    """
    deadline = time.monotonic() + timeout
    query = [
        ("container", container),
        ("stdout", "1"),
        ("stderr", "1"),
        *(("command", each) for each in command),
    ]
    about = " ".join(command)
    account: list[bytes] = []
    opened = _open(cluster, path, query)
    try:
        written = output.first(_written(opened, deadline, account, f"{path}: {about!r}", timeout))
    finally:
        # Its `close` leaves the socket open where the server has said goodbye.
        opened.shutdown()  # type: ignore[no-untyped-call]  # -- the package has no types here
    return ExecResult(_exit_code(b"".join(account), about), written)


def _written(
    opened: "WebSocket", deadline: float, account: list[bytes], about: str, timeout: float
) -> Iterator[bytes]:
    """What it writes to both streams, until it ends; the last word on it goes to `account`."""
    from websocket import ABNF, WebSocketException, WebSocketTimeoutException  # noqa: PLC0415 -- needed here only

    late = TemporaryError(f"{about} did not end in {timeout:g} s, and may still run")
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            raise late
        opened.settimeout(left)
        try:
            kind, frame = opened.recv_data()
        except WebSocketTimeoutException:
            raise late from None
        except (WebSocketException, OSError) as fault:
            if account:
                return  # it was told how it ended, and the server has hung up
            raise UnreachableError(f"{about}: the connection was lost while it ran: {fault}") from fault
        if kind == ABNF.OPCODE_CLOSE:
            return
        content = frame if isinstance(frame, bytes) else frame.encode()
        if content[:1] and content[0] in _OUTPUT:
            yield content[1:]
        elif content[:1] and content[0] == _ENDED:
            account.append(content[1:])


def _exit_code(account: bytes, about: str) -> int:
    try:
        status: Mapping[str, Any] = json.loads(account)
    except ValueError:
        raise ProtocolError(
            f"{about!r}: the connection ended without a word on how the command ended"
        ) from None
    if status.get("status") == "Success":
        return 0
    for cause in (status.get("details") or {}).get("causes") or ():
        if cause.get("reason") == "ExitCode":
            return int(cause["message"])
    raise PermanentError(f"{about!r} can't be run: {status.get('message') or status}")


def _open(cluster: Cluster, path: str, query: Sequence[tuple[str, str]]) -> "WebSocket":
    import websocket  # noqa: PLC0415 -- needed here only

    connection, name = cluster.connection, cluster.address.name
    configuration = connection.configuration
    proxy = urlsplit(configuration.proxy or "")
    try:
        return websocket.create_connection(
            "ws" + connection.url.removeprefix("http") + f"{path}?{urlencode(query)}",
            timeout=cluster.address.timeout,
            header=connection.headers(),
            subprotocols=[_PROTOCOL],
            sslopt=_tls(configuration),
            redirect_limit=0,
            http_proxy_host=proxy.hostname,
            http_proxy_port=proxy.port,
            http_no_proxy=[each for each in (configuration.no_proxy or "").split(",") if each] or None,
        )
    except websocket.WebSocketBadStatusException as fault:
        content = fault.resp_body or b""
        refuse(name, f"GET {path}", fault.status_code, bytes(content))
    except (websocket.WebSocketException, OSError) as fault:
        raise UnreachableError(f"{name} did not answer about {path}: {fault}") from fault


def _tls(configuration: Any) -> dict[str, Any]:
    """The same authority, certificate and server's name as for any other call."""
    if configuration.host.startswith("http://"):
        return {}
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, configuration.key_file)
    named = {"server_hostname": configuration.tls_server_name} if configuration.tls_server_name else {}
    return {"context": context, **named}
