"""Where a backup lies, brought along from the time when each was a directory of this machine."""

from sqlalchemy import text

from tests.contract.store.conftest import Fleet
from tests.lab.facts import NOW
from uptainer.store import schema
from uptainer.store.database import Database
from uptainer.store.repositories.backups import BackupRepository

INSERT = """
INSERT INTO uptainer.container_backups
    (container_id, status, reason, image_reference, image_digest, image_id, configuration, directory, created_at)
SELECT id, state, 'r', 'nginx:1', 'd', 'i', '{}', '/srv/backups/' || state, now()
FROM uptainer.containers, unnest(ARRAY['succeeded', 'pruned']::uptainer.backup_status[]) AS state
WHERE key = 'web'
"""


def test_a_directory_becomes_a_place_in_the_local_store_and_is_one_again_when_taken_back(
    database: Database,
) -> None:
    Fleet(database, "web")
    database.dispose()
    schema.downgrade(database.url, "0010")
    with database.session() as session:
        session.execute(text(INSERT))
    database.dispose()
    schema.upgrade(database.url)
    with database.session() as session:
        kept, pruned = sorted(BackupRepository(session).listing(), key=lambda each: each[0].id)
        assert (kept[0].location, kept[0].store) == ("/srv/backups/succeeded", "")
        assert kept[0].removed_at is None
        assert pruned[0].removed_at is not None
        BackupRepository(session).removed(kept[0].id, NOW)
    database.dispose()
    schema.downgrade(database.url, "0010")
    with database.session() as session:
        found = session.scalars(text("SELECT directory FROM uptainer.container_backups ORDER BY id")).all()
    assert found == ["/srv/backups/succeeded", "/srv/backups/pruned"]
