from typing import ClassVar

from prefect.blocks.core import Block
from pydantic import Field, HttpUrl, SecretStr, field_validator


class Database(Block):
    """Uptainer's own PostgreSQL, for workers on other machines; `UPTAINER_DATABASE_URL` wins over it."""

    _block_type_name: ClassVar[str | None] = "Uptainer database"
    _block_type_slug: ClassVar[str | None] = "uptainer-database"
    _description: ClassVar[str | None] = (
        "The PostgreSQL that holds Uptainer's facts, for workers on other machines."
    )
    _documentation_url: ClassVar[HttpUrl | None] = HttpUrl(
        "https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS"
    )

    url: SecretStr = Field(
        title="Address", description="`postgresql://user:password@host:port/name`; it is kept as a secret."
    )

    @field_validator("url")
    @classmethod
    def _must_be_postgresql(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value().startswith(("postgresql://", "postgres://")):
            raise ValueError("it must begin with postgresql://")
        return value
