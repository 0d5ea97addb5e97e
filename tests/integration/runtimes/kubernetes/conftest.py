from collections.abc import Iterator

import pytest

from tests.integration.runtimes.kubernetes.replacing_ground import Ground
from tests.lab.kubernetes import Cluster
from tests.lab.registry import Registry
from uptainer.core.enums import ConnectionType, RuntimeType
from uptainer.core.secrets import ClusterSecret
from uptainer.core.workloads import HostAddress
from uptainer.runtimes.kubernetes.runtime import KubernetesRuntime


@pytest.fixture
def ground(kubernetes_cluster: Cluster, registry: Registry) -> Iterator[Ground]:
    """A namespace of the test's own, reached through the runtime."""
    with kubernetes_cluster.namespace() as namespace:
        address = HostAddress(
            "lab",
            RuntimeType.KUBERNETES,
            ConnectionType.KUBECONFIG,
            "kubeconfig://",
            namespaces=(namespace,),
        )
        secret = ClusterSecret(kubeconfig=kubernetes_cluster.kubeconfig.read_text())
        with KubernetesRuntime(address, secret) as runtime:
            yield Ground(kubernetes_cluster, registry, namespace, runtime)
