"""Notes, rules and model together, over real connections."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import anyio
import pytest

from tests.lab.forges import ReleaseServer, releases
from tests.lab.llm import LanguageModelServer, Reply
from uptainer.advice.advisor import Advisor
from uptainer.advice.connection import connect
from uptainer.advice.consultations import OpenLedger, Reservation
from uptainer.advice.consulting import Desk
from uptainer.advice.forges import ReleaseHost
from uptainer.advice.model import ModelSettings
from uptainer.advice.notes import ReleaseNotes
from uptainer.advice.release_notes import ReleaseReader
from uptainer.advice.rules import advise
from uptainer.advice.spending import Prices
from uptainer.advice.subject import AdviceSubject
from uptainer.core.consultations import Usage
from uptainer.core.enums import ChangeLevel, Forge, ModelProvider, RecommendationType, ScanStatus
from uptainer.core.findings import Advice, Scan, ScanDifference
from uptainer.core.images import Candidate
from uptainer.core.reference import Reference

NOW = datetime(2026, 5, 1, tzinfo=UTC)
DIGEST = f"sha256:{'b' * 64}"
LABELS = {"org.opencontainers.image.source": "https://github.com/example/demo"}
SCAN = Scan(DIGEST, "linux/amd64", ScanStatus.SUCCEEDED, end_of_life=False, os_family="alpine")
SUBJECT = AdviceSubject(
    workload="web",
    reference=Reference.parse("example.org/demo:1.0.0"),
    running_version="1.0.0",
    candidate=Candidate(
        Reference.parse("example.org/demo:1.1.0"),
        DIGEST,
        ChangeLevel.MINOR,
        "1.1.0",
        NOW - timedelta(days=30),
        LABELS,
    ),
    now=NOW,
    running_scan=SCAN,
    candidate_scan=SCAN,
    difference=ScanDifference((), (), (), ()),
    has_healthcheck=True,
)
BREAK = "Sessions of the old login end at midnight."
OPINION = {
    "decision": "hold",
    "risk_score": 90,
    "summary": "A flag that many use is gone.",
    "breaking_changes": [
        {"what": "--legacy", "quote": BREAK},
        {"what": "made up", "quote": "The moon is cheese."},
    ],
}


@pytest.fixture
def github() -> Iterator[ReleaseServer]:
    server = ReleaseServer()
    server.answer = lambda path, query: releases(["v1.1.0", "v1.0.0"], body=BREAK)
    yield server
    server.close()


@pytest.fixture
def project(github: ReleaseServer) -> ReleaseReader:
    return ReleaseReader({"github.com": ReleaseHost(github.url, Forge.GITHUB)}, timeout=timedelta(seconds=60))


def reason(advice: Advice, rule: str) -> str:
    return " | ".join(finding.reason for finding in advice.findings if finding.rule == rule)


async def test_a_model_sees_in_the_notes_what_the_rules_do_not(
    project: ReleaseReader, llm_server: LanguageModelServer
) -> None:
    assert (await Advisor(project).advise(SUBJECT)).advice.recommendation is RecommendationType.APPLY
    model = connect(
        ModelSettings(ModelProvider.OPENAI_COMPATIBLE, "m", f"{llm_server.script(Reply(OPINION))}/v1")
    )
    advice = (await Advisor(project, Desk(model, OpenLedger())).advise(SUBJECT)).advice
    assert (advice.recommendation, advice.risk, advice.source) == (RecommendationType.HOLD, 90, "rules+m")
    assert BREAK in reason(advice, "language model")
    assert "cheese" not in reason(advice, "language model")
    assert BREAK in str(llm_server.asked[0].body)


async def test_a_model_that_fails_leaves_what_the_rules_say(
    project: ReleaseReader, llm_server: LanguageModelServer
) -> None:
    url = llm_server.script(Reply("bad key", status=401))
    model = connect(ModelSettings(ModelProvider.OPENAI_COMPATIBLE, "m", f"{url}/v1"))
    alone = (await Advisor(project).advise(SUBJECT)).advice
    advice = (await Advisor(project, Desk(model, OpenLedger())).advise(SUBJECT)).advice
    assert replace(advice, findings=advice.findings[:-1]) == alone
    assert "was not heard: m refuses the key" in reason(advice, "language model")


async def test_a_server_that_does_not_say_what_it_took_uses_up_the_budget_all_the_same(
    project: ReleaseReader, llm_server: LanguageModelServer
) -> None:
    @dataclass(frozen=True)
    class Watched(OpenLedger):
        settled: list[tuple[Usage, Usage]] = field(default_factory=list)

        async def settle(self, reserved: Reservation, used: Usage) -> None:
            self.settled.append((reserved.wanted, used))

    url = llm_server.script(Reply(OPINION, metered=False))
    prices = Prices(Decimal(1), Decimal(10))
    model = connect(ModelSettings(ModelProvider.OPENAI_COMPATIBLE, "m", f"{url}/v1", prices=prices))
    ledger = Watched()
    assert (await Advisor(project, Desk(model, ledger)).advise(SUBJECT)).answer is not None
    ((wanted, used),) = ledger.settled
    assert (used.tokens, used.cost) == (wanted.tokens, wanted.cost)
    assert ledger.kept[0].usage.cost is None


async def test_notes_that_cannot_be_had_are_said_and_the_rules_go_on(
    github: ReleaseServer, project: ReleaseReader
) -> None:
    github.answer = lambda path, query: (404, {}, b"{}")
    advice = (await Advisor(project).advise(SUBJECT)).advice
    assert "github.com/example/demo does not exist" in reason(advice, "release notes")
    assert advice.risk == advise(SUBJECT).risk


async def test_notes_that_fail_as_nobody_foresaw_are_said_and_the_rules_go_on(
    project: ReleaseReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> ReleaseNotes:
        raise KeyError("never foreseen")

    monkeypatch.setattr(ReleaseReader, "notes_for", fail)
    advice = (await Advisor(project).advise(SUBJECT)).advice
    assert "KeyError: a fault of Uptainer's own" in reason(advice, "release notes")
    assert advice.risk == advise(SUBJECT).risk


async def test_the_notes_of_a_project_are_read_once_for_a_fleet(
    github: ReleaseServer, project: ReleaseReader
) -> None:
    advisor = Advisor(project)
    async with anyio.create_task_group() as group:
        for number in range(20):
            group.start_soon(advisor.advise, replace(SUBJECT, workload=f"web-{number}"))
    assert len(github.asked) == 1


async def test_a_candidate_without_labels_is_looked_up_by_what_runs(project: ReleaseReader) -> None:
    bare = replace(SUBJECT, candidate=replace(SUBJECT.candidate, labels={}))
    assert "names no source" in reason((await Advisor(project).advise(bare)).advice, "release notes")
