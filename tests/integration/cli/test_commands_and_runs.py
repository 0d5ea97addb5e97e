"""Commands that speak to Prefect, on a real server with the real deployments; nothing serves their runs here."""

import asyncio
import json
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import BlockDocumentUpdate
from prefect.client.schemas.objects import FlowRun, State
from prefect.input import Keyset, keyset_from_paused_state
from prefect.runner import Runner
from prefect.states import Suspended
from pydantic import SecretStr

from blocks import BLOCKS
from blocks.docker_host import DockerHost
from blocks.registry_credentials import RegistryCredentials
from blocks.webhook_source import WebhookSource
from flows import starting
from flows.form import GateForm
from tests.lab.commands import uptainer
from tests.lab.prefect import PrefectServer
from tests.lab.stocked import Stocked
from uptainer.cli.prefect import runs
from uptainer.cli.prefect.registration import load_deployments, register_deployments
from uptainer.core.enums import UpdateStatus
from uptainer.fleet.deciding import NewUpdate
from uptainer.fleet.situations import list_asked
from uptainer.store import schema
from uptainer.store.database import Database
from uptainer.store.repositories.updates import UpdateRepository


@pytest.fixture(scope="module")
def served(prefect_server: PrefectServer) -> PrefectServer:
    async def register() -> None:
        await register_deployments(Runner(name="commands", pause_on_shutdown=False), load_deployments())
        async with get_client() as client:
            for block in BLOCKS:
                await block.register_type_and_schema(client=client)

    asyncio.run(register())
    return prefect_server


@pytest.fixture
def stocked(
    served: PrefectServer, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stocked]:
    for name in [name for name in os.environ if name.startswith("UPTAINER_")]:
        monkeypatch.delenv(name)
    schema.upgrade(postgres_url)
    monkeypatch.setenv("UPTAINER_DATABASE_URL", postgres_url)
    monkeypatch.setenv("UPTAINER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("PREFECT_API_URL", served.api_url)
    monkeypatch.setenv("PREFECT_HOME", str(served.home))
    monkeypatch.setenv("COLUMNS", "200")
    made = Stocked(Database(postgres_url))
    made.fill()
    yield made
    made.database.dispose()


def status_of(stocked: Stocked, update_id: int) -> UpdateStatus:
    with stocked.database.session() as session:
        return UpdateRepository(session).by_id(update_id).status


def test_an_approval_without_a_run_starts_one(stocked: Stocked) -> None:
    ended = uptainer("approve", str(stocked.update_id), "--yes")
    assert ended.code == 0, ended.err
    assert "was started" in ended.out
    assert status_of(stocked, stocked.update_id) is UpdateStatus.APPROVED


def suspended_run(stocked: Stocked) -> tuple[FlowRun, Keyset]:
    """Of its update, as a run is that was stalled right after it had suspended itself."""

    async def suspend() -> tuple[FlowRun, Keyset]:
        async with get_client() as client:
            run = await runs.request(client, "update", {"update_id": stocked.update_id})
            state: State[None] = Suspended(timeout_seconds=600, pause_key="gate")
            state.state_details.run_input_keyset = dict(keyset_from_paused_state(state).items())
            await client.set_flow_run_state(run.id, state, force=True)
        return run, keyset_from_paused_state(state)

    return asyncio.run(suspend())


def test_an_answer_that_comes_before_the_runs_form_waits_for_it(
    stocked: Stocked, served: PrefectServer
) -> None:
    def keep_form(run: FlowRun, keyset: Keyset) -> None:
        time.sleep(3)
        schema = json.dumps(GateForm.model_json_schema(by_alias=True))
        with served.client() as client:
            made = client.post(f"/flow_runs/{run.id}/input", json={"key": keyset["schema"], "value": schema})
            made.raise_for_status()

    run, keyset = suspended_run(stocked)
    with stocked.database.session() as session:
        UpdateRepository(session).amend(stocked.update_id, flow_run_id=run.id)
    with ThreadPoolExecutor() as beside:
        kept = beside.submit(keep_form, run, keyset)
        ended = uptainer("approve", str(stocked.update_id), "--yes")
        kept.result()
    assert (ended.code, ended.err) == (0, "")
    assert f"the run {run.name} goes on" in ended.out


def test_the_gate_of_what_is_proposed_while_runs_are_settled_stays_open(
    stocked: Stocked, served: PrefectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = suspended_run(stocked)
    looks: list[int] = []

    async def not_at_first() -> Sequence[NewUpdate]:
        looks.append(len(looks))
        return list_asked(stocked.database) if looks[-1] else ()

    monkeypatch.setattr(starting, "list_asked", not_at_first)
    asyncio.run(starting.settle_runs())
    with served.client() as client:
        state = client.get(f"/flow_runs/{run.id}").raise_for_status().json()["state"]
    assert (state["type"], len(looks)) == ("PAUSED", 2)


def test_a_flow_is_run_with_parameters_that_were_checked(stocked: Stocked) -> None:
    started = uptainer("run", "operate", "-p", "workload=alpha/web", "-p", "operation=logs", "-p", "tail=5")
    assert started.code == 0, started.err
    assert "/runs/flow-run/" in started.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nope",), "there is no flow 'nope'; there are: back-up, check, check-pushed, discover"),
        (("operate", "-p", "workload=alpha/web"), "'operation' is a required property"),
        (("operate", "-p", "workload=w", "-p", "operation=explode"), "'explode' is not one of"),
        (("scan", "-p", "older=3"), "scan has no parameter 'older'; it has: older_than_hours"),
        (("update", "-p", "update_id=zero"), "not of type 'integer'"),
    ],
)
def test_a_run_that_cannot_be_is_refused_before_it_is(
    words: tuple[str, ...], said: str, stocked: Stocked
) -> None:
    ended = uptainer("run", *words)
    assert ended.code == 1
    assert said in ended.err


