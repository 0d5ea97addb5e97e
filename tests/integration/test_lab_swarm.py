"""The lab's swarm: two nodes on one machine that share nothing, and nothing of them stays."""

from pathlib import Path

import psutil
import pytest

from tests.integration.test_lab import bridges_in
from tests.lab.docker import DockerEngine
from tests.lab.images import make_image
from tests.lab.registry import Registry
from tests.lab.room import take_room
from tests.lab.swarm import GATEWAY, start_manager, start_worker


@pytest.mark.usefixtures("docker_engine")
def test_a_swarm_runs_a_task_on_each_node_beside_another_engine_and_leaves_nothing(
    registry: Registry,
) -> None:
    reference = registry.reference("lab/task:1")
    image = f"{reference}@{make_image(None, reference)}"
    with take_room(range(90, 100)) as room:
        manager = start_manager(room)
        worker = start_worker(room, manager)
        manager.accept_tasks(worker, accepts=True)
        manager.client.networks.create("back", driver="overlay")
        template = {"ContainerSpec": {"Image": image}}
        manager.create_service("web", image, TaskTemplate=template, Mode={"Global": {}})
        manager.await_running("web", 2)
        assert {each["NodeID"] for each in manager.tasks("web")} == {manager.node_id, worker.node_id}
        assert len(bridges_in(room)) == 4
        manager.dismiss(worker)
        worker.close()
        manager.clear()
        manager.close()
        assert bridges_in(room) == []
    assert not room.path.exists()
    assert str(room.path) not in Path("/proc/self/mountinfo").read_text()
    commands = [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]
    assert not [command for command in commands if f"{room.path}/" in command]


def test_other_engines_of_the_machine_keep_their_gateway(docker_engine: DockerEngine) -> None:
    assert GATEWAY not in {each.name for each in docker_engine.client.networks.list()}
