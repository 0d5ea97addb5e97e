from typing import Any, ClassVar, Self

from prefect.blocks.core import Block
from prefect.types import SecretDict
from pydantic import Field, HttpUrl, SecretStr, field_validator, model_validator

from uptainer.backups.opening import check_url, open_files
from uptainer.backups.sealing import Seal
from uptainer.backups.store import BackupStore as Store
from uptainer.core.errors import InvalidInputError

MIB = 1 << 20


class BackupStore(Block):
    """Where backups are kept, with the keys to it, and how they are encrypted. A policy names it as `backup_store`."""

    _block_type_name: ClassVar[str | None] = "Backup store"
    _block_type_slug: ClassVar[str | None] = "backup-store"
    _description: ClassVar[str | None] = (
        "A directory, an S3 bucket or another store for backups, and how they are encrypted."
    )
    _documentation_url: ClassVar[HttpUrl | None] = HttpUrl(
        "https://filesystem-spec.readthedocs.io/en/latest/api.html#other-known-implementations"
    )

    url: str = Field(
        title="URL",
        description="`s3://bucket/prefix`, `sftp://host/path`, or a directory of the worker's such as `/mnt/nas/backups`; "
        "with no user or password in it.",
        examples=["s3://bucket/prefix"],
    )
    options: SecretDict = Field(
        default=SecretDict({}),
        title="Options",
        description="What the store wants, as fsspec names it; for S3 `key`, `secret`, and `endpoint_url` where it is "
        "not Amazon's.",
    )
    recipients: list[str] = Field(
        default_factory=list,
        title="Public keys",
        description="Encrypt to these keys of age, `age1...`. Empty: not encrypted, unless one of the next two is given.",
    )
    identity: SecretStr = Field(
        default=SecretStr(""),
        title="Private key",
        description="The key of age that opens them, `AGE-SECRET-KEY-1...`: for restores, and for updates that have to "
        "put data back.",
    )
    passphrase: SecretStr = Field(
        default=SecretStr(""),
        title="Passphrase",
        description="In place of keys: encrypts, and is needed to restore.",
    )
    part_mib: int = Field(
        default=32,
        ge=5,
        le=1024,
        title="Part (MiB)",
        description="A volume goes out in parts of this size, and one or two are held in memory. S3 takes 10,000 parts: "
        "32 MiB are enough for a volume of 312 GiB, compressed.",
    )

    @field_validator("url")
    @classmethod
    def _must_be_a_store(cls, value: str) -> str:
        try:
            return check_url(value)
        except InvalidInputError as error:
            raise ValueError(str(error)) from error

    @model_validator(mode="after")
    def _must_have_keys_of_age(self) -> Self:
        try:
            self.seal()
        except InvalidInputError as error:
            raise ValueError(str(error)) from error
        return self

    def seal(self) -> Seal | None:
        """How what is written there is encrypted; None where it is not."""
        identity = self.identity.get_secret_value().strip()
        found = Seal(
            recipients=tuple(each.strip() for each in self.recipients if each.strip()),
            identities=(identity,) if identity else (),
            passphrase=self.passphrase.get_secret_value(),
        )
        if found == Seal():
            return None
        found.check()
        return found

    def open(self, name: str) -> Store:
        """The store, known by the block's name.

        Raises:
            UnsupportedError: the library for it is not installed.
            InvalidInputError: the options are none of its.
        """
        given: dict[str, Any] = self.options.get_secret_value()
        return Store(open_files(self.url, given, part_size=self.part_mib * MIB), name, self.seal())
