"""A rollout that goes wrong is told within seconds, in the pods' own words, and taken back; the old pods go on meanwhile."""

import re
from datetime import timedelta
from typing import Any

import pytest

from tests.integration.runtimes.kubernetes.replacing_ground import CAUSE, PINS, Ground
from tests.lab.stands.releases import Behaviour
from uptainer.core.clock import Clock
from uptainer.core.errors import PermanentError, RefusedError, SupersededError

PATIENT = {"progressDeadlineSeconds": 600}
FAR_BELOW = timedelta(seconds=120)
"""Of the ten minutes that the cluster itself would take to tell."""


FAILURES: list[tuple[Behaviour, str]] = [
    (Behaviour.CRASHING, r"container app of pod web-\S+: it .*ended with status 7.*its log ends with: this is v"),
    (Behaviour.MISSING, r"container app of pod web-\S+: ErrImagePull: .*(not found|unknown)"),
]  # fmt: skip


@pytest.mark.parametrize(("behaviour", "words"), FAILURES)
def test_what_is_wrong_is_told_long_before_a_deadline_and_taken_back(
    ground: Ground, behaviour: Behaviour, words: str, record_property: Any
) -> None:
    old, bad = ground.push(), ground.push(behaviour)
    key = ground.deploy("Deployment", "web", old.reference, annotations={CAUSE: "by hand"}, **PATIENT)
    before, pods = ground.get(key), uids(ground, key)
    plan = ground.plan(key, bad)
    request = ground.request(key, bad)
    clock = Clock()
    begun = clock.monotonic()
    with pytest.raises(PermanentError) as told:
        ground.go(request, plan)
    seconds = clock.monotonic() - begun
    record_property("seconds_until_told", round(seconds, 1))
    assert re.search(words, str(told.value), re.DOTALL), str(told.value)
    assert seconds < FAR_BELOW.total_seconds()
    assert ground.digests(key) == {old.digest}, "the old pods go on"
    ground.undo(key, bad, plan)
    ground.await_digests(key, old)
    back = ground.get(key)
    assert back["spec"] == before["spec"]
    noted = [back["metadata"]["annotations"].get(name) for name in (CAUSE, PINS)]
    assert noted == ["by hand", None]
    assert uids(ground, key) == pods, "none of them was made anew"


def test_a_pod_that_never_gets_ready_is_told_at_the_deadline_of_the_policy(ground: Ground) -> None:
    """A StatefulSet has none of its own; it would wait for ever, on its way back too."""
    old, bad = ground.push(), ground.push(Behaviour.UNHEALTHY)
    key = ground.deploy("StatefulSet", "web", old.reference)
    plan = ground.plan(key, bad)
    with pytest.raises(PermanentError, match=r"no progress for 16 s; .*0 are available"):
        ground.replace(key, bad, health_deadline=timedelta(seconds=15))
    ground.undo(key, bad, plan)
    ground.await_digests(key, old)


def test_a_quota_that_fills_up_meanwhile_is_told_in_seconds(ground: Ground) -> None:
    old, new = ground.push(), ground.push()
    key = ground.deploy("Deployment", "web", old.reference, **PATIENT)
    request, plan = ground.request(key, new), ground.plan(key, new)
    limit_pods(ground, 1)
    ground.runtime.perform("patch", request, plan.document, {})
    with pytest.raises(PermanentError, match=r"no pod could be made: .*exceeded quota: small"):
        ground.runtime.perform("rollout", request, plan.document, {})
    ground.undo(key, new, plan)
    ground.await_digests(key, old)


def test_a_quota_that_is_full_refuses_before_anything_is_touched(ground: Ground) -> None:
    old, new = ground.push(), ground.push()
    key = ground.deploy("Deployment", "web", old.reference)
    limit_pods(ground, 1)
    before = ground.get(key)
    with pytest.raises(RefusedError, match="the quota small allows 1 of pods, of which 1 are used"):
        ground.plan(key, new)
    assert ground.get(key) == before


def test_a_full_quota_does_not_keep_from_replacing_in_place(ground: Ground) -> None:
    old, new = ground.push(), ground.push()
    key = ground.deploy("Deployment", "web", old.reference, strategy={"type": "Recreate"})
    limit_pods(ground, 1)
    request, plan = ground.request(key, new), ground.plan(key, new)
    assert ground.runtime.perform("pull", request, plan.document, {}), "no room for a trial is no refusal"


def test_a_change_by_somebody_else_in_the_middle_is_left_to_them(ground: Ground) -> None:
    old, new, theirs = ground.push(), ground.push(), ground.push()
    key = ground.deploy("Deployment", "web", old.reference)
    request, plan = ground.request(key, new), ground.plan(key, new)
    ground.runtime.perform("patch", request, plan.document, {})
    ground.edit(key, {"spec": {"template": {"spec": ground.containers_of(key, theirs.reference)}}})
    with pytest.raises(SupersededError, match="somebody else gave"):
        ground.runtime.perform("rollout", request, plan.document, {})
    with pytest.raises(SupersededError, match="is left as it is"):
        ground.undo(key, new, plan)
    ground.await_digests(key, theirs)


def test_another_setting_that_somebody_changes_in_the_middle_stays_with_the_new_image(ground: Ground) -> None:
    old, new = ground.push(), ground.push()
    key = ground.deploy("Deployment", "web", old.reference)
    request, plan = ground.request(key, new), ground.plan(key, new)
    ground.runtime.perform("patch", request, plan.document, {})
    ground.edit(key, {"spec": {"replicas": 2}})
    ground.runtime.perform("rollout", request, plan.document, {})
    ground.await_digests(key, new)
    assert len(ground.pods(key)) == 2


def uids(ground: Ground, key: str) -> set[str]:
    return {pod["metadata"]["uid"] for pod in ground.pods(key)}


def limit_pods(ground: Ground, count: int) -> None:
    """And wait until what is there has been counted."""
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "small"},
        "spec": {"hard": {"pods": str(count)}},
    }
    ground.cluster.apply(quota, namespace=ground.namespace)
    ground.await_quota("small", {"pods": str(len(ground.all_pods()))})
