"""From what somebody wrote to a host's address, refused here where it can't be one, so that nothing later has to ask."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import SplitResult, parse_qs, quote, urlencode, urlsplit

from uptainer.core.enums import ConnectionType, RuntimeType
from uptainer.core.errors import InvalidInputError
from uptainer.core.workloads import HostAddress

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
TLS_FOLDER = "cert_path"
"""`tcp://host:2376?cert_path=/folder` is TLS with the folder's ca.pem, cert.pem and key.pem, as DOCKER_CERT_PATH is."""
DEFAULT_TIMEOUT = 30.0

_SCHEMES = MappingProxyType(
    {
        "unix": ConnectionType.UNIX,
        "tcp": ConnectionType.TCP,
        "ssh": ConnectionType.SSH,
        "kubeconfig": ConnectionType.KUBECONFIG,
        "in-cluster": ConnectionType.IN_CLUSTER,
        "https": ConnectionType.TOKEN,
    }
)
_OF_ENGINES = (ConnectionType.UNIX, ConnectionType.TCP, ConnectionType.SSH)
_SOCKETS = MappingProxyType(
    {RuntimeType.DOCKER: "/var/run/docker.sock", RuntimeType.PODMAN: "/run/podman/podman.sock"}
)
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\$?")
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*|[0-9A-Fa-f:.]+(%[A-Za-z0-9]+)?")
_PATH = re.compile(r"/[\w./@+-]+", re.ASCII)
_HINT = (
    "write it as unix:///path/to.sock, tcp://host:port, ssh://user@host, "
    "kubeconfig:///path?context=NAME, in-cluster:// or https://host:port"
)


@dataclass(frozen=True, slots=True)
class SshTarget:
    """`user` and `port` are None where the user's own ssh configuration has the say; `socket` is on the other machine."""

    host: str
    user: str | None
    port: int | None
    socket: str


def parse_address(
    name: str,
    url: str,
    *,
    runtime: RuntimeType | None = None,
    block: str | None = None,
    timeout: float = DEFAULT_TIMEOUT,
    namespaces: Sequence[str] = (),
    excluded_namespaces: Sequence[str] = (),
) -> HostAddress:
    """Without `runtime`, it is what the URL can only be: a cluster for a cluster's, else Docker.

    Raises:
        InvalidInputError: the URL is none, or is none of this runtime's; the message says what is wrong with it.
    """
    parts = _split(url)
    connection = _SCHEMES.get(parts.scheme)
    if connection is None:
        raise InvalidInputError(f"{url!r} is not an engine's or a cluster's address: {_HINT}")
    is_engine = connection in _OF_ENGINES
    if runtime is None:
        runtime = RuntimeType.DOCKER if is_engine else RuntimeType.KUBERNETES
    if is_engine is (runtime is RuntimeType.KUBERNETES):
        raise InvalidInputError(f"{url!r} is not how {runtime.value} is reached: {_HINT}")
    if is_engine and (namespaces or excluded_namespaces):
        raise InvalidInputError(f"only a cluster has namespaces, and {url!r} is not one")
    _check(connection, parts, url)
    return HostAddress(
        name, runtime, connection, url, block, timeout, tuple(namespaces), tuple(excluded_namespaces)
    )


def kubeconfig_url(path: str = "", context: str = "") -> str:
    """Without a path, a block holds the file's text; without a context, it is the file's current one."""
    return f"kubeconfig://{quote(path)}" + (f"?{urlencode({'context': context})}" if context else "")


def ssh_target(address: HostAddress) -> SshTarget:
    """Raises InvalidInputError: the URL is not `ssh://[user@]host[:port][/path/of.sock]`."""
    parts = _split(address.url)
    _check(ConnectionType.SSH, parts, address.url)
    socket = parts.path.rstrip("/") or _SOCKETS[address.runtime]
    return SshTarget(parts.hostname or "", parts.username, parts.port, socket)


def tls_folder(address: HostAddress) -> str | None:
    """Where the files of a TCP connection's TLS are, where the URL says so."""
    return _query(_split(address.url)).get(TLS_FOLDER)


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise InvalidInputError(f"{url!r} is not an address: {error}") from error
    if parts.password is not None:
        raise InvalidInputError("an address holds no password: a block holds the secret")
    return parts


def _check(connection: ConnectionType, parts: SplitResult, url: str) -> None:
    form, is_good = _FORMS[connection]
    if not is_good(parts):
        raise InvalidInputError(f"{url!r}: write it as {form}")


def _is_unix(parts: SplitResult) -> bool:
    return not parts.netloc and len(parts.path) > 1 and not parts.query


def _is_tcp(parts: SplitResult) -> bool:
    return _is_port(parts) and not set(_query(parts)) - {TLS_FOLDER}


def _is_token(parts: SplitResult) -> bool:
    return _is_port(parts) and not parts.query


def _is_port(parts: SplitResult) -> bool:
    return bool(parts.hostname and parts.port) and parts.path in {"", "/"} and not parts.username


def _is_kubeconfig(parts: SplitResult) -> bool:
    return not parts.netloc and not set(_query(parts)) - {"context"}


def _is_in_cluster(parts: SplitResult) -> bool:
    return not (parts.netloc or parts.path or parts.query)


def _is_ssh(parts: SplitResult) -> bool:
    """Nothing of it may read as an option of ssh's."""
    return bool(
        _HOST.fullmatch(parts.hostname or "")
        and (parts.username is None or _USER.fullmatch(parts.username))
        and (parts.path in {"", "/"} or (_PATH.fullmatch(parts.path) and ".." not in parts.path.split("/")))
        and not parts.query
    )


def _query(parts: SplitResult) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(parts.query).items()}


_FORMS: Mapping[ConnectionType, tuple[str, Callable[[SplitResult], bool]]] = MappingProxyType(
    {
        ConnectionType.UNIX: ("unix:///path/to.sock", _is_unix),
        ConnectionType.TCP: (
            f"tcp://host:port, or tcp://host:port?{TLS_FOLDER}=/folder/of/pem/files",
            _is_tcp,
        ),
        ConnectionType.SSH: ("ssh://user@host, with :port and /path/of.sock where needed", _is_ssh),
        ConnectionType.KUBECONFIG: ("kubeconfig:///path?context=NAME", _is_kubeconfig),
        ConnectionType.IN_CLUSTER: ("in-cluster://, with nothing behind it", _is_in_cluster),
        ConnectionType.TOKEN: ("https://host:port", _is_token),
    }
)
