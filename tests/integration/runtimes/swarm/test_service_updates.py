"""A service gets another image, or is what it was before: by us, by the swarm itself, or left to who changed it."""

from typing import Any

import pytest

from tests.integration.runtimes.swarm.conftest import Shelf
from tests.lab.images import make_image
from tests.lab.registry import Registry
from tests.lab.replacing import perform_all, request_for, revert_all
from tests.lab.room import wait_until
from tests.lab.swarm import HALF_A_SECOND, SwarmNode
from uptainer.core.enums import ContainerStatus
from uptainer.core.errors import (
    AccessDeniedError,
    BusyError,
    NotFoundError,
    PermanentError,
    RefusedError,
    UnsupportedError,
)
from uptainer.runtimes.port import Phase, ReplacementPlan, ReplacementRequest, Runtime

KEY = "service/web"


def _deploy(swarm: SwarmNode, shelf: Shelf, tag: str = "1", **options: Any) -> dict[str, Any]:
    swarm.create_service("web", shelf.pinned(tag), **options)
    number = options.get("Mode", {}).get("Replicated", {}).get("Replicas", 1)
    swarm.await_running("web", number)
    return swarm.service("web")


def _request(shelf: Shelf, tag: str, **options: Any) -> ReplacementRequest:
    return request_for(KEY, shelf.reference(tag), shelf.digests[tag], **options)


def _begin(
    runtime: Runtime, request: ReplacementRequest, upto: str
) -> tuple[ReplacementPlan, dict[str, Any]]:
    """Every step before `upto`."""
    plan, results = runtime.plan_replacement(request), dict[str, Any]()
    for step in plan.steps:
        if step.name == upto:
            break
        results[step.name] = runtime.perform(step.name, request, plan.document, results)
    return plan, results


def _images(swarm: SwarmNode) -> list[str]:
    """Of the tasks that run."""
    tasks = swarm.tasks("web", wanted=False)
    return [each["Spec"]["ContainerSpec"]["Image"] for each in tasks if each["Status"]["State"] == "running"]


def test_every_task_is_replaced_and_nothing_else_of_the_service_changes(
    swarm: SwarmNode, runtime: Runtime, shelf: Shelf
) -> None:
    template = {
        "ContainerSpec": {
            "Image": shelf.pinned("1"),
            "Env": ["A=1"],
            "Labels": {"of": "the container"},
            "Mounts": [{"Type": "volume", "Source": "kept", "Target": "/data"}],
            "StopGracePeriod": 3_000_000_000,
            "Hosts": ["10.0.0.1 db"],
        },
        "Resources": {"Limits": {"MemoryBytes": 64_000_000}},
        "RestartPolicy": {"Condition": "any", "Delay": HALF_A_SECOND},
    }
    before = _deploy(
        swarm, shelf, TaskTemplate=template, Mode={"Replicated": {"Replicas": 2}}, Labels={"a": "b"}
    )
    request = _request(shelf, "2")
    plan, _ = perform_all(runtime, request)
    after = swarm.service("web")
    assert [step.phase for step in plan.steps] == [Phase.PREPARE, Phase.SWITCH, Phase.SWITCH]
    assert _images(swarm) == [shelf.pinned("2")] * 2
    after["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"] = shelf.pinned("1")
    assert after["Spec"] == before["Spec"]
    state = runtime.state(KEY)
    assert (state.status, state.image_id) == (
        ContainerStatus.RUNNING,
        runtime.image(str(request.image)).image_id,
    )


@pytest.mark.parametrize(
    ("tag", "reason", "action"),
    [
        ("crashing", r"non-zero exit \(7\)", "pause"),
        ("unstartable", "no such file or directory", "pause"),
        ("unhealthy", "it hurts", "pause"),
        ("crashing", r"rolled it back by itself .*non-zero exit \(7\)", "rollback"),
        ("crashing", r"its new tasks fail.*non-zero exit \(7\)", "continue"),
    ],
)
def test_a_bad_image_fails_with_its_tasks_own_words_and_is_undone_whatever_the_swarm_was_told_to_do(
    swarm: SwarmNode, runtime: Runtime, shelf: Shelf, *, tag: str, reason: str, action: str
) -> None:
    config = {"Parallelism": 1, "Monitor": 60 * HALF_A_SECOND, "FailureAction": action}
    before = _deploy(swarm, shelf, UpdateConfig=config)
    request = _request(shelf, tag)
    plan, results = _begin(runtime, request, "rollout")
    with pytest.raises(PermanentError, match=reason):
        runtime.perform("rollout", request, plan.document, results)
    revert_all(runtime, request, plan, results)
    revert_all(runtime, request, plan, results)
    after = swarm.service("web")
    assert (after["Spec"], after["UpdateStatus"]["State"]) == (before["Spec"], "rollback_completed")
    assert _images(swarm) == [shelf.pinned("1")]
    assert runtime.state(KEY).restart_count == 0


