"""How a cluster is reached, by the configuration of the `kubernetes` package: a kubeconfig, a service account, a token.

That package takes more than a second to import, so it is imported where a cluster is opened, and nowhere else.
"""

import base64
import binascii
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from uptainer.core.enums import ConnectionType
from uptainer.core.errors import (
    AccessDeniedError,
    InvalidInputError,
    RefusedError,
    UnreachableError,
    UnsupportedError,
)
from uptainer.core.secrets import ClusterSecret, HostSecret
from uptainer.core.workloads import HostAddress
from uptainer.runtimes.kubernetes.plugins import Credential, ask_plugin

if TYPE_CHECKING:
    from kubernetes.client import Configuration

Json = Mapping[str, Any]

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_EMBEDDED = ("certificate-authority", "client-certificate", "client-key")


class Connection:
    """Where a cluster is, whom we trust there, and who we are. Keys that must be files are in a folder of its own,
    readable by this user alone, until it is closed.
    """

    def __init__(self, address: HostAddress, secret: HostSecret | None) -> None:
        """
        Raises:
            InvalidInputError: what is configured is incomplete or can't be read; the message says which part.
            AccessDeniedError: a file may not be read, or the program that is to give the credentials does not.
            RefusedError: the connection would not be encrypted, or not be checked.
            UnsupportedError: a cluster is not reached that way.
        """
        self.name = address.name
        self._timeout = address.timeout
        self._given = secret if isinstance(secret, ClusterSecret) else ClusterSecret()
        self._lock = threading.Lock()
        self._folder: TemporaryDirectory[str] | None = None
        self._plugin: Callable[[], Credential] | None = None
        self._credential = Credential()
        self._is_refused = False
        try:
            with self._mapped():
                self.configuration = self._open(address)
            self._refuse_unchecked()
        except BaseException:
            self.close()
            raise
        self.configuration.connection_pool_maxsize = 4

    @property
    def url(self) -> str:
        return str(self.configuration.host).rstrip("/")

    def headers(self) -> dict[str, str]:
        """Who we are, read anew where it runs out; empty where a client certificate says it.

        Raises:
            UnreachableError: the program that gives the credentials does not for now.
            InvalidInputError: the token is no text for a header; what it is stays unsaid.
        """
        if self._plugin is not None:
            self._use_plugin()
        with self._mapped():
            value = (self.configuration.get_api_key_with_prefix("BearerToken") or "").strip()
        if not (value.isascii() and value.isprintable()):
            raise InvalidInputError(
                f"{self.name}: its token holds characters that no token has, such as a line break: copy it again"
            )
        return {"authorization": value} if value else {}

    def renew(self) -> bool:
        """Forget what the server did not take; False where there is nothing newer to be had."""
        if self._plugin is None:
            return False
        with self._lock:
            self._is_refused = True
        return True

    def close(self) -> None:
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _open(self, address: HostAddress) -> "Configuration":
        match address.connection:
            case ConnectionType.KUBECONFIG:
                return self._open_kubeconfig(address)
            case ConnectionType.IN_CLUSTER:
                return _open_in_cluster()
            case ConnectionType.TOKEN:
                return self._open_token(address)
            case other:
                raise UnsupportedError(
                    f"{self.name}: a cluster is reached by kubeconfig, in-cluster or token, not by {other.value}"
                )

    def _open_kubeconfig(self, address: HostAddress) -> "Configuration":
        from kubernetes.client import Configuration  # noqa: PLC0415 -- see the module's docstring
        from kubernetes.config.kube_config import KubeConfigLoader  # noqa: PLC0415 -- see the module's docstring

        parts = urlsplit(address.url)
        path, context = unquote(parts.path), parse_qs(parts.query).get("context", [""])[0]
        folder = Path(path).parent if path else Path("/nonexistent")
        content = _read_kubeconfig(self.name, path, self._given.kubeconfig)
        cluster, user = _active(self.name, content, context)
        if "exec" in user:
            self._take_plugin(user, cluster, folder if path else None)
        self._write_embedded(cluster)
        self._write_embedded(user)
        configuration = Configuration()
        loader = KubeConfigLoader(  # type: ignore[no-untyped-call]  # the package gives it no types
            content,
            active_context=context or None,
            config_base_path=str(folder),
        )
        loader.load_and_set(configuration)  # type: ignore[no-untyped-call]  # the same
        return configuration

    def _open_token(self, address: HostAddress) -> "Configuration":
        from kubernetes.client import Configuration  # noqa: PLC0415 -- see the module's docstring

        if not self._given.token:
            raise InvalidInputError(f"{self.name}: its block holds no token, so nobody can log in there")
        configuration = Configuration(host=address.url.rstrip("/"))
        configuration.api_key["BearerToken"] = f"Bearer {self._given.token.strip()}"
        if self._given.ca:
            configuration.ssl_ca_cert = self._write("ca", self._given.ca.encode())
        return configuration

    def _take_plugin(self, user: dict[str, Any], cluster: Json, folder: Path | None) -> None:
        """Its first answer stands in the user's place: the loader would pass over a plugin that fails."""
        command = user.pop("exec")
        self._plugin = lambda: ask_plugin(self.name, command, cluster, folder, self._timeout)
        self._credential = self._plugin()
        user |= self._credential.as_user()

    def _use_plugin(self) -> None:
        """A certificate's files are read for each new connection, so a newer one takes their place.

        A program that gave credentials once gives them again when its own service does: what fails then is for now.
        """
        with self._lock:
            if self._plugin is None or not (self._is_refused or self._credential.is_old()):
                return
            try:
                self._credential = self._plugin()
            except AccessDeniedError as fault:
                raise UnreachableError(f"no new credentials: {fault}") from fault
            self._is_refused = False
            if self._credential.token:
                self.configuration.refresh_api_key_hook = None
                self.configuration.api_key["BearerToken"] = f"Bearer {self._credential.token}"
            else:
                self._write_embedded(self._credential.as_user())

    def _write_embedded(self, holder: dict[str, Any]) -> None:
        """Files of ours, for the loader's own are shared by the whole process and stay until it ends."""
        for key in _EMBEDDED:
            if data := holder.pop(f"{key}-data", None):
                try:
                    holder[key] = self._write(key, base64.b64decode(data, validate=True))
                except (binascii.Error, ValueError, TypeError):
                    raise InvalidInputError(
                        f"{self.name}: {key}-data in its kubeconfig is not base64"
                    ) from None

    def _write(self, name: str, content: bytes) -> str:
        path = Path(self._own_folder()) / name
        path.write_bytes(content)
        return str(path)

    def _own_folder(self) -> str:
        if self._folder is None:
            self._folder = TemporaryDirectory(prefix="uptainer-", ignore_cleanup_errors=True)
        return self._folder.name

    def _refuse_unchecked(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme == "http" and parts.hostname in LOOPBACK:
            return
        if parts.scheme != "https" or not parts.hostname:
            raise RefusedError(
                f"{self.name}: {self.url or 'its address'} is not an https:// address: what is sent there could be "
                "read and changed on the way"
            )
        if not self.configuration.verify_ssl:
            raise RefusedError(
                f"{self.name}: its kubeconfig says insecure-skip-tls-verify, so anybody could answer in the cluster's "
                "place: give it certificate-authority-data instead"
            )

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        from kubernetes.config.config_exception import ConfigException  # noqa: PLC0415 -- see the module's docstring

        try:
            yield
        except ConfigException as fault:
            raise InvalidInputError(f"{self.name}: {fault}") from fault
        except PermissionError as fault:
            raise AccessDeniedError(f"{self.name}: {fault.filename} may not be read") from fault
        except OSError as fault:
            raise InvalidInputError(f"{self.name}: {fault.filename}: {fault.strerror}") from fault


def _open_in_cluster() -> "Configuration":
    """The token's file is read again each minute: the kubelet puts a new one there before the old one runs out."""
    from kubernetes.client import Configuration  # noqa: PLC0415 -- see the module's docstring
    from kubernetes.config.incluster_config import load_incluster_config  # noqa: PLC0415 -- see the module's docstring

    configuration = Configuration()
    load_incluster_config(configuration)  # type: ignore[no-untyped-call]  # the package gives it no types
    return configuration


def _read_kubeconfig(name: str, path: str, text: str) -> dict[str, Any]:
    if not path and not text:
        raise InvalidInputError(
            f"{name}: no kubeconfig: name a file in its address, or put its text in its block"
        )
    try:
        content = YAML(typ="safe").load(Path(path).read_text(encoding="utf-8") if path else text)
    except FileNotFoundError:
        raise InvalidInputError(f"{name}: there is no kubeconfig at {path}") from None
    except (YAMLError, UnicodeDecodeError):
        raise InvalidInputError(f"{name}: its kubeconfig is not YAML") from None
    if not isinstance(content, dict):
        raise InvalidInputError(f"{name}: its kubeconfig holds no configuration")
    return content


def _active(name: str, content: dict[str, Any], context: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The cluster and the user of the context, to be changed in place."""
    wanted = context or content.get("current-context")
    if not wanted:
        raise InvalidInputError(f"{name}: its kubeconfig has no current context: say which one is meant")
    chosen = _named(name, content, "contexts", "context", wanted)
    cluster = _named(name, content, "clusters", "cluster", chosen.get("cluster"))
    user = _named(name, content, "users", "user", chosen["user"]) if chosen.get("user") else {}
    return cluster, user


def _named(name: str, content: Json, plural: str, singular: str, wanted: Any) -> dict[str, Any]:
    for each in content.get(plural) or ():
        if isinstance(each, dict) and each.get("name") == wanted and isinstance(each.get(singular), dict):
            found: dict[str, Any] = each[singular]
            return found
    raise InvalidInputError(f"{name}: its kubeconfig has no {singular} {wanted!r}")
