"""Policies, windows and hosts as commands store them."""

from datetime import timedelta

import pytest

from tests.lab.commands import uptainer
from tests.lab.stocked import Stocked
from uptainer.fleet.policies import PolicyBook
from uptainer.policy.settings import EffectivePolicy
from uptainer.store.database import Database
from uptainer.store.repositories.containers import ContainerRepository


def effective(database: Database, address: str = "alpha/web") -> EffectivePolicy:
    with database.session() as session:
        view = ContainerRepository(session).by_address(address)
        found = PolicyBook.load(session).policy_of(view)
    assert not found.faults
    return found.policy


@pytest.mark.parametrize(
    ("words", "field", "value"),
    [
        (("default", "mode=auto"), "mode", "auto"),
        (("host", "alpha", "min_age=3d"), "min_age", 259200.0),
        (("project", "shop", "level=patch"), "level", "major"),
        (("container", "alpha/web", "backup_volumes=true"), "backup_volumes", True),
        (("container", "web", "new_high_allowed=3"), "new_high_allowed", 3),
        (("default", "new_high_allowed=any"), "new_high_allowed", "any"),
        (("default", "depends_on=db", "depends_on=cache"), "depends_on", ("db", "cache")),
        (("default", "tag_include=[0-9]+"), "tag_include", "[0-9]+"),
        (("default", 'probes=[{"kind": "http", "port": 80}]'), "probes", 1),
        (("default", "stop_timeout=1m"), "stop_timeout", 60.0),
    ],
)
def test_what_is_set_holds_for_whom_it_is_meant(
    words: tuple[str, ...], field: str, value: object, stocked: Stocked
) -> None:
    ended = uptainer("policy", "set", *words)
    assert ended.code == 0, ended.err
    found = getattr(effective(stocked.database), field)
    if hasattr(found, "total_seconds"):
        found = found.total_seconds()
    assert (len(found) if field == "probes" else found) == value


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("default", "mod=auto"), "did you mean 'mode'"),
        (("default", "mode=sometimes"), "mode:"),
        (("default", "min_age=3"), "write it with its unit"),
        (("default", "windows=nights"), "no maintenance window named 'nights'"),
        (("host", "beta", "mode=auto"), "no host 'beta'; known: alpha"),
        (("container", "alpha/wep", "mode=auto"), "did you mean alpha/web"),
        (("host", "mode=auto"), "say which host"),
        (("default", "mode"), "is not KEY=VALUE"),
        (("default", "probes=[{"), "is not JSON"),
        (("default", "tag_include=("), "tag_include"),
    ],
)
def test_what_cannot_hold_is_refused_in_words_and_nothing_is_stored(
    words: tuple[str, ...], said: str, stocked: Stocked
) -> None:
    ended = uptainer("policy", "set", *words)
    assert ended.code == 1
    assert said in ended.err
    assert uptainer("policy", "list", "--json").json == []


def test_fields_are_added_to_a_layer_and_taken_out_of_it(stocked: Stocked) -> None:
    uptainer("policy", "set", "default", "mode=auto", "min_age=3d")
    uptainer("policy", "set", "default", "mode=notify")
    (layer,) = uptainer("policy", "list", "--json").json
    assert layer["settings"] == {"mode": "notify", "min_age": "3d"}
    uptainer("policy", "unset", "default", "min_age")
    (layer,) = uptainer("policy", "list", "--json").json
    assert layer["settings"] == {"mode": "notify"}
    assert uptainer("policy", "unset", "default").code == 0
    assert uptainer("policy", "list", "--json").json == []
    assert uptainer("policy", "unset", "default").code == 1


def test_what_a_layer_says_is_shown_in_the_words_that_set_it(stocked: Stocked) -> None:
    words = ("mode=auto", "depends_on=db", "depends_on=cache", "windows=daily 02:00-04:00 UTC")
    said = uptainer("policy", "set", "default", *words).out
    assert said == (
        "The default policy says now: mode=auto 'windows=daily 02:00-04:00 UTC' depends_on=db depends_on=cache\n"
    )
    assert uptainer("policy", "unset", "default", "mode", "windows").out == (
        "The default policy says now: depends_on=db depends_on=cache\n"
    )
    assert uptainer("policy", "unset", "default").out == "The default policy says nothing now.\n"


