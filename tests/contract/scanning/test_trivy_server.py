"""The Trivy server that Uptainer starts for itself: real processes, the lab's database."""

import json
import os
import stat
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import httpx
import pytest

from tests.lab.registry import Registry
from tests.lab.room import Room
from tests.lab.trivy import write_cache
from tests.lab.trivydb import push_database, write_database
from uptainer.core.errors import TemporaryError, UnsupportedError
from uptainer.scanning import processes
from uptainer.scanning.server import RunningServer, TrivyServer

LIMIT = timedelta(seconds=60)


@pytest.fixture
async def offline(room: Room, trivy_binary: Path) -> AsyncIterator[TrivyServer]:
    server = TrivyServer(room.directory("server"), trivy_binary, offline=True, ready_within=LIMIT)
    write_cache(server.cache_dir)
    yield server
    await server.stop()


@pytest.fixture
async def online(room: Room, trivy_binary: Path) -> AsyncIterator[TrivyServer]:
    server = TrivyServer(room.directory("server"), trivy_binary, ready_within=LIMIT)
    yield server
    await server.stop()


async def test_it_answers_on_loopback_and_is_found_by_other_processes(offline: TrivyServer) -> None:
    assert offline.running() is None
    started = await offline.start()
    assert started.url.startswith("http://127.0.0.1:")
    async with httpx.AsyncClient(base_url=started.url) as client:
        assert (await client.get("/healthz")).text == "ok"
    assert TrivyServer(offline.data_dir).running() == started
    assert started.address.notice == ""


async def test_the_token_is_for_our_own_eyes(offline: TrivyServer) -> None:
    started = await offline.start()
    state = offline.folder / "server.json"
    assert stat.S_IMODE(state.stat().st_mode) == 0o600
    assert started.token not in command_line(started.pid)
    assert started.token not in repr(started)
    wrong = {"Trivy-Token": "wrong"}
    async with httpx.AsyncClient(base_url=started.url, headers=wrong) as client:
        refused = await client.post("/twirp/trivy.cache.v1.Cache/MissingBlobs", json={})
    assert refused.status_code == httpx.codes.UNAUTHORIZED


async def test_a_second_start_takes_the_one_that_runs(offline: TrivyServer) -> None:
    first = await offline.start()
    assert await TrivyServer(offline.data_dir, offline.binary, offline=True).start() == first


async def test_starts_at_the_same_time_make_one_server(offline: TrivyServer) -> None:
    made: set[RunningServer] = set()

    async def start() -> None:
        made.add(await TrivyServer(offline.data_dir, offline.binary, offline=True).start())

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(start)
    assert len(made) == 1


async def test_it_is_stopped_by_pid_and_stopping_twice_is_nothing(offline: TrivyServer) -> None:
    started = await offline.start()
    await TrivyServer(offline.data_dir).stop()
    assert not processes.is_alive(started.pid, started.started)
    assert offline.running() is None
    await offline.stop()


async def test_one_that_was_killed_is_replaced(offline: TrivyServer) -> None:
    first = await offline.start()
    await processes.end(first.pid, first.started, within=10)
    second = await offline.start()
    assert (second.pid, second.token) != (first.pid, first.token)
    assert offline.running() == second


async def test_a_stranger_with_the_pid_of_a_dead_server_is_left_alone(offline: TrivyServer) -> None:
    offline.folder.mkdir(parents=True, exist_ok=True)
    state = {"pid": os.getpid(), "started": "1", "url": "http://127.0.0.1:1", "token": "t", "notice": ""}
    (offline.folder / "server.json").write_text(json.dumps(state))
    assert offline.running() is None
    await offline.stop()


def command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


def start_and_wait(server: TrivyServer) -> str:
    return textwrap.dedent(f"""
        import asyncio
        from pathlib import Path
        from uptainer.scanning.server import TrivyServer
        server = TrivyServer(Path({str(server.data_dir)!r}), Path({str(server.binary)!r}), offline=True)
        print(asyncio.run(server.start()).pid, flush=True)
        input()
    """)


@pytest.mark.parametrize("text", ["", "[]", '{"pid": 1}', '{"port": 1}'])
async def test_a_state_in_another_form_is_no_server(tmp_path: Path, text: str) -> None:
    server = TrivyServer(tmp_path)
    server.folder.mkdir()
    (server.folder / "server.json").write_text(text)
    assert server.running() is None


async def test_it_dies_with_the_process_that_started_it(offline: TrivyServer) -> None:
    command = [sys.executable, "-c", start_and_wait(offline)]
    async with await anyio.open_process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as starter:
        assert starter.stdout is not None
        with anyio.fail_after(60):
            pid = int(await starter.stdout.receive())
        since = processes.started(pid)
        assert since
        starter.kill()
        with anyio.fail_after(10):
            while processes.is_alive(pid, since):  # noqa: ASYNC110 -- another process's child gives no event
                await anyio.sleep(0.02)


async def test_offline_without_a_database_says_so(room: Room, trivy_binary: Path) -> None:
    server = TrivyServer(room.directory("server"), trivy_binary, offline=True, ready_within=LIMIT)
    with pytest.raises(UnsupportedError, match="no vulnerability database yet"):
        await server.start()
    assert server.running() is None


async def test_without_trivy_it_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="install Trivy"):
        await TrivyServer(tmp_path, tmp_path / "missing").start()


async def test_the_database_comes_from_a_registry_of_the_user_s_choice(
    online: TrivyServer, registry: Registry, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_database(room.directory("database"), now=datetime.now(UTC))
    push_database(registry.url, "trivy/db:2", folder)
    monkeypatch.setenv("TRIVY_DB_REPOSITORY", registry.reference("trivy/db:2"))
    started = await online.start()
    assert started.notice == ""
    assert (online.cache_dir / "db" / "trivy.db").exists()


async def test_a_first_download_that_fails_may_work_later(
    online: TrivyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIVY_DB_REPOSITORY", "localhost:1/db:2")
    with pytest.raises(TemporaryError, match="Trivy server"):
        await online.start()
    assert online.running() is None


async def test_a_stale_database_that_cannot_be_updated_is_used_and_said(
    online: TrivyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_database(online.cache_dir, now=datetime.now(UTC) - timedelta(days=4000))
    metadata = json.loads((folder / "metadata.json").read_text())
    assert metadata["NextUpdate"] < f"{datetime.now(UTC):%Y-%m-%d}"
    monkeypatch.setenv("TRIVY_DB_REPOSITORY", "localhost:1/db:2")
    started = await online.start()
    assert "the vulnerability database was not updated" in started.notice
    assert online.running() == started
    assert started.address.notice == started.notice
