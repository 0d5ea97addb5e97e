"""From an address to an open runtime."""

from uptainer.core.enums import RuntimeType
from uptainer.core.errors import UnsupportedError
from uptainer.core.secrets import HostSecret
from uptainer.core.workloads import HostAddress
from uptainer.runtimes.docker.runtime import DockerRuntime
from uptainer.runtimes.port import Runtime


def connect(address: HostAddress, secret: HostSecret | None = None) -> Runtime:
    """Reach the engine; the result is a context manager that closes its connections.

    Raises:
        UnreachableError, AccessDeniedError: nothing answers there, or it does not let us in.
        UnsupportedError: this version does not manage such an engine, or does not reach it that way.
        InvalidInputError: the address or the secret is not what it should be.
    """
    if address.runtime is not RuntimeType.DOCKER:
        raise UnsupportedError(
            f"{address.name}: this version manages Docker only, not {address.runtime.value}"
        )
    return DockerRuntime(address, secret)
