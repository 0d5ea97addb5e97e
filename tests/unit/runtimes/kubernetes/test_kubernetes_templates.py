"""Where an image stands in each kind of workload, and how the pods of it are found and replaced."""

from typing import Any

import pytest

from uptainer.core.errors import NotFoundError
from uptainer.runtimes.kubernetes.strategies import Strategy, strategy_of
from uptainer.runtimes.kubernetes.templates import image_in, image_patch, matches, selector_text

POD: dict[str, Any] = {
    "containers": [{"name": "app", "image": "app:1"}, {"name": "proxy", "image": "proxy:1"}],
    "initContainers": [{"name": "migrate", "image": "app:1"}],
}
DEPLOYMENT: dict[str, Any] = {
    "metadata": {"name": "web", "resourceVersion": "7"},
    "spec": {"template": {"spec": POD}},
}
CRON_JOB: dict[str, Any] = {
    "metadata": {"name": "nightly", "resourceVersion": "8"},
    "spec": {"jobTemplate": {"spec": {"template": {"spec": POD}}}},
}


def test_a_patch_changes_one_image_of_the_version_that_was_read() -> None:
    assert image_patch(DEPLOYMENT, "app", "app:2", {"why": "newer", "old": None}) == {
        "metadata": {"resourceVersion": "7", "annotations": {"why": "newer", "old": None}},
        "spec": {"template": {"spec": {"containers": [{"name": "app", "image": "app:2"}]}}},
    }


def test_a_patch_reaches_an_init_container_of_a_cron_job() -> None:
    patch = image_patch(CRON_JOB, "migrate", "app:2", {})
    pod = patch["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert pod == {"initContainers": [{"name": "migrate", "image": "app:2"}]}


def test_a_container_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(NotFoundError, match="web has no container named cache, only app, proxy, migrate"):
        image_in(DEPLOYMENT, "cache")


SELECTORS: list[tuple[dict[str, Any] | None, bool]] = [
    ({"matchLabels": {"app": "web"}}, True),
    ({"matchLabels": {"app": "db"}}, False),
    ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web", "db"]}]}, True),
    ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}, False),
    ({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}, False),
    ({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}, True),
    ({}, True),
    (None, False),
]


@pytest.mark.parametrize(("selector", "expected"), SELECTORS)
def test_a_selector_takes_what_the_cluster_would_take(
    selector: dict[str, Any] | None, expected: bool
) -> None:
    assert matches(selector, {"app": "web"}) is expected


def test_a_selector_is_written_as_a_list_wants_it() -> None:
    expressions = [
        {"key": "tier", "operator": "In", "values": ["front", "back"]},
        {"key": "old", "operator": "DoesNotExist"},
        {"key": "zone", "operator": "Exists"},
        {"key": "kind", "operator": "NotIn", "values": ["x"]},
    ]
    text = selector_text({"matchLabels": {"app": "web"}, "matchExpressions": expressions})
    assert text == "app=web,tier in (front,back),!old,zone,kind notin (x)"


def rolling(replicas: int, **figures: int | str) -> dict[str, Any]:
    return {"spec": {"replicas": replicas, "strategy": {"type": "RollingUpdate", "rollingUpdate": figures}}}


STRATEGIES: list[tuple[str, dict[str, Any], Strategy]] = [
    ("deployment", {"spec": {"replicas": 1}}, Strategy(1, 1, 0)),
    ("deployment", rolling(4, maxSurge="25%", maxUnavailable="25%"), Strategy(4, 1, 1)),
    ("deployment", rolling(5, maxSurge="25%", maxUnavailable="25%"), Strategy(5, 2, 1)),
    ("deployment", rolling(3, maxSurge=0, maxUnavailable="25%"), Strategy(3, 0, 1)),
    ("deployment", {"spec": {"replicas": 3, "strategy": {"type": "Recreate"}}}, Strategy(3, 0, 3)),
    ("deployment", {"spec": {"replicas": 0}}, Strategy(0, 0, 0)),
    ("statefulset", {"spec": {"replicas": 3}}, Strategy(3, 0, 1)),
    ("statefulset", {"spec": {"replicas": 0}}, Strategy(0, 0, 0)),
    ("daemonset", {"spec": {}, "status": {"desiredNumberScheduled": 5}}, Strategy(5, 0, 1)),
    (
        "daemonset",
        {
            "spec": {"updateStrategy": {"rollingUpdate": {"maxSurge": 1}}},
            "status": {"desiredNumberScheduled": 5},
        },
        Strategy(5, 1, 0),
    ),
    ("cronjob", CRON_JOB, Strategy(0, 0, 0)),
]


@pytest.mark.parametrize(("kind", "workload", "expected"), STRATEGIES)
def test_a_strategy_is_counted_as_its_controller_counts(
    kind: str, workload: dict[str, Any], expected: Strategy
) -> None:
    assert strategy_of(kind, workload) == expected
