"""What a person asks of one workload: start, stop, restart, remove, run a command in it, read its output."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from uptainer.core.clock import Clock, utc_now
from uptainer.core.errors import RefusedError, TemporaryError
from uptainer.runtimes.capabilities import Capability, capabilities_of
from uptainer.runtimes.engine import output
from uptainer.runtimes.kubernetes.capabilities import TABLE
from uptainer.runtimes.kubernetes.client import Cluster
from uptainer.runtimes.kubernetes.discovery import path_of, read_pods, read_workload
from uptainer.runtimes.kubernetes.keys import Key
from uptainer.runtimes.kubernetes.observation import observe
from uptainer.runtimes.kubernetes.pods import Pod
from uptainer.runtimes.kubernetes.resources import PODS
from uptainer.runtimes.kubernetes.strategies import ON_DELETE, replicas_of
from uptainer.runtimes.kubernetes.streams import run_command
from uptainer.runtimes.kubernetes.templates import CRON_JOB, find_container, template_of
from uptainer.runtimes.port import ExecResult, Json

REPLICAS = "uptainer.io/replicas"
"""On a workload that was stopped: how many pods it had, and will have when it is started."""
RESTARTED = "kubectl.kubernetes.io/restartedAt"
_GRACE = 30
_MARGIN = 60
"""Seconds that a node may take to end a pod and to tell of it, beyond the time that the pod is given."""
_POLL = 0.5


def require(capability: Capability, key: Key) -> None:
    """Raises UnsupportedError, with the reason, where a workload of this kind can't do that."""
    capabilities_of(TABLE, key.kind).require(capability, str(key))


def start(cluster: Cluster, key: Key) -> None:
    """With as many pods as it had when it was stopped; one that runs is left alone. A CronJob starts jobs again."""
    require(Capability.START, key)
    workload = read_workload(cluster, key)
    if key.kind == CRON_JOB:
        _patch(cluster, key, {"spec": {"suspend": False}})
    elif replicas_of(workload) == 0:
        remembered = (workload["metadata"].get("annotations") or {}).get(REPLICAS, "")
        wanted = int(remembered) if remembered.isdigit() and int(remembered) else 1
        _patch(cluster, key, {"metadata": {"annotations": {REPLICAS: None}}, "spec": {"replicas": wanted}})


def stop(cluster: Cluster, key: Key, clock: Clock) -> None:
    """Have no pods, and wait until nothing runs in the last one, in the time that its template gives it. A CronJob starts no
    more jobs; one that runs is let end.

    Raises:
        TemporaryError: some have not ended.
    """
    require(Capability.STOP, key)
    workload = read_workload(cluster, key)
    if key.kind == CRON_JOB:
        _patch(cluster, key, {"spec": {"suspend": True}})
        return
    replicas = replicas_of(workload)
    if replicas:
        _patch(
            cluster, key, {"metadata": {"annotations": {REPLICAS: str(replicas)}}, "spec": {"replicas": 0}}
        )
    _await_end(cluster, key, workload, clock)


def restart(cluster: Cluster, key: Key) -> None:
    """Replace its pods one after the other, by its own strategy, as `kubectl rollout restart` does.

    Raises:
        RefusedError: nothing would happen, for somebody holds its rollouts back.
    """
    require(Capability.RESTART, key)
    spec = read_workload(cluster, key)["spec"]
    if spec.get("paused"):
        raise RefusedError(f"{key}: its rollout is paused, so that no pod would be replaced: resume it first")
    if (spec.get("updateStrategy") or {}).get("type") == ON_DELETE:
        raise RefusedError(f"{key}: its update strategy is OnDelete: delete its pods to have them replaced")
    annotations = {RESTARTED: utc_now().isoformat(timespec="seconds")}
    _patch(cluster, key, {"spec": {"template": {"metadata": {"annotations": annotations}}}})


def remove(cluster: Cluster, key: Key, *, force: bool = False) -> None:
    """With its pods; the claims of its data stay.

    Raises:
        RefusedError: it still runs, and `force` was not given.
    """
    require(Capability.REMOVE, key)
    workload = read_workload(cluster, key)
    if not force and any(pod.live for pod in read_pods(cluster, key, workload)):
        raise RefusedError(f"{key} still runs: stop it first, or force it")
    precise = {"propagationPolicy": "Background", "preconditions": {"uid": workload["metadata"]["uid"]}}
    cluster.delete(path_of(cluster, key), body=precise)


def execute(cluster: Cluster, key: Key, command: Sequence[str], timeout: timedelta) -> ExecResult:
    """In the newest of its pods that runs, one that is ready before others.

    Raises:
        RefusedError: none of them runs.
        TemporaryError: it did not end in time, and may still be running.
    """
    require(Capability.EXEC, key)
    workload = read_workload(cluster, key)
    container = _container(workload, key)
    seen = observe(key.kind, workload, container, read_pods(cluster, key, workload))
    running = [pod for pod in seen.pods if pod.instances[container].state == "running"]
    if not running:
        raise RefusedError(f"{key} has no pod that runs now{_because(seen.message)}")
    pod = max(running, key=lambda each: (each.instances[container].ready, each.created_at))
    path = PODS.path(pod.namespace, pod.name, "exec")
    return run_command(cluster, path, container, command, timeout.total_seconds())


def logs(cluster: Cluster, key: Key, *, tail: int, since: datetime | None = None) -> str:
    """The last `tail` lines, at most the last mebibyte, of one pod: the newest of those that are not well, else of all.

    Raises:
        RefusedError: none of them has started.
    """
    require(Capability.LOGS, key)
    workload = read_workload(cluster, key)
    container = _container(workload, key)
    pods = [each for each in read_pods(cluster, key, workload) if _has_written(each, container)]
    if not pods:
        raise RefusedError(f"{key} has no pod that has started, so there is nothing to read")
    pod = max(pods, key=lambda each: (each.live and not each.instances[container].ready, each.created_at))
    query = {"container": container, "tailLines": str(tail)}
    if since is not None:
        query["sinceTime"] = since.isoformat()
    return output.last(cluster.text(PODS.path(pod.namespace, pod.name, "log"), query=query))


def _container(workload: Json, key: Key) -> str:
    """That of the key, or the first one where the key is the workload's. Raises NotFoundError."""
    if key.container:
        find_container(workload, key.container)
        return key.container
    return str(template_of(workload)["spec"]["containers"][0]["name"])


def _has_written(pod: Pod, container: str) -> bool:
    return container in pod.instances and bool(pod.instances[container].image_id)


def _await_end(cluster: Cluster, key: Key, workload: Json, clock: Clock) -> None:
    grace = template_of(workload)["spec"].get("terminationGracePeriodSeconds", _GRACE)
    deadline = clock.monotonic() + grace + _MARGIN
    while left := [pod for pod in read_pods(cluster, key, workload) if pod.live or pod.runs]:
        if clock.monotonic() > deadline:
            names = ", ".join(pod.name for pod in left)
            raise TemporaryError(f"{key} was told to stop, and {names} has not ended yet")
        clock.sleep(_POLL)


def _patch(cluster: Cluster, key: Key, change: dict[str, Any]) -> None:
    cluster.patch(path_of(cluster, key), change)


def _because(message: str) -> str:
    return f": {message}" if message else ""
