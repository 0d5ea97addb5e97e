"""Which blocks hold the logins of registries, of whatever kind, and how registries are reached."""

from collections.abc import Iterable, Mapping

from blocks.azure_login import AzureContainerRegistry
from blocks.ecr_login import AmazonEcr
from blocks.google_login import GoogleArtifactRegistry
from blocks.loading import find, load_all
from blocks.registry import Registry
from blocks.registry_credentials import RegistryCredentials
from blocks.registry_login import RegistryLogin
from uptainer.core.errors import InvalidInputError, NotFoundError
from uptainer.images.access import PLAIN, Access
from uptainer.images.credential import Credential
from uptainer.images.credentials import DockerConfig, Keychain
from uptainer.images.issuing import IssuedLogins, Login

LoginBlock = RegistryCredentials | AmazonEcr | GoogleArtifactRegistry | AzureContainerRegistry
KINDS: tuple[type[LoginBlock], ...] = (
    RegistryCredentials,
    AmazonEcr,
    GoogleArtifactRegistry,
    AzureContainerRegistry,
)
Named = tuple[str, RegistryLogin]


async def load_login(name: str) -> LoginBlock:
    """The block `name`, of the only kind that has one of this name.

    Raises:
        NotFoundError: there is none; the message says where to make it.
        InvalidInputError: there are several, or what is stored does not fit any more.
    """
    found = [block for kind in KINDS if (block := await find(kind, name)) is not None]
    titles = ", ".join(str(kind.get_block_type_name()) for kind in KINDS)
    if not found:
        raise NotFoundError(
            f"there is no block {name!r} with a registry's login ({titles}): make one on the page, under Blocks"
        )
    if len(found) > 1:
        raise InvalidInputError(f"several blocks with a registry's login are called {name!r}: rename one")
    return found[0]


async def load_keychain(chosen: Mapping[str, str], config: DockerConfig, issued: IssuedLogins) -> Keychain:
    """All logins and accesses; `chosen` says for a registry by which block's name its login is found.

    Raises:
        InvalidInputError: a block does not hold what it should, a chosen one is not there, or two say how one registry
            is reached.
    """
    accesses = _accesses(await load_all(Registry))
    blocks: list[Named] = []
    for kind in KINDS:
        blocks += (await load_all(kind)).items()
    return Keychain(_logins(blocks, chosen, accesses), config, accesses=accesses, issued=issued)


def _accesses(blocks: Mapping[str, Registry]) -> Mapping[str, Access]:
    found: dict[str, str] = {}
    for name, block in sorted(blocks.items()):
        other = found.setdefault(block.registry, name)
        if other != name:
            raise InvalidInputError(
                f"the Registry blocks {other!r} and {name!r} both say how {block.registry} is reached: remove one"
            )
    return {registry: blocks[name].access() for registry, name in found.items()}


def _logins(
    blocks: Iterable[Named], chosen: Mapping[str, str], accesses: Mapping[str, Access]
) -> Mapping[str, Credential | Login]:
    """Where several blocks are for one registry and none is chosen, the last by name counts."""
    held = {(block.registry, name): block for name, block in sorted(blocks, key=lambda each: each[0])}
    logins = {registry: block for (registry, _), block in held.items()}
    for registry, name in chosen.items():
        if (registry, name) not in held:
            raise InvalidInputError(
                f"the credentials for {registry} should be in the block {name!r}, which is not there"
            )
        logins[registry] = held[registry, name]
    return {registry: block.login(accesses.get(registry, PLAIN)) for registry, block in logins.items()}