def test_an_image_that_the_registry_does_not_have_is_refused_before_any_task_is_touched(
    swarm: SwarmNode, runtime: Runtime, shelf: Shelf
) -> None:
    _deploy(swarm, shelf)
    tasks = swarm.tasks("web", wanted=False)
    request = _request(shelf, "missing")
    plan = runtime.plan_replacement(request)
    with pytest.raises(NotFoundError):
        runtime.perform("check_image", request, plan.document, {})
    assert swarm.tasks("web", wanted=False) == tasks


def test_a_change_that_somebody_else_makes_before_ours_is_not_overwritten(
    swarm: SwarmNode, runtime: Runtime, shelf: Shelf
) -> None:
    _deploy(swarm, shelf)
    request = _request(shelf, "2")
    plan, results = _begin(runtime, request, "service_update")
    swarm.update_service("web", Labels={"theirs": "yes"})
    theirs = swarm.service("web")["Spec"]
    with pytest.raises(RefusedError, match="changed by somebody else"):
        runtime.perform("service_update", request, plan.document, results)
    revert_all(runtime, request, plan, results)
    assert swarm.service("web")["Spec"] == theirs


def test_what_somebody_else_changes_after_ours_stays_when_ours_is_undone(
    swarm: SwarmNode, runtime: Runtime, shelf: Shelf
) -> None:
    _deploy(swarm, shelf)
    request = _request(shelf, "2")
    plan, results = perform_all(runtime, request, finish=False)
    swarm.update_service("web", Labels={"theirs": "yes"})
    revert_all(runtime, request, plan, results)
    spec = swarm.service("web")["Spec"]
    assert (spec["Labels"], spec["TaskTemplate"]["ContainerSpec"]["Image"]) == (
        {"theirs": "yes"},
        shelf.pinned("1"),
    )
    assert _images(swarm) == [shelf.pinned("1")]


def test_an_image_that_somebody_else_has_put_in_place_of_ours_is_left(
    swarm: SwarmNode, runtime: Runtime, shelf: Shelf
) -> None:
    before = _deploy(swarm, shelf)
    request = _request(shelf, "crashing")
    plan, results = _begin(runtime, request, "rollout")
    container = {"Image": shelf.pinned("2")}
    swarm.update_service("web", TaskTemplate={**before["Spec"]["TaskTemplate"], "ContainerSpec": container})
    with pytest.raises(RefusedError, match="changed by somebody else"):
        runtime.perform("rollout", request, plan.document, results)
    with pytest.raises(RefusedError, match="is left so"):
        runtime.revert("service_update", request, plan.document, results)
    assert swarm.service("web")["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"] == shelf.pinned("2")


def test_a_service_that_was_removed_meanwhile_is_not_made_again(
    swarm: SwarmNode, runtime: Runtime, shelf: Shelf
) -> None:
    _deploy(swarm, shelf)
    request = _request(shelf, "2")
    plan, results = _begin(runtime, request, "service_update")
    runtime.remove(KEY, force=True)
    for act in (runtime.perform, runtime.revert):
        with pytest.raises(RefusedError, match="removed by somebody else"):
            act("service_update", request, plan.document, results)


def test_an_update_that_is_under_way_is_waited_for_and_one_that_stopped_is_refused(
    swarm: SwarmNode, runtime: Runtime, shelf: Shelf
) -> None:
    config = {"Parallelism": 1, "Monitor": 60 * HALF_A_SECOND, "FailureAction": "pause"}
    before = _deploy(swarm, shelf, UpdateConfig=config)["Spec"]["TaskTemplate"]
    swarm.update_service("web", TaskTemplate={**before, "ContainerSpec": {"Image": shelf.pinned("crashing")}})
    wait_until(lambda: "UpdateStatus" in swarm.service("web"), what="the swarm did not begin")
    with pytest.raises((BusyError, RefusedError)) as refused:
        runtime.plan_replacement(_request(shelf, "2"))
    if swarm.service("web")["UpdateStatus"]["State"] == "updating":
        assert "being updated by somebody else" in str(refused.value)
    wait_until(
        lambda: swarm.service("web")["UpdateStatus"]["State"] == "paused", what="the swarm did not stop"
    )
    with pytest.raises(RefusedError, match="its last update stopped in the middle"):
        runtime.plan_replacement(_request(shelf, "2"))


