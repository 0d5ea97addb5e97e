"""From an address to an open runtime."""

from contextlib import closing
from dataclasses import replace

from uptainer.core.enums import RuntimeType
from uptainer.core.secrets import HostSecret
from uptainer.core.workloads import HostAddress
from uptainer.runtimes.docker.runtime import DockerRuntime
from uptainer.runtimes.engine.client import Engine
from uptainer.runtimes.kubernetes.runtime import KubernetesRuntime
from uptainer.runtimes.podman.runtime import PodmanRuntime
from uptainer.runtimes.port import Runtime


def connect(address: HostAddress, secret: HostSecret | None = None) -> Runtime:
    """Reach the engine; the result is a context manager that closes its connections.

    Raises:
        UnreachableError, AccessDeniedError: nothing answers there, or it does not let us in.
        UnsupportedError: this version does not manage such an engine, or does not reach it that way.
        InvalidInputError: the address or the secret is not what it should be.
    """
    match address.runtime:
        case RuntimeType.DOCKER:
            return DockerRuntime(address, secret)
        case RuntimeType.PODMAN:
            return PodmanRuntime(address, secret)
        case RuntimeType.KUBERNETES:
            return KubernetesRuntime(address, secret)


def identify(address: HostAddress, secret: HostSecret | None = None) -> HostAddress:
    """The address with the runtime that really answers there: Podman speaks Docker's API too. Raises as `connect`."""
    if address.runtime is RuntimeType.KUBERNETES:
        return address
    with closing(Engine(address, secret)) as engine:
        return replace(address, runtime=RuntimeType.PODMAN if engine.is_podman else RuntimeType.DOCKER)
