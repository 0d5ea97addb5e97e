"""What every task works with: the database, the registries' credentials, the scanner. Opened once for a process."""

import asyncio
from collections.abc import Mapping
from functools import cache, partial

from prefect.logging import get_run_logger

from blocks.backup_store import BackupStore as BackupStoreBlock
from blocks.database import Database as DatabaseBlock
from blocks.hosts import load_secret
from blocks.loading import find, load
from blocks.registries import load_keychain
from blocks.trivy import Trivy
from uptainer.backups.local import local_stores
from uptainer.backups.store import BackupStore, Stores
from uptainer.core.errors import InvalidInputError, UnsupportedError
from uptainer.core.secrets import HostSecret
from uptainer.core.settings import Settings
from uptainer.core.workloads import HostAddress
from uptainer.fleet.plain_registries import is_overheard
from uptainer.fleet.updating import Opens, backups_below, opener
from uptainer.images.credentials import DockerConfig, Keychain
from uptainer.images.issuing import IssuedLogins
from uptainer.runtimes import connections
from uptainer.runtimes.port import Runtime
from uptainer.scanning.server import TrivyServer
from uptainer.scanning.trivy import Scanner, ServerAddress
from uptainer.store.database import Database
from uptainer.store.repositories.policies import PolicyRepository

NO_DATABASE = "no database is known here: set UPTAINER_DATABASE_URL, or make an `Uptainer database` block named uptainer"

NOT_GIVEN = (
    "the engine is not given the login for %s, which it is configured to ask without TLS, or without looking at who "
    "answers: take it out of the engine's insecure registries, or tick Plain HTTP in a Registry block for it"
)


@cache
def settings() -> Settings:
    return Settings.read()


@cache
def database() -> Database:
    """The one that the environment names, else the one that the block `uptainer` holds.

    Raises:
        InvalidInputError: there is neither.
    """
    given = settings().database_url
    if given is not None:
        return Database(given.get_secret_value())
    block = asyncio.run(find(DatabaseBlock))
    if block is None:
        raise InvalidInputError(NO_DATABASE)
    return Database(block.url.get_secret_value())


def connect(address: HostAddress) -> Runtime:
    """The host's open runtime, proved with what its block holds.

    Raises:
        NotFoundError: it names a block that is not there.
        UptainerError: what `uptainer.runtimes.connections.connect` raises.
    """
    return connections.connect(address, _secret(address))


@cache
def _secret(address: HostAddress) -> HostSecret | None:
    """Asked of the server once for each host; what was not found is asked for again."""
    return asyncio.run(load_secret(address))


def engines() -> Opens:
    return opener(database(), connect)


def stores() -> Stores:
    """The local directory, and each Backup store block by its name."""
    local = local_stores(backups_below(settings()))

    def opened(block: str) -> BackupStore:
        return asyncio.run(load(BackupStoreBlock, block)).open(block) if block else local(block)

    return opened


def keychain() -> Keychain:
    """The logins of all blocks for registries, then those of Docker's `config.json`; and how registries are reached.

    Where several blocks are for one registry, the table `registry_credentials` says which counts.
    """
    with database().session() as session:
        chosen = PolicyRepository(session).credentials()
    return asyncio.run(load_keychain(chosen, DockerConfig.load(), issued_logins()))


@cache
def issued_logins() -> IssuedLogins:
    """What providers gave this process: kept here until shortly before it ends, and nowhere else."""
    return IssuedLogins()


def registry_auth(registry: str, update_id: int) -> Mapping[str, str] | None:
    """What an update's pull from this registry is to be done with, as its engine takes it; None for an anonymous one.

    An engine that asks the registry without TLS, or does not look at who answers, is given no login.
    """
    known = keychain()
    found = asyncio.run(known.find(registry))
    if found is None:
        return None
    if not known.access(registry).plain and is_overheard(database(), update_id, registry):
        get_run_logger().warning(NOT_GIVEN, registry)
        return None
    return found.engine_auth


def scanner() -> Scanner:
    """The scanner, by the Trivy server of the settings, of the block `uptainer`, or of the running system.

    Raises:
        UnsupportedError: there is none of them, so that nothing can be scanned.
    """
    ours = settings()
    scan = partial(Scanner, java_cache=ours.data_dir / "trivy" / "java", secrets=ours.scan_secrets)
    if ours.trivy_server is not None:
        token = ours.trivy_token.get_secret_value() if ours.trivy_token else ""
        return scan(ServerAddress(ours.trivy_server, token), binary=ours.trivy_path)
    block = asyncio.run(find(Trivy))
    if block is not None:
        return scan(block.address(), binary=ours.trivy_path, offline=block.offline)
    running = TrivyServer(ours.data_dir, ours.trivy_path).running()
    if running is None:
        raise UnsupportedError(
            "there is no scanner: install Trivy (https://trivy.dev) on this machine and start Uptainer again, "
            "or name a Trivy server in a Trivy block"
        )
    return scan(running.address, binary=ours.trivy_path)
