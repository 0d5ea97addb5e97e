"""The main job through Prefect: one running `uptainer up`, a real engine, registry and scanner."""

import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import partial

import pytest
from pydantic import SecretStr

from blocks import Notifier
from flows.form import GateForm
from tests.flows.conftest import PROJECT
from tests.lab.room import wait_until
from tests.lab.shop import Shop, exec_in
from tests.lab.sinks import MailSink, Sink, WebhookSink
from tests.lab.system import FINAL, PATIENCE, System
from uptainer.core.clock import utc_now
from uptainer.core.enums import (
    ApprovalChannel,
    ApprovalDecision,
    PolicyScope,
    StepStatus,
    UpdateStatus,
)
from uptainer.fleet.gates import give_answer
from uptainer.fleet.telling import BURST
from uptainer.store.models import Approval
from uptainer.store.repositories.approvals import Answer, ApprovalRepository
from uptainer.store.repositories.audit import SYSTEM, Actor
from uptainer.store.repositories.journal import JournalRepository
from uptainer.store.repositories.policies import PolicyRepository
from uptainer.store.repositories.updates import UpdateRepository
from uptainer.updates.markdown import plain

pytestmark = pytest.mark.timeout(900)
APPROVE = {"decision": "approve", "approved_by": "Ada Lovelace", "reason": "read it"}


def answers(system: System, update: int) -> list[Approval]:
    with system.database.session() as session:
        return list(ApprovalRepository(session).for_update(update))


def approve(system: System, workload: str) -> tuple[int, str]:
    update, run = system.gate(workload)
    system.answer(run, **APPROVE)
    return update.id, run


def see_through(system: System, workload: str, run: str) -> None:
    """To the end of an update that was approved by command: a sweep may take it up, or close its run, meanwhile."""
    form = GateForm(decision="approve", approved_by="account root").model_dump(mode="json")

    def goes_on_or_is_over() -> bool:
        accepted = system.resume(run, **form).json().get("status") == "ACCEPT"
        return accepted or system.flow_run(run)["state"]["type"] in FINAL

    def is_done() -> bool:
        return system.update(workload).status is UpdateStatus.SUCCEEDED

    wait_until(goes_on_or_is_over, what="the answer was not taken", timeout=PATIENCE, pause=0.5)
    system.ended(run)
    if not is_done():
        system.run("maintain")
    wait_until(is_done, what=f"{workload} was not updated", timeout=PATIENCE)


def refusal(system: System, run: str) -> str:
    """Why an answer without a form is not taken; Prefect suspends a run some moments before it keeps the form."""
    said = system.resume(run).json()
    assert said["status"] != "ACCEPT"
    return str(said["details"]["reason"])


def test_the_first_look_finds_scans_and_asks(system: System, shop: Shop) -> None:
    update, run = system.gate("web-1")
    assert "web-1: nginx 1.27.2 -> 1.27.4" in system.flow_run(run)["name"]
    assert {f"host:{system.host}", "workload:web-1"} <= set(system.flow_run(run)["tags"])
    for said in ("CVE-2024-6119", "**Fixed", "### Advice", "### Findings", "as soon as it is approved"):
        assert said in update.account
    assert f"{system.address('web-1')} " in system.console.output


def test_what_the_policy_lets_through_is_done_without_asking_and_what_it_needs_first(
    system: System, shop: Shop
) -> None:
    wait_until(
        lambda: system.update("auto-1").status is UpdateStatus.SUCCEEDED, what="it was not done", timeout=240
    )
    needed, then = system.update("needed-by-auto-1"), system.update("auto-1")
    for update in (needed, then):
        assert shop.image_of(update.workload) == shop.image("nginx:1.27.4")
        (given,) = answers(system, update.id)
        assert (given.channel, given.answered_by) == (ApprovalChannel.POLICY, "policy")
        system.ended(str(update.flow_run_id))
        (run,) = system.runs_of(update.id)
        assert run["state"]["name"] == "Succeeded"
    assert needed.finished_at
    assert then.started_at
    assert needed.finished_at <= then.started_at


