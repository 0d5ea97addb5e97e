"""What a service and its tasks say at one moment, judged without a swarm."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from uptainer.core.enums import ContainerStatus, Health
from uptainer.core.errors import PermanentError, RefusedError, SupersededError
from uptainer.runtimes.docker import service_facts, service_scale
from uptainer.runtimes.docker.service_facts import Surroundings
from uptainer.runtimes.docker.service_rollout import Failing, Look, is_done
from uptainer.runtimes.docker.services import pinned, split_image

DIGEST = "sha256:" + "a" * 64
OLD, NEW = f"shop/web:1@{DIGEST}", f"shop/web:2@sha256:{'b' * 64}"
NOON, LATER = "2026-01-01T12:00:00.5Z", "2026-01-01T13:00:00Z"


def service(image: str = NEW, *, replicas: int = 1, state: str = "", config: Any = None) -> dict[str, Any]:
    return {
        "ID": "web-id",
        "CreatedAt": NOON,
        "UpdatedAt": NOON,
        "Spec": {
            "Name": "web",
            "Labels": {},
            "TaskTemplate": {"ContainerSpec": {"Image": image}, "ForceUpdate": 0},
            "Mode": {"Replicated": {"Replicas": replicas}},
            "UpdateConfig": config or {"FailureAction": "pause", "MaxFailureRatio": 0},
        },
        **(
            {"UpdateStatus": {"State": state, "StartedAt": NOON, "Message": f"it is {state}"}}
            if state
            else {}
        ),
    }


def task(
    state: str = "running", wanted: str = "running", *, image: str = NEW, slot: int = 1, **status: Any
) -> dict[str, Any]:
    return {
        "ID": f"{image[-8:]}-{slot}-{state}",
        "CreatedAt": LATER,
        "DesiredState": wanted,
        "NodeID": "node-1",
        "Slot": slot,
        "Spec": {"ContainerSpec": {"Image": image}, "ForceUpdate": 0},
        "Status": {"State": state, "Timestamp": LATER, **status},
    }


GONE = task("shutdown", "shutdown", image=OLD)
CRASHED = task("failed", "shutdown", Err="task: non-zero exit (7)")


@pytest.mark.parametrize(
    ("image", "written", "by_digest"),
    [
        ("nginx:1", "nginx:1", None),
        (f"nginx:1@{DIGEST}", "nginx:1", f"nginx@{DIGEST}"),
        (f"nginx@{DIGEST}", f"nginx@{DIGEST}", f"nginx@{DIGEST}"),
        ("localhost:5000/app", "localhost:5000/app", None),
        (f"localhost:5000/app:1@{DIGEST}", "localhost:5000/app:1", f"localhost:5000/app@{DIGEST}"),
    ],
)
def test_the_digest_that_a_client_added_is_told_from_what_a_person_wrote(
    image: str, written: str, by_digest: str | None
) -> None:
    known = pinned(image)
    assert (split_image(image)[0], known.familiar if known else None) == (written, by_digest)


@pytest.mark.parametrize(
    ("seen", "tasks", "done"),
    [
        (service(state="updating"), [task(), GONE], False),
        (service(state="completed"), [task(), GONE], True),
        (service(), [task("running", image=OLD)], False),
        (service(), [task("starting")], False),
        (service(replicas=2), [task(), task("preparing", slot=2)], False),
        (service(replicas=0), [GONE], True),
        (service(state="completed"), [task("failed", "shutdown", image=OLD), task()], True),
    ],
    ids=["under way", "all run", "not begun", "starting", "one of two", "none asked", "old ones failed"],
)
def test_a_rollout_is_done_when_all_that_is_asked_runs_of_the_new(
    seen: Mapping[str, Any], tasks: Sequence[Mapping[str, Any]], done: bool
) -> None:
    assert is_done(Look(seen, tasks), NEW) is done


@pytest.mark.parametrize(
    ("seen", "tasks", "fault", "says"),
    [
        (service(state="paused"), [CRASHED], PermanentError, "stopped the update"),
        (service(OLD, state="rollback_started"), [CRASHED], PermanentError, "rolled it back by itself"),
        (service(OLD, state="rollback_completed"), [CRASHED], PermanentError, "rolled it back by itself"),
        (service(OLD), [task(image=OLD)], SupersededError, "changed by somebody else"),
        (
            service(state="updating", config={"FailureAction": "continue"}),
            [CRASHED],
            PermanentError,
            "its new tasks fail",
        ),
        (service(state="completed"), [CRASHED], PermanentError, "its new tasks fail"),
    ],
    ids=["paused", "rolling back", "rolled back", "another's", "told to go on", "failed later"],
)
def test_a_rollout_that_fails_says_who_ended_it(
    seen: Mapping[str, Any], tasks: Sequence[Mapping[str, Any]], fault: type[Exception], says: str
) -> None:
    with pytest.raises(fault, match=says):
        is_done(Look(seen, tasks), NEW)


def failures(count: int) -> list[dict[str, Any]]:
    return [{**CRASHED, "ID": f"crashed-{number}"} for number in range(count)]


@pytest.mark.parametrize(
    ("looks", "for_good"),
    [
        ([(0, 1, 0), (30, 2, 0), (61, 3, 0)], True),
        ([(0, 1, 0), (30, 2, 0), (61, 2, 0)], False),
        ([(0, 1, 0), (30, 2, 1), (61, 3, 1)], False),
        ([(0, 1, 0), (30, 2, 1), (40, 3, 1), (101, 4, 1)], True),
        ([(0, 0, 0), (300, 1, 0)], False),
    ],
    ids=["goes on", "is over", "got better", "no better any more", "fails once"],
)
def test_tasks_that_go_on_failing_are_not_waited_for(
    looks: Sequence[tuple[float, int, int]], for_good: bool
) -> None:
    failing = Failing()
    seen = [
        failing.is_for_good(Look(service(replicas=3), [*failures(failed), *[task()] * running]), now)
        for now, failed, running in looks
    ]
    assert seen[-1] is for_good
    assert not any(seen[:-1])


def test_some_failures_are_borne_where_the_service_says_so() -> None:
    config = {"FailureAction": "continue", "MaxFailureRatio": 0.5}
    seen = service(state="updating", replicas=2, config=config)
    assert not is_done(Look(seen, [CRASHED, task(slot=2)]), NEW)


@pytest.mark.parametrize(
    ("seen", "tasks", "status", "health"),
    [
        (service(), [task()], ContainerStatus.RUNNING, Health.NONE),
        (service(replicas=2), [task(), task("starting", slot=2)], ContainerStatus.RUNNING, Health.STARTING),
        (service(replicas=2), [task(slot=2), CRASHED], ContainerStatus.RUNNING, Health.UNHEALTHY),
        (service(), [CRASHED], ContainerStatus.RESTARTING, Health.UNHEALTHY),
        (service(), [task("pending")], ContainerStatus.CREATED, Health.STARTING),
        (service(replicas=0), [], ContainerStatus.EXITED, Health.NONE),
    ],
    ids=["all run", "one starts", "one crashes", "it crashes", "no node yet", "stopped"],
)
def test_a_service_is_as_well_as_its_tasks(
    seen: Mapping[str, Any], tasks: Sequence[Mapping[str, Any]], status: ContainerStatus, health: Health
) -> None:
    state = service_facts.workload_state(seen, Surroundings(tasks, {}, None))
    assert (state.status, state.health) == (status, health)


def test_only_failures_since_the_last_update_count() -> None:
    before = {**CRASHED, "CreatedAt": "2026-01-01T11:00:00Z"}
    of_the_old = task("failed", "shutdown", image=OLD)
    assert service_facts.failed(service(), [before, of_the_old, CRASHED]) == [CRASHED]


def test_a_task_that_is_meant_to_end_has_not_failed_when_it_does() -> None:
    once = service()
    once["Spec"]["TaskTemplate"]["RestartPolicy"] = {"Condition": "none"}
    ended = task("complete", "shutdown")
    assert service_facts.failed(service(), [ended]) == [ended]
    assert service_facts.failed(once, [ended]) == []


def test_a_stopped_service_gets_back_exactly_what_it_was() -> None:
    spec = service(replicas=3)["Spec"]
    stopped = service_scale.stopped(spec, [task()])
    assert service_facts.replicas(stopped) == 0
    assert service_scale.replicas_before({"Spec": stopped}) == 3
    assert service_scale.node_of({"Spec": stopped}, []) == "node-1"
    assert service_scale.started(stopped, 3) == spec


def test_a_service_that_somebody_else_scaled_down_starts_by_what_the_swarm_kept_or_not_at_all() -> None:
    scaled = service(replicas=0)
    assert service_scale.replicas_before({**scaled, "PreviousSpec": service(replicas=2)["Spec"]}) == 2
    with pytest.raises(RefusedError, match="docker service scale web=1"):
        service_scale.replicas_before(scaled)
