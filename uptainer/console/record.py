"""What a running `uptainer up` writes down for the other commands: where it is reached, and what it started."""

from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, SecretStr, field_serializer

from uptainer.console.lock import holder
from uptainer.core.errors import UnreachableError
from uptainer.core.settings import Settings

NOT_RUNNING = (
    "Uptainer is not running with its data in {}: start it with `uptainer up`, "
    "or say in UPTAINER_DATA_DIR where the data of the running one is"
)


class Record(BaseModel):
    """Readable by its owner only, for it holds the database's address with its password. `processes`: pid by name."""

    model_config = ConfigDict(frozen=True)

    pid: int
    started_at: datetime
    url: str
    database_url: SecretStr
    processes: dict[str, int]

    @field_serializer("database_url", when_used="json")
    def _in_clear(self, value: SecretStr) -> str:
        return value.get_secret_value()

    def write(self, data_dir: Path) -> None:
        path = _path(data_dir)
        path.touch(mode=0o600)
        path.write_text(self.model_dump_json())


def read(data_dir: Path) -> Record:
    """The record of the `uptainer up` that holds this directory.

    Raises:
        UnreachableError: none does, or it is still starting.
    """
    pid = holder(data_dir)
    if pid is None:
        raise UnreachableError(NOT_RUNNING.format(data_dir))
    try:
        record = Record.model_validate_json(_path(data_dir).read_text())
    except FileNotFoundError:
        record = None
    if record is None or record.pid != pid:
        raise UnreachableError(f"Uptainer (process {pid}) is still starting: try again in a moment")
    return record


def remove(data_dir: Path) -> None:
    _path(data_dir).unlink(missing_ok=True)


def database_url(settings: Settings) -> str:
    """Where the facts are: the database of the settings, else that of the running system.

    Raises:
        UnreachableError: there is neither.
    """
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    return read(settings.data_dir).database_url.get_secret_value()


def _path(data_dir: Path) -> Path:
    return data_dir / "running.json"