def test_an_update_is_carried_out_when_it_is_approved_by_the_api(system: System, shop: Shop) -> None:
    exec_in(shop.container("web-1"), "echo kept > /data/file")
    before = shop.container("web-1").id
    update, run = system.gate("web-1")
    wait_until(
        lambda: "'decision' is a required property" in refusal(system, run), what="the form was not kept"
    )
    assert system.flow_run(run)["state"]["type"] == "PAUSED"

    system.answer(run, **APPROVE)
    ended = system.ended(run)
    assert (ended["state"]["type"], ended["state"]["name"]) == ("COMPLETED", "Succeeded"), ended["state"]
    assert shop.container("web-1").id != before
    assert shop.image_of("web-1") == shop.image("nginx:1.27.4")
    assert exec_in(shop.container("web-1"), "cat /version /data/file") == "nginx:1.27.4\nkept\n"
    assert system.update("web-1").status is UpdateStatus.SUCCEEDED
    running = shop.container("web-1").image
    assert running
    assert update.to_digest in str(running.attrs["RepoDigests"])

    given = answers(system, update.id)[0]
    assert (given.answered_by, given.authenticated, given.channel) == (
        "Ada Lovelace",
        False,
        ApprovalChannel.PREFECT_FORM,
    )
    assert (given.account, given.digest) == (update.account, update.to_digest)


def test_the_page_of_its_run_shows_how_far_it_is_and_each_step(system: System) -> None:
    wait_until(
        lambda: system.update("auto-1").status is UpdateStatus.SUCCEEDED, what="it was not done", timeout=240
    )
    update = system.update("auto-1")
    run = system.ended(str(update.flow_run_id))
    assert run["name"] == "update auto-1: nginx 1.27.2 -> 1.27.4"
    steps = [each["sentence"] for each in update.plan["steps"]]
    last = f"{len(steps)}/{len(steps)} {steps[-1]}"
    # Prefect hands a run's log over in batches, some of it after the run has ended.
    wait_until(lambda: last in system.log(run["id"]), what=f"the log did not say {last!r}")
    log = "\n".join(system.log(run["id"]))
    for number, sentence in enumerate(steps, 1):
        assert f"{number}/{len(steps)} {sentence}" in log
    progress = system.artifact(f"update-{update.id}-progress")
    assert (progress["type"], float(progress["data"])) == ("progress", 100)
    assert plain(run["name"].removeprefix("update ")) in progress["description"]
    account = system.artifact(f"update-{update.id}")
    assert account["flow_run_id"] == run["id"]
    assert "succeeded" in account["data"].lower()


def test_a_digest_that_was_rejected_is_not_offered_again(system: System, shop: Shop) -> None:
    update, run = system.gate("refused-1")
    system.answer(run, decision="reject", approved_by="Grace Hopper", reason="not before the audit")
    assert system.ended(run)["state"]["name"] == "Rejected"
    checked = system.run("check", container=system.address("refused-1"))
    assert "0 updates proposed" in checked["state"]["message"]
    assert [each.id for each in system.updates("refused-1")] == [update.id]
    assert system.update("refused-1").status is UpdateStatus.REJECTED
    assert shop.image_of("refused-1") == shop.image("nginx:1.27.2")


def test_a_question_is_asked_anew_after_a_snooze_and_after_an_answer_that_says_nothing(
    system: System,
) -> None:
    update, run = system.gate("skipped-1")
    for number, until in enumerate(("3d", "when it suits"), 1):
        system.answer(run, decision="snooze", approved_by="Grace Hopper", snooze_until=until)
        wait_until(
            partial(_has_answers, system, update.id, number), what=f"{until} was not taken", timeout=PATIENCE
        )
        again, run = system.gate("skipped-1")
        assert again.id == update.id
    assert "when it suits" in again.account
    assert again.snoozed_until
    assert again.snoozed_until - utc_now() > timedelta(days=2)
    system.answer(run, decision="skip", approved_by="Grace Hopper")
    assert system.ended(run)["state"]["name"] == "Rejected"
    given = [(each.decision, each.taken) for each in answers(system, update.id)]
    snooze, skip = ApprovalDecision.SNOOZE, ApprovalDecision.SKIP
    assert given == [(snooze, True), (snooze, False), (skip, True)]


def _has_answers(system: System, update: int, count: int) -> bool:
    return len(answers(system, update)) == count


def test_a_gate_whose_time_is_over_is_closed_with_its_run(system: System) -> None:
    update, run = system.gate("late-1")
    with system.database.session() as session:
        UpdateRepository(session).amend(update.id, expires_at=utc_now() - timedelta(minutes=1))
    system.run("recover")
    assert any(f"update {update.id} expired" in each for each in system.messages("recover"))
    assert system.update("late-1").status is UpdateStatus.EXPIRED
    closed = system.ended(run)["state"]
    assert (closed["type"], closed["name"]) == ("CANCELLED", "Closed")


