"""docs/triggering.md, run as it stands against a running system that wants a login."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.lab.docker import DockerEngine
from tests.lab.environment import lab_part
from tests.lab.prefect import when_not_busy
from tests.lab.registry import Registry
from tests.lab.room import LabUnavailableError, Room
from tests.lab.shop import Shop
from tests.lab.system import FINAL, PATIENCE, SUSPENDED, System, running_system

pytestmark = pytest.mark.timeout(900)
PAGE = Path(__file__).parents[2] / "docs" / "triggering.md"
LOGIN = "ada:correct-horse"
RUN_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
CALLS = re.findall(r"^\| .*?\| `(uptainer_run .*?)` \|", PAGE.read_text(), re.MULTILINE)
FUNCTIONS = [block for block in BLOCKS if "export " in block or "() {" in block]
PREFECT_CALLS = [line for block in BLOCKS for line in block.splitlines() if line.startswith("prefect ")]
SWEEPS = re.findall(r"`(.*?)`", PAGE.read_text().partition("A sweep (")[2].partition(")")[0])


@pytest.fixture(scope="module")
def shop(docker_engine: DockerEngine, registry: Registry) -> Iterator[Shop]:
    docker_engine.clear()
    shop = Shop(docker_engine, registry)
    shop.push("nginx:1.27.2", pull=True)
    shop.push("nginx:1.27.4", fixed=True)
    for workload in ("web-1", "old-1"):
        shop.run(workload, "nginx:1.27.2", volumes=[f"{workload}:/data"])
    yield shop
    docker_engine.clear()


@pytest.fixture(scope="module")
def system(room: Room, shop: Shop, trivy_binary: Path) -> Iterator[System]:
    with running_system(room, shop.engine, trivy_binary, login=LOGIN) as system:
        yield system


class Shell:
    """A shell that has read the page's definitions, with the page's example names replaced by those that are there."""

    def __init__(self, system: System, update: int, backup: int, waiting: str) -> None:
        self._system = system
        self._words = {
            "http://127.0.0.1:4200": system.url,
            "nas/": f"{system.host}/",
            '"nas"': f'"{system.host}"',
            '"update_id": 7': f'"update_id": {update}',
            "update_id=7": f"update_id={update}",
            '"insist": 7': f'"insist": {update}',
            '"backup_id": 3': f'"backup_id": {backup}',
            "backup_id=3": f"backup_id={backup}",
        }
        self.waiting = waiting

    def parameters(self, flow: str) -> list[dict[str, Any]]:
        """What each of the page's calls by curl gives to a flow."""
        calls = [shlex.split(self._here(call)) for call in CALLS]
        return [json.loads(call[2]) if len(call) > 2 else {} for call in calls if call[1] == flow]

    def run(self, script: str) -> str:
        path = f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ['PATH']}"
        environment = {
            **self._system.console.environment(),
            "PATH": path,
            "PREFECT_API_AUTH_STRING": LOGIN,
            "waiting": self.waiting,
        }
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self._here("\n".join([*FUNCTIONS, script]))],
            env=environment,
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def _here(self, script: str) -> str:
        for word, ours in self._words.items():
            script = script.replace(word, ours)
        return script


@pytest.fixture(scope="module")
def shell(system: System) -> Shell:
    with lab_part():
        if not (shutil.which("curl") and shutil.which("jq")):
            raise LabUnavailableError("no curl and jq on this machine (apt-get install curl jq)")
    kept = system.run("back-up", workload=system.address("web-1"), by="Ada")["state"]["message"]
    backup = re.search(r"backup (\d+)", kept)
    assert backup, kept
    update, waiting = system.gate("web-1")
    return Shell(system, update.id, int(backup[1]), waiting)


def settled(system: System, printed: str, flow: str) -> str:
    """What became of the run whose id was printed last: its state's type."""
    run = RUN_ID.findall(printed)[-1]
    found = system.in_state(run, FINAL | SUSPENDED)["state"]
    assert found["type"] not in {"FAILED", "CRASHED"}, found
    assert found["type"] != "CANCELLED" or flow in SWEEPS, found
    return str(found["type"])


def test_the_page_has_a_call_for_every_flow(system: System) -> None:
    named = {call.split()[1] for call in CALLS}
    deployed = {each["name"] for each in system.post("/deployments/filter", {})}
    assert named == deployed
    assert {call.split()[3].partition("/")[0] for call in PREFECT_CALLS} == deployed


@pytest.mark.parametrize("call", CALLS)
def test_each_call_by_curl_does_what_it_says(system: System, shell: Shell, call: str) -> None:
    settled(system, shell.run(call), call.split()[1])


