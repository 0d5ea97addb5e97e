"""`prefect deploy --all` on a work pool of one's own, and a worker that runs what stands there."""

import subprocess
import sysconfig
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from deployments import definition
from tests.lab.prefect import PrefectServer, request_run, when_not_busy
from tests.lab.room import Room, start_process, stop_process, wait_until
from tests.lab.system import FINAL
from uptainer.store import schema

pytestmark = pytest.mark.timeout(600)
PREFECT = str(Path(sysconfig.get_path("scripts")) / "prefect")
POOL = "uptainer-worker-test"


@pytest.fixture
def api(prefect_server: PrefectServer) -> Iterator[httpx.Client]:
    with prefect_server.client() as client:
        yield client
        for each in client.post("/deployments/filter", json={}).raise_for_status().json():
            client.delete(f"/deployments/{each['id']}")
        client.delete(f"/work_pools/{POOL}")


@pytest.fixture
def environment(prefect_server: PrefectServer, room: Room, postgres_url: str) -> dict[str, str]:
    schema.upgrade(postgres_url)
    return {
        **prefect_server.env,
        "UPTAINER_WORK_POOL": POOL,
        "UPTAINER_DATABASE_URL": postgres_url.replace("+psycopg", ""),
        "UPTAINER_DATA_DIR": str(room.directory("worker")),
    }


def test_a_worker_of_a_process_pool_runs_what_was_deployed_to_it(
    api: httpx.Client, environment: dict[str, str], room: Room
) -> None:
    pool = {"name": POOL, "type": "process"}
    made = when_not_busy(partial(api.post, "/work_pools/", json=pool))
    assert made.status_code in {httpx.codes.CREATED, httpx.codes.CONFLICT}, made.text
    deployed = subprocess.run(
        [PREFECT, "--no-prompt", "deploy", "--all"],
        cwd=definition.path().parent,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert deployed.returncode == 0, deployed.stdout + deployed.stderr
    log = room.directory("worker-log") / "worker.log"
    command = [PREFECT, "worker", "start", "--pool", POOL, "--type", "process"]
    worker = start_process(command, log=log, env=environment)
    try:
        state = _run(api)
    finally:
        stop_process(worker)
    assert (state["type"], state["message"]) == ("COMPLETED", "0 of 0 hosts answered, with 0 containers"), (
        log.read_text()[-2000:]
    )


def _run(api: httpx.Client) -> dict[str, Any]:
    """The state in which it ended; one that met its scheduled like is asked for again."""
    while True:
        run = request_run(api, "discover")
        wait_until(partial(_is_final, api, run), what="the worker did not run it", timeout=240, pause=0.5)
        if (state := _state(api, run))["type"] != "CANCELLED":
            return state


def _is_final(api: httpx.Client, run: str) -> bool:
    return _state(api, run)["type"] in FINAL


def _state(api: httpx.Client, run: str) -> dict[str, Any]:
    state: dict[str, Any] = api.get(f"/flow_runs/{run}").raise_for_status().json()["state"]
    return state
