"""A real Kubernetes cluster with one node, shared by all test processes of this user's that run at the same time.

Ask for the fixture `kubernetes_cluster`; `cluster.namespace()` gives a place of your own in it, `cluster.apply(...)` and
`cluster.wait_rolled_out(...)` do what kubectl does, and images come from the `registry` fixture like everywhere else.
"""

from tests.lab.kubernetes.cluster import Cluster

__all__ = ["Cluster"]
