"""`uptainer policy simulate`: what would happen, for the stored policies and for others, with nothing done."""

import pytest

from tests.lab.commands import uptainer
from tests.lab.stocked import Stocked
from uptainer.core.clock import utc_now
from uptainer.core.enums import UpdateStatus
from uptainer.store.repositories.updates import UpdateRepository


def simulated(*words: str) -> dict[str, dict[str, str]]:
    return {line["workload"]: line for line in uptainer("policy", "simulate", "--json", *words).json}


def test_each_container_is_told_what_would_happen_and_why(stocked: Stocked) -> None:
    lines = simulated()
    assert {name: line["outcome"] for name, line in lines.items()} == {
        "alpha/web": "ask",
        "alpha/db": "none",
        "alpha/cron": "blocked",
    }
    assert lines["alpha/web"]["candidate"] == "nginx:1.28"
    assert "the registry did not answer" in lines["alpha/cron"]["why"]
    assert "nothing newer" in lines["alpha/db"]["why"]


def test_what_a_person_approved_is_applied_when_its_window_opens(stocked: Stocked) -> None:
    hour = (utc_now().hour + 2) % 24
    window = f"daily {hour:02}:00-{hour + 1:02}:00 UTC"
    uptainer("policy", "set", "default", f"windows={window}", "unscanned=allow")
    uptainer("approve", str(stocked.update_id), "--yes")
    first = uptainer("policy", "simulate", "--until", "48h", "--json").json[0]
    assert (first["workload"], first["outcome"], first["why"]) == (
        "alpha/web",
        "apply",
        "a person approved it",
    )
    assert first["at"][11:16] == f"{hour:02}:00"


def test_another_policy_is_tried_without_being_set(stocked: Stocked) -> None:
    given = ("--if", "default mode=auto auto_level=minor unscanned=allow min_age=0s new_high_allowed=any")
    line = simulated(*given)["alpha/web"]
    assert (line["outcome"], line["why"]) == ("apply", "the policy applies it without asking")
    off = simulated("--if", "container alpha/web mode=off")["alpha/web"]
    assert off["outcome"] == "none"
    assert uptainer("policy", "list", "--json").json == []
    assert uptainer("audit", "list", "--action", "policy.put", "--json").json == []
    with stocked.database.session() as session:
        assert UpdateRepository(session).by_id(stocked.update_id).status is UpdateStatus.PROPOSED


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--until", "tomorrow"), "is no time"),
        (("--until", "2001-01-01"), "is past"),
        (("--if", "everything mode=auto"), "is no layer of policy"),
        (("--if", "default mode=sometimes"), "mode"),
        (("--if", "container alpha/bob's mode=auto"), "a quote that is not closed"),
        (("--if", "host gamma mode=auto"), "there is no host 'gamma'"),
    ],
)
def test_what_cannot_be_simulated_is_refused(stocked: Stocked, words: tuple[str, ...], said: str) -> None:
    answer = uptainer("policy", "simulate", *words)
    assert answer.code != 0
    assert said in answer.err


def test_one_host_alone_is_simulated(stocked: Stocked) -> None:
    assert simulated("--host", "beta") == {}
