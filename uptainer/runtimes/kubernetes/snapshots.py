"""Keeping a workload's data by snapshots of its claims, where the cluster has a driver that takes them.

A snapshot is taken of a running workload: its driver freezes one moment of each volume, as a power cut would. Undoing
an update does not put the data back; that is for a person, with a claim made from the snapshot.

Source: https://kubernetes.io/docs/concepts/storage/volume-snapshots/
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from uptainer.core.clock import Clock
from uptainer.core.errors import NotFoundError, PermanentError, RefusedError, TemporaryError
from uptainer.runtimes.kubernetes.client import Cluster
from uptainer.runtimes.kubernetes.resources import CLAIMS, SNAPSHOT_GROUP, SNAPSHOT_VERSIONS, Resource
from uptainer.runtimes.kubernetes.strategies import replicas_of
from uptainer.runtimes.kubernetes.targets import Target
from uptainer.runtimes.kubernetes.templates import template_of

Json = Mapping[str, Any]

MARK = "uptainer.io/update"
"""The label of what was made for one update; its value is the plan's mark."""
CLAIM = "uptainer.io/claim"
READY_WITHIN = timedelta(minutes=15)
_DEFAULT = "snapshot.storage.kubernetes.io/is-default-class"
_PROVISIONERS = ("volume.kubernetes.io/storage-provisioner", "volume.beta.kubernetes.io/storage-provisioner")
_POLICY = "the policy asks for the data to be kept (`backup_volumes`)"


def claims_of(cluster: Cluster, target: Target, workload: Json) -> list[str]:
    """The claims that its pods may write to, in order.

    Raises:
        RefusedError: there are some, and the cluster can't take snapshots of them; the message says why.
    """
    wanted = sorted(dict.fromkeys(claim_names(workload, target.key.name)))
    found = [each for each in (_find(cluster, target, name) for name in wanted) if each is not None]
    if found:
        _served(cluster, target)
        classes = _classes(cluster)
        for claim in found:
            _class_for(target, claim, classes)
    return [claim["metadata"]["name"] for claim in found]


def take(cluster: Cluster, target: Target, claims: Sequence[str], mark: str, clock: Clock) -> dict[str, str]:
    """Snapshots by claim, ready to be used; those that are there already are not taken twice.

    Raises:
        PermanentError: the driver says that it can't.
        TemporaryError: it did not get ready in time.
    """
    served, classes = _served(cluster, target), _classes(cluster)
    names = {claim: _name(claim, mark) for claim in claims}
    for claim, name in names.items():
        if _snapshot(cluster, served, target, name) is None:
            found = cluster.get(CLAIMS.path(target.namespace, claim))
            body = _body(served, name, claim, _class_for(target, found, classes), mark)
            cluster.post(served.path(target.namespace), body)
    for claim, name in names.items():
        _await(cluster, served, target, (claim, name), clock)
    return names


def remove_unready(cluster: Cluster, target: Target, claims: Sequence[str], mark: str) -> None:
    """What is ready stays, for it may be needed; what never got ready is of no use to anybody."""
    served = _served(cluster, target)
    for name in (_name(claim, mark) for claim in claims):
        snapshot = _snapshot(cluster, served, target, name)
        if snapshot is not None and not _is_ready(snapshot):
            _remove(cluster, served, target, name)


def prune(cluster: Cluster, target: Target, claims: Sequence[str], keep: int) -> list[str]:
    """Remove our snapshots of these claims but the newest `keep` of each; returns the names of those removed."""
    served = _served(cluster, target)
    ours = cluster.items(served.path(target.namespace), query={"labelSelector": f"{MARK},{CLAIM}"})
    removed: list[str] = []
    for claim in claims:
        mine = [each for each in ours if each["metadata"]["labels"][CLAIM] == _label(claim)]
        mine.sort(key=lambda each: str(each["metadata"]["creationTimestamp"]), reverse=True)
        removed += [each["metadata"]["name"] for each in mine[keep:]]
    for name in removed:
        _remove(cluster, served, target, name)
    return removed


def claim_names(workload: Json, name: str) -> Iterator[str]:
    """Of its template, and those that a StatefulSet makes for each of its pods."""
    spec = template_of(workload)["spec"]
    for volume in spec.get("volumes") or ():
        claim = volume.get("persistentVolumeClaim")
        if claim and not claim.get("readOnly"):
            yield claim["claimName"]
    first = int((workload["spec"].get("ordinals") or {}).get("start") or 0)
    for template in workload["spec"].get("volumeClaimTemplates") or ():
        for number in range(first, first + replicas_of(workload)):
            yield f"{template['metadata']['name']}-{name}-{number}"


