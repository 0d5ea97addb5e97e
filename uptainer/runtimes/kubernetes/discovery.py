"""Everything that a cluster runs, by a few paged lists, and one workload by a few questions; never one for each object."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from uptainer.core.errors import NotFoundError
from uptainer.core.workloads import ContainerFacts
from uptainer.runtimes.kubernetes import resources
from uptainer.runtimes.kubernetes.client import Cluster
from uptainer.runtimes.kubernetes.facts import key_of, workload_facts
from uptainer.runtimes.kubernetes.keys import KINDS, Key
from uptainer.runtimes.kubernetes.namespaces import Scope, choose_scope, require_admitted
from uptainer.runtimes.kubernetes.nodes import read_nodes
from uptainer.runtimes.kubernetes.pods import Pod
from uptainer.runtimes.kubernetes.resources import Resource
from uptainer.runtimes.kubernetes.templates import CRON_JOB, selector_text

Json = Mapping[str, Any]
Owner = tuple[str, str, str]
"""Namespace, kind and name."""


def read_containers(cluster: Cluster) -> list[ContainerFacts]:
    """Every container of every workload in the namespaces that were chosen.

    Raises:
        UnreachableError, AccessDeniedError: rather than return a part of them.
    """
    scope = choose_scope(cluster)
    workloads = {kind: _read(cluster, scope, resource_of(cluster, kind)) for kind in KINDS}
    jobs = _job_owners(cluster, scope) if workloads[CRON_JOB] else {}
    pods = _by_owner(_read_pods(cluster, scope), jobs)
    platforms = {node.name: node.platform for node in read_nodes(cluster)}
    return [
        facts
        for kind, found in workloads.items()
        for workload in found
        for facts in workload_facts(kind, workload, pods[_owner_key(key_of(kind, workload))], platforms)
    ]


def resource_of(cluster: Cluster, kind: str) -> Resource | None:
    """None where the server has no such kind."""
    match kind:
        case "deployment":
            return resources.DEPLOYMENTS
        case "statefulset":
            return resources.STATEFULSETS
        case "daemonset":
            return resources.DAEMONSETS
        case _:
            return cluster.served("batch", "cronjobs", resources.CRON_JOB_VERSIONS)


def path_of(cluster: Cluster, key: Key, part: str | None = None) -> str:
    """Raises NotFoundError: the namespace is not one of ours, or the server has no such kind."""
    require_admitted(cluster, key.namespace)
    resource = resource_of(cluster, key.kind)
    if resource is None:
        raise NotFoundError(f"{key}: this cluster has no {key.kind}s")
    return resource.path(key.namespace, key.name, part)


def read_workload(cluster: Cluster, key: Key) -> dict[str, Any]:
    """As the API server has it.

    Raises:
        NotFoundError, UnreachableError, AccessDeniedError.
    """
    found: dict[str, Any] = cluster.get(path_of(cluster, key))
    return found


def read_pods(cluster: Cluster, key: Key, workload: Json) -> list[Pod]:
    """The pods of one workload, those of a CronJob's jobs among them."""
    jobs: dict[Owner, str] = {}
    query = {}
    if key.kind == CRON_JOB:
        jobs = dict(_owned_jobs(cluster.items(resources.JOBS.path(key.namespace))))
    else:
        query = {"labelSelector": selector_text(workload["spec"]["selector"])}
    pods = cluster.collect(resources.PODS.path(key.namespace), Pod.read, query=query)
    return _by_owner(pods, jobs)[_owner_key(key)]


def _read(cluster: Cluster, scope: Scope, resource: Resource | None) -> list[Json]:
    if resource is None:
        return []
    return [
        each
        for path in scope.paths(resource)
        for each in cluster.items(path, query=scope.query)
        if scope.admits(each["metadata"]["namespace"])
    ]


def _read_pods(cluster: Cluster, scope: Scope) -> list[Pod]:
    return [
        pod
        for path in scope.paths(resources.PODS)
        for pod in cluster.collect(path, Pod.read, query=scope.query)
        if scope.admits(pod.namespace)
    ]


def _job_owners(cluster: Cluster, scope: Scope) -> dict[Owner, str]:
    return dict(_owned_jobs(_read(cluster, scope, resources.JOBS)))


def _owned_jobs(jobs: Iterable[Json]) -> Iterable[tuple[Owner, str]]:
    """From a job to the CronJob that made it."""
    for job in jobs:
        metadata = job["metadata"]
        for reference in metadata.get("ownerReferences") or ():
            if reference.get("controller") and reference["kind"] == "CronJob":
                yield (metadata["namespace"], "job", metadata["name"]), reference["name"]


def _by_owner(pods: Sequence[Pod], jobs: Mapping[Owner, str]) -> defaultdict[Owner, list[Pod]]:
    found: defaultdict[Owner, list[Pod]] = defaultdict(list)
    for pod in pods:
        owner: Owner = (pod.namespace, *pod.owner)
        if owner in jobs:
            owner = (pod.namespace, CRON_JOB, jobs[owner])
        found[owner].append(pod)
    return found


def _owner_key(key: Key) -> Owner:
    return key.namespace, key.kind, key.name
