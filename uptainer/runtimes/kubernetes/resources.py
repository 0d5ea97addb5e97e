"""The objects of a cluster that concern us, and where the API server has them."""

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of object in one version of its API group; the core group is ""."""

    group: str
    version: str
    plural: str

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None = None, name: str | None = None, part: str | None = None) -> str:
        """In every namespace, in one, or one object or a part of it ("scale", "log")."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        place = f"/namespaces/{quote(namespace, safe='')}" if namespace is not None else ""
        object_ = f"/{quote(name, safe='')}" if name is not None else ""
        return f"{root}{place}/{self.plural}{object_}" + (f"/{part}" if part else "")


NAMESPACES = Resource("", "v1", "namespaces")
NODES = Resource("", "v1", "nodes")
PODS = Resource("", "v1", "pods")
SECRETS = Resource("", "v1", "secrets")
SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts")
DEPLOYMENTS = Resource("apps", "v1", "deployments")
STATEFULSETS = Resource("apps", "v1", "statefulsets")
DAEMONSETS = Resource("apps", "v1", "daemonsets")
REPLICASETS = Resource("apps", "v1", "replicasets")
CONTROLLER_REVISIONS = Resource("apps", "v1", "controllerrevisions")
JOBS = Resource("batch", "v1", "jobs")
EVENTS = Resource("", "v1", "events")
CLAIMS = Resource("", "v1", "persistentvolumeclaims")
QUOTAS = Resource("", "v1", "resourcequotas")

CRON_JOB_VERSIONS = ("v1", "v1beta1")
DISRUPTION_BUDGET_VERSIONS = ("v1", "v1beta1")
AUTOSCALER_VERSIONS = ("v2", "v2beta2", "v1")
SNAPSHOT_GROUP = "snapshot.storage.k8s.io"
SNAPSHOT_VERSIONS = ("v1", "v1beta1")