def test_the_policy_of_a_container_names_the_source_of_each_field(stocked: Stocked) -> None:
    uptainer("policy", "set", "default", "mode=auto")
    uptainer("policy", "set", "host", "alpha", "mode=notify")
    shown = uptainer("policy", "show", "web", "--json").json
    mode = next(each for each in shown["policy"] if each["field"] == "mode")
    assert (mode["value"], mode["source"]) == ("notify", "the policy of the host alpha")


def test_who_changed_a_policy_is_in_the_audit_as_the_account_that_did(stocked: Stocked) -> None:
    uptainer("policy", "set", "default", "mode=auto")
    (line,) = uptainer("audit", "list", "--action", "policy.put", "--json").json
    assert line["typed"] is False
    assert line["details"]["settings"] == {"mode": "auto"}


def test_a_window_is_followed_by_the_policy_that_names_it(stocked: Stocked) -> None:
    added = uptainer("window", "add", "nights", "Fri 22:00-05:00 Europe/Berlin")
    assert "each Friday from 22:00 to 05:00 on the next day, Europe/Berlin" in added.out
    assert "windows=nights" in added.out
    uptainer("policy", "set", "default", "windows=nights")
    assert effective(stocked.database).windows[0].zone == "Europe/Berlin"
    uptainer("window", "add", "nights", "Fri 22:00-05:00 Asia/Tokyo")
    assert effective(stocked.database).windows[0].zone == "Asia/Tokyo"
    (line,) = uptainer("window", "list", "--json").json
    assert (line["kind"], line["named_by"], len(line["next"])) == ("window", ["default"], 3)


def test_the_preview_lists_the_openings_without_the_freezes(stocked: Stocked) -> None:
    assert "No window opens in the next 14 days" in uptainer("windows", "preview").out
    tomorrow = (stocked.now + timedelta(days=1)).date()
    freeze = f"{tomorrow} 00:00 to {tomorrow + timedelta(days=1)} 00:00 UTC"
    uptainer("policy", "set", "default", "windows=daily 02:00-04:00 UTC", f"freezes={freeze}")
    uptainer("policy", "set", "container", "alpha/db", "windows=Sun 03:00-06:00 UTC")
    lines = uptainer("window", "preview", "--days", "9", "--json").json
    common = [line for line in lines if line["workloads"] == ["alpha/cron", "alpha/web"]]
    assert {line["opens"][11:16] for line in common} == {"02:00"}
    assert str(tomorrow) not in {line["opens"][:10] for line in common}
    assert [line["workloads"] for line in lines if line not in common] in (
        [["alpha/db"]],
        [["alpha/db"]] * 2,
    )
    assert common[0]["windows"][1].startswith(f"except once, from {tomorrow} 00:00")


def test_the_preview_names_the_approved_updates_that_wait_for_an_opening(stocked: Stocked) -> None:
    uptainer("policy", "set", "default", "windows=daily 02:00-04:00 UTC")
    uptainer("approve", str(stocked.update_id), "--yes")
    (first, *_) = uptainer("window", "preview", "--days", "2", "--json").json
    assert first["waiting"] == [stocked.update_id]
    assert uptainer("window", "preview", "--days", "2", "--host", "beta").out.startswith("No window opens")


