"""Who is told what, and when."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from uptainer.core.enums import NoticeSeverity
from uptainer.core.errors import InvalidInputError
from uptainer.notices.notice import Event, Notice, host_turned, image_vulnerable, update_turned
from uptainer.notices.rules import QUIET, Rules, read_events, read_when

NOW = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)
AWAY = host_turned("nas-1", reachable=False, reason="refused", at=NOW)
BACK = host_turned("nas-1", reachable=True, reason="", at=NOW)
WAITING = update_turned(Event.UPDATE_WAITING, 7, "nas-1", "web", "web waits", project="shop")
PROPOSED = update_turned(Event.UPDATE_PROPOSED, 7, "nas-1", "web", "web is proposed", project="shop")
ALONE = update_turned(Event.UPDATE_SUCCEEDED, 8, "nas-2", "db", "db succeeded")
HOLE = image_vulnerable(
    "nginx:1.27",
    1,
    ("CVE-1",),
    ("nas-1/web", "cloud/web"),
    hosts=("cloud", "nas-1"),
    projects=("blog", "shop"),
)
CRITICAL = NoticeSeverity.CRITICAL
WARNING = NoticeSeverity.WARNING


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ({}, [AWAY, BACK, WAITING, ALONE, HOLE]),
        ({"events": read_events(["*"])}, [AWAY, BACK, WAITING, PROPOSED, ALONE, HOLE]),
        ({"events": read_events(["update.*"])}, [WAITING, PROPOSED, ALONE]),
        ({"events": read_events(["host.unreachable", "image.*"])}, [AWAY, HOLE]),
        ({"severity": WARNING}, [AWAY, BACK, WAITING, HOLE]),
        ({"severity": CRITICAL}, [AWAY, BACK, HOLE]),
        ({"hosts": ("nas-2",)}, [ALONE]),
        ({"hosts": ("nas-*",)}, [AWAY, BACK, WAITING, ALONE, HOLE]),
        ({"hosts": ("cloud", "elsewhere")}, [HOLE]),
        ({"hosts": ("NAS-1",)}, []),
        ({"projects": ("shop",)}, [WAITING, HOLE]),
        ({"projects": ("*",)}, [WAITING, HOLE]),
        ({"projects": ("b*",)}, [HOLE]),
        ({"hosts": ("nas-2",), "projects": ("shop",)}, []),
        ({"severity": CRITICAL, "hosts": ("nas-1",), "projects": ("shop",)}, [HOLE]),
    ],
)
def test_a_notifier_is_told_what_all_of_its_rules_let_through(
    rules: dict[str, Any], told: list[Notice]
) -> None:
    everything = [AWAY, BACK, WAITING, PROPOSED, ALONE, HOLE]
    assert [each for each in everything if Rules(**rules).wants(each)] == told


@pytest.mark.parametrize(
    ("names", "events"),
    [
        ([], set(Event) - set(QUIET)),
        (["*"], set(Event)),
        (["update.waiting"], {Event.UPDATE_WAITING}),
        (["uptainer.update.waiting", " Update.Waiting "], {Event.UPDATE_WAITING}),
        (["host.*"], {Event.HOST_UNREACHABLE, Event.HOST_REACHABLE}),
        (["*.unreachable", "*.unhealthy"], {Event.HOST_UNREACHABLE, Event.WORKLOAD_UNHEALTHY}),
    ],
)
def test_events_are_named_or_matched(names: list[str], events: set[Event]) -> None:
    assert read_events(names) == events


def test_an_event_that_there_is_not_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(InvalidInputError, match=r"'update\.done' is no event; .*update\.succeeded"):
        read_events(["update.waiting", "update.done"])


BERLIN = "daily 08:00 Europe/Berlin"
IN_THE_GAP = "daily 02:30 Europe/Berlin"


@pytest.mark.parametrize(
    ("when", "noted", "due"),
    [
        ("immediately", "2026-03-14T12:00", "2026-03-14T12:00"),
        (" Immediately ", "2026-03-14T12:00", "2026-03-14T12:00"),
        ("daily 08:00 UTC", "2026-03-14T07:59", "2026-03-14T08:00"),
        ("daily 08:00 UTC", "2026-03-14T08:00", "2026-03-15T08:00"),
        ("daily 0:00 UTC", "2026-12-31T23:59", "2027-01-01T00:00"),
        (BERLIN, "2026-03-28T12:00", "2026-03-29T06:00"),  # 08:00 in summer time, the first day of it
        (BERLIN, "2026-03-27T12:00", "2026-03-28T07:00"),
        (BERLIN, "2026-10-24T12:00", "2026-10-25T07:00"),  # 08:00 in winter time, the first day of it
        (BERLIN, "2026-10-23T12:00", "2026-10-24T06:00"),
        (IN_THE_GAP, "2026-03-28T12:00", "2026-03-29T01:00"),  # skipped: the clocks show 03:00 next
        (IN_THE_GAP, "2026-03-29T01:00", "2026-03-30T00:30"),
        (IN_THE_GAP, "2026-10-24T12:00", "2026-10-25T00:30"),  # twice: the first pass
        (IN_THE_GAP, "2026-10-25T00:31", "2026-10-26T01:30"),  # noted between the two passes
        ("daily 06:00 Pacific/Auckland", "2026-06-01T17:59", "2026-06-01T18:00"),  # the next day there
        ("daily 23:30 America/New_York", "2026-03-08T05:00", "2026-03-09T03:30"),
    ],
)
def test_a_digest_is_due_when_the_clocks_there_next_show_its_time(when: str, noted: str, due: str) -> None:
    at = datetime.fromisoformat(noted).replace(tzinfo=UTC)
    assert Rules(daily=read_when(when)).due(at) == datetime.fromisoformat(due).replace(tzinfo=UTC)


def test_over_a_year_there_is_one_digest_a_day() -> None:
    daily = read_when(IN_THE_GAP)
    assert daily
    at, seen = NOW, []
    while at < NOW + timedelta(days=365):
        at = daily.due(at)
        seen.append(at.astimezone(daily.zone).date())
    assert seen == [seen[0] + timedelta(days=number) for number in range(len(seen))]


@pytest.mark.parametrize(
    ("when", "says"),
    [
        ("", "write `immediately`"),
        ("hourly", "write `immediately`"),
        ("daily 08:00", "write `immediately`"),
        ("daily 25:00 UTC", "25:00 is not a time of day"),
        ("daily 08:60 UTC", "08:60 is not a time of day"),
        ("daily 08:00 Europe/Berln", "did you mean Europe/Berlin"),
    ],
)
def test_a_time_that_is_none_is_refused_with_what_to_write(when: str, says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        read_when(when)
