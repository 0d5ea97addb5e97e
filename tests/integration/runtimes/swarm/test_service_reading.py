"""What a swarm tells of its services, and what a person can ask of one."""

from datetime import timedelta

import pytest

from tests.integration.runtimes.swarm.conftest import Shelf
from tests.lab.replacing import open_runtime, perform_all, request_for
from tests.lab.room import wait_until
from tests.lab.swarm import HALF_A_SECOND, SwarmNode
from uptainer.core.enums import ContainerStatus, Health
from uptainer.core.errors import NotFoundError, RefusedError, UnsupportedError
from uptainer.core.workloads import ContainerFacts, Mount, Port
from uptainer.runtimes.capabilities import Capability
from uptainer.runtimes.port import Runtime

KEY = "service/web"


def _facts(runtime: Runtime, key: str = KEY) -> ContainerFacts:
    return next(each for each in runtime.containers() if each.key == key)


def test_a_service_is_one_workload_and_its_tasks_are_none(
    swarm: SwarmNode, runtime: Runtime, shelf: Shelf
) -> None:
    network = swarm.client.networks.create("back", driver="overlay")
    template = {
        "ContainerSpec": {
            "Image": shelf.pinned("1"),
            "Labels": {"uptainer.group": "of the container", "only": "there"},
            "Mounts": [{"Type": "volume", "Source": "data", "Target": "/data"}],
        },
        "Networks": [{"Target": network.id}],
    }
    swarm.create_service(
        "shop_web",
        shelf.pinned("1"),
        TaskTemplate=template,
        Mode={"Replicated": {"Replicas": 2}},
        Labels={"com.docker.stack.namespace": "shop", "uptainer.group": "of the service"},
        EndpointSpec={"Mode": "dnsrr"},
    )
    swarm.await_running("shop_web", 2)
    swarm.client.containers.run(shelf.pinned("1"), name="beside", detach=True)
    assert {each.key: each.workload_kind for each in runtime.containers()} == {
        "service/shop_web": "service",
        "beside": "container",
    }
    found = _facts(runtime, "service/shop_web")
    image = runtime.image(found.repo_digests[0])
    assert (found.project, found.service, found.name) == ("shop", "web", "shop_web")
    assert found.image_reference == shelf.reference("1")
    assert found.repo_digests == (f"{shelf.reference('1').rpartition(':')[0]}@{shelf.digests['1']}",)
    assert (found.image_id, found.image_labels) == (image.image_id, {"version": "1"})
    assert found.labels["uptainer.group"] == "of the service"
    assert found.labels["only"] == "there"
    assert (found.status, found.health, found.restart_count) == (ContainerStatus.RUNNING, Health.NONE, 0)
    assert found.mounts == (Mount("volume", "data", "", "/data", read_only=False),)
    assert found.networks == ("back",)
    assert found.details["tasks"] == found.details["tasks_running"] == 2


def test_a_published_port_is_told_of(swarm: SwarmNode, runtime: Runtime, shelf: Shelf) -> None:
    port = {"Protocol": "tcp", "TargetPort": 80, "PublishedPort": 0, "PublishMode": "host"}
    swarm.create_service("web", shelf.pinned("1"), EndpointSpec={"Ports": [port]})
    swarm.await_running("web")
    (found,) = _facts(runtime).ports
    assert (found.container_port, found.protocol) == (80, "tcp")
    assert isinstance(found, Port)


def test_a_service_whose_tasks_fail_says_why(swarm: SwarmNode, runtime: Runtime, shelf: Shelf) -> None:
    template = {
        "ContainerSpec": {"Image": shelf.pinned("crashing")},
        "RestartPolicy": {"Condition": "any", "Delay": HALF_A_SECOND},
    }
    swarm.create_service("web", shelf.pinned("crashing"), TaskTemplate=template)
    wait_until(lambda: runtime.state(KEY).restart_count > 0, what="it did not crash")
    state, found = runtime.state(KEY), _facts(runtime)
    assert "non-zero exit (7)" in "\n".join([state.health_log, *found.details.get("trouble", [])])
    wait_until(
        lambda: runtime.state(KEY).status is ContainerStatus.RESTARTING, what="it was not told to crash"
    )
    assert runtime.state(KEY).health is Health.UNHEALTHY


def test_a_service_by_digest_alone_is_told_of_as_it_was_written(
    swarm: SwarmNode, runtime: Runtime, shelf: Shelf
) -> None:
    image = f"{shelf.reference('1').rpartition(':')[0]}@{shelf.digests['1']}"
    swarm.create_service("web", image)
    assert _facts(runtime).image_reference == image


def test_a_job_is_told_of_and_not_updated(swarm: SwarmNode, runtime: Runtime, shelf: Shelf) -> None:
    template = {
        "ContainerSpec": {"Image": shelf.pinned("1"), "Command": ["/bin/true"]},
        "RestartPolicy": {"Condition": "none"},
    }
    swarm.create_service(
        "web",
        shelf.pinned("1"),
        TaskTemplate=template,
        Mode={"ReplicatedJob": {}},
        UpdateConfig=None,
        RollbackConfig=None,
    )
    assert _facts(runtime).workload_kind == "service_job"
    with pytest.raises(RefusedError, match="a job runs to its end once"):
        runtime.plan_replacement(request_for(KEY, shelf.reference("2"), shelf.digests["2"]))