def test_each_call_by_prefects_command_is_taken(system: System, shell: Shell) -> None:
    """For tomorrow, with parameters that a call above has as well: what they do is seen there."""
    for line in PREFECT_CALLS:
        printed = shell.run(f"{line.removesuffix(' --watch')} --start-in '1 day'")
        run = system.flow_run(RUN_ID.findall(printed)[-1])
        assert run["state"]["type"] == "SCHEDULED"
        name = line.split()[3].partition("/")[0]
        assert bool(run["parameters"]) is ("--param" in line), line
        assert any(run["parameters"].items() <= given.items() for given in shell.parameters(name)), line
        assert run["deployment_id"] == system.get(f"/deployments/name/{line.split()[3]}")["id"]
        system.delete(f"/flow_runs/{run['id']}")


def test_the_other_blocks_say_what_is_asked_of_them(system: System, shell: Shell) -> None:
    rest = [block for block in BLOCKS if block not in FUNCTIONS and "prefect deployment" not in block]
    for block in rest[:-1]:
        assert "\n" in shell.run(block)
    assert "web-1: nginx 1.27.2 -> 1.27.4" in shell.run(rest[1])
    assert "CVE-2024-6119" in shell.run(rest[2])
    assert shell.run(rest[-1]).endswith("ACCEPT\n")
    assert system.ended(shell.waiting)["state"]["name"] == "Succeeded"


@pytest.mark.parametrize(
    ("flow", "parameters", "says"),
    [
        ("operate", {"workload": "web-1"}, "'operation' is a required property"),
        ("operate", {"workload": "web-1", "operation": "explode"}, "'explode' is not one of"),
        ("operate", {"workload": "web-1", "operation": "logs", "tail": 0}, "0 is less than the minimum of 1"),
        ("restore", {"backup_id": "newest"}, "'newest' is not of type 'integer'"),
        ("scan", {"older_than_hours": -1}, "-1 is less than the minimum of 0"),
        ("update", {}, "'update_id' is a required property"),
    ],
)
def test_a_wrong_parameter_is_refused_before_anything_runs(
    system: System, flow: str, parameters: dict[str, object], says: str
) -> None:
    deployment = system.get(f"/deployments/name/{flow}/{flow}")["id"]
    path, body = f"/deployments/{deployment}/create_flow_run", {"parameters": parameters}
    answer = when_not_busy(partial(system.api.post, path, json=body))
    assert answer.status_code == httpx.codes.CONFLICT
    assert says in answer.json()["detail"]


@pytest.mark.parametrize(
    ("flow", "parameters", "says"),
    [
        ("operate", {"workload": "HOST/nothing", "operation": "stop"}, "nothing"),
        ("operate", {"workload": "HOST/web-1", "operation": "exec"}, "exec needs a command"),
        (
            "operate",
            {"workload": "HOST/web-1", "operation": "stop", "command": ["x"]},
            "stop takes no command",
        ),
        ("operate", {"workload": "HOST/web-1", "operation": "remove"}, "running"),
        ("back-up", {"workload": "HOST/nothing"}, "nothing"),
        ("restore", {"backup_id": 999}, "999"),
        ("check", {"container": "elsewhere/web-1"}, "elsewhere"),
        ("discover", {"host": "elsewhere"}, "elsewhere"),
        ("update", {"update_id": 999}, "there is no update 999"),
    ],
)
def test_what_cannot_be_done_ends_as_failed_and_says_why(
    system: System, flow: str, parameters: dict[str, object], says: str
) -> None:
    given = {
        name: value.replace("HOST", system.host) if isinstance(value, str) else value
        for name, value in parameters.items()
    }
    ended = system.run(flow, **given)["state"]
    assert ended["type"] == "FAILED", ended
    assert says in ended["message"]
    assert "Error" not in ended["message"]


def test_a_sweep_does_not_pile_up_behind_itself(system: System) -> None:
    """Asked for again where a scheduled one had the place of all three."""
    ended: set[str] = set()
    deadline = time.monotonic() + 2 * PATIENCE
    while time.monotonic() < deadline:
        runs = [system.request("discover") for _ in range(3)]
        ended = {system.ended(run)["state"]["type"] for run in runs}
        assert ended <= {"COMPLETED", "CANCELLED"}
        if len(ended) > 1:
            break
    assert ended == {"COMPLETED", "CANCELLED"}


def test_the_pages_that_people_look_at_are_written(system: System) -> None:
    assert system.run("report")["state"]["message"] == "4 pages written: see Artifacts"
    assert f"{system.address('web-1')}" in system.artifact("fleet")["data"].replace("\\", "")
    assert "# Waiting" in system.artifact("waiting")["data"]
    assert "nginx" in system.artifact("security")["data"]
    assert "# The last 24 hours" in system.artifact("night")["data"]


def test_who_has_no_login_is_let_nowhere(system: System) -> None:
    address = f"{system.url}/api/flow_runs/filter"
    assert httpx.post(address, json={}, timeout=120).status_code == httpx.codes.UNAUTHORIZED
