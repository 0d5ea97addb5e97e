"""On a PostgreSQL of the user's: Prefect's own database beside ours."""

import pwd
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from tests.lab.environment import lab_part
from tests.lab.room import LabUnavailableError, Room
from uptainer.console.databases import beside, prefect_database
from uptainer.core.errors import AccessDeniedError, UnsupportedError
from uptainer.core.settings import Settings

DEBIAN = Path("/usr/lib/postgresql")


def find_programs() -> Path:
    found = sorted(DEBIAN.glob("*/bin/initdb"))
    if not found:
        raise LabUnavailableError("a full PostgreSQL with pg_trgm: apt-get install postgresql")
    return found[-1].parent


@pytest.fixture(scope="module")
def full_postgres(room: Room) -> Iterator[str]:
    """The distribution's own PostgreSQL, which has what the embedded one lacks; the URL of its superuser."""
    with lab_part():
        programs = find_programs()
    where = room.directory("full-postgres")
    account = pwd.getpwnam("postgres")
    shutil.chown(where, account.pw_uid, account.pw_gid)

    def run(*command: str) -> None:
        subprocess.run(
            command,
            check=True,
            capture_output=True,
            timeout=120,
            cwd=where,
            user=account.pw_uid,
            group=account.pw_gid,
        )

    data = str(where / "data")
    run(str(programs / "initdb"), "--pgdata", data, "--auth=trust", "--username=postgres", "--no-sync")
    options = f"-c listen_addresses= -c unix_socket_directories={where} -c fsync=off"
    run(str(programs / "pg_ctl"), "start", "--wait", "-D", data, "-o", options, "-l", str(where / "log"))
    yield f"postgresql://postgres@/postgres?host={where}"
    run(str(programs / "pg_ctl"), "stop", "--wait", "-m", "fast", "-D", data)


def with_database(url: str, name: str, *, user: str) -> str:
    """A database for us, owned by `user`, who is made; the URL by which that user reaches it."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(SQL("CREATE ROLE {} LOGIN").format(Identifier(user)))
        connection.execute(SQL("CREATE DATABASE {} OWNER {}").format(Identifier(name), Identifier(user)))
    return url.replace("postgres@/postgres", f"{user}@/{name}")


def test_prefect_is_given_a_database_of_its_own_once(full_postgres: str) -> None:
    url = with_database(full_postgres, "facts", user="creator")
    with psycopg.connect(full_postgres, autocommit=True) as connection:
        connection.execute("ALTER ROLE creator CREATEDB")
    first = prefect_database(Settings.read({}), url)
    assert first.startswith("postgresql+asyncpg://creator@/facts_prefect")
    assert prefect_database(Settings.read({}), url) == first


def test_a_user_who_may_not_create_one_is_told_what_to_have_created(full_postgres: str) -> None:
    url = with_database(full_postgres, "plain", user="plain")
    with pytest.raises(
        AccessDeniedError, match=r"CREATE DATABASE plain_prefect.*UPTAINER_PREFECT_DATABASE_URL"
    ):
        prefect_database(Settings.read({}), url)


def test_one_that_was_created_beforehand_is_enough(full_postgres: str) -> None:
    url = with_database(full_postgres, "ready", user="ready")
    with psycopg.connect(full_postgres, autocommit=True) as connection:
        connection.execute("CREATE DATABASE ready_prefect OWNER ready")
    assert "ready_prefect" in prefect_database(Settings.read({}), url)


def test_a_postgresql_without_what_prefect_needs_is_refused_with_the_way_out(postgres_url: str) -> None:
    with pytest.raises(UnsupportedError, match=r"pg_trgm.*UPTAINER_PREFECT_DATABASE_URL"):
        prefect_database(Settings.read({}), postgres_url)


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("postgresql://u:p@h/prefect", "postgresql+asyncpg://u:p@h/prefect"),
        ("sqlite:////kept/prefect.db", "sqlite+aiosqlite:////kept/prefect.db"),
    ],
)
def test_a_database_that_was_named_is_taken_as_it_is(given: str, used: str) -> None:
    settings = Settings.read({"UPTAINER_PREFECT_DATABASE_URL": given})
    assert prefect_database(settings, "postgresql://never@asked/for") == used


def test_the_two_databases_never_have_one_name() -> None:
    assert beside("postgresql://u@h/facts") == "facts_prefect"
    assert beside("postgresql://u@h") == "u_prefect"
