"""An undo leaves the old pods alone where all of them are there still; else what it makes is named by its digest."""

from datetime import UTC, datetime
from typing import Any

import pytest

from uptainer.runtimes.kubernetes.changes import Change
from uptainer.runtimes.kubernetes.keys import Key
from uptainer.runtimes.kubernetes.planning import Document
from uptainer.runtimes.kubernetes.pods import Instance, Pod
from uptainer.runtimes.kubernetes.survivors import all_survive
from uptainer.runtimes.kubernetes.targets import Target

OLD = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64
BEFORE = "registry.example/app:1"
AFTER = f"registry.example/app:2@{OTHER}"
ROLLING: dict[str, Any] = {"strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}}


def workload(image: str, **container: Any) -> dict[str, Any]:
    containers = [{"name": "app", "image": image, **container}]
    return {"spec": {"replicas": 2, **ROLLING, "template": {"spec": {"containers": containers}}}}


def pod(image: str = BEFORE, digest: str = OLD, **state: Any) -> Pod:
    ran = Instance("app", image, f"docker-pullable://{image.partition(':')[0]}@{digest}")
    told = {"ready": True, "instances": {"app": ran}, **state}
    return Pod("shop", "web", ("deployment", "web"), datetime(2026, 1, 1, tzinfo=UTC), **told)


PLAN = Document(
    change=Change(BEFORE, AFTER, f"{BEFORE}@{OLD}", "registry.example/app:2"),
    available=2,
    mark="",
    claims=[],
    old=workload(BEFORE),
)
STARTING = pod(AFTER, OTHER, ready=False)

PODS: list[tuple[str, list[Pod], bool]] = [
    ("all of them, beside a new one that is not ready", [pod(), pod(), STARTING], True),
    ("one is gone", [pod(), STARTING], False),
    ("one is ending", [pod(), pod(ending=True), STARTING], False),
    ("one is not ready", [pod(), pod(ready=False), STARTING], False),
    ("one was made anew, from what its tag stands for now", [pod(), pod(digest=OTHER)], False),
    ("a new one is ready, so that an old one may go", [pod(), pod(), pod(AFTER, OTHER)], False),
]


@pytest.mark.parametrize(("pods", "expected"), [case[1:] for case in PODS], ids=[case[0] for case in PODS])
def test_old_pods_survive_where_as_many_as_before_run_what_ran(pods: list[Pod], expected: bool) -> None:
    assert all_survive(target("deployment"), PLAN, workload(AFTER), pods) is expected


def test_another_change_in_the_middle_makes_new_pods() -> None:
    changed = workload(AFTER, env=[{"name": "MODE", "value": "new"}])
    assert not all_survive(target("deployment"), PLAN, changed, [pod(), pod()])


def test_where_an_old_pod_goes_first_none_is_sure_to_survive() -> None:
    assert not all_survive(target("statefulset"), PLAN, workload(AFTER), [pod(), pod()])


def target(kind: str) -> Target:
    return Target(Key("shop", kind, "web", "app"), "")