def test_a_window_that_a_policy_names_is_not_removed_by_the_way(stocked: Stocked) -> None:
    uptainer("window", "add", "holidays", "2099-12-20 00:00 to 2099-12-31 06:00 UTC", "--freeze")
    uptainer("policy", "set", "default", "freezes=holidays")
    refused = uptainer("window", "remove", "holidays")
    assert refused.code == 1
    assert "named by the policies default" in refused.err
    assert uptainer("window", "remove", "holidays", "--force").code == 0
    assert uptainer("window", "list", "--json").json == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nights", "whenever"), "is not a maintenance window"),
        (("nights", "Fri 22:00-05:00 Mars/Base"), "Mars/Base"),
        (("two words", "Fri 22:00-05:00 UTC"), "not a window's name"),
        (("nights", "2026-01-01 00:00 to 2026-06-01 00:00 UTC", "--freeze"), "lasts from"),
    ],
)
def test_a_window_that_is_none_is_refused(words: tuple[str, ...], said: str, empty: Database) -> None:
    ended = uptainer("window", "add", *words)
    assert ended.code == 1
    assert said in ended.err


def test_a_freeze_and_a_window_do_not_share_a_name(empty: Database) -> None:
    uptainer("window", "add", "nights", "daily 02:00-04:00 UTC")
    ended = uptainer("window", "add", "nights", "daily 02:00-04:00 UTC", "--freeze")
    assert "is a window already" in ended.err


def test_a_host_is_switched_off_for_a_reason_that_is_shown_wherever_it_counts(stocked: Stocked) -> None:
    assert uptainer("host", "disable", "alpha").code == 2
    assert "needs a reason" in uptainer("host", "disable", "alpha", "--reason", " ").err
    ended = uptainer("host", "disable", "alpha", "--reason", "its disk is replaced")
    assert ended.code == 0, ended.err
    said = "switched off: its disk is replaced"
    (line,) = uptainer("host", "list", "--json").json
    assert (line["enabled"], line["answers"], line["why"]) == (False, None, said)
    (waiting,) = uptainer("updates", "--json").json
    assert waiting["why"] == f"host alpha is {said}"
    assert said in uptainer("updates", "--why", str(waiting["id"])).out
    assert {each["workload"]: said in each["why"] for each in uptainer("containers", "--json").json} == {
        "alpha/web": True,
        "alpha/db": True,
        "alpha/cron": True,
    }
    assert uptainer("host", "sync", "--json").json == []
    assert "in use again" in uptainer("host", "enable", "alpha").out
    assert uptainer("host", "list", "--json").json[0]["why"] == ""


def test_a_host_is_added_untried_listed_and_removed(empty: Database) -> None:
    added = uptainer("host", "add", "nas", "unix:///nowhere.sock", "--no-test", "--timeout", "5")
    assert added.code == 0, added.err
    (line,) = uptainer("host", "list", "--json").json
    assert (line["name"], line["answers"]) == ("nas", None)
    assert uptainer("host", "test", "nas").code == 75
    synced = uptainer("host", "sync")
    assert synced.code == 75
    assert synced.out.startswith("nas: there is no socket")
    assert "1 of 1 hosts could not be read: nas" in synced.err
    (line,) = uptainer("host", "list", "--json").json
    assert line["answers"] is False
    assert "there is no socket" in line["why"]
    assert uptainer("host", "remove", "nas").code == 0
    actions = [line["action"] for line in uptainer("audit", "--json").json]
    assert actions == ["host.removed", "host.added"]


def test_a_host_whose_updates_wait_is_removed_only_with_force(stocked: Stocked) -> None:
    refused = uptainer("host", "remove", "alpha")
    assert refused.code == 1
    assert "--force" in refused.err
    assert uptainer("host", "remove", "alpha", "--force").code == 0
    assert uptainer("containers", "--json").json == []


def test_an_engine_that_does_not_answer_is_not_added(empty: Database) -> None:
    ended = uptainer("host", "add", "nas", "unix:///nowhere.sock")
    assert ended.code == 75
    assert "there is no socket" in ended.err
    assert uptainer("host", "list", "--json").json == []


def test_credentials_want_the_server_that_holds_the_block(empty: Database) -> None:
    ended = uptainer("credentials", "add", "ghcr.io", "--block", "ghcr")
    assert ended.code == 75
    assert "not running" in ended.err
    assert uptainer("credentials", "remove", "ghcr.io").code == 1
