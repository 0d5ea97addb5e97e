"""Which blocks hold the logins of registries, of whatever kind, and how registries are reached."""

from collections.abc import Iterable, Mapping

from blocks.azure_login import AzureContainerRegistry
from blocks.ecr_login import AmazonEcr
from blocks.google_login import GoogleArtifactRegistry
from blocks.loading import AnyBlock, documents, find, read
from blocks.registry import Registry
from blocks.registry_credentials import RegistryCredentials
from blocks.registry_login import RegistryLogin
from uptainer.core.errors import InvalidInputError, NotFoundError
from uptainer.images.access import PLAIN, Access
from uptainer.images.credential import Credential
from uptainer.images.credentials import EVERY, DockerConfig, Keychain
from uptainer.images.endpoints import canonical_registry
from uptainer.images.issuing import IssuedLogins, Login

LoginBlock = RegistryCredentials | AmazonEcr | GoogleArtifactRegistry | AzureContainerRegistry
KINDS: tuple[type[LoginBlock], ...] = (
    RegistryCredentials,
    AmazonEcr,
    GoogleArtifactRegistry,
    AzureContainerRegistry,
)
Named = tuple[str, RegistryLogin]
Broken = Mapping[tuple[str, str], str]
"""By the registry that it seems to be for, and its name: what is wrong with a block."""


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

    A registry whose block does not hold what it should, whose chosen block is not there, or of which two blocks say
    how it is reached, is a fault of the keychain: it is not asked, and all others are.
    """
    faults: dict[str, str] = {}
    reaching, broken = await _load_sound(Registry)
    accesses = _accesses(reaching, faults)
    faults |= {registry: fault for (registry, _), fault in broken.items()}
    blocks: list[Named] = []
    for kind in KINDS:
        sound, broken = await _load_sound(kind)
        blocks += sound.items()
        faults |= _faults_of_logins(broken, chosen)
    logins = _logins(blocks, chosen, accesses, faults)
    return Keychain(logins, config, accesses=accesses, issued=issued, faults=faults)


async def _load_sound(kind: type[AnyBlock]) -> tuple[Mapping[str, AnyBlock], Broken]:
    sound: dict[str, AnyBlock] = {}
    broken: dict[tuple[str, str], str] = {}
    for name, data in (await documents(kind)).items():
        try:
            sound[name] = read(kind, name, data)
        except InvalidInputError as error:
            registry = data.get("registry")
            broken[canonical_registry(registry) if isinstance(registry, str) else EVERY, name] = str(error)
    return sound, broken


def _faults_of_logins(broken: Broken, chosen: Mapping[str, str]) -> Mapping[str, str]:
    """Where another block is chosen for the registry, this one is not missed."""
    return {
        registry: fault for (registry, name), fault in broken.items() if chosen.get(registry, name) == name
    }


def _accesses(blocks: Mapping[str, Registry], faults: dict[str, str]) -> Mapping[str, Access]:
    found: dict[str, str] = {}
    for name, block in sorted(blocks.items()):
        other = found.setdefault(block.registry, name)
        if other != name:
            faults[block.registry] = (
                f"the Registry blocks {other!r} and {name!r} both say how {block.registry} is reached: remove one"
            )
    return {registry: blocks[name].access() for registry, name in found.items()}


def _logins(
    blocks: Iterable[Named],
    chosen: Mapping[str, str],
    accesses: Mapping[str, Access],
    faults: dict[str, str],
) -> Mapping[str, Credential | Login]:
    """Where several blocks are for one registry and none is chosen, the last by name counts."""
    held = {(block.registry, name): block for name, block in sorted(blocks, key=lambda each: each[0])}
    logins = {registry: block for (registry, _), block in held.items()}
    for registry, name in chosen.items():
        if (registry, name) in held:
            logins[registry] = held[registry, name]
        else:
            missing = f"the credentials for {registry} should be in the block {name!r}, which is not there"
            faults.setdefault(registry, missing)
    return {registry: block.login(accesses.get(registry, PLAIN)) for registry, block in logins.items()}
