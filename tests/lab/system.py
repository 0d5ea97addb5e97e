"""One running `uptainer up`, spoken to as its users do: over Prefect's HTTP API, and by what is in the database."""

import asyncio
import platform
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from prefect.blocks.core import Block
from prefect.settings import PREFECT_API_URL, temporary_settings

from tests.lab.console import READY, Console
from tests.lab.docker import DockerEngine
from tests.lab.prefect import prefect_client, request_run, when_not_busy
from tests.lab.room import Room, wait_until
from tests.lab.trivy import write_cache
from uptainer.console import record
from uptainer.core.enums import UpdateStatus
from uptainer.scanning.server import TrivyServer
from uptainer.store.database import Database
from uptainer.store.models import Update
from uptainer.store.repositories.updates import UpdateRepository

Json = dict[str, Any]
FINAL = frozenset({"COMPLETED", "FAILED", "CRASHED", "CANCELLED"})
SUSPENDED = frozenset({"PAUSED"})
PATIENCE = 240.0


class System:
    """`host` is the name under which it knows the lab's engine."""

    def __init__(self, console: Console, engine: DockerEngine, database: Database, login: str) -> None:
        self.console = console
        self.engine = engine
        self.database = database
        self.host = platform.node()
        self.url = console.url
        user, _, password = login.partition(":")
        self.api = prefect_client(f"{console.url}/api", login=(user, password) if user else None)

    def address(self, workload: str) -> str:
        return f"{self.host}/{workload}"

    def request(self, flow: str, /, **parameters: Any) -> str:
        """Ask for a run of a deployment; its id."""
        return request_run(self.api, flow, parameters)

    def run(self, flow: str, /, **parameters: Any) -> Json:
        """Have it run to its end; a sweep that met its scheduled like is asked for again."""
        ended = self.ended(self.request(flow, **parameters))
        while ended["state"]["type"] == "CANCELLED":
            ended = self.ended(self.request(flow, **parameters))
        return ended

    def messages(self, flow: str) -> list[str]:
        """What all runs of it said at their end: a scheduled one may have done before what a test asked for."""
        body = {"flows": {"name": {"any_": [flow]}}, "limit": 200}
        return [str(run["state"]["message"]) for run in self.post("/flow_runs/filter", body)]

    def ended(self, run: str) -> Json:
        return self.in_state(run, FINAL)

    def in_state(self, run: str, types: frozenset[str]) -> Json:
        found: Json = {}

        def is_there() -> bool:
            found.update(self.flow_run(run))
            return found["state"]["type"] in types

        try:
            wait_until(is_there, what="", timeout=PATIENCE, pause=0.2)
        except TimeoutError:
            state = found.get("state") or {}
            said = "\n".join(self.log(run))
            raise TimeoutError(
                f"run {run} is {state.get('name')} and not in {sorted(types)}: {said}"
            ) from None
        return found

    def flow_run(self, run: str) -> Json:
        return self.get(f"/flow_runs/{run}")

    def runs_of(self, update: int) -> list[Json]:
        """The runs that carry an update, the newest first."""
        body = {"flows": {"name": {"any_": ["update"]}}, "sort": "EXPECTED_START_TIME_DESC", "limit": 200}
        return [
            run
            for run in self.post("/flow_runs/filter", body)
            if run["parameters"].get("update_id") == update
        ]

    def pushed_checks(self) -> list[Json]:
        """The checks that a registry's push has started, the oldest first."""
        deployment = self.get("/deployments/name/check-pushed/check-pushed")["id"]
        body = {
            "deployments": {"id": {"any_": [deployment]}},
            "sort": "EXPECTED_START_TIME_ASC",
            "limit": 200,
        }
        return self.post("/flow_runs/filter", body)

    def resume(self, run: str, **form: Any) -> httpx.Response:
        """As a person does by `curl`."""
        return self.api.post(f"/flow_runs/{run}/resume", json={"run_input": form} if form else {})

    def answer(self, run: str, **form: Any) -> None:
        """Resume it, and have that accepted.

        Prefect suspends a run some moments before it keeps its form, and says 503 while its SQLite is busy.
        """
        wait_until(
            lambda: self.resume(run, **form).json().get("status") == "ACCEPT",
            what=f"the answer {form} was not taken",
            timeout=PATIENCE,
            pause=0.5,
        )

    def log(self, run: str) -> list[str]:
        body = {"logs": {"flow_run_id": {"any_": [run]}}, "sort": "TIMESTAMP_ASC", "limit": 200}
        return [str(line["message"]) for line in self.post("/logs/filter", body)]

    def artifact(self, key: str) -> Json:
        """The newest under this key."""
        return self.get(f"/artifacts/{key}/latest")

    def updates(self, workload: str) -> list[Update]:
        """All of a workload, the newest first."""
        with self.database.session() as session:
            return list(UpdateRepository(session).history(host=self.host, workload=workload))

    def update(self, workload: str) -> Update:
        return self.updates(workload)[0]

    def gate(self, workload: str) -> tuple[Update, str]:
        """The update that waits for an answer, and the suspended run that carries it."""

        def is_open() -> bool:
            found = self.updates(workload)
            if not found or found[0].status is not UpdateStatus.AWAITING_APPROVAL:
                return False
            run = found[0].flow_run_id
            return run is not None and self.flow_run(str(run))["state"]["type"] in SUSPENDED

        wait_until(is_open, what=f"no gate was open for {workload}", timeout=PATIENCE, pause=0.2)
        update = self.update(workload)
        return update, str(update.flow_run_id)

    def save(self, name: str, block: Block) -> None:
        """Keep a block on its server, as a person does on the page."""
        with temporary_settings({PREFECT_API_URL: f"{self.url}/api"}):
            asyncio.run(block.asave(name))

    def events(self, update: Update) -> list[str]:
        """The names of Prefect's events about an update, the oldest first."""
        resource = f"uptainer.workload.{update.host_name}.{update.workload}"
        body = {"filter": {"resource": {"id": [resource]}, "order": "ASC"}, "limit": 50}
        found = self.api.post("/events/filter", json=body).raise_for_status().json()["events"]
        return [each["event"] for each in found if each["payload"]["update_id"] == update.id]

    def get(self, path: str) -> Json:
        found: Json = self.api.get(path).raise_for_status().json()
        return found

    def delete(self, path: str) -> None:
        """What was deleted though the server said that it was busy is not there when it is asked again."""
        answer = when_not_busy(partial(self.api.delete, path))
        if answer.status_code != httpx.codes.NOT_FOUND:
            answer.raise_for_status()

    def post(self, path: str, body: Json) -> list[Json]:
        found: list[Json] = self.api.post(path, json=body).raise_for_status().json()
        return found


