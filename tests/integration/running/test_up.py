import json
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from deployments import definition
from tests.lab.console import PATIENCE, READY, Console
from tests.lab.docker import DockerEngine
from tests.lab.hanging import OddServer, hangs_up
from tests.lab.images import make_image
from tests.lab.prefect import prefect_client, request_run
from tests.lab.registry import Registry
from tests.lab.room import wait_until
from uptainer.cli.prefect.first_look import NO_HOST
from uptainer.store.postmaster import Postmaster

pytestmark = pytest.mark.timeout(600)


def named(console: Console, part: str) -> list[psutil.Process]:
    return [each for each in console.processes() if part in _command_of(each)]


def _command_of(process: psutil.Process) -> str:
    """One that has just ended has none."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def _next_runs(console: Console) -> set[str]:
    """Prefect schedules a deployment's runs some seconds after it was made; none while it is too busy to say."""
    said = json.loads(console.run("status", "--json").stdout)["next_runs"]
    return {each["deployment"] for each in said or ()}


def test_a_newcomer_without_an_engine_is_told_what_to_do_and_everything_stops_at_ctrl_c(
    new_console: Console, tmp_path: Path
) -> None:
    (
        tmp_path / "runner_storage"
    ).touch()  # Prefect's, for all users of a machine: the first one's, who may be another
    new_console.start({"TMPDIR": str(tmp_path)})
    new_console.wait_for(NO_HOST)
    assert READY in new_console.output
    with prefect_client(new_console.url) as client:
        assert client.get("/", follow_redirects=True).status_code == httpx.codes.OK
    served = _listed(new_console, "deployments")
    assert sorted(each["name"] for each in served) == sorted(each.name for each in definition.read())
    kinds = _listed(new_console, "block_types")
    assert {"docker-host", "trivy", "webhook-source"} <= {each["slug"] for each in kinds}

    status = json.loads(new_console.run("status", "--json").stdout)
    assert {each["name"] for each in status["processes"]} >= {"uptainer up", "Prefect server", "PostgreSQL"}
    wait_until(
        lambda: {"discover", "check", "recover"} <= _next_runs(new_console), what="they were not scheduled"
    )
    assert "Traceback" not in new_console.output

    assert new_console.press_ctrl_c() == 0
    assert new_console.processes() == []
    assert new_console.run("status").returncode == os.EX_TEMPFAIL


def test_a_second_start_has_the_same_data_and_down_stops_it(console: Console) -> None:
    console.start()
    console.wait_for(READY)
    ids = {each["name"]: each["id"] for each in _listed(console, "deployments")}
    assert console.send(signal.SIGTERM) == 0
    assert console.processes() == []

    console.start()
    console.wait_for(READY)
    assert {each["name"]: each["id"] for each in _listed(console, "deployments")} == ids

    stopped = console.run("down")
    assert stopped.returncode == 0
    assert console.process
    assert console.process.wait(PATIENCE) == 0
    assert f"process {console.process.pid}" in stopped.stdout
    assert console.processes() == []
    assert console.run("down").returncode == 1


def test_the_fleet_is_looked_at_and_shown(
    console: Console, clean_engine: DockerEngine, registry: Registry
) -> None:
    image = registry.reference("shop/web:1.0.0")
    make_image(clean_engine, image)
    clean_engine.client.containers.run(image, name="web", detach=True)
    console.start({"DOCKER_HOST": clean_engine.url})
    console.wait_for(READY)
    console.wait_for("workload")
    console.wait_for("/web")
    assert "Found Docker" in console.output
    assert image in console.output
    assert console.press_ctrl_c() == 0
    assert console.processes() == []


def test_a_killed_console_leaves_no_orphans_and_its_database_is_taken_up(console: Console) -> None:
    console.start()
    console.wait_for(READY)
    postgres = _postmaster(console)
    console.send(signal.SIGKILL)
    wait_until(lambda: not named(console, "prefect server"), what="the Prefect server stayed")
    assert postgres.is_running()

    console.start()
    console.wait_for(READY)
    assert postgres.pid in {each.pid for each in console.processes()}
    assert console.press_ctrl_c() == 0
    assert console.processes() == []


def test_a_flow_run_ends_with_the_console(console: Console) -> None:
    console.start()
    console.wait_for(READY)
    run = _request(console, "report")
    wait_until(partial(_has_begun, console, run), what="it did not begin", pause=0.2)
    assert console.press_ctrl_c() == 0
    assert console.processes() == []


def test_an_orphaned_flow_run_is_ended_by_the_next_start_and_called_crashed(console: Console) -> None:
    console.start()
    console.wait_for(READY)
    run, orphans = _held_still(console)
    console.send(signal.SIGKILL)
    wait_until(lambda: not named(console, "prefect server"), what="the Prefect server stayed")

    console.start()
    console.wait_for(READY)
    assert not any(each.is_running() for each in orphans)
    assert _state(console, run)["type"] == "CRASHED"
    assert console.press_ctrl_c() == 0


def test_a_prefect_server_that_dies_ends_the_console_with_try_again(console: Console) -> None:
    console.start()
    console.wait_for(READY)
    with dying_while_it_is_asked(console):
        assert console.process
        assert console.process.wait(PATIENCE) == os.EX_TEMPFAIL, console.output
    assert "the Prefect server ended by itself" in console.output
    assert "Traceback" not in console.output
    assert console.processes() == []


