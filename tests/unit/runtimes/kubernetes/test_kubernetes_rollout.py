"""Where a rollout stands, from one look at it."""

from datetime import timedelta
from typing import Any

import pytest

from uptainer.runtimes.kubernetes.rollout import (
    AT_ONCE,
    SHORTLY,
    SLOWLY,
    Sight,
    described,
    is_complete,
    symptoms,
)


def pod(
    name: str = "web-1",
    *,
    waiting: tuple[str, str] | None = None,
    restarts: int = 0,
    last: dict[str, Any] | None = None,
    conditions: tuple[dict[str, str], ...] = (),
    container: str = "app",
    init: bool = False,
) -> dict[str, Any]:
    state = {"waiting": {"reason": waiting[0], "message": waiting[1]}} if waiting else {"running": {}}
    status = {
        "name": container,
        "state": state,
        "restartCount": restarts,
        "lastState": {"terminated": last or {}},
    }
    return {
        "metadata": {"name": name, "uid": f"uid-{name}"},
        "spec": {"nodeName": "node1"},
        "status": {
            "conditions": list(conditions),
            "initContainerStatuses" if init else "containerStatuses": [status],
        },
    }


READY = pod(conditions=({"type": "Ready", "status": "True"},))


def sight(
    *new: dict[str, Any],
    kind: str = "deployment",
    replicas: int = 1,
    old: int = 0,
    observed: int = 2,
    spec: dict[str, Any] | None = None,
    complaints: tuple[str, ...] = (),
    status: dict[str, Any] | None = None,
) -> Sight:
    workload = {
        "metadata": {"name": "web", "generation": 2},
        "spec": {"replicas": replicas, **(spec or {})},
        "status": {"observedGeneration": observed, **(status or {})},
    }
    return Sight(kind, workload, "app", new, [pod(f"old-{each}") for each in range(old)], "abc", complaints)


def deployed(updated: int, available: int) -> dict[str, int]:
    return {"replicas": updated, "updatedReplicas": updated, "availableReplicas": available}


def on_nodes(wanted: int, updated: int, available: int) -> dict[str, int]:
    return {
        "desiredNumberScheduled": wanted,
        "updatedNumberScheduled": updated,
        "numberAvailable": available,
    }


WHOLE = {"currentRevision": "b", "updateRevision": "b"}
COMPLETE: list[tuple[str, Sight, bool]] = [
    ("all new and available", sight(READY, status=deployed(1, 1)), True),
    ("scaled to nothing", sight(replicas=0), True),
    ("not seen by its controller", sight(READY, observed=1, status=deployed(1, 1)), False),
    ("not yet available", sight(READY, status=deployed(1, 0)), False),
    ("one of the old left", sight(READY, old=1, status=deployed(1, 1)), False),
    ("one missing", sight(READY, replicas=2, status=deployed(1, 1)), False),
    (
        "a whole StatefulSet, which counts no updated pods any more",
        sight(READY, kind="statefulset", status={**WHOLE, "replicas": 1, "readyReplicas": 1}),
        True,
    ),
    (
        "a StatefulSet whose new pod is not ready",
        sight(pod(), kind="statefulset", status={**WHOLE, "replicas": 1, "readyReplicas": 0}),
        False,
    ),
    ("a whole DaemonSet", sight(READY, kind="daemonset", status=on_nodes(1, 1, 1)), True),
    ("a DaemonSet on one of two nodes", sight(READY, kind="daemonset", status=on_nodes(2, 1, 2)), False),
]


@pytest.mark.parametrize(
    ("seen", "expected"), [each[1:] for each in COMPLETE], ids=[each[0] for each in COMPLETE]
)
def test_a_rollout_is_complete_when_only_available_new_pods_are_left(seen: Sight, expected: bool) -> None:
    assert is_complete(seen) is expected


def test_an_undo_asks_for_no_more_than_was_available_before() -> None:
    seen = sight(pod(), status=deployed(1, 0))
    assert not is_complete(seen)
    assert is_complete(seen, available=0)


def test_a_rollout_without_a_revision_has_not_begun() -> None:
    seen = sight(READY, status=deployed(1, 1))
    assert not is_complete(Sight(seen.kind, seen.workload, "app", seen.new, seen.old, None))


