"""`uptainer registries`, on a real database."""

from datetime import timedelta

import pytest

from tests.lab.commands import uptainer
from tests.lab.stocked import Stocked
from uptainer.core.budgets import Account, Cost, Fault, Hold, Quota, Urgency
from uptainer.core.clock import utc_now
from uptainer.core.enums import QuotaUnit
from uptainer.fleet.budgeting import SharedBudgets
from uptainer.fleet.reports import report_fleet
from uptainer.store.database import Database


def hub_said(database: Database) -> None:
    now = utc_now()
    quota = Quota(QuotaUnit.PULL, 76, 100, now + timedelta(hours=6), "192.0.2.1", now)
    fault = Fault("docker.io answered 429: too many requests", now)
    account = Account(quota=quota, hold=Hold(now + timedelta(minutes=5), "it answered 429"), fault=fault)
    SharedBudgets(database).exchange("docker.io", account, Cost(), Urgency.SWEEP)


def test_docker_hubs_remaining_quota_is_shown_to_people_and_programs(empty: Database) -> None:
    hub_said(empty)
    (line,) = uptainer("registries", "--json").json
    assert (line["registry"], line["remaining"], line["limit"], line["counts"]) == (
        "docker.io",
        "76/100",
        100,
        "pulls",
    )
    assert line["counted_by"] == "192.0.2.1"
    assert line["held_until"] > line["last_error_at"]
    shown = uptainer("registries").out
    assert "76/100" in shown
    assert "docker.io answered 429" in shown


def test_the_fleets_page_shows_it_too(stocked: Stocked) -> None:
    hub_said(stocked.database)
    with stocked.database.session() as session:
        page = report_fleet(session, utc_now())
    assert "## Registries" in page
    assert "76/100 pulls" in page
    assert "it answered 429" in page


def test_a_limit_and_a_reserve_are_set_each_for_itself_and_audited(empty: Database) -> None:
    assert uptainer("registries", "limit", "index.docker.io", "200/6h").out.startswith(
        "docker.io is asked at most 200 requests in 6h, and 20 %"
    )
    uptainer("registries", "limit", "docker.io", "--reserve", "30")
    (line,) = uptainer("registries", "--json").json
    assert (line["own_limit"], line["reserve"]) == ("0 of 200 in 6h", "30 %")
    uptainer("registries", "limit", "docker.io", "none")
    (line,) = uptainer("registries", "--json").json
    assert (line["own_limit"], line["reserve"]) == ("", "30 %")
    assert [each["action"] for each in uptainer("audit", "--json").json] == ["registry.limited"] * 3


def test_a_registry_that_is_left_alone_is_asked_again_when_a_person_says_so(empty: Database) -> None:
    hub_said(empty)
    assert uptainer("registries", "release", "docker.io").out == "docker.io is asked again.\n"
    assert uptainer("registries", "--json").json[0]["held_until"] is None


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("limit", "docker.io"), "say how much, such as 200/6h"),
        (("limit", "docker.io", "lots"), "'lots' is not a limit: write it like 60/minute"),
        (("limit", "docker.io", "0/h"), "'0/h' is not a limit"),
        (("limit", "docker.io", "5/0h"), "'5/0h' is not a limit"),
        (("limit", "docker.io", "99999999999/h"), "is not a limit"),
        (("limit", "docker.io", "5/fortnight"), "is not a limit"),
        (("limit", "docker.io", "5/40d"), "longer than a month"),
        (("limit", "https://docker.io/x", "5/h"), "is not a registry's host name"),
        (("release", "ghcr.io"), "ghcr.io was never asked"),
    ],
)
def test_what_is_wrong_is_said_with_what_to_write(
    words: tuple[str, ...], sentence: str, empty: Database
) -> None:
    ended = uptainer("registries", *words)
    assert ended.code == 1
    assert sentence in ended.err