@contextmanager
def dying_while_it_is_asked(console: Console) -> Iterator[None]:
    """The Prefect server is killed, and whoever comes back to it is hung up on: the console sees it all at once."""
    assert console.process
    servers = named(console, "prefect server")
    os.kill(console.process.pid, signal.SIGSTOP)
    for each in servers:
        with suppress(psutil.NoSuchProcess):
            each.kill()
    wait_until(lambda: not can_connect(console.port), what="the server still listens")
    with closing(OddServer(hangs_up, console.port)):
        os.kill(console.process.pid, signal.SIGCONT)
        yield


def can_connect(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


def test_a_database_that_dies_is_started_again_under_the_console(console: Console) -> None:
    console.start()
    console.wait_for(READY)
    _postmaster(console).kill()
    console.wait_for("was started again")
    wait_until(lambda: console.run("status").returncode == 0, what="the status was not told")
    assert console.press_ctrl_c() == 0
    assert "Traceback" not in console.output
    assert console.processes() == []


def test_a_second_up_on_the_same_directory_is_refused(console: Console) -> None:
    console.start()
    wait_until(
        lambda: (console.data_dir / "lock").exists() and console.run("down", "--help").returncode == 0,
        what="",
    )
    console.wait_for(READY)
    second = console.run("up")
    assert second.returncode == 1
    assert "already running" in second.stderr
    assert "uptainer down" in second.stderr
    assert len(second.stderr.strip().splitlines()) == 1
    assert console.press_ctrl_c() == 0


def test_a_port_in_use_is_one_plain_sentence(console: Console) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", console.port))
        taken.listen()
        refused = console.run("up")
    assert refused.returncode == 1
    assert f"port {console.port}" in refused.stderr
    assert "--port" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
    assert console.processes() == []


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"UPTAINER_LISTEN_HOST": "0.0.0.0"}, "PREFECT_SERVER_API_AUTH_STRING"),
        ({"UPTAINER_PORT": "many"}, "UPTAINER_PORT is wrong"),
        ({"UPTAINER_PROT": "1"}, "UPTAINER_PROT is not a setting"),
        ({"UPTAINER_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}, "the database did not answer"),
        ({"UPTAINER_DATA_DIR": "/proc/none"}, "UPTAINER_DATA_DIR"),
    ],
)
def test_what_cannot_start_is_one_plain_sentence(
    console: Console, environment: dict[str, str], says: str
) -> None:
    refused = console.run("up", **environment)
    assert refused.returncode in {1, os.EX_TEMPFAIL}
    assert says in refused.stderr
    assert "Traceback" not in refused.stderr
    assert console.processes() == []


def test_an_old_data_directory_is_refused_and_left_as_it_is(new_console: Console) -> None:
    (new_console.data_dir / "postgres").mkdir(parents=True)
    (new_console.data_dir / "postgres" / "PG_VERSION").write_text("9.6\n")
    refused = new_console.run("up")
    assert refused.returncode == 1
    assert "9.6" in refused.stderr
    assert "UPTAINER_DATA_DIR" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert (new_console.data_dir / "postgres" / "PG_VERSION").read_text() == "9.6\n"


def test_debug_adds_where_it_went_wrong(console: Console) -> None:
    refused = console.run("up", UPTAINER_PORT="many", UPTAINER_DEBUG="1")
    assert "Traceback" in refused.stderr


def _postmaster(console: Console) -> psutil.Process:
    found = Postmaster.of(console.data_dir / "postgres")
    assert found
    return psutil.Process(found.pid)


def _held_still(console: Console) -> tuple[str, list[psutil.Process]]:
    """A run in its middle, and its processes; one that came to its end meanwhile is asked for anew."""
    while True:
        run = _request(console, "report")
        wait_until(partial(_has_begun, console, run), what="it did not begin")
        orphans = [each for each in console.processes_of(run) if _signals(each, signal.SIGSTOP)]
        if orphans and not _is_final(console, run):
            return run, orphans
        for each in orphans:
            _signals(each, signal.SIGCONT)


def _has_begun(console: Console, run: str) -> bool:
    return bool(console.processes_of(run)) or _is_final(console, run)


def _signals(process: psutil.Process, number: signal.Signals) -> bool:
    """Whether it was still there to be sent it."""
    with suppress(psutil.NoSuchProcess):
        process.send_signal(number)
        return True
    return False


def _listed(console: Console, kind: str) -> list[dict[str, Any]]:
    with prefect_client(f"{console.url}/api") as client:
        found: list[dict[str, Any]] = client.post(f"/{kind}/filter", json={}).raise_for_status().json()
    return found


def _request(console: Console, flow: str) -> str:
    with prefect_client(f"{console.url}/api") as client:
        return request_run(client, flow)


def _state(console: Console, run: str) -> dict[str, Any]:
    with prefect_client(f"{console.url}/api") as client:
        state: dict[str, Any] = client.get(f"/flow_runs/{run}").raise_for_status().json()["state"]
    return state


def _is_final(console: Console, run: str) -> bool:
    return _state(console, run)["type"] in {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
