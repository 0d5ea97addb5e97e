import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from uptainer.console import lock, record
from uptainer.core.errors import UnreachableError
from uptainer.core.settings import Settings


def written(pid: int) -> record.Record:
    return record.Record(
        pid=pid,
        started_at=datetime(2026, 1, 2, tzinfo=UTC),
        url="http://127.0.0.1:4200",
        database_url=SecretStr("postgresql://u:hunter2@h/d"),
        processes={"uptainer up": pid},
    )


def test_what_a_running_system_wrote_is_read_by_others_and_shown_to_nobody(tmp_path: Path) -> None:
    with lock.hold(tmp_path):
        written(os.getpid()).write(tmp_path)
        assert record.read(tmp_path) == written(os.getpid())
        assert "hunter2" not in repr(record.read(tmp_path))
        assert (tmp_path / "running.json").stat().st_mode & 0o077 == 0


def test_what_a_dead_one_wrote_is_not_believed(tmp_path: Path) -> None:
    with lock.hold(tmp_path):
        written(os.getpid()).write(tmp_path)
    with pytest.raises(UnreachableError, match="uptainer up"):
        record.read(tmp_path)


def test_what_an_earlier_one_wrote_is_not_taken_for_the_one_that_starts(tmp_path: Path) -> None:
    written(1).write(tmp_path)
    with lock.hold(tmp_path), pytest.raises(UnreachableError, match="still starting"):
        record.read(tmp_path)


def test_the_database_of_the_settings_comes_before_that_of_the_running_system(tmp_path: Path) -> None:
    settings = Settings.read(
        {"UPTAINER_DATA_DIR": str(tmp_path), "UPTAINER_DATABASE_URL": "postgresql://own/d"}
    )
    with lock.hold(tmp_path):
        written(os.getpid()).write(tmp_path)
        assert record.database_url(settings) == "postgresql://own/d"
        assert (
            record.database_url(Settings.read({"UPTAINER_DATA_DIR": str(tmp_path)}))
            == "postgresql://u:hunter2@h/d"
        )