def test_a_service_without_a_digest_goes_back_to_the_digest_that_ran(
    swarm: SwarmNode, runtime: Runtime, shelf: Shelf
) -> None:
    """Its tag may have moved to what is being undone."""
    swarm.create_service("web", shelf.reference("1"))
    swarm.await_running("web")
    request = _request(shelf, "crashing")
    plan, results = _begin(runtime, request, "rollout")
    with pytest.raises(PermanentError):
        runtime.perform("rollout", request, plan.document, results)
    revert_all(runtime, request, plan, results)
    assert _images(swarm) == [shelf.pinned("1")]


def test_a_service_with_data_is_stopped_for_its_backup_and_has_its_tasks_again(
    swarm: SwarmNode, runtime: Runtime, shelf: Shelf
) -> None:
    mount = {"Type": "volume", "Source": "data", "Target": "/data"}
    template = {"ContainerSpec": {"Image": shelf.pinned("1"), "Mounts": [mount]}}
    before = _deploy(swarm, shelf, TaskTemplate=template)
    request = _request(shelf, "2", snapshot=True)
    plan, results = _begin(runtime, request, "service_update")
    assert [step.phase for step in plan.steps][1] is Phase.STOP
    assert _images(swarm) == []
    (facts,) = (each for each in runtime.containers() if each.key == KEY)
    with runtime.read_mount(KEY, facts.mounts[0]) as tar:
        assert b"".join(tar)
    for step in plan.steps[2:]:
        results[step.name] = runtime.perform(step.name, request, plan.document, results)
    assert _images(swarm) == [shelf.pinned("2")]
    revert_all(runtime, request, plan, results)
    assert _images(swarm) == [shelf.pinned("1")]
    assert swarm.service("web")["Spec"] == before["Spec"]


def test_a_platform_that_the_new_image_lacks_is_refused_before_any_task_is_touched(
    swarm: SwarmNode, runtime: Runtime, shelf: Shelf
) -> None:
    platforms = [{"OS": "linux", "Architecture": each} for each in ("amd64", "arm64")]
    template = {"ContainerSpec": {"Image": shelf.pinned("1")}, "Placement": {"Platforms": platforms}}
    _deploy(swarm, shelf, TaskTemplate=template)
    request = _request(shelf, "2")
    plan = runtime.plan_replacement(request)
    with pytest.raises(UnsupportedError, match="not there for linux/arm64"):
        runtime.perform("check_image", request, plan.document, {})


def test_a_service_scaled_to_no_tasks_gets_its_image_too(
    swarm: SwarmNode, runtime: Runtime, shelf: Shelf
) -> None:
    _deploy(swarm, shelf, Mode={"Replicated": {"Replicas": 0}})
    perform_all(runtime, _request(shelf, "2"))
    assert swarm.service("web")["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"] == shelf.pinned("2")
    assert runtime.state(KEY).status is ContainerStatus.EXITED


def test_a_global_service_is_updated_and_undone(swarm: SwarmNode, runtime: Runtime, shelf: Shelf) -> None:
    _deploy(swarm, shelf, Mode={"Global": {}})
    request = _request(shelf, "2")
    plan, results = perform_all(runtime, request, finish=False)
    assert _images(swarm) == [shelf.pinned("2")]
    revert_all(runtime, request, plan, results)
    assert _images(swarm) == [shelf.pinned("1")]


def test_the_nodes_pull_with_the_login_that_an_update_brings(
    swarm: SwarmNode, runtime: Runtime, shelf: Shelf, basic_auth_registry: Registry
) -> None:
    _deploy(swarm, shelf)
    reference, login = basic_auth_registry.reference("swarm/private:2"), basic_auth_registry.credentials
    digest = make_image(None, reference, login=login)
    without = request_for(KEY, reference, digest)
    with pytest.raises(AccessDeniedError):
        runtime.perform("check_image", without, runtime.plan_replacement(without).document, {})
    assert login, "it wants one"
    auth = {"username": login[0], "password": login[1]}
    perform_all(runtime, request_for(KEY, reference, digest, registry_auth=auth))
    assert _images(swarm) == [f"{reference}@{digest}"]
