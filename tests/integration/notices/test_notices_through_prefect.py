"""The flow `notify` on a real Prefect server: blocks with secrets, real channels, events, and the command's test."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.orchestration import get_client
from pydantic import SecretStr

from blocks import Notifier
from blocks.loading import load
from tasks import schedules
from tasks.notices import PrefectEvents
from tests.lab.commands import uptainer
from tests.lab.prefect import PrefectServer
from tests.lab.room import free_port, wait_until
from tests.lab.sinks import MailSink, WebhookSink
from tests.lab.stocked import Stocked
from uptainer.core.clock import utc_now
from uptainer.notices.notice import Notice, host_turned
from uptainer.store import schema
from uptainer.store.database import Database
from uptainer.store.repositories.notices import NoticeRepository


@pytest.fixture(scope="module")
def stocked(
    prefect_server: PrefectServer, module_postgres_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stocked]:
    """A small fleet, with one update proposed, in a database that the tasks use too."""
    schema.upgrade(module_postgres_url)
    made = Stocked(Database(module_postgres_url))
    made.fill()
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("UPTAINER_")]:
            patch.delenv(name)
        patch.setenv("UPTAINER_DATABASE_URL", module_postgres_url)
        patch.setenv("UPTAINER_DATA_DIR", str(tmp_path_factory.mktemp("notices") / "data"))
        patch.setenv("UPTAINER_PUBLIC_URL", "https://up.example.org")
        patch.setenv("PREFECT_API_URL", prefect_server.api_url)
        patch.setenv("PREFECT_HOME", str(prefect_server.home))
        yield made
    made.database.dispose()


RUNS = """
import asyncio, sys
from flows.notify import notify

for _ in sys.stdin:
    state = asyncio.run(notify(return_state=True))
    print(f"{state.name}: {state.message}", flush=True)
"""


@pytest.fixture(scope="module")
def run(prefect_server: PrefectServer, stocked: Stocked) -> Iterator[Callable[[], str]]:
    """Run the flow in a process of its own, as a worker does; its end, as `State: message`."""
    environment = {**prefect_server.env, **{k: v for k, v in os.environ.items() if k.startswith("UPTAINER_")}}
    with subprocess.Popen(
        [sys.executable, "-c", RUNS],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        asking, answers = process.stdin, process.stdout

        def once() -> str:
            asking.write("\n")
            asking.flush()
            return answers.readline().strip()

        yield once
        asking.close()


@pytest.fixture
def blocks(stocked: Stocked) -> Iterator[None]:
    """What a test has saved is gone after it."""
    yield
    asyncio.run(_remove_blocks())


async def _remove_blocks() -> None:
    async with get_client() as client:
        for each in await client.read_block_documents_by_type("notifier"):
            await client.delete_block_document(each.id)


def save(name: str, url: str, **rules: Any) -> None:
    asyncio.run(Notifier(url=SecretStr(url), **rules).asave(name))


def lose(stocked: Stocked, host: str) -> Notice:
    notice = host_turned(host, reachable=False, reason="refused", at=utc_now())
    with stocked.database.session() as session:
        assert NoticeRepository(session).put(notice)
    return notice


def make_due(stocked: Stocked) -> None:
    """As if the time to the next try had passed."""
    with stocked.database.session() as session:
        session.connection().exec_driver_sql(
            "UPDATE uptainer.notice_deliveries SET due_at = now() - interval '1s'"
        )


def events(server: PrefectServer, resource: str) -> list[dict[str, Any]]:
    body = {"filter": {"resource": {"id": [resource]}, "order": "ASC"}, "limit": 50}
    with server.client() as client:
        answer = client.post("/events/filter", json=body).raise_for_status()
    found: list[dict[str, Any]] = answer.json()["events"]
    return found


def test_each_block_is_told_what_its_rules_say_and_a_failure_is_tried_by_the_next_run(
    stocked: Stocked, blocks: None, run: Callable[[], str]
) -> None:
    with MailSink() as mail, WebhookSink() as hook, WebhookSink() as other:
        save("mail", mail.url, events=["update.*"])
        save("hook", hook.url, severity="critical")
        save("elsewhere", other.url, hosts=["cloud-*"])
        hook.refusals = 1
        lose(stocked, "alpha")
        first = run()
        assert first.startswith("Completed: ")
        assert "hook was not told: JSON did not take it" in first
        assert hook.KEY not in first
        make_due(stocked)
        assert run() == "Completed: 1 notices told to 1 notifiers"
        assert [each.body for each in hook.arrived] == ["alpha does not answer: refused"]
        (proposed,) = mail.arrived
        assert proposed.title == "Uptainer: An update is proposed"
        assert re.fullmatch(r"alpha/web: nginx .* -> .*28.* is proposed", proposed.body)
        assert other.tries == 0
        make_due(stocked)
        run()
        assert (len(mail.arrived), len(hook.arrived)) == (1, 1)


def test_events_arrive_with_their_resource_and_those_around_it(
    stocked: Stocked, prefect_server: PrefectServer, run: Callable[[], str]
) -> None:
    notice = lose(stocked, "nas-7")
    run()

    def about(host: str) -> list[dict[str, Any]]:
        return events(prefect_server, f"uptainer.host.{host}")

    wait_until(lambda: bool(about("nas-7")), what="the event did not arrive", timeout=240, pause=0.2)
    (event,) = about("nas-7")
    assert event["resource"] == {
        "prefect.resource.id": "uptainer.host.nas-7",
        "prefect.resource.name": "host/nas-7",
    }
    assert {"prefect.resource.id": "uptainer.host.nas-7", "prefect.resource.role": "host"} in event["related"]
    assert event["payload"]["text"] == notice.text
    assert event["payload"]["severity"] == "critical"
    PrefectEvents().tell([notice], uuid4())
    noted = utc_now()
    turns = [host_turned("nas-8", reachable=each, reason="refused", at=noted) for each in (False, True)]
    PrefectEvents().tell([replace(each, at=noted) for each in turns], uuid4())
    wait_until(
        lambda: len(about("nas-8")) == 2, what="the later events did not arrive", timeout=240, pause=0.2
    )
    assert [each["event"] for each in about("nas-8")] == [each.event for each in turns]
    assert len({each["occurred"] for each in about("nas-8")}) == 2, "Prefect orders by time alone"
    assert len(about("nas-7")) == 1


def test_a_wrong_block_is_said_and_the_others_are_told(
    stocked: Stocked, blocks: None, run: Callable[[], str]
) -> None:
    with WebhookSink() as hook:
        save("right", hook.url)
        broken = Notifier.model_construct(url=SecretStr("nonsense://x"), when="immediately")
        asyncio.run(broken.asave("broken"))
        lose(stocked, "nas-9")
        run()
        assert [each.body for each in hook.arrived] == ["nas-9 does not answer: refused"]
    (line,) = [each for each in uptainer("notices", "--failed", "--json").json if "nas-9" in each["text"]]
    failed = {each["notifier"]: each for each in line["told"] if each["status"] == "failed"}
    assert "Notifier block 'broken' is wrong" in failed["broken"]["error"]
    shown = uptainer("notices")
    assert "right: sent" in shown.out
    assert "broken: given up after 0 tries" in shown.out.replace("\n", " ")


def rules_of(name: str) -> dict[str, Any]:
    found = asyncio.run(load(Notifier, name))
    return found.model_dump(mode="json", include={"events", "severity", "hosts", "projects", "when"})


@pytest.fixture
def maintain(stocked: Stocked, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deployment that stands for `maintain` in this test alone."""
    name = f"maintain-{uuid4().hex}"
    monkeypatch.setattr(schedules, "MAINTAIN", f"{name}/{name}")

    async def make() -> None:
        async with get_client() as client:
            await client.create_deployment(await client.create_flow_from_name(name), name)

    asyncio.run(make())