STEPS = {
    "proposed": " is proposed",
    "waiting": " waits for approval",
    "approved": " is approved by root",
    "started": " began at",
    "succeeded": ": succeeded",
}
assert len(STEPS) <= BURST, "each may come as a message of its own, and none is held back"


@pytest.fixture(scope="module")
def told(system: System) -> Iterator[tuple[MailSink, WebhookSink]]:
    """Two who are told from now on what becomes of the updates of one project, and of no other."""
    with MailSink() as mail, WebhookSink() as hook:
        for name, sink in {"mail": mail, "hook": hook}.items():
            wanted = [f"update.{step}" for step in STEPS]
            system.save(name, Notifier(url=SecretStr(sink.url), events=wanted, projects=[PROJECT]))
        yield mail, hook


def test_a_newer_candidate_takes_the_place_of_one_that_waits(
    system: System, shop: Shop, told: tuple[MailSink, WebhookSink]
) -> None:
    older, run = system.gate("cache-1")
    shop.push("redis:7.2.6", fixed=True)
    system.run("check", container=system.address("cache-1"))
    newer, next_run = system.gate("cache-1")
    assert (older.to_version, newer.to_version) == ("7.2.5", "7.2.6")
    assert system.ended(run)["state"]["name"] == "Closed"
    with system.database.session() as session:
        assert UpdateRepository(session).by_id(older.id).status is UpdateStatus.SUPERSEDED

    planned = system.run("update", update_id=newer.id, dry_run=True)
    assert planned["name"] == "dry run of cache-1: redis 7.2.4 -> 7.2.6"
    assert planned["state"]["name"] == "Planned"
    assert "prove that cache-1 is healthy" in system.artifact(f"update-{newer.id}-plan")["data"]
    assert shop.image_of("cache-1") == shop.image("redis:7.2.4")

    # Else one that is told late reads that it was answered since.
    wait_until(partial(_have_heard, system, told, "waiting"), what="nobody was told of it", timeout=PATIENCE)
    given = Answer(
        ApprovalDecision.APPROVE, ApprovalChannel.COMMAND, Actor("root", authenticated=True), "by command"
    )
    assert give_answer(system.database, newer.id, given, utc_now()).taken
    see_through(system, "cache-1", next_run)
    assert shop.image_of("cache-1") == shop.image("redis:7.2.6")
    assert [each.authenticated for each in answers(system, newer.id)] == [True]


def test_whoever_is_to_be_told_was_told_each_step_of_it_once_and_in_order(
    system: System, told: tuple[MailSink, WebhookSink]
) -> None:
    """Of the update before, whose steps each run on the way has told of; `notify` tells what was not taken then."""
    update = system.update("cache-1")
    title = f"{system.address('cache-1')}: redis 7.2.4 -> 7.2.6"
    wait_until(partial(_have_heard, system, told, "succeeded"), what="they were not told", timeout=PATIENCE)
    for sink in told:
        heard = "\n".join(each.body for each in sink.arrived)
        said = "|".join(STEPS.values())
        assert re.findall(rf"{re.escape(title)}({said})", heard) == list(STEPS.values())
        assert heard.count("redis") == len(STEPS)
        link = f"{system.url}/runs/flow-run/{{}} or uptainer approve {update.id}"
        assert any(link.format(run["id"]) in heard for run in system.runs_of(update.id))
        assert len({each.mark for each in sink.arrived}) == len(sink.arrived)
    events = [f"uptainer.update.{step}" for step in STEPS]
    wait_until(
        lambda: system.events(update) == events, what="Prefect did not keep its events", timeout=PATIENCE
    )


def _have_heard(system: System, sinks: Sequence[Sink], step: str) -> bool:
    system.run("notify")
    return all(any(STEPS[step] in each.body for each in sink.arrived) for sink in sinks)


def test_a_window_that_stands_in_a_label_is_a_schedule_whose_coming_runs_are_seen(system: System) -> None:
    maintain = system.get("/deployments/name/maintain/maintain")
    (there,) = [each for each in maintain["schedules"] if str(each["slug"]).startswith("window-")]
    window = there["parameters"]["window"]
    assert window.endswith("BYHOUR=22;BYMINUTE=0 for 1h UTC")
    body = {
        "flow_runs": {
            "deployment_id": {"any_": [maintain["id"]]},
            "state": {"type": {"any_": ["SCHEDULED"]}},
        },
        "limit": 200,
    }

    def coming() -> list[str]:
        found = system.post("/flow_runs/filter", body)
        return [run["expected_start_time"] for run in found if run["parameters"].get("window") == window]

    wait_until(lambda: bool(coming()), what="no run of it was scheduled", timeout=PATIENCE)
    assert {each[11:16] for each in coming()} == {"22:00"}


