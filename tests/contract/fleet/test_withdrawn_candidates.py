"""What becomes of an approved update whose image is not offered any more: taken back upstream, or excluded since."""

from datetime import timedelta
from typing import Any

import pytest

from tests.contract.fleet.seeded import AT_NIGHT, Seeded
from tests.contract.fleet.test_gates_and_readiness import approved
from tests.lab.facts import NOW, candidate, digest
from uptainer.core.enums import ChangeLevel, CheckResult, UpdateStatus
from uptainer.core.images import Candidate
from uptainer.fleet.readiness import readiness
from uptainer.fleet.simulation import simulate

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
NIGHT = NOW.replace(hour=2) + DAY
DIGEST = ChangeLevel.DIGEST
AUTO: dict[str, Any] = {"mode": "auto", "unscanned": "allow", "windows": [AT_NIGHT]}


def ripe(fleet: Seeded, found: Candidate) -> int:
    """An update to it that the policy approved after three days."""
    fleet.run("web")
    fleet.find("web", found)
    (made,) = fleet.decide(NOW + 3 * DAY).proposed
    assert made.approved
    return made.id


def foreseen(fleet: Seeded) -> str:
    (line,) = simulate(fleet.database, NOW, NOW + DAY)
    return line.outcome


def test_what_only_the_policy_approved_is_given_up_when_no_lookup_offers_it_any_more(fleet: Seeded) -> None:
    fleet.policy(**AUTO)
    made = fleet.propose()
    fleet.find("web", at=NOW + HOUR)
    assert foreseen(fleet) == "blocked"
    said = readiness(fleet.database, made, NIGHT)
    assert (said.go, "no lookup offers it any more" in said.reason) == (False, True)
    fleet.decide(NOW + HOUR)
    closed = fleet.update(made)
    assert closed.status is UpdateStatus.SUPERSEDED
    assert "no lookup offers it any more" in closed.status_reason


def test_what_is_excluded_since_is_given_up_also_where_a_newer_one_has_to_ripen(fleet: Seeded) -> None:
    fleet.policy(**AUTO, min_age="3d")
    made = ripe(fleet, candidate())
    fleet.policy(**AUTO, min_age="3d", tag_exclude=r"^1\.28$")
    assert not readiness(fleet.database, made, NIGHT + 3 * DAY).go
    fleet.find("web", "1.29", at=NOW + 3 * DAY)
    assert fleet.decide(NOW + 3 * DAY).proposed == ()
    assert fleet.update(made).status is UpdateStatus.SUPERSEDED


def test_what_was_taken_back_makes_way_for_an_older_one_that_has_to_ripen(fleet: Seeded) -> None:
    fleet.policy(**AUTO)
    made = fleet.propose(tag="1.29")
    fleet.policy(**AUTO, min_age="3d")
    fleet.find("web", "1.28", at=NOW + HOUR)
    fleet.decide(NOW + HOUR)
    assert fleet.update(made).status is UpdateStatus.SUPERSEDED


@pytest.mark.parametrize(
    ("first", "newer"),
    [
        (candidate("1.28"), candidate("1.29")),
        (candidate("1.28"), candidate("1.28", digest=digest("newer"))),
        (candidate("1.27", level=DIGEST), candidate("1.27", digest=digest("newer"), level=DIGEST)),
    ],
)
def test_a_newer_one_that_has_to_ripen_does_not_take_its_turn(
    fleet: Seeded, first: Candidate, newer: Candidate
) -> None:
    """Else what is released more often than its window opens would never be updated."""
    fleet.policy(**AUTO, min_age="3d")
    made = ripe(fleet, first)
    fleet.find("web", newer, at=NOW + 3 * DAY)
    assert fleet.decide(NOW + 3 * DAY).proposed == ()
    assert readiness(fleet.database, made, NIGHT + 3 * DAY).go


def test_a_registry_that_is_silent_takes_nothing_back(fleet: Seeded) -> None:
    fleet.policy(**AUTO)
    made = fleet.propose()
    fleet.find("web", result=CheckResult.UNKNOWN, registry_digest=None, at=NOW + HOUR)
    fleet.decide(NOW + HOUR)
    assert readiness(fleet.database, made, NIGHT).go


def test_a_registry_that_answers_in_part_takes_nothing_back_that_it_was_not_asked(fleet: Seeded) -> None:
    fleet.policy(**AUTO)
    made = fleet.propose()
    moved = candidate("1.27", digest=digest("moved"), level=DIGEST)
    fleet.find("web", moved, at=NOW + HOUR, unanswered=frozenset({ChangeLevel.MINOR}))
    fleet.decide(NOW + HOUR)
    assert readiness(fleet.database, made, NIGHT).go


def test_a_tag_that_was_put_back_is_taken_back_also_where_nothing_else_was_answered(fleet: Seeded) -> None:
    fleet.policy(**AUTO)
    fleet.run("web")
    fleet.find("web", candidate("1.27", digest=digest("bad"), level=DIGEST))
    (made,) = fleet.decide().proposed
    others = frozenset(ChangeLevel) - {DIGEST}
    fleet.find("web", result=CheckResult.UNKNOWN, unanswered=others, at=NOW + HOUR)
    assert not readiness(fleet.database, made.id, NIGHT).go


def test_what_was_found_for_the_version_before_is_no_offer_for_the_one_that_runs(fleet: Seeded) -> None:
    """Although nobody has found out since whether it is there: a container is never taken back to an older one."""
    fleet.policy(**AUTO, level="major")
    fleet.run("web", image_reference="nginx:1.27.4")
    older = candidate("1.27.5", level=ChangeLevel.PATCH)
    same = candidate("1.27.4", digest=digest("moved"), level=DIGEST)
    fleet.find("web", older, same, candidate("1.28.0"))
    newer: dict[str, Any] = {"repo_digests": (f"nginx@{digest('1.28.0')}",), "image_id": digest("newer")}
    fleet.run("web", image_reference="nginx:1.28.0", **newer)
    part = frozenset({ChangeLevel.PATCH, DIGEST})
    for found in ((), (candidate("2.0.0", level=ChangeLevel.MAJOR),)):
        result = CheckResult.CANDIDATES
        fleet.find("web", *found, unanswered=part, at=NOW + HOUR, result=result, reference="nginx:1.28.0")
        fleet.decide(NOW + HOUR)
        offered = {each.to_version for each in [fleet.open()] if each}
        assert offered == {each.version for each in found}


def test_what_a_person_approved_is_theirs_to_take_back(fleet: Seeded) -> None:
    fleet.policy(windows=[AT_NIGHT])
    made = approved(fleet)
    fleet.find("web", at=NOW + HOUR)
    fleet.decide(NOW + HOUR)
    assert readiness(fleet.database, made, NIGHT).go
