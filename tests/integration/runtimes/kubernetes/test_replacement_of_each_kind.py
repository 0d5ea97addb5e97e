"""An image is replaced in each kind of workload, and put back exactly as it stood."""

import json

import pytest

from tests.integration.runtimes.kubernetes.replacing_ground import APP, Ground, Object, manifest, pod_template
from tests.lab.stands.releases import Behaviour
from uptainer.core.errors import PermanentError

pytestmark = pytest.mark.timeout(300)

CAUSE = "kubernetes.io/change-cause"
PINS = "uptainer.io/images"


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_a_workload_is_replaced_and_put_back_as_it_was(ground: Ground, kind: str) -> None:
    old, new = ground.push(), ground.push()
    key = ground.deploy(kind, "web", old.reference, annotations={CAUSE: "by hand"})
    before = ground.get(key)
    plan = ground.replace(key, new)
    ground.await_digests(key, new)
    after = ground.get(key)
    image = after["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image == f"{new.reference}@{new.digest}"
    assert after["metadata"]["annotations"][CAUSE] == f"Uptainer: {image} in place of {old.reference}"
    (facts,) = ground.runtime.containers()
    assert facts.image_reference == new.reference, "what we pinned is followed by its name"
    assert facts.image_id == new.digest == ground.runtime.state(key).image_id
    assert ground.runtime.state(key).restart_count == 0
    ground.undo(key, new, plan)
    ground.await_digests(key, old)
    back = ground.get(key)
    assert back["spec"] == before["spec"]
    own = (CAUSE, PINS)
    noted = {name: back["metadata"]["annotations"].get(name) for name in own}
    assert noted == {CAUSE: "by hand", PINS: None}
    assert ground.runtime.state(key).image_id == old.digest


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


def test_the_same_tag_again_leads_back_to_the_digest_that_ran(ground: Ground) -> None:
    """The tag stands for the new image by then: only its digest still names the old one."""
    old, new = ground.push(), ground.push()
    moving = ground.retag(old, "moving")
    key = ground.deploy("Deployment", "web", moving.reference)
    newer = ground.retag(new, "moving")
    plan = ground.replace(key, newer)
    ground.await_digests(key, new)
    ground.undo(key, newer, plan)
    ground.await_digests(key, old)
    image = ground.get(key)["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image == f"{moving.reference}@{old.digest}"
    (facts,) = ground.runtime.containers()
    assert facts.image_reference == moving.reference, "it is still followed by its tag"


def cron_job(image: str) -> Object:
    return manifest("CronJob", "nightly", image)


def image_of_job(job: Object) -> str:
    return str(job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["image"])
