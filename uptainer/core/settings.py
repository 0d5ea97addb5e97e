"""What an installation is told by its environment: every `UPTAINER_*` variable, and nothing else.

Each field is one variable, upper case behind `UPTAINER_`; docs/configuration.md has the same list.
"""

import ipaddress
import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Self

from platformdirs import user_data_path
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from uptainer.core.errors import InvalidInputError

PREFIX = "UPTAINER_"
READ_ELSEWHERE = frozenset({"UPTAINER_DEBUG", "UPTAINER_WORK_POOL"})
"""Variables of ours that steer one place only and are no setting of the installation."""

PortNumber = Annotated[int, Field(ge=1, le=65535)]


def default_data_dir() -> Path:
    """The user's data directory; root's is the system's, for the embedded PostgreSQL runs as another user.

    That user must pass every directory above it, and nobody's home should be opened for that.
    """
    return Path("/var/lib/uptainer") if os.geteuid() == 0 else user_data_path("uptainer", appauthor=False)


class Settings(BaseModel):
    """Read once where a process starts, and handed on; nothing below asks the environment again."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    data_dir: Path = Field(
        default_factory=default_data_dir,
        description="Where the embedded PostgreSQL, Prefect's own data, backups and logs are kept.",
    )
    database_url: SecretStr | None = Field(
        default=None,
        description="A PostgreSQL of yours, as `postgresql://user:password@host:port/name`; without it, an embedded one is started.",
    )
    prefect_database_url: SecretStr | None = Field(
        default=None,
        description="Prefect's own database; by default SQLite in the data directory, or `NAME_prefect` beside a database of yours.",
    )
    listen_host: str = Field(
        default="127.0.0.1",
        description="The address that the Prefect server listens on; any but loopback wants PREFECT_SERVER_API_AUTH_STRING.",
    )
    port: PortNumber = Field(
        default=4200, description="The port of the Prefect server: its page and its API."
    )
    webhook_port: PortNumber | None = Field(
        default=None, description="The port on which registries' webhooks are received; without it, none are."
    )
    webhook_host: str = Field(default="127.0.0.1", description="The address that webhooks are received on.")
    public_url: str | None = Field(
        default=None,
        description="The address under which people reach the page, where a reverse proxy stands before it.",
    )
    trivy_path: Path | None = Field(
        default=None, description="The Trivy program; without it, the first `trivy` on PATH."
    )
    trivy_server: str | None = Field(
        default=None,
        description="A Trivy server of yours, as `http://host:port`; without it, one is started.",
    )
    trivy_token: SecretStr | None = Field(default=None, description="The token of that Trivy server.")
    scan_secrets: bool = Field(
        default=True,
        description="Look for secrets in images too, which reads every file of them: seconds for each 100 MB of text.",
    )
    max_runs: Annotated[int, Field(ge=1)] = Field(
        default=8, description="Flow runs at one time in this installation; each takes about 90 MB."
    )
    max_updates_per_host: Annotated[int, Field(ge=1)] = Field(
        default=1, description="Updates at one time on one host."
    )
    max_updates_per_server: Annotated[int, Field(ge=1)] = Field(
        default=2, description="Updates at one time on one machine, over all of its hosts."
    )

    @classmethod
    def read(cls, environment: Mapping[str, str] | None = None) -> Self:
        """The settings in `environment` (by default the process's own); an empty variable counts as not set.

        Raises:
            InvalidInputError: a value is wrong, or a variable is no setting; the message names it.
        """
        found = os.environ if environment is None else environment
        given = {
            name.removeprefix(PREFIX).lower(): value
            for name, value in found.items()
            if name.startswith(PREFIX) and name not in READ_ELSEWHERE and value
        }
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise InvalidInputError(_sentence(error)) from error

    @field_validator("data_dir")
    @classmethod
    def _make_absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("database_url")
    @classmethod
    def _must_be_postgresql(cls, value: SecretStr | None) -> SecretStr | None:
        if value and _scheme(value) not in {"postgresql", "postgres"}:
            raise ValueError("it must begin with postgresql://")
        return _parsed(value)

    @field_validator("prefect_database_url")
    @classmethod
    def _must_be_known_to_prefect(cls, value: SecretStr | None) -> SecretStr | None:
        if value and _scheme(value) not in {"postgresql", "postgres", "sqlite"}:
            raise ValueError("it must begin with postgresql:// or sqlite://")
        return _parsed(value)

    @cached_property
    def listens_on_loopback(self) -> bool:
        if self.listen_host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.listen_host).is_loopback
        except ValueError:
            return False

    def variables(self) -> dict[str, str]:
        """What differs from the defaults, as environment variables for a child process."""
        given = self.model_dump(exclude_defaults=True)
        return {
            PREFIX + name.upper(): value.get_secret_value() if isinstance(value, SecretStr) else str(value)
            for name, value in given.items()
            if value is not None
        }


def _scheme(url: SecretStr) -> str:
    return url.get_secret_value().partition(":")[0].partition("+")[0]


def _parsed(url: SecretStr | None) -> SecretStr | None:
    """Read here as it is read later on: what is said there would repeat a part of it, and that may be the password."""
    from sqlalchemy import make_url  # noqa: PLC0415 -- slow to import, and most have no database of theirs
    from sqlalchemy.exc import ArgumentError  # noqa: PLC0415 -- as above

    try:
        if url:
            make_url(url.get_secret_value())
    except (ArgumentError, ValueError):
        raise ValueError(
            "it is not a URL: write postgresql://user:password@host:port/name, with an @ in the password as %40"
        ) from None
    return url


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    name = PREFIX + str(first["loc"][0]).upper()
    if first["type"] == "extra_forbidden":
        return f"{name} is not a setting of Uptainer: see docs/configuration.md for those that are"
    return f"{name} is wrong: {first['msg'].removeprefix('Value error, ')}"