def test_what_is_approved_waits_for_its_window_and_is_applied_when_it_opens(
    system: System, shop: Shop
) -> None:
    _, run = approve(system, "shut-1")
    waiting = system.ended(run)["state"]
    assert waiting["name"] == "Waiting"
    assert "It opens at" in waiting["message"]
    assert system.run("maintain")["state"]["message"].startswith("0 updates applied; shut-1: nginx 1.27.2")
    assert system.update("shut-1").status is UpdateStatus.WAITING_FOR_WINDOW
    with system.database.session() as session:
        PolicyRepository(session).put_policy(
            PolicyScope.CONTAINER,
            system.address("shut-1"),
            {"windows": ["daily 00:00-24:00 UTC"]},
            actor=SYSTEM,
            now=utc_now(),
        )
    system.run("maintain")
    assert "1 updates applied" in system.messages("maintain")
    assert shop.image_of("shut-1") == shop.image("nginx:1.27.4")


def test_recover_undoes_what_a_killed_worker_left_in_the_middle(system: System, shop: Shop) -> None:
    before = shop.container("stubborn-1").id
    update, run = approve(system, "stubborn-1")
    wait_until(lambda: _is_stopping(system, update), what="it was not being stopped", timeout=PATIENCE)
    system.console.processes_of(run)[0].kill()
    assert system.ended(run)["state"]["type"] == "CRASHED"
    system.run("recover")
    said = f"update {update} of {system.address('stubborn-1')}: rolled_back"
    assert any(said in each for each in system.messages("recover"))
    assert not any("left over" in each for each in system.messages("recover"))
    after = shop.container("stubborn-1")
    assert (after.id, after.status) == (before, "running")
    assert shop.image_of("stubborn-1") == shop.image("nginx:1.27.2")
    assert "stubborn" in system.artifact(f"update-{update}")["data"]
    names = [each.name for each in shop.engine.client.containers.list(all=True)]
    assert [name for name in names if name and "stubborn" in name] == ["stubborn-1"]


def _is_stopping(system: System, update: int) -> bool:
    with system.database.session() as session:
        steps = JournalRepository(session).steps(update)
        return any(each.phase == "stop" and each.status is StepStatus.INTENT for each in steps)


def test_what_is_pushed_to_a_registry_that_tells_of_it_is_proposed_without_the_hourly_check(
    system: System, telling_shop: Shop
) -> None:
    """docker-registry's own notification, the receiver, Prefect's event and automation, the check, the gate."""
    telling_shop.push("app:1.0.0", pull=True)
    telling_shop.run("told-1", "app:1.0.0")
    system.run("discover")
    before, proposed = len(system.pushed_checks()), _proposed(system)
    telling_shop.push("app:1.1.0", fixed=True)
    update, _ = system.gate("told-1")
    assert (update.from_reference, update.to_version) == (telling_shop.image("app:1.0.0"), "1.1.0")
    repository = telling_shop.image("app:1.0.0").rpartition(":")[0]
    wait_until(
        lambda: len(system.pushed_checks()) > before, what="no check was started", timeout=PATIENCE, pause=0.5
    )
    # One, for all that a push is told of by; another where the registry tried again before it was answered.
    for each in system.pushed_checks()[before:]:
        check = system.ended(each["id"])
        assert check["parameters"] == {"reference": repository}
        assert check["name"] == f"check {repository}"
        assert check["state"]["type"] == "COMPLETED", check["state"]
        assert check["state"]["message"].startswith("1 containers, 0 of them unknown; ")
    wait_until(lambda: _proposed(system) > proposed, what="no check told of it", timeout=PATIENCE, pause=0.5)


def _proposed(system: System) -> int:
    """How many updates all checks together have proposed: the hourly one may be there before a pushed one."""
    said = "\n".join((*system.messages("check-pushed"), *system.messages("check")))
    return sum(map(int, re.findall(r"(\d+) updates proposed", said)))


SLOW = re.compile(
    r".*EventsWorker - Still processing items.*"
    r"|--- Error logging to API ---"
    r"|Server error '503 Service Unavailable' for url '[^']*/api/logs/'[^\n]*?/Status/503"
)
"""What Prefect says by itself on a busy machine: at the end of a run, and when its SQLite had no time for a run's log."""


def test_the_log_of_the_system_has_no_warning(system: System) -> None:
    said = SLOW.sub("", system.console.output)
    assert not re.findall(r"(?i).*(?:warning|error|traceback|deprecat).*", said)
