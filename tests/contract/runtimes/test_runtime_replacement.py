"""What every runtime promises of a replacement: planned without a touch, done twice like once, undone from anywhere."""

import json
from dataclasses import replace

import pytest

from tests.contract.runtimes.ground import Ground, Replacement
from tests.lab.replacing import request_for
from tests.lab.stands.releases import Behaviour
from tests.lab.stands.stand import assert_exactly
from uptainer.core.enums import ContainerStatus
from uptainer.core.errors import InvalidInputError, NotFoundError, PermanentError, TemporaryError
from uptainer.runtimes.capabilities import Capability
from uptainer.runtimes.port import Phase

pytestmark = pytest.mark.timeout(600)


def undo(replacement: Replacement, steps: list[str], *, times: int = 1) -> None:
    """More than once each, where a process died before it could say that it had."""
    for step in reversed(steps):
        for _ in range(times):
            replacement.revert(step)


def test_a_plan_touches_nothing_and_can_be_kept_as_json(ground: Ground) -> None:
    before = ground.stand.everything()
    plan = ground.replacement().plan
    assert ground.stand.everything() == before
    assert json.loads(json.dumps(plan.document)) == plan.document
    phases = [step.phase for step in plan.steps]
    assert phases == sorted(phases, key=list(Phase).index)
    assert Phase.SWITCH in phases
    assert len({step.name for step in plan.steps}) == len(plan.steps)
    assert all(step.sentence for step in plan.steps)


def test_only_a_digest_is_deployed_and_only_on_what_is_there(ground: Ground) -> None:
    release = ground.stand.push(Behaviour.HEALTHY)
    request = request_for(ground.key, release.reference, release.digest)
    with pytest.raises(InvalidInputError, match="no digest"):
        ground.runtime.plan_replacement(replace(request, image=request.tag))
    with pytest.raises(NotFoundError):
        ground.runtime.plan_replacement(replace(request, key=ground.key.replace("web", "nobody")))


def test_every_step_done_twice_brings_the_new_one_in_the_place_of_the_old_one(ground: Ground) -> None:
    before = ground.stand.data(ground.key) if ground.stand.traits.keeps_data else {}
    replacement = ground.replacement()
    for step in replacement.steps:
        first = replacement.perform(step)
        assert json.loads(json.dumps(first)) == first
        assert replacement.perform(step) == first, f"{step} gave another result the second time"
    ground.release = replacement.release
    ground.await_right()
    assert [each.key for each in ground.runtime.containers()] == [ground.key]
    facts = ground.facts()
    assert facts.image_reference.endswith(replacement.release.reference.partition("/")[2])
    assert facts.image_id == ground.runtime.image(str(replacement.request.image)).image_id
    if ground.stand.traits.keeps_data:
        assert set(before) <= set(ground.stand.data(ground.key))


@pytest.mark.parametrize("noted", [True, False], ids=["noted", "not-noted"])
def test_a_replacement_is_taken_back_from_wherever_it_stopped(
    ground: Ground, subtests: pytest.Subtests, *, noted: bool
) -> None:
    """`noted` or not is the result of the last step; the step after it was intended, and never begun.

    Where a replacement takes long, every other place is tried with the result, and the rest without.
    """
    ground.capabilities().require(Capability.ROLL_BACK, ground.key)
    count = len(ground.replacement().undoable)
    for done in range(0 if noted else 1, count + 1, 1 if ground.stand.traits.quick else 2):
        replacement = ground.replacement()
        steps = list(replacement.undoable)
        with subtests.test(f"after {steps[done - 1] if done else 'nothing'}"):
            before = ground.runtime.state(ground.key)
            for step in steps[:done]:
                replacement.perform(step)
            if not noted:
                del replacement.results[steps[done - 1]]
            undo(replacement, steps[: done + 1], times=2 if noted else 1)
            ground.await_right()
            after = ground.runtime.state(ground.key)
            assert after.image_id == before.image_id
            assert not replacement.plan.same_identity or after.runtime_id == before.runtime_id
        ground.settle()


def test_an_image_that_is_nowhere_raises_and_is_taken_back(ground: Ground) -> None:
    replacement = ground.replacement(Behaviour.MISSING)
    begun, error = go(replacement)
    assert error is not None
    undo(replacement, begun)
    ground.await_right()


def test_an_image_that_can_not_start_is_not_told_to_run_and_is_taken_back(ground: Ground) -> None:
    replacement = ground.replacement(Behaviour.UNSTARTABLE)
    begun, error = go(replacement)
    assert error or ground.runtime.state(ground.key).status is not ContainerStatus.RUNNING
    undo(replacement, begun)
    ground.await_right()


def test_what_somebody_else_replaced_meanwhile_is_left_to_them(ground: Ground) -> None:
    replacement = ground.replacement()
    theirs = ground.stand.push(Behaviour.HEALTHY)
    ground.stand.replace_by_hand(ground.key, theirs)
    assert_exactly(ground.stand, ground.key, theirs)
    begun, error = go(replacement)
    assert isinstance(error, PermanentError)
    undo(replacement, begun)
    ground.release = theirs
    ground.await_right()


def go(replacement: Replacement) -> tuple[list[str], Exception | None]:
    """The steps that were begun, up to the one that refused or failed; which that is, is the runtime's affair."""
    begun: list[str] = []
    for step in replacement.undoable:
        begun.append(step)
        try:
            replacement.perform(step)
        except (PermanentError, TemporaryError) as error:
            return begun, error
    return begun, None
