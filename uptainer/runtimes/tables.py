"""What each runtime can't do, in one place: for commands and for the docs."""

from collections.abc import Mapping

from uptainer.core.enums import RuntimeType
from uptainer.runtimes.capabilities import Table
from uptainer.runtimes.docker.capabilities import TABLE as DOCKER
from uptainer.runtimes.kubernetes.capabilities import TABLE as KUBERNETES
from uptainer.runtimes.podman.capabilities import TABLE as PODMAN

TABLES: Mapping[RuntimeType, Table] = {
    RuntimeType.DOCKER: DOCKER,
    RuntimeType.PODMAN: PODMAN,
    RuntimeType.KUBERNETES: KUBERNETES,
}
