import os
import pwd
import shutil
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from sqlalchemy import text

from tests.lab.room import Room
from tests.lab.threads import side_by_side
from uptainer.core.errors import AccessDeniedError, InvalidInputError, RefusedError, UnreachableError
from uptainer.store import embedded as module
from uptainer.store import schema
from uptainer.store.database import Database
from uptainer.store.embedded import EmbeddedPostgres
from uptainer.store.postmaster import Postmaster


@pytest.fixture
def place(room: Room, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A directory that nobody else can enter, as a home directory is."""
    directory = room.directory(f"embedded-{abs(hash(request.node.name)) % 10**8}")
    directory.chmod(0o700)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def postgres(place: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(place / "data" / "postgres")
    yield server
    server.stop()


def postmaster(server: EmbeddedPostgres) -> psutil.Process:
    found = Postmaster.of(server.directory)
    assert found is not None
    return psutil.Process(found.pid)


def ask(url: str, question: str) -> object:
    database = Database(url)
    try:
        with database.session() as session:
            return session.scalar(text(question))
    finally:
        database.dispose()


def test_it_is_made_at_the_first_start_and_migrates(postgres: EmbeddedPostgres) -> None:
    assert not postgres.is_running
    url = postgres.start()
    assert url == postgres.url
    schema.upgrade(url)
    assert schema.current(url) == schema.head()
    assert str(ask(url, "SHOW server_version")).startswith(f"{module.MAJOR_VERSION}.")


def test_it_listens_on_a_unix_socket_that_only_its_owner_reaches_and_nowhere_else(
    postgres: EmbeddedPostgres,
) -> None:
    url = postgres.start()
    assert ask(url, "SHOW listen_addresses") == ""
    listening = [
        each for each in postmaster(postgres).net_connections(kind="inet") if each.status == "LISTEN"
    ]
    assert listening == []
    assert postgres.directory.stat().st_mode & 0o077 == 0
    assert Path(str(ask(url, "SHOW unix_socket_directories")).strip('"')).stat().st_mode & 0o077 == 0


def test_it_never_runs_as_root(postgres: EmbeddedPostgres) -> None:
    postgres.start()
    assert postmaster(postgres).uids().effective == postgres.directory.stat().st_uid != 0


def test_directories_above_the_data_are_not_opened_for_listing(
    postgres: EmbeddedPostgres, place: Path
) -> None:
    postgres.start()
    assert place.stat().st_mode & 0o066 == 0


def test_a_second_start_takes_up_the_one_that_runs(postgres: EmbeddedPostgres) -> None:
    url = postgres.start()
    before = postmaster(postgres).pid
    assert EmbeddedPostgres(postgres.directory).start() == url
    assert postmaster(postgres).pid == before


def test_two_first_starts_at_once_make_one_server(place: Path, postgres: EmbeddedPostgres) -> None:
    urls = side_by_side(postgres.start, EmbeddedPostgres(postgres.directory).start)
    assert urls == [postgres.url, postgres.url]


def test_when_it_was_stopped_the_process_is_gone_and_the_data_are_there(postgres: EmbeddedPostgres) -> None:
    url = postgres.start()
    schema.upgrade(url)
    process = postmaster(postgres)
    family = [process, *process.children(recursive=True)]
    postgres.stop()
    assert not postgres.is_running
    _, alive = psutil.wait_procs(family, timeout=60)  # the one that writes the log ends after all others
    assert alive == []
    postgres.stop()
    assert schema.current(postgres.start()) == schema.head()


def test_a_stop_does_not_wait_for_whoever_is_connected(postgres: EmbeddedPostgres) -> None:
    database = Database(postgres.start())
    with pytest.raises(UnreachableError), database.session() as session:  # noqa: PT012 -- the stop stands between two questions
        session.execute(text("SELECT 1"))
        postgres.stop()
        session.execute(text("SELECT 1"))
    database.dispose()


def test_it_outlives_a_console_that_was_killed(postgres: EmbeddedPostgres) -> None:
    console = (
        "import sys, time; from pathlib import Path; from uptainer.store.embedded import EmbeddedPostgres\n"
        "print(EmbeddedPostgres(Path(sys.argv[1])).start(), flush=True); time.sleep(300)"
    )
    command = [sys.executable, "-W", "error", "-c", console, str(postgres.directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        process.send_signal(signal.SIGKILL)
    assert postgres.is_running
    assert postgres.start() == url
    assert ask(url, "SELECT 1") == 1


def test_it_comes_back_after_it_was_killed_itself(postgres: EmbeddedPostgres) -> None:
    schema.upgrade(postgres.start())
    process = postmaster(postgres)
    family = [process, *process.children(recursive=True)]
    process.kill()
    psutil.wait_procs(family, timeout=60)
    assert not postgres.is_running
    assert schema.current(postgres.start()) == schema.head()


def test_a_path_too_long_for_a_socket_is_no_hindrance(place: Path) -> None:
    server = EmbeddedPostgres(place / ("long" * 30) / "with a 'quote' in it" / "postgres")
    url = server.start()
    sockets = Path(url.partition("host=")[2].replace("%2F", "/"))
    assert (ask(url, "SELECT 1"), sockets.stat().st_mode & 0o077) == (1, 0)
    server.stop()
    assert not sockets.exists()


def test_a_path_that_pg_ctl_cannot_take_is_refused(place: Path) -> None:
    with pytest.raises(InvalidInputError, match="does not start in a path with"):
        EmbeddedPostgres(place / "a$HOME" / "postgres").start()


def test_data_of_another_major_version_are_refused_in_plain_words(postgres: EmbeddedPostgres) -> None:
    postgres.directory.mkdir(parents=True)
    (postgres.directory / "PG_VERSION").write_text("16\n")
    with pytest.raises(RefusedError, match="holds data of PostgreSQL 16, and this Uptainer brings 18"):
        postgres.start()


def test_a_directory_of_something_else_is_left_alone(postgres: EmbeddedPostgres) -> None:
    postgres.directory.mkdir(parents=True)
    (postgres.directory / "letters.txt").write_text("dear")
    with pytest.raises(RefusedError, match="is not empty, and is no PostgreSQL's"):
        postgres.start()
    assert [each.name for each in postgres.directory.iterdir()] == ["letters.txt"]


def test_a_first_start_that_was_broken_off_is_begun_again(postgres: EmbeddedPostgres) -> None:
    half = postgres.directory.with_name("postgres.new")
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    assert ask(postgres.start(), "SELECT 1") == 1
    assert not half.exists()


def test_too_little_room_is_said_before_anything_is_made(
    postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "NEEDED_BYTES", shutil.disk_usage("/").total * 1000)
    with pytest.raises(UnreachableError, match=r"MB left, and PostgreSQL needs"):
        postgres.start()
    assert not postgres.directory.exists()


def test_a_server_that_cannot_start_says_its_last_words(postgres: EmbeddedPostgres) -> None:
    postgres.start()
    postgres.stop()
    with (postgres.directory / "postgresql.conf").open("a") as configuration:
        configuration.write("max_connections = many\n")
    with pytest.raises(
        UnreachableError,
        match=r"PostgreSQL does not start: .*uptainer\.conf|PostgreSQL does not start: .*errors",
    ):
        postgres.start()


@contextmanager
def without_permission(directory: Path) -> Iterator[None]:
    """As another user where we are root; else with the directory closed to ourselves."""
    if os.geteuid() == 0:
        os.seteuid(pwd.getpwnam("nobody").pw_uid)
    else:
        directory.chmod(0)
    yield
    if os.getuid() == 0:
        os.seteuid(0)
    else:
        directory.chmod(0o700)


def test_a_directory_of_somebody_else_is_said_to_be_closed(postgres: EmbeddedPostgres, place: Path) -> None:
    with (
        without_permission(place),
        pytest.raises(AccessDeniedError, match="may not be read or written by this user"),
    ):
        postgres.start()


def test_a_data_directory_below_a_file_is_a_plain_sentence(place: Path) -> None:
    (place / "file").write_text("")
    with pytest.raises(UnreachableError, match=r"file.* cannot be used: (Not a directory|File exists)"):
        EmbeddedPostgres(place / "file" / "postgres").start()


def test_nothing_looks_for_a_runtime_directory(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        server = EmbeddedPostgres(place / "postgres")
        server.start()
        server.stop()
