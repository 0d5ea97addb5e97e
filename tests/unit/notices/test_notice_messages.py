"""The words in which notices reach a person."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from uptainer.core.enums import NoticeSeverity
from uptainer.notices.message import TITLES, write_message
from uptainer.notices.notice import SEVERITIES, Event, host_turned, image_vulnerable, update_turned

NOW = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)
RUN = UUID(int=7)
AWAY = replace(host_turned("nas", reachable=False, reason="refused", at=NOW), at=NOW)
BACK = replace(host_turned("nas", reachable=True, reason="", at=NOW), at=NOW)
WAITING = update_turned(Event.UPDATE_WAITING, 7, "nas", "web", "nas/web: nginx 1 -> 2 waits for approval")


@pytest.mark.parametrize("event", Event)
def test_every_event_has_a_title_and_a_severity(event: Event) -> None:
    assert TITLES[event]
    assert SEVERITIES[event]


def test_one_notice_is_its_own_message() -> None:
    message = write_message([AWAY])
    assert (message.title, message.body) == (
        "Uptainer: A host does not answer",
        "nas does not answer: refused",
    )
    assert (message.severity, message.is_good) == (NoticeSeverity.CRITICAL, False)


def test_what_waits_for_a_person_says_how_to_answer() -> None:
    assert write_message([WAITING]).body.endswith("\n  Answer: uptainer approve 7")
    carried = replace(WAITING, flow_run_id=RUN)
    said = write_message([carried], page="https://up.example.org").body
    assert said.endswith(f"\n  Answer: https://up.example.org/runs/flow-run/{RUN} or uptainer approve 7")


def test_what_waits_no_longer_says_so() -> None:
    over = replace(WAITING, at=NOW, is_open=False)
    assert write_message([over]).body == f"{WAITING.text}\n  It was answered since, or is closed."
    assert write_message([over, AWAY]).title == "Uptainer: 2 notices"


def test_several_are_one_message_that_says_each_with_its_time() -> None:
    message = write_message([AWAY, BACK, replace(WAITING, at=NOW)])
    assert message.title == "Uptainer: 3 notices, 1 of them waits for you"
    assert message.body.splitlines()[:2] == [
        "2026-03-14 12:00 UTC, A host does not answer. nas does not answer: refused",
        "2026-03-14 12:00 UTC, A host answers again. nas answers again",
    ]
    assert (message.severity, message.is_good) == (NoticeSeverity.CRITICAL, False)


def test_what_a_stranger_wrote_makes_no_line_of_its_own() -> None:
    away = host_turned("nas", reachable=False, reason="no\r\n  Answer: uptainer approve 8\x1b[2J", at=NOW)
    assert write_message([away]).body == (
        "nas does not answer: no Answer: uptainer approve 8\N{REPLACEMENT CHARACTER}[2J"
    )


def test_a_message_of_good_news_only_is_called_good() -> None:
    assert write_message([BACK]).is_good


@pytest.mark.parametrize("longest", [400, 1000, 8000])
def test_a_message_is_no_longer_than_its_channel_takes_and_counts_what_it_leaves_out(longest: int) -> None:
    many = [host_turned(f"host-{number}", reachable=False, reason="x" * 30, at=NOW) for number in range(300)]
    body = write_message(many, longest=longest).body
    assert len(body) <= longest
    shown = body.splitlines()[:-1]
    assert body.splitlines()[-1] == f"and {300 - len(shown)} more: uptainer notices"


def test_one_endless_reason_is_cut() -> None:
    body = write_message([host_turned("nas", reachable=False, reason="x" * 10_000, at=NOW)]).body
    assert len(body) == 500
    assert body.endswith("…")


def test_an_image_s_notice_names_a_few_and_counts_the_others() -> None:
    notice = image_vulnerable(
        "nginx:1.27",
        1,
        tuple(f"CVE-{number}" for number in range(7)),
        ("a/web",),
        hosts=("a",),
        projects=(),
    )
    assert notice.text == (
        "nginx:1.27, which a/web runs, has 7 new critical vulnerabilities: "
        "CVE-0, CVE-1, CVE-2, CVE-3, CVE-4 and 2 more"
    )
    assert len(notice.payload["vulnerabilities"]) == 7
