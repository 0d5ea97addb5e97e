from uuid import uuid4

import pytest

from tests.lab.s3 import S3Server
from uptainer.backups.opening import open_files
from uptainer.backups.store import BackupStore, Location


@pytest.fixture
def store(s3: S3Server) -> BackupStore:
    """Parts as small as S3 takes them, so that a volume of some MiB needs several."""
    url = f"{s3.bucket}/{uuid4().hex[:8]}/kept"
    return BackupStore(open_files(url, s3.options, part_size=5 << 20), "offsite")


@pytest.fixture
def location(store: BackupStore) -> Location:
    return store.new("host", "web", "b")
