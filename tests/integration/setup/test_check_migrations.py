"""The check that holds migrations and models together must see what it is there to see."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from sqlalchemy import text

from uptainer.store import schema
from uptainer.store.database import create_engine_for

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def check() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "check_migrations", ROOT / "scripts" / "check_migrations.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(url: str, statement: str) -> None:
    engine = create_engine_for(url, pooled=False)
    with engine.begin() as connection:
        connection.execute(text(statement))


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE uptainer.servers ADD COLUMN forgotten integer",
        "ALTER TABLE uptainer.servers ALTER COLUMN name DROP NOT NULL",
        "ALTER TABLE uptainer.servers ALTER COLUMN name TYPE varchar(7)",
        "CREATE TABLE uptainer.forgotten (id integer)",
        "CREATE INDEX forgotten ON uptainer.servers (name, id)",
    ],
)
def test_a_difference_between_models_and_tables_is_seen(
    check: ModuleType, postgres_url: str, change: str
) -> None:
    schema.upgrade(postgres_url)
    assert check.differences(postgres_url) == []
    run(postgres_url, change)
    assert check.differences(postgres_url)


@pytest.mark.parametrize(
    ("left", "seen"),
    [
        ("CREATE TYPE public.forgotten AS ENUM ('a')", ("type", "public.forgotten")),
        ("CREATE SCHEMA forgotten", ("schema", "forgotten")),
        ("CREATE SEQUENCE forgotten", ("relation", "public.forgotten")),
        (
            "CREATE FUNCTION forgotten() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            ("function", "public.forgotten"),
        ),
    ],
)
def test_what_a_downgrade_forgets_is_seen(
    check: ModuleType, postgres_url: str, left: str, seen: tuple[str, str]
) -> None:
    assert check.left_behind(postgres_url) == []
    run(postgres_url, left)
    assert seen in check.left_behind(postgres_url)
