"""What Kubernetes can't do with a workload, and why; everything else it can."""

from collections.abc import Mapping

from uptainer.runtimes.capabilities import Capability, Table

_DATA = (
    "a pod's volumes can be read only from inside its containers; data is kept by snapshots of its claims, "
    "where the cluster has a driver for them"
)
_COMMON: Mapping[Capability, str] = {
    Capability.KEEP_OLD: "its old pods end with the rollout, and the cluster keeps its old template by itself",
    Capability.COPY: "its backup has no data: give its kept manifest another name, and apply it",
    Capability.BACK_UP_VOLUMES: _DATA,
    Capability.RESTORE_VOLUMES: _DATA,
}


def _unfreezable(kind: str, hint: str = "") -> dict[Capability, str]:
    reason = f"Kubernetes has no such operation for a {kind}{hint}"
    return {Capability.PAUSE: reason, Capability.UNPAUSE: reason}


_EVERYWHERE = (
    "a DaemonSet has no number of pods to set: it runs on each node that it is for, as long as it is there"
)
_JOBS = "a CronJob makes new pods for each of its jobs, and has none of its own"

TABLE: Table = {
    "deployment": {
        **_COMMON,
        **_unfreezable("Deployment", " (`kubectl rollout pause` holds back changes, and freezes nothing)"),
    },
    "statefulset": {**_COMMON, **_unfreezable("StatefulSet")},
    "daemonset": {
        **_COMMON,
        **_unfreezable("DaemonSet"),
        Capability.START: _EVERYWHERE,
        Capability.STOP: _EVERYWHERE,
        Capability.RECREATE: "a DaemonSet would run at once, before anything else is put back: "
        "give its kept manifest to `kubectl apply`",
    },
    "cronjob": {
        **_COMMON,
        **_unfreezable("CronJob", ": stop it, and it starts no job until it is started again"),
        Capability.RESTART: _JOBS,
        Capability.EXEC: _JOBS,
    },
}