FAILURE = {
    "type": "ReplicaFailure",
    "status": "True",
    "reason": "FailedCreate",
    "message": "exceeded quota: small",
}
LATE = {
    "type": "Progressing",
    "status": "False",
    "reason": "ProgressDeadlineExceeded",
    "message": "has timed out progressing",
}
NO_NODE = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "Unschedulable",
    "message": "0/1 nodes are available",
}
GENTLE = {"strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}}}

OOM = "container app of pod web-1: it crashes again and again; the last time it ended with status 137 (OOMKilled)"
SYMPTOMS: list[tuple[str, Sight, list[tuple[str, timedelta | None]]]] = [
    ("none", sight(READY), []),
    (
        "an image that is not there",
        sight(pod(waiting=("ErrImagePull", "manifest for app:2 not found"))),
        [("container app of pod web-1: ErrImagePull: manifest for app:2 not found", AT_ONCE)],
    ),
    (
        "a registry that does not answer",
        sight(pod(waiting=("ErrImagePull", "i/o timeout"))),
        [("container app of pod web-1: ErrImagePull: i/o timeout", SLOWLY)],
    ),
    (
        "a name that is none",
        sight(pod(waiting=("InvalidImageName", "couldn't parse"))),
        [("container app of pod web-1: InvalidImageName: couldn't parse", AT_ONCE)],
    ),
    (
        "a secret that is not there",
        sight(pod(waiting=("CreateContainerConfigError", 'secret "db" not found'))),
        [('container app of pod web-1: CreateContainerConfigError: secret "db" not found', AT_ONCE)],
    ),
    (
        "a program that is not there",
        sight(pod(waiting=("RunContainerError", "exec: executable file not found in $PATH"))),
        [
            (
                "container app of pod web-1: RunContainerError: exec: executable file not found in $PATH",
                AT_ONCE,
            )
        ],
    ),
    (
        "a node that stumbled",
        sight(pod(waiting=("RunContainerError", "context deadline exceeded"))),
        [("container app of pod web-1: RunContainerError: context deadline exceeded", SHORTLY)],
    ),
    (
        "a crash",
        sight(pod(restarts=1, last={"exitCode": 3, "reason": "Error", "message": "no database"})),
        [("container app of pod web-1: it ended with status 3: no database", AT_ONCE)],
    ),
    (
        "too little memory",
        sight(
            pod(
                waiting=("CrashLoopBackOff", "back-off"),
                restarts=2,
                last={"exitCode": 137, "reason": "OOMKilled"},
            )
        ),
        [
            (
                OOM,
                AT_ONCE,
            )
        ],
    ),
    ("a neighbour that waited for it", sight(pod(restarts=1, last={"exitCode": 1}, container="proxy")), []),
    ("an init container that is tried again", sight(pod(restarts=1, last={"exitCode": 1}, init=True)), []),
    (
        "an init container that crashes again and again",
        sight(pod(waiting=("CrashLoopBackOff", ""), last={"exitCode": 1}, container="migrate", init=True)),
        [
            (
                "container migrate of pod web-1: it crashes again and again; the last time it ended with status 1",
                AT_ONCE,
            )
        ],
    ),
    (
        "no node",
        sight(pod(conditions=(NO_NODE,))),
        [("pod web-1 has no node: 0/1 nodes are available", None)],
    ),
    (
        "a quota",
        sight(status={"conditions": [FAILURE]}),
        [("no pod could be made: exceeded quota: small", SHORTLY)],
    ),
    (
        "a quota, where an old pod may go first",
        sight(spec=GENTLE, replicas=2, status={"conditions": [FAILURE]}),
        [("no pod could be made: exceeded quota: small", None)],
    ),
    (
        "a quota of a StatefulSet, told by an event",
        sight(kind="statefulset", complaints=("create Pod web-0 failed: exceeded quota",)),
        [("no pod could be made: create Pod web-0 failed: exceeded quota", SHORTLY)],
    ),
    (
        "the controller's own deadline",
        sight(status={"conditions": [LATE]}),
        [("ProgressDeadlineExceeded: has timed out progressing", AT_ONCE)],
    ),
    ("conditions from before the change", sight(observed=1, status={"conditions": [LATE]}), []),
]


@pytest.mark.parametrize(
    ("seen", "expected"), [each[1:] for each in SYMPTOMS], ids=[each[0] for each in SYMPTOMS]
)
def test_what_is_wrong_is_said_with_the_pods_own_words(
    seen: Sight, expected: list[tuple[str, timedelta | None]]
) -> None:
    assert [(each.sentence, each.grace) for each in symptoms(seen)] == expected


def test_a_failing_pull_is_one_symptom_in_both_of_its_states() -> None:
    states = ("ErrImagePull", "ImagePullBackOff")
    keys = {next(iter(symptoms(sight(pod(waiting=(state, "timeout")))))).key for state in states}
    assert len(keys) == 1


def test_a_rollout_is_described_with_its_figures() -> None:
    assert (
        described(sight(READY, replicas=3, status=deployed(2, 1)))
        == "2 of 3 pods are updated, 1 are available"
    )
