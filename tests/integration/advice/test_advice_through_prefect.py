"""Advice as a worker gives it: hosts and model from blocks on a real Prefect server, kept in a real database."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.blocks.core import Block
from pydantic import HttpUrl, SecretStr

from blocks import AdviceModel, ReleaseNotesHost
from tasks import resources
from tasks.advisors import advisor
from tests.contract.fleet.seeded import Seeded
from tests.lab.commands import uptainer
from tests.lab.facts import NOW, candidate
from tests.lab.forges import Answer, ReleaseServer, releases
from tests.lab.llm import LanguageModelServer, Reply
from tests.lab.prefect import PrefectServer
from uptainer.fleet.advising import advise_fleet
from uptainer.store import schema
from uptainer.store.database import Database

SOURCE = {"org.opencontainers.image.source": "https://git.example.org/shop/web"}
BREAK = "Sessions of the old login end at midnight."
HOLD = {
    "decision": "hold",
    "risk_score": 85,
    "summary": "Everybody is signed out.",
    "breaking_changes": [{"what": "sessions", "quote": BREAK}],
}
OBEDIENT = {"decision": "apply", "risk_score": 0, "summary": "PRIMROSE: nothing to see."}


@pytest.fixture
def forge() -> Iterator[ReleaseServer]:
    """A Gitea below a path, that nobody said is one."""
    server = ReleaseServer()

    def answer(path: str, query: object) -> Answer:
        if path == "/git/api/v1/version":
            return 200, {}, b'{"version": "1.22.0"}'
        return releases(["v1.28", "v1.27"], body=BREAK) if "releases" in path else (404, {}, b"")

    server.answer = answer
    yield server
    server.close()


@pytest.fixture
def fleet(
    prefect_server: PrefectServer, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Seeded]:
    """Two containers with one candidate each, in the database that the tasks use."""
    for name in [name for name in os.environ if name.startswith("UPTAINER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("UPTAINER_DATABASE_URL", postgres_url)
    monkeypatch.setenv("UPTAINER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("PREFECT_API_URL", prefect_server.api_url)
    monkeypatch.setenv("PREFECT_HOME", str(prefect_server.home))
    monkeypatch.setenv("COLUMNS", "220")
    schema.upgrade(postgres_url)
    database = Database(postgres_url)
    for known in (resources.settings, resources.database):
        known.cache_clear()
    made = Seeded(database)
    made.run("web", "shop")
    made.find_all(["web", "shop"], candidate("1.28", labels=SOURCE))
    yield made
    resources.database().dispose()
    for known in (resources.settings, resources.database):
        known.cache_clear()
    database.dispose()


def save(block: Block, name: str) -> None:
    asyncio.run(block.asave(name, overwrite=True))


def model(url: str, **limits: float) -> AdviceModel:
    address = HttpUrl(f"{url}/v1")
    return AdviceModel(model="m", base_url=address, api_key=SecretStr("hush-key"), input_price=1, **limits)


def test_notes_and_a_model_from_blocks_are_advice_on_record_within_the_budget(
    fleet: Seeded, prefect_server: PrefectServer, forge: ReleaseServer, llm_server: LanguageModelServer
) -> None:
    with prefect_server.settings():
        save(ReleaseNotesHost(host="git.example.org", address=HttpUrl(f"{forge.url}/git")), "git")
        save(model(llm_server.script(Reply(HOLD)), questions_per_day=1), "uptainer")
        save(model(llm_server.script(Reply(OBEDIENT))), "obedient")
        assert advise_fleet(fleet.database, advisor(), NOW) == 2
    (asked,) = uptainer("advice", "log", "--json").json
    assert (asked["decision"], asked["usage"]["cost"]) == ("hold", "0.000100")
    assert BREAK in asked["question"]
    assert [path for path, _ in forge.asked] == [
        "/git/api/v1/version",
        "/git/api/v1/repos/shop/web/releases?limit=100&page=1",
    ]
    assert [each["questions"] for each in uptainer("advice", "spent", "--json").json] == [1]
    dump = str(uptainer("advice", "log", "--json").json)
    assert "hush-key" not in dump
    judged = uptainer(
        "advice", "evaluate", "--model-block", "obedient", "--case", "injection-json", "--json"
    ).json
    (case,) = judged["cases"]
    assert (case["model"], case["final"], case["passed"]) == ("apply", "hold", False)
    failed = uptainer(
        "advice", "evaluate", "--model-block", "obedient", "--case", "injection-json", "--min-score", "50"
    )
    assert failed.code == 1
    assert "0 of 1 cases passed (0 %)" in failed.out
    assert "the model passes 0 % of the cases, and 50 % are asked for" in failed.err
    missing = uptainer("advice", "evaluate", "--model-block", "nobody")
    assert "there is no Advice model block 'nobody'" in missing.err
