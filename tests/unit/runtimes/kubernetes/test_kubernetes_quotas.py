"""Whether a quota takes one more pod, with figures."""

from decimal import Decimal
from typing import Any

import pytest

from uptainer.runtimes.kubernetes.quantities import quantity
from uptainer.runtimes.kubernetes.quotas import shortages

QUANTITIES = [
    ("2", Decimal(2)),
    ("250m", Decimal("0.25")),
    ("1k", Decimal(1000)),
    ("1Ki", Decimal(1024)),
    ("1.5Gi", Decimal(1024**3) * Decimal("1.5")),
    ("2M", Decimal(2_000_000)),
    ("1E", Decimal(10**18)),
    ("1e3", Decimal(1000)),
    ("100n", Decimal("1e-7")),
    (3, Decimal(3)),
]


@pytest.mark.parametrize(("text", "expected"), QUANTITIES)
def test_a_quantity_is_read_as_the_cluster_reads_it(text: str | int, expected: Decimal) -> None:
    assert quantity(text) == expected


def pod(*containers: dict[str, Any], init: tuple[dict[str, Any], ...] = (), **spec: Any) -> dict[str, Any]:
    return {"spec": {"containers": list(containers), "initContainers": list(init), **spec}}


def asks(cpu: str = "", memory: str = "", limit: str = "", **more: Any) -> dict[str, Any]:
    requests = {name: value for name, value in (("cpu", cpu), ("memory", memory)) if value}
    return {"resources": {"requests": requests, "limits": {"memory": limit} if limit else {}}, **more}


def quota(hard: dict[str, str], used: dict[str, str], **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "small"},
        "spec": {"hard": hard, **spec},
        "status": {"hard": hard, "used": used},
    }


ONE = pod(asks(cpu="500m", memory="1Gi"))
SHORTAGES: list[tuple[str, dict[str, Any], dict[str, Any], list[str]]] = [
    ("room", quota({"pods": "3"}, {"pods": "2"}), ONE, []),
    (
        "no room for a pod",
        quota({"pods": "2"}, {"pods": "2"}),
        ONE,
        ["the quota small allows 2 of pods, of which 2 are used, and one pod more needs 1"],
    ),
    (
        "no room for its memory",
        quota({"requests.memory": "3Gi"}, {"requests.memory": "2560Mi"}),
        ONE,
        [
            "the quota small allows 3Gi of requests.memory, of which 2560Mi are used, and one pod more needs 1Gi"
        ],
    ),
    (
        "no room for its cores, by the short name",
        quota({"cpu": "1"}, {"cpu": "750m"}),
        ONE,
        ["the quota small allows 1 of cpu, of which 750m are used, and one pod more needs 0.5"],
    ),
    ("what it does not ask for", quota({"limits.cpu": "1"}, {"limits.cpu": "1"}), ONE, []),
    (
        "a limit without a request is asked for too",
        quota({"requests.memory": "1Gi"}, {"requests.memory": "1Gi"}),
        pod(asks(limit="100Mi")),
        [
            "the quota small allows 1Gi of requests.memory, of which 1Gi are used, and one pod more needs 100Mi"
        ],
    ),
    (
        "init containers run one by one",
        quota({"cpu": "2"}, {"cpu": "0"}),
        pod(asks(cpu="1"), asks(cpu="500m"), init=(asks(cpu="1500m"), asks(cpu="2"))),
        [],
    ),
    (
        "but for one that goes on beside them",
        quota({"cpu": "2"}, {"cpu": "0"}),
        pod(asks(cpu="1500m"), init=(asks(cpu="1", restartPolicy="Always"),)),
        ["the quota small allows 2 of cpu, of which 0 are used, and one pod more needs 2.5"],
    ),
    ("a quota of others", quota({"pods": "1"}, {"pods": "1"}, scopes=["BestEffort"]), ONE, []),
    (
        "a quota by priority",
        quota(
            {"pods": "1"},
            {"pods": "1"},
            scopeSelector={
                "matchExpressions": [{"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}]
            },
        ),
        pod(asks(), priorityClassName="high"),
        ["the quota small allows 1 of pods, of which 1 are used, and one pod more needs 1"],
    ),
    (
        "no room for another revision",
        quota({"count/replicasets.apps": "4"}, {"count/replicasets.apps": "4"}),
        ONE,
        ["the quota small allows 4 of count/replicasets.apps, of which 4 are used, and one pod more needs 1"],
    ),
]


@pytest.mark.parametrize(
    ("quota", "pod", "expected"), [each[1:] for each in SHORTAGES], ids=[each[0] for each in SHORTAGES]
)
def test_a_quota_says_what_it_lacks(quota: dict[str, Any], pod: dict[str, Any], expected: list[str]) -> None:
    assert list(shortages([quota], pod, {"count/replicasets.apps": 1})) == expected