def test_schedules_follow_the_windows(stocked: Stocked) -> None:
    added = uptainer("window", "add", "nights", "daily 02:00-04:00 UTC")
    assert "made window-nights" in added.out, added.err
    assert "removed window-nights" in uptainer("window", "remove", "nights").out


def test_a_block_names_a_host_and_a_login(stocked: Stocked) -> None:
    async def save() -> None:
        await DockerHost(url="unix:///run/other.sock", timeout_seconds=7).save("other", overwrite=True)
        login = RegistryCredentials(registry="ghcr.io", username="u", password=SecretStr("p"))
        await login.save("ghcr", overwrite=True)

    asyncio.run(save())
    assert uptainer("host", "add", "other", "--block", "other", "--no-test").code == 0
    hosts = {line["name"]: line for line in uptainer("host", "list", "--json").json}
    assert (hosts["other"]["url"], hosts["other"]["block"]) == ("unix:///run/other.sock", "other")
    assert uptainer("credentials", "add", "ghcr.io", "--block", "ghcr").code == 0
    assert uptainer("credentials", "--json").json == [{"registry": "ghcr.io", "block": "ghcr"}]
    wrong = uptainer("credentials", "add", "quay.io", "--block", "ghcr")
    assert "holds the login for ghcr.io, and not for quay.io" in wrong.err
    assert (
        "no block 'none' with a registry's login"
        in uptainer("credentials", "add", "a.io", "--block", "none").err
    )


def test_a_server_that_is_gone_is_said_to_be(stocked: Stocked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    from prefect.settings import PREFECT_API_URL, temporary_settings  # noqa: PLC0415 -- as a new process would read it

    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        ended = uptainer("run", "scan")
    assert ended.code == 75
    assert "the Prefect server does not answer" in ended.err


def test_a_webhooks_secret_is_shown_when_it_is_made_and_never_again(stocked: Stocked) -> None:
    added = uptainer("webhooks", "add", "harbor", "--kind", "harbor", "--registry", "harbor.example.org")
    assert added.code == 0, added.err
    secret = added.out.splitlines()[1].split()[-1]
    assert len(secret) > 40
    shown = uptainer("webhooks").out + uptainer("webhooks", "--json").out
    assert "/webhooks/harbor" in shown
    assert "harbor.example.org" in shown
    assert secret not in shown
    again = uptainer("webhooks", "add", "harbor", "--kind", "harbor")
    assert (again.code, "remove it first" in again.err) == (1, True)
    wrong = uptainer("webhooks", "add", "No Name", "--kind", "generic")
    assert (wrong.code, "use small letters, digits and hyphens" in wrong.err) == (1, True)
    assert uptainer("webhooks", "remove", "harbor").code == 0
    assert "there is no webhook source 'harbor'" in uptainer("webhooks", "remove", "harbor").err
    assert uptainer("webhooks", "--json").json == []


def test_a_webhook_source_that_is_broken_is_listed_with_its_reason_beside_the_others(
    stocked: Stocked,
) -> None:
    async def spoil() -> None:
        async with get_client() as client:
            found = await client.read_block_document_by_name("spoiled", WebhookSource.get_block_type_slug())
            data = {"kind": "harbor", "secret": "hunter2", "registry": ""}
            spoiled = BlockDocumentUpdate(data=data, merge_existing_data=False)
            await client.update_block_document(found.id, spoiled)

    for name in ("sound", "spoiled"):
        assert uptainer("webhooks", "add", name, "--kind", "harbor").code == 0
    asyncio.run(spoil())
    listed = uptainer("webhooks")
    assert listed.code == 0, listed.err
    assert "the Webhook source block 'spoiled' is wrong: secret:" in " ".join(listed.out.split())
    lines = {line["name"]: line for line in uptainer("webhooks", "--json").json}
    assert (lines["sound"]["kind"], lines["sound"]["fault"]) == ("harbor", "")
    assert "at least 16 characters" in lines["spoiled"]["fault"]
    assert "hunter2" not in listed.out
    for name in lines:
        assert uptainer("webhooks", "remove", name).code == 0
