"""Notices that were put before there were deliveries, over the migration and back."""

import pytest
from sqlalchemy import Connection, text

from uptainer.store import schema
from uptainer.store.database import create_engine_for

PUT = """
    INSERT INTO uptainer.update_notifications (event, subject, payload, once, status, attempts, error, sent_at)
    VALUES ('uptainer.host.unreachable', 'host/a', '{"text": "a"}', 'sent', 'sent', 2, NULL, now()),
           ('uptainer.host.unreachable', 'host/b', '{"text": "b"}', 'new', 'pending', 0, NULL, NULL)
"""


@pytest.fixture
def before(postgres_url: str) -> str:
    schema.upgrade(postgres_url, "0007")
    _run(postgres_url, PUT)
    return postgres_url


def test_what_was_sent_is_not_told_again_and_what_was_not_still_is(before: str) -> None:
    schema.upgrade(before)
    assert _rows(
        before, "SELECT once, severity::text, routed_at IS NULL FROM uptainer.update_notifications"
    ) == [
        ("new", "info", True),
        ("sent", "info", False),
    ]
    told = "SELECT notifier, status::text, attempts, sent_at IS NULL FROM uptainer.notice_deliveries"
    assert _rows(before, told) == [("Prefect events", "sent", 2, False)]


def test_the_way_back_keeps_what_prefect_s_events_were_told(before: str) -> None:
    schema.upgrade(before)
    schema.downgrade(before, "0007")
    kept = "SELECT once, status::text, attempts, sent_at IS NULL FROM uptainer.update_notifications"
    assert _rows(before, kept) == [("new", "pending", 0, True), ("sent", "sent", 2, False)]


def _rows(url: str, statement: str) -> list[tuple[object, ...]]:
    return sorted(tuple(row) for row in _run(url, statement))


def _run(url: str, statement: str) -> list[tuple[object, ...]]:
    engine = create_engine_for(url, pooled=False)
    with engine.begin() as connection:
        return _fetched(connection, statement)


def _fetched(connection: Connection, statement: str) -> list[tuple[object, ...]]:
    found = connection.execute(text(statement))
    return [tuple(row) for row in found] if found.returns_rows else []