def _find(cluster: Cluster, target: Target, claim: str) -> Json | None:
    try:
        found: Json = cluster.get(CLAIMS.path(target.namespace, claim))
    except NotFoundError:
        return None  # never made yet: there is no data in it
    return found


def _served(cluster: Cluster, target: Target) -> Resource:
    served = cluster.served(SNAPSHOT_GROUP, "volumesnapshots", SNAPSHOT_VERSIONS)
    if served is None:
        raise RefusedError(
            f"{target.key}: {_POLICY}, and this cluster takes no snapshots ({SNAPSHOT_GROUP} is not served): install a driver "
            "that does, or switch that off in the policy"
        )
    return served


def _classes(cluster: Cluster) -> list[Json]:
    served = cluster.served(SNAPSHOT_GROUP, "volumesnapshotclasses", SNAPSHOT_VERSIONS)
    return cluster.items(served.path()) if served else []


def _class_for(target: Target, claim: Json, classes: Sequence[Json]) -> str:
    """The class of the claim's own driver; of several the one that is marked as the default."""
    annotations = claim["metadata"].get("annotations") or {}
    driver = next((annotations[each] for each in _PROVISIONERS if each in annotations), "")
    about = f"{target.key}: {_POLICY}, and the claim {claim['metadata']['name']}"
    if not driver:
        raise RefusedError(f"{about} was made by hand and not by a driver, which could take a snapshot of it")
    fitting = [each for each in classes if each.get("driver") == driver]
    default = [each for each in fitting if _is_default(each)]
    chosen = default or fitting
    if len(chosen) == 1:
        return str(chosen[0]["metadata"]["name"])
    if not chosen:
        raise RefusedError(f"{about} is of the driver {driver}, for which there is no VolumeSnapshotClass")
    names = ", ".join(each["metadata"]["name"] for each in chosen)
    raise RefusedError(
        f"{about} fits several VolumeSnapshotClasses ({names}): mark one of them as the default by {_DEFAULT}"
    )


def _is_default(item: Json) -> bool:
    return (item["metadata"].get("annotations") or {}).get(_DEFAULT) == "true"


def _snapshot(cluster: Cluster, served: Resource, target: Target, name: str) -> Json | None:
    try:
        found: Json = cluster.get(served.path(target.namespace, name))
    except NotFoundError:
        return None
    return found


def _body(served: Resource, name: str, claim: str, kind: str, mark: str) -> Json:
    return {
        "apiVersion": served.api_version,
        "kind": "VolumeSnapshot",
        "metadata": {
            "name": name,
            "labels": {
                "app.kubernetes.io/managed-by": "uptainer",
                MARK: mark,
                CLAIM: _label(claim),
            },
        },
        "spec": {"volumeSnapshotClassName": kind, "source": {"persistentVolumeClaimName": claim}},
    }


def _await(cluster: Cluster, served: Resource, target: Target, pair: tuple[str, str], clock: Clock) -> None:
    claim, name = pair
    begun = clock.monotonic()
    while True:
        snapshot = cluster.get(served.path(target.namespace, name))
        if _is_ready(snapshot):
            return
        fault = (snapshot.get("status") or {}).get("error") or {}
        if fault.get("message"):
            raise PermanentError(f"{target.key}: no snapshot of {claim} could be taken: {fault['message']}")
        if clock.monotonic() - begun > READY_WITHIN.total_seconds():
            limit = f"{READY_WITHIN.total_seconds():g} s"
            raise TemporaryError(f"{target.key}: the snapshot {name} of {claim} was not ready in {limit}")
        clock.sleep(1.0)


def _is_ready(snapshot: Json) -> bool:
    return bool((snapshot.get("status") or {}).get("readyToUse"))


def _remove(cluster: Cluster, served: Resource, target: Target, name: str) -> None:
    try:
        cluster.delete(served.path(target.namespace, name))
    except NotFoundError:
        return


def _name(claim: str, mark: str) -> str:
    return f"uptainer-{claim[:200]}-{mark}"


def _label(claim: str) -> str:
    """A label holds 63 characters; the end of a name tells more than its beginning."""
    return claim[-63:].strip("-._")