def test_a_stopped_service_starts_with_as_many_tasks_as_before(
    swarm: SwarmNode, runtime: Runtime, shelf: Shelf
) -> None:
    swarm.create_service("web", shelf.pinned("1"), Mode={"Replicated": {"Replicas": 2}})
    swarm.await_running("web", 2)
    before = swarm.service("web")["Spec"]
    runtime.stop(KEY)
    assert runtime.state(KEY).status is ContainerStatus.EXITED
    swarm.update_service("web", Name="web")
    runtime.start(KEY)
    swarm.await_running("web", 2)
    assert swarm.service("web")["Spec"] == before


def test_a_restart_makes_every_task_anew(swarm: SwarmNode, runtime: Runtime, shelf: Shelf) -> None:
    swarm.create_service("web", shelf.pinned("1"))
    swarm.await_running("web")
    (old,) = swarm.tasks("web")
    runtime.restart(KEY)
    (new,) = swarm.tasks("web")
    assert new["ID"] != old["ID"]


def test_what_swarm_has_no_operation_for_is_refused_with_the_reason(
    swarm: SwarmNode, runtime: Runtime, shelf: Shelf
) -> None:
    swarm.create_service("web", shelf.pinned("1"), Mode={"Global": {}})
    swarm.await_running("web")
    with pytest.raises(UnsupportedError, match="service/web can't be paused: Swarm has no such operation"):
        runtime.pause(KEY)
    with pytest.raises(UnsupportedError, match="service/web can't be stopped: a global service"):
        runtime.stop(KEY)
    assert not runtime.capabilities(_facts(runtime).workload_kind).can(Capability.STOP)
    with pytest.raises(RefusedError, match="stop it before it is removed"):
        runtime.remove(KEY)


def test_data_of_several_tasks_is_refused(swarm: SwarmNode, runtime: Runtime, shelf: Shelf) -> None:
    mount = {"Type": "volume", "Source": "data", "Target": "/data"}
    template = {"ContainerSpec": {"Image": shelf.pinned("1"), "Mounts": [mount]}}
    swarm.create_service(
        "web", shelf.pinned("1"), TaskTemplate=template, Mode={"Replicated": {"Replicas": 2}}
    )
    swarm.await_running("web", 2)
    with pytest.raises(RefusedError, match="has 2 tasks, and volumes belong to the node"):
        runtime.check_mount(KEY, _facts(runtime).mounts[0])


def test_a_service_is_made_again_from_its_configuration_with_its_network_by_name(
    swarm: SwarmNode, runtime: Runtime, shelf: Shelf
) -> None:
    network = swarm.client.networks.create("back", driver="overlay")
    template = {"ContainerSpec": {"Image": shelf.pinned("1")}, "Networks": [{"Target": network.id}]}
    swarm.create_service("web", shelf.pinned("1"), TaskTemplate=template, EndpointSpec={"Mode": "dnsrr"})
    swarm.await_running("web")
    saved = runtime.configuration(KEY)
    runtime.remove(KEY, force=True)
    swarm.clear()
    swarm.client.networks.create("back", driver="overlay")
    assert runtime.create_from(saved) == KEY
    assert runtime.state(KEY).status is ContainerStatus.EXITED
    runtime.start(KEY)
    assert _facts(runtime).networks == ("back",)


def test_what_runs_on_another_node_is_known_and_can_not_be_entered_from_here(
    swarm: SwarmNode, swarm_worker: SwarmNode, runtime: Runtime, shelf: Shelf
) -> None:
    template = {
        "ContainerSpec": {
            "Image": shelf.pinned("elsewhere-1"),
            "Mounts": [{"Type": "volume", "Source": "data", "Target": "/data"}],
        },
        "Placement": {"Constraints": ["node.role==worker"]},
    }
    swarm.accept_tasks(swarm_worker, accepts=True)
    try:
        swarm.create_service("web", shelf.pinned("elsewhere-1"), TaskTemplate=template)
        swarm.await_running("web")
        found = _facts(runtime)
        assert (found.status, str(found.platform)) == (ContainerStatus.RUNNING, "linux/amd64")
        assert (found.image_id, found.image_labels) == (shelf.digests["elsewhere-1"], {})
        assert runtime.image(found.image_id).repo_digests == found.repo_digests
        with pytest.raises(UnsupportedError, match="no task of service/web runs on this node"):
            runtime.execute(KEY, ["true"], timedelta(seconds=5))
        with pytest.raises(RefusedError, match="is on the node"):
            runtime.check_mount(KEY, _facts(runtime).mounts[0])
        with open_runtime(swarm_worker) as on_worker:
            (task,) = on_worker.containers()
            assert (task.workload_kind, task.service) == ("service_task", "web")
            assert task.details["owner"]["advice"] == "update it on a manager of its swarm"
            with pytest.raises(RefusedError, match="belongs to Swarm"):
                on_worker.plan_replacement(request_for(task.key, shelf.reference("1"), shelf.digests["1"]))
            with pytest.raises(NotFoundError, match="not a manager"):
                on_worker.state(KEY)
        request = request_for(KEY, shelf.reference("elsewhere-2"), shelf.digests["elsewhere-2"])
        perform_all(runtime, request)
        assert (
            runtime.state(KEY).image_id == runtime.image(str(request.image)).image_id == request.image.digest
        )
    finally:
        swarm.clear()
        swarm.accept_tasks(swarm_worker, accepts=False)


def test_a_service_that_is_not_there_is_not_found(runtime: Runtime) -> None:
    for ask in (runtime.state, runtime.inspect, runtime.configuration, runtime.start):
        with pytest.raises(NotFoundError):
            ask("service/nobody")
