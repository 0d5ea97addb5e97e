"""Which kind of block holds the secret of which runtime's hosts."""

from collections.abc import Mapping
from types import MappingProxyType

from blocks.docker_host import DockerHost
from blocks.kubernetes_cluster import KubernetesCluster
from blocks.loading import find
from blocks.podman_host import PodmanHost
from uptainer.core.enums import ConnectionType, RuntimeType
from uptainer.core.errors import InvalidInputError, NotFoundError
from uptainer.core.secrets import HostSecret
from uptainer.core.workloads import HostAddress

HostBlock = DockerHost | PodmanHost | KubernetesCluster
KINDS: Mapping[RuntimeType, type[HostBlock]] = MappingProxyType(
    {
        RuntimeType.DOCKER: DockerHost,
        RuntimeType.PODMAN: PodmanHost,
        RuntimeType.KUBERNETES: KubernetesCluster,
    }
)


async def load_host(name: str, runtime: RuntimeType | None = None) -> HostBlock:
    """The block `name`, of this runtime's kind, or of the only kind that has one of this name.

    Raises:
        NotFoundError: there is none; the message says where to make it.
        InvalidInputError: there are several, or what is stored does not fit any more.
    """
    kinds = [KINDS[runtime]] if runtime else list(KINDS.values())
    found = [block for kind in kinds if (block := await find(kind, name)) is not None]
    titles = " or ".join(str(kind.get_block_type_name()) for kind in kinds)
    if not found:
        raise NotFoundError(f"there is no {titles} block {name!r}: make one on the page, under Blocks")
    if len(found) > 1:
        raise InvalidInputError(f"several blocks are called {name!r}: say which with --runtime")
    return found[0]


async def load_secret(address: HostAddress) -> HostSecret | None:
    """What this host is proved with; None where it names no block, or a socket of this machine.

    Raises:
        NotFoundError, InvalidInputError: the block is not there, or does not hold what it should; both name the host.
    """
    if address.block is None or address.connection is ConnectionType.UNIX:
        return None
    try:
        block = await load_host(address.block, address.runtime)
    except NotFoundError as error:
        raise NotFoundError(f"{address.name}: {error}") from error
    return block.secret(address.connection)
