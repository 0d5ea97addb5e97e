"""An image is replaced in each kind of workload, and what ran before is put back."""

import json
from copy import deepcopy

import pytest

from tests.integration.runtimes.kubernetes.replacing_ground import (
    APP,
    CAUSE,
    PINS,
    Ground,
    Object,
    manifest,
    pod_template,
)
from tests.lab.stands.releases import Behaviour
from uptainer.core.errors import PermanentError

CASES = [("Deployment", "another"), ("Deployment", "the same"), ("StatefulSet", "another")]


@pytest.mark.parametrize(("kind", "tag"), CASES)
def test_what_comes_back_is_what_ran_whatever_its_tag_stands_for_by_then(
    ground: Ground, kind: str, tag: str
) -> None:
    old = ground.push()
    pod = always_pulled(old.reference)
    key = ground.deploy(kind, "web", old.reference, annotations={CAUSE: "by hand"}, pod=pod)
    before = ground.get(key)
    new = ground.push() if tag == "another" else ground.move(old)
    plan = ground.replace(key, new)
    ground.await_digests(key, new)
    after = ground.get(key)
    image = f"{new.reference}@{new.digest}"
    assert image_of(after) == image
    assert after["metadata"]["annotations"][CAUSE] == f"Uptainer: {image} in place of {old.reference}"
    (facts,) = ground.runtime.containers()
    assert facts.image_reference == new.reference, "what we pinned is followed by its name"
    assert facts.image_id == new.digest == ground.runtime.state(key).image_id
    assert ground.runtime.state(key).restart_count == 0
    if tag == "another":
        ground.move(old)
    ground.undo(key, new, plan)
    ground.await_digests(key, old)
    pinned = f"{old.reference}@{old.digest}"
    back = ground.get(key)
    assert back["spec"] == with_image(before["spec"], pinned)
    cause = f"Uptainer: {pinned} again, the one that ran before {image}"
    assert back["metadata"]["annotations"][CAUSE] == cause
    assert any(f"an undo puts back is {pinned}" in step.sentence for step in plan.steps)
    (facts,) = ground.runtime.containers()
    assert facts.image_reference == old.reference, "it is still followed by its tag"
    assert facts.image_id == old.digest == ground.runtime.state(key).image_id
    newer = ground.push()
    assert ground.plan(key, newer).document["change"]["reference"] == newer.reference


def test_a_cron_job_is_replaced_without_running_it(ground: Ground) -> None:
    old, new = ground.push(), ground.push()
    ground.cluster.apply(cron_job(old.reference), namespace=ground.namespace)
    key = ground.key("CronJob", "nightly")
    before = ground.get(key)
    plan = ground.replace(key, new)
    assert [step.name for step in plan.steps] == ["check", "pull", "patch"]
    assert image_of_job(ground.get(key)) == f"{new.reference}@{new.digest}"
    assert ground.cluster.all_of("batch/v1", "Job", namespace=ground.namespace) == []
    ground.undo(key, new, plan)
    assert ground.get(key)["spec"] == before["spec"]


def test_a_cron_job_gets_back_the_image_of_its_newest_job(ground: Ground) -> None:
    old, new = ground.push(), ground.push()
    ground.cluster.apply(cron_job(old.reference), namespace=ground.namespace)
    key = ground.key("CronJob", "nightly")
    begin_job(ground, key)
    ground.await_digests(key, old)
    plan, request = ground.plan(key, new), ground.request(key, new)
    ground.runtime.perform("patch", request, plan.document, {})
    ground.runtime.revert("patch", request, plan.document, {})
    assert image_of_job(ground.get(key)) == f"{old.reference}@{old.digest}"
    (facts,) = ground.runtime.containers()
    assert (facts.image_reference, facts.image_id) == (old.reference, old.digest)


def test_the_image_of_a_cron_job_is_proved_before_it_is_touched(ground: Ground) -> None:
    old, missing = ground.push(), ground.push(Behaviour.MISSING)
    ground.cluster.apply(cron_job(old.reference), namespace=ground.namespace)
    key = ground.key("CronJob", "nightly")
    before = ground.get(key)
    with pytest.raises(PermanentError, match=r"the new image can't be pulled: .*ErrImagePull"):
        ground.replace(key, missing)
    assert ground.get(key) == before
    assert ground.all_pods() == []


def test_one_container_of_several_is_replaced_and_the_others_stay(ground: Ground) -> None:
    old, new = ground.push(), ground.push()
    pod = pod_template("web", old.reference, {})["spec"]
    proxy = {"name": "proxy", "image": old.reference, "volumeMounts": pod["containers"][0]["volumeMounts"]}
    prepare = {"name": "prepare", "image": old.reference, "command": ["true"]}
    containers = {"containers": [proxy, *pod["containers"]], "initContainers": [prepare]}
    key = ground.deploy("Deployment", "web", old.reference, pod=containers)
    ground.replace(key, new)
    ground.replace(ground.key("Deployment", "web", "prepare"), new)
    spec = ground.get(key)["spec"]["template"]["spec"]
    images = {each["name"]: each["image"] for each in (*spec["containers"], *spec["initContainers"])}
    pinned = f"{new.reference}@{new.digest}"
    assert images == {"proxy": old.reference, APP: pinned, "prepare": pinned}
    pins = json.loads(ground.get(key)["metadata"]["annotations"][PINS])
    assert {name: pin["reference"] for name, pin in pins.items()} == {
        APP: new.reference,
        "prepare": new.reference,
    }


def test_a_workload_without_pods_is_replaced_and_gets_none(ground: Ground) -> None:
    old, new = ground.push(), ground.push()
    key = ground.deploy("Deployment", "web", old.reference, replicas=0)
    plan = ground.replace(key, new)
    assert any("it has no pods now, and gets none" in step.sentence for step in plan.steps)
    assert ground.pods(key) == []
    assert ground.get(key)["spec"]["replicas"] == 0


def always_pulled(image: str) -> Object:
    (container,) = pod_template("web", image, {})["spec"]["containers"]
    return {"containers": [{**container, "imagePullPolicy": "Always"}]}


def image_of(workload: Object) -> str:
    return str(workload["spec"]["template"]["spec"]["containers"][0]["image"])


def with_image(spec: Object, image: str) -> Object:
    changed = deepcopy(spec)
    changed["template"]["spec"]["containers"][0]["image"] = image
    return changed


def begin_job(ground: Ground, key: str) -> None:
    """As its CronJob would at its time."""
    owner = ground.get(key)
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": "CronJob",
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
    }
    metadata = {"name": "nightly-1", "ownerReferences": [reference]}
    spec = owner["spec"]["jobTemplate"]["spec"]
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}
    ground.cluster.apply(job, namespace=ground.namespace)


def cron_job(image: str) -> Object:
    return manifest("CronJob", "nightly", image)


def image_of_job(job: Object) -> str:
    return str(job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["image"])
