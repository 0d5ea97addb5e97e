"""What of a cluster forbids replacing a workload now."""

from typing import Any

import pytest

from uptainer.runtimes.kubernetes.obstacles import Surroundings, notes, obstacles
from uptainer.runtimes.kubernetes.rollout import unrest

POD: dict[str, Any] = {"spec": {"containers": [{"resources": {"requests": {"memory": "1Gi"}}}]}}


def workload(metadata: dict[str, Any] | None = None, pull: str = "Always", **spec: Any) -> dict[str, Any]:
    conditions = spec.pop("conditions", [])
    status = spec.pop("status", {})
    return {
        "metadata": {"name": "web", "generation": 2, **(metadata or {})},
        "spec": {
            "replicas": 2,
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "app", "image": "app:1", "imagePullPolicy": pull}]},
            },
            **spec,
        },
        "status": {"observedGeneration": 2, "conditions": conditions, **status},
    }


def quota(hard: str, used: str) -> dict[str, Any]:
    figures = {"hard": {"requests.memory": hard}, "used": {"requests.memory": used}}
    return {"metadata": {"name": "small"}, "spec": {"hard": figures["hard"]}, "status": figures}


def budget(healthy: int, app: str = "web") -> dict[str, Any]:
    return {
        "metadata": {"name": "steady"},
        "spec": {"selector": {"matchLabels": {"app": app}}},
        "status": {"desiredHealthy": healthy},
    }


def autoscaler(kind: str = "Deployment") -> dict[str, Any]:
    return {"metadata": {"name": "more"}, "spec": {"scaleTargetRef": {"kind": kind, "name": "web"}}}


CALM = Surroundings(pods=(POD,))
SURGE: dict[str, Any] = {"strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}}
LATE = {
    "type": "Progressing",
    "status": "False",
    "reason": "ProgressDeadlineExceeded",
    "message": "timed out",
}

OBSTACLES: list[tuple[str, str, dict[str, Any], Surroundings, list[str]]] = [
    ("nothing", "deployment", workload(), CALM, []),
    ("being deleted", "deployment", workload({"deletionTimestamp": "now"}), CALM, ["it is being deleted"]),
    ("paused", "deployment", workload(paused=True), CALM, ["its rollout is paused, and somebody paused it for a reason"]),
    (
        "failed already",
        "deployment",
        workload(conditions=[LATE]),
        CALM,
        ["its last rollout failed (ProgressDeadlineExceeded: timed out): repair or undo that first"],
    ),
    ("never pulled", "deployment", workload(pull="Never"), CALM, ["container app has imagePullPolicy Never"]),
    (
        "replaced by hand",
        "daemonset",
        workload(updateStrategy={"type": "OnDelete"}),
        CALM,
        ["its update strategy is OnDelete"],
    ),
    (
        "partly held back",
        "statefulset",
        workload(updateStrategy={"rollingUpdate": {"partition": 1}}),
        CALM,
        ["its partition 1 holds back the pods below it"],
    ),
    (
        "a full quota",
        "deployment",
        workload(**SURGE),
        Surroundings((POD,), quotas=(quota("2Gi", "2Gi"),)),
        [
            "the quota small allows 2Gi of requests.memory, of which 2Gi are used, and one pod more needs 1Gi (by"
        ],
    ),
    (
        "a full quota, where an old pod goes first",
        "deployment",
        workload(strategy={"type": "Recreate"}),
        Surroundings((POD,), quotas=(quota("2Gi", "2Gi"),)),
        [],
    ),
    ("a full quota, and no pods", "deployment", workload(replicas=0, **SURGE), Surroundings((), (quota("0", "0"),)), []),
    (
        "a budget that its rollout would break",
        "statefulset",
        workload(),
        Surroundings((POD,), budgets=(budget(2),)),
        [
            "the disruption budget steady wants 2 of its 2 pods available, and the rollout would leave 1 (by its"
        ],
    ),
    ("a budget that it keeps", "statefulset", workload(), Surroundings((POD,), budgets=(budget(1),)), []),
    ("a budget that it keeps by surging", "deployment", workload(**SURGE), Surroundings((POD,), budgets=(budget(2),)), []),
    ("the budget of others", "statefulset", workload(), Surroundings((POD,), budgets=(budget(2, "db"),)), []),
    ("an autoscaler", "deployment", workload(), Surroundings((POD,), autoscalers=(autoscaler(),)), []),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "target", "around", "expected"),
    [each[1:] for each in OBSTACLES],
    ids=[each[0] for each in OBSTACLES],
)
def test_an_obstacle_is_said_with_its_figures(
    kind: str, target: dict[str, Any], around: Surroundings, expected: list[str]
) -> None:
    found = list(obstacles(kind, target, "app", around))
    assert len(found) == len(expected)
    assert all(sentence.startswith(start) for sentence, start in zip(found, expected, strict=True))


UNREST: list[tuple[str, str, dict[str, Any], bool]] = [
    ("calm", "deployment", {"replicas": 2, "updatedReplicas": 2}, False),
    ("half updated", "deployment", {"replicas": 2, "updatedReplicas": 1}, True),
    ("an old pod left", "deployment", {"replicas": 3, "updatedReplicas": 2}, True),
    ("not taken up", "deployment", {"replicas": 2, "updatedReplicas": 2, "observedGeneration": 1}, True),
    ("calm, though ill", "deployment", {"replicas": 2, "updatedReplicas": 2, "availableReplicas": 0}, False),
    ("between revisions", "statefulset", {"currentRevision": "a", "updateRevision": "b"}, True),
    ("of one revision", "statefulset", {"currentRevision": "b", "updateRevision": "b"}, False),
    ("one node left", "daemonset", {"desiredNumberScheduled": 2, "updatedNumberScheduled": 1}, True),
    ("all nodes", "daemonset", {"desiredNumberScheduled": 2, "updatedNumberScheduled": 2}, False),
    ("which has no rollouts", "cronjob", {"observedGeneration": 0}, False),
]


@pytest.mark.parametrize(
    ("kind", "status", "expected"), [each[1:] for each in UNREST], ids=[each[0] for each in UNREST]
)
def test_an_earlier_rollout_is_waited_for(kind: str, status: dict[str, Any], expected: bool) -> None:
    assert (unrest(kind, workload(status=status)) is not None) is expected


def test_what_is_left_alone_is_said_beforehand() -> None:
    around = Surroundings((POD,), budgets=(budget(1),), autoscalers=(autoscaler(), autoscaler("StatefulSet")))
    assert list(notes("deployment", workload(), around)) == [
        "the autoscaler more keeps setting the number of its pods",
        "the disruption budget steady is kept",
    ]
    assert list(notes("deployment", workload(replicas=0), CALM)) == ["it has no pods now, and gets none"]