@contextmanager
def running_system(
    room: Room, engine: DockerEngine, trivy: Path, *, login: str = "", webhook_port: int | None = None
) -> Iterator[System]:
    """`uptainer up` on the lab's engine, with the lab's vulnerability database; it has looked at the fleet once."""
    wanted = {"PREFECT_SERVER_API_AUTH_STRING": login} if login else {}
    if webhook_port is not None:
        wanted["UPTAINER_WEBHOOK_PORT"] = str(webhook_port)
    console = Console.prepared(room)
    write_cache(TrivyServer(console.data_dir).cache_dir)
    try:
        console.start({"DOCKER_HOST": engine.url, "UPTAINER_TRIVY_PATH": str(trivy), **wanted})
        console.wait_for(READY)
        database = Database(record.read(console.data_dir).database_url.get_secret_value())
        system = System(console, engine, database, login)
        wait_until(lambda: _has_looked(system), what="the first look did not end", timeout=400, pause=0.5)
        yield system
        system.api.close()
        database.dispose()
        assert console.press_ctrl_c() == 0, console.output
    finally:
        console.close()


def _has_looked(system: System) -> bool:
    """The table, or the sentence that there is nothing to show, is printed last."""
    return bool(re.search(r"(?m)^\W*workload\b|No containers were found", system.console.output))