def test_what_notifiers_are_told_is_kept_in_a_file_and_their_urls_in_the_blocks(
    stocked: Stocked, blocks: None, maintain: None, tmp_path: Path
) -> None:
    save("ops-mail", "json://ada:hunter2pw@127.0.0.1:9/", events=["host.*"], severity="critical")
    save("other", "json://127.0.0.1:9/", severity="critical")
    file = tmp_path / "uptainer.yaml"
    file.write_text(
        "windows: {nights: daily 02:00-04:00 UTC}\n"
        "notifiers:\n"
        "  ops-mail: {severity: warning, projects: [shop], when: 'daily 08:00 Europe/Berlin'}\n"
    )
    shown = uptainer("apply", "-f", str(file), "--dry-run").out
    assert "~ notifier ops-mail" in shown
    assert "severity: critical -> warning" in shown
    assert "hunter2pw" not in shown
    assert rules_of("ops-mail")["severity"] == "critical"

    assert uptainer("apply", "-f", str(file), "--yes", "--prune").code == 1, "alpha has updates that wait"
    assert rules_of("ops-mail")["severity"] == "critical", "all of it or nothing"
    made = uptainer("apply", "-f", str(file), "--yes", "--json")
    assert [line["what"] for line in made.json] == ["window", "notifier"]
    assert "Schedules of maintain: made window-nights." in made.err
    assert rules_of("ops-mail") == {
        "events": [],
        "severity": "warning",
        "hosts": [],
        "projects": ["shop"],
        "when": "daily 08:00 Europe/Berlin",
    }
    url = asyncio.run(load(Notifier, "ops-mail")).url.get_secret_value()
    assert url == "json://ada:hunter2pw@127.0.0.1:9/"
    assert rules_of("other")["severity"] == "critical"
    assert "as declared" in uptainer("apply", "-f", str(file)).out
    (line,) = uptainer("audit", "list", "--action", "notifier.put", "--json").json
    assert "hunter2pw" not in str(line)

    file.write_text("windows: {later: daily 05:00-06:00 UTC}\nnotifiers: {nobody: {}}\n")
    missing = uptainer("apply", "-f", str(file), "--yes")
    assert missing.code == 1
    assert "no Notifier block 'nobody': make one on the page" in missing.err
    assert [line["name"] for line in uptainer("window", "list", "--json").json] == ["nights"]


def test_a_test_says_what_happened(stocked: Stocked, blocks: None) -> None:
    with MailSink() as mail:
        save("ops-mail", mail.url, events=["host.*"])
        tested = uptainer("notices", "test", "ops-mail")
        assert (tested.code, tested.out) == (0, "ops-mail took it: look for 'Uptainer: a test' there.\n")
        assert [each.title for each in mail.arrived] == ["Uptainer: a test"]
        mail.refusals = 1
        refused = uptainer("notices", "test", "ops-mail")
    assert refused.code == 75
    assert "451" in refused.err
    save("nobody", f"json://ada:hunter2pw@127.0.0.1:{free_port()}/")
    away = uptainer("notices", "test", "nobody")
    assert away.code == 75
    assert "hunter2pw" not in away.err
    missing = uptainer("notices", "test", "missing")
    assert missing.code == 1
    assert "no Notifier block 'missing'" in missing.err
