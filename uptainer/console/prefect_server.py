"""The Prefect server that `uptainer up` runs: its environment, its start, and when it is ready."""

import os
import socket
import sys
import time
from collections.abc import Mapping
from contextlib import closing

import httpx

from uptainer.console.children import Child
from uptainer.core.errors import AccessDeniedError, InvalidInputError, RefusedError, UnreachableError
from uptainer.core.settings import Settings

READY_SECONDS = 120.0
CALL_SECONDS = 10.0
_POLL_SECONDS = 0.1
_PRIVILEGED = 1024

SERVER_SETTINGS = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    # Relative, so that the page works on any port and behind a proxy.
    "PREFECT_UI_API_URL": "/api",
    # In memory, a restart of the server would leak concurrency slots for good.
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    # The database grows by about 22 KB a task run.
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
}
CLIENT_SETTINGS = {
    "DO_NOT_TRACK": "1",
    # From an answered gate or a request to a running flow: 2 to 3 seconds instead of 8.
    "PREFECT_RUNNER_POLL_FREQUENCY": "2",
    # A run whose process is gone is told from a quiet one by its heartbeat.
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    # What a run says is on its page; the console shows what went wrong.
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "WARNING",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_CLASS": "flows.logs.TerminalHandler",
}

ANOTHER_DATABASE = frozenset(
    f"PREFECT_{side}_DATABASE_{part}"
    for side in ("SERVER", "API")
    for part in ("CONNECTION_URL", "DRIVER", "HOST", "PORT", "USER", "NAME", "PASSWORD")
)
"""What may be exported for another Prefect of the user's, and would have ours write into that one's tables."""


def url(settings: Settings) -> str:
    """Where this machine reaches the server."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.listen_host, settings.listen_host)  # noqa: S104 -- read, not bound
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def environment(settings: Settings, *, prefect_database_url: str | None) -> dict[str, str]:
    """The PREFECT_* variables of the server and of all that talks to it; what the user has set wins, but for where.

    `prefect_database_url` is None for SQLite in the data directory.
    """
    where = {
        "PREFECT_HOME": str(settings.data_dir / "prefect"),
        "PREFECT_API_URL": f"{url(settings)}/api",
        "PREFECT_UI_URL": settings.public_url or url(settings),
        # A profile of the user's belongs to another server.
        "PREFECT_PROFILES_PATH": str(settings.data_dir / "prefect" / "profiles.toml"),
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": prefect_database_url or _sqlite(settings),
    }
    auth = os.environ.get("PREFECT_SERVER_API_AUTH_STRING")
    credentials = {"PREFECT_API_AUTH_STRING": auth} if auth else {}
    inherited = {name: value for name, value in os.environ.items() if name not in ANOTHER_DATABASE}
    return {**SERVER_SETTINGS, **CLIENT_SETTINGS, **credentials, **inherited, **where}


def adopt(environment: Mapping[str, str]) -> None:
    """Make it this process's own, and so that of all that it starts."""
    for name in ANOTHER_DATABASE - environment.keys():
        os.environ.pop(name, None)
    os.environ.update(environment)


def _sqlite(settings: Settings) -> str:
    return f"sqlite+aiosqlite:///{settings.data_dir / 'prefect' / 'prefect.db'}"


def check_listening(settings: Settings, environment: Mapping[str, str] = os.environ) -> None:
    """Refuse to be open to others, and a port that cannot be had, before anything is started.

    Raises:
        RefusedError: it would listen elsewhere than on loopback without an auth string, or the port is taken.
        AccessDeniedError, InvalidInputError: the port or the address is not for this user or this machine.
    """
    if not settings.listens_on_loopback and ":" not in environment.get("PREFECT_SERVER_API_AUTH_STRING", ""):
        raise RefusedError(
            f"listening on {settings.listen_host} would let anyone there approve updates and read secrets: "
            "set PREFECT_SERVER_API_AUTH_STRING=user:password, or leave UPTAINER_LISTEN_HOST at 127.0.0.1"
        )
    check_port(settings.listen_host, settings.port)


def check_port(
    host: str,
    port: int,
    *,
    port_setting: str = "`uptainer up --port N` or UPTAINER_PORT",
    host_setting: str = "UPTAINER_LISTEN_HOST",
) -> None:
    """Raises RefusedError, AccessDeniedError or InvalidInputError where it can't be had."""
    try:
        _bind(host, port)
    except PermissionError as error:
        raise AccessDeniedError(
            f"port {port} is below {_PRIVILEGED} and kept for root: choose another with {port_setting}"
        ) from error
    except socket.gaierror as error:
        raise InvalidInputError(f"{host_setting}: {host} is no address") from error
    except OSError as error:
        raise RefusedError(
            f"{host} port {port} can't be had ({os.strerror(error.errno or 0)}): choose another with {port_setting}"
        ) from error


def start(settings: Settings, environment: Mapping[str, str]) -> Child:
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", settings.listen_host]
    return Child.start(
        "Prefect server",
        [*command, "--port", str(settings.port)],
        environment=environment,
        log=settings.data_dir / "logs" / "prefect-server.log",
    )


def wait_until_ready(server: Child, settings: Settings, environment: Mapping[str, str]) -> None:
    """Raises TemporaryError when it ends by itself, UnreachableError when it does not answer in two minutes."""
    deadline = time.monotonic() + READY_SECONDS
    with client(environment) as asking:
        while not _answers(asking, f"{url(settings)}/api/health"):
            server.check()
            if time.monotonic() > deadline:
                raise UnreachableError(
                    f"the Prefect server did not answer within {READY_SECONDS:.0f} seconds, see {server.log}"
                )
            time.sleep(_POLL_SECONDS)


def client(environment: Mapping[str, str] = os.environ) -> httpx.Client:
    """For the server's HTTP API, with the login that the environment gives."""
    user, _, password = environment.get("PREFECT_API_AUTH_STRING", "").partition(":")
    auth = httpx.BasicAuth(user, password) if user else None
    return httpx.Client(auth=auth, timeout=CALL_SECONDS, trust_env=False)


def _answers(asking: httpx.Client, address: str) -> bool:
    try:
        return asking.get(address).is_success
    except httpx.TransportError:
        return False


def _bind(host: str, port: int) -> None:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with closing(socket.socket(family, kind, protocol)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
