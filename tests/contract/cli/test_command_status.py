"""`uptainer status`: also where the Prefect server can't say what runs next, all else is shown."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
from pydantic import SecretStr

from tests.lab.commands import uptainer
from tests.lab.scripted import Answer, Asked, ScriptedServer
from tests.lab.stocked import Stocked
from uptainer.console import lock
from uptainer.console.record import Record
from uptainer.core.clock import utc_now
from uptainer.core.settings import Settings

Up = Callable[[str], AbstractContextManager[None]]
NOT_KNOWN = "what runs next is not known"


@pytest.fixture
def up(stocked: Stocked) -> Up:
    """Within, a system runs whose Prefect server is at this address."""

    @contextmanager
    def running(url: str) -> Iterator[None]:
        settings = Settings.read()
        settings.data_dir.mkdir()
        with lock.hold(settings.data_dir):
            Record(
                pid=os.getpid(),
                started_at=utc_now(),
                url=url,
                database_url=SecretStr(stocked.database.url),
                processes={"Prefect server": 7},
            ).write(settings.data_dir)
            yield

    return running


def prefect(asked: Asked, *, wants_token: bool = False) -> Answer:
    if asked.path.startswith("/api/csrf-token"):
        return Answer(body=b'{"token": "given"}') if wants_token else Answer(422)
    if wants_token and asked.headers.get("Prefect-Csrf-Token") != "given":
        return Answer(403)
    if "deployments" in asked.path:
        return Answer(body=b'[{"id": "1", "name": "check"}]')
    times = ("2026-12-24T18:00:00Z", "2026-12-24T19:00:00Z")
    runs = [{"deployment_id": "1", "expected_start_time": each} for each in times]
    return Answer(body=json.dumps(runs).encode())


@pytest.mark.parametrize("wants_token", [False, True])
def test_the_next_run_of_each_schedule_is_shown(up: Up, *, wants_token: bool) -> None:
    with ScriptedServer(lambda asked: prefect(asked, wants_token=wants_token)) as server, up(server.url):
        found = uptainer("status", "--json").json
    assert found["next_runs"] == [{"deployment": "check", "at": "2026-12-24T18:00:00Z"}]


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        (Answer(500), 75, "failed: 500"),
        (Answer(401), 1, "set PREFECT_API_AUTH_STRING"),
        (Answer(body=b"<html>"), 1, "something else did"),
    ],
)
def test_what_is_known_is_shown_and_what_is_not_is_said(up: Up, answer: Answer, code: int, said: str) -> None:
    with ScriptedServer(lambda _: answer) as server, up(server.url):
        shown = uptainer("status")
    assert "Containers: 3" in shown.out
    assert shown.code == code
    assert f"{NOT_KNOWN}, for the Prefect server" in shown.err
    assert said in shown.err


def test_a_dead_server_is_said_to_be_that(up: Up) -> None:
    with up("http://127.0.0.1:1"):
        shown = uptainer("status", "--json")
    assert (shown.code, shown.json["next_runs"]) == (75, None)
    assert "the Prefect server at http://127.0.0.1:1 does not answer" in shown.err
