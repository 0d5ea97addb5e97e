"""What an account may not do is said before it is needed."""

from collections.abc import Sequence

from tests.lab.kubernetes import Cluster
from uptainer.core.secrets import ClusterSecret
from uptainer.runtimes.addresses import parse_address
from uptainer.runtimes.connections import connect
from uptainer.runtimes.port import Runtime


def opened(cluster: Cluster, token: str, namespaces: Sequence[str] = ()) -> Runtime:
    secret = ClusterSecret(token=token, ca=cluster.authority.read_text())
    return connect(parse_address("lab", cluster.url, namespaces=namespaces), secret)


def test_whoever_may_do_everything_lacks_nothing(kubernetes_cluster: Cluster) -> None:
    with opened(kubernetes_cluster, kubernetes_cluster.token) as runtime:
        assert runtime.missing_rights() == {}


def test_an_account_without_rights_is_told_which_it_needs_and_where(kubernetes_cluster: Cluster) -> None:
    with kubernetes_cluster.namespace() as namespace:
        token = kubernetes_cluster.token_of("default", namespace)
        with opened(kubernetes_cluster, token, [namespace]) as runtime:
            missing = runtime.missing_rights()
        with opened(kubernetes_cluster, token) as runtime:
            everywhere = runtime.missing_rights()
    assert f"patch deployments.apps in {namespace}" in missing["update"]
    assert f"list pods in {namespace}" in missing["read"]
    assert "list nodes" not in " ".join(missing["read"])
    assert "list nodes" in everywhere["read"]
    assert "patch deployments.apps" in everywhere["update"]
