"""What the forms that pods, workloads and their annotations come in are read as."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from uptainer.core.enums import ContainerStatus, Health
from uptainer.core.errors import NotFoundError
from uptainer.core.platform import Platform
from uptainer.runtimes.kubernetes.capabilities import TABLE
from uptainer.runtimes.kubernetes.facts import workload_facts, workload_state
from uptainer.runtimes.kubernetes.keys import KINDS, Key
from uptainer.runtimes.kubernetes.labels import labels_of
from uptainer.runtimes.kubernetes.observation import Observation, observe
from uptainer.runtimes.kubernetes.pods import Pod

ONE = "sha256:" + "1" * 64
TWO = "sha256:" + "2" * 64
IMAGE = "registry.example/app:1.0"
START = "2026-01-01T00:00:00Z"
LATER = "2026-01-01T00:05:00Z"
RUNNING: dict[str, Any] = {"running": {"startedAt": START}}
CRASHING = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}
CREATING = {"waiting": {"reason": "ContainerCreating"}}


def pod(
    image_id: str = f"registry.example/app@{ONE}",
    *,
    image: str = IMAGE,
    state: Mapping[str, Any] = RUNNING,
    ready: bool = True,
    restarts: int = 0,
    last: Mapping[str, Any] | None = None,
    created: str = START,
    turned: str = START,
    node: str = "node1",
    place: str = "containers",
    owner: tuple[str, str] = ("ReplicaSet", "web-abc"),
    **metadata: Any,
) -> Pod:
    status = {
        "name": "app",
        "imageID": image_id,
        "state": state,
        "ready": ready,
        "restartCount": restarts,
        "lastState": last or {},
    }
    statuses = "containerStatuses" if place == "containers" else "initContainerStatuses"
    reference = {"kind": owner[0], "name": owner[1], "uid": "u", "controller": True}
    return Pod.read(
        {
            "metadata": {
                "namespace": "shop",
                "name": "web-abc-1",
                "creationTimestamp": created,
                "labels": {"pod-template-hash": "abc"},
                "ownerReferences": [reference],
                **metadata,
            },
            "spec": {"containers": [], "nodeName": node, place: [{"name": "app", "image": image}]},
            "status": {
                "phase": "Running",
                "podIP": "10.0.0.1",
                "conditions": [
                    {"type": "Ready", "status": str(ready), "lastTransitionTime": turned},
                ],
                statuses: [status],
            },
        }
    )


def workload(image: str = IMAGE, *, place: str = "containers", **changes: Any) -> dict[str, Any]:
    container: dict[str, Any] = {"name": "app", "image": image, **changes.pop("container", {})}
    metadata = {"namespace": "shop", "name": "web", "uid": "uid-web", "creationTimestamp": START}
    template = {"metadata": {}, "spec": {"containers": [], **changes.pop("pods", {}), place: [container]}}
    metadata |= changes.pop("metadata", {})
    return {"metadata": metadata, "spec": {"replicas": 1, "template": template, **changes}}


def seen(*pods: Pod, kind: str = "deployment", **changes: Any) -> Observation:
    return observe(kind, workload(**changes), "app", pods)


@pytest.mark.parametrize(
    ("image_id", "digest", "repo_digests"),
    [
        (f"docker-pullable://registry.example/app@{ONE}", ONE, (f"registry.example/app@{ONE}",)),
        (f"registry.example/app@{ONE}", ONE, (f"registry.example/app@{ONE}",)),
        (f"docker://{ONE}", ONE, ()),
        (ONE, ONE, ()),
        ("1" * 64, ONE, ()),
        ("", "", ()),
    ],
)
def test_the_running_digest_is_read_from_every_form_of_image_id(
    image_id: str, digest: str, repo_digests: tuple[str, ...]
) -> None:
    found = seen(pod(image_id))
    assert (found.image_id, found.repo_digests) == (digest, repo_digests)


def test_what_was_asked_for_by_digest_runs_by_that_digest_whatever_else_its_node_calls_it() -> None:
    image = f"{IMAGE}@{TWO}"
    found = seen(pod(f"mirror.example/app@{ONE}", image=image), image=image)
    assert (found.image_id, found.repo_digests) == (TWO, (f"registry.example/app@{TWO}",))


def test_without_a_pod_only_a_digest_in_the_template_is_known() -> None:
    assert seen(replicas=0).image_id == ""
    assert seen(replicas=0, image=f"{IMAGE}@{ONE}").image_id == ONE


def test_pods_of_one_tag_with_two_digests_are_told_and_the_oldest_one_counts() -> None:
    found = seen(pod(f"a@{TWO}", created=LATER), pod(f"a@{ONE}"), pod(f"a@{TWO}", created=LATER))
    assert found.image_id == ONE
    assert found.digests == {ONE: 1, TWO: 2}


def test_while_new_pods_wait_for_their_image_what_runs_is_the_old_one() -> None:
    new = pod("", image="registry.example/app:2.0", state=CREATING, ready=False, created=LATER)
    found = seen(pod(), new, image="registry.example/app:2.0")
    assert found.image_id == ONE
    assert found.status is ContainerStatus.RUNNING


def test_once_a_new_pod_has_started_the_old_ones_do_not_count_any_more() -> None:
    new = pod(f"a@{TWO}", image="registry.example/app:2.0", created=LATER)
    found = seen(pod(restarts=5), new, image="registry.example/app:2.0")
    assert (found.image_id, found.restarts) == (TWO, 0)


@pytest.mark.parametrize(
    ("pods", "changes", "status"),
    [
        ((pod(),), {}, ContainerStatus.RUNNING),
        ((), {}, ContainerStatus.CREATED),
        ((pod("", state=CREATING, ready=False),), {}, ContainerStatus.CREATED),
        ((pod(state=CRASHING, ready=False),), {}, ContainerStatus.RESTARTING),
        ((pod(state={"terminated": {"exitCode": 0}}, ready=False),), {}, ContainerStatus.RESTARTING),
        ((pod(), pod(state=CRASHING)), {"replicas": 2}, ContainerStatus.RESTARTING),
        ((), {"replicas": 0}, ContainerStatus.EXITED),
        ((pod(deletionTimestamp=LATER),), {"replicas": 0}, ContainerStatus.EXITED),
        ((pod(),), {"metadata": {"deletionTimestamp": LATER}}, ContainerStatus.REMOVING),
    ],
)
def test_a_status_has_our_words(
    pods: tuple[Pod, ...], changes: dict[str, Any], status: ContainerStatus
) -> None:
    assert seen(*pods, **changes).status is status


PROBED: dict[str, Any] = {"readinessProbe": {"httpGet": {}}}


@pytest.mark.parametrize(
    ("pods", "container", "health"),
    [
        ((pod(),), {}, Health.NONE),
        ((pod(),), PROBED, Health.HEALTHY),
        ((pod(),), {"livenessProbe": {"exec": {}}}, Health.HEALTHY),
        ((pod(ready=False),), PROBED, Health.STARTING),
        ((pod(ready=False, turned=LATER),), PROBED, Health.UNHEALTHY),
        ((pod(), pod(ready=False)), PROBED, Health.STARTING),
        ((pod(state=CRASHING, ready=False),), PROBED, Health.UNHEALTHY),
        ((), PROBED, Health.UNKNOWN),
    ],
)
def test_health_is_what_the_probes_say(
    pods: tuple[Pod, ...], container: dict[str, Any], health: Health
) -> None:
    assert seen(*pods, container=container).health is health


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ({"terminated": {"exitCode": 0, "startedAt": START}}, ContainerStatus.RUNNING),
        ({"terminated": {"exitCode": 1, "startedAt": START}}, ContainerStatus.RESTARTING),
        (CRASHING, ContainerStatus.RESTARTING),
        (CREATING, ContainerStatus.CREATED),
    ],
)
def test_an_init_container_is_well_when_it_has_done_its_work(
    state: dict[str, Any], status: ContainerStatus
) -> None:
    found = seen(pod(state=state, place="initContainers"), place="initContainers")
    assert (found.role, found.status) == ("init", status)


def test_an_init_container_that_is_always_restarted_is_a_sidecar() -> None:
    always = {"restartPolicy": "Always"}
    found = seen(pod(place="initContainers"), place="initContainers", container=always)
    assert (found.role, found.status) == ("sidecar", ContainerStatus.RUNNING)


def test_a_daemon_set_that_is_for_no_node_has_ended_by_itself() -> None:
    none = {"status": {"observedGeneration": 1, "desiredNumberScheduled": 0}}
    found = observe("daemonset", {**workload(), **none}, "app", [])
    assert found.status is ContainerStatus.EXITED


def test_a_crash_leaves_its_status_and_its_words() -> None:
    last = {"terminated": {"exitCode": 137, "reason": "OOMKilled", "message": "too much"}}
    found = seen(pod(state=CRASHING, ready=False, restarts=3, last=last))
    assert (found.exit_code, found.restarts) == (137, 3)
    assert "CrashLoopBackOff: back-off 10s" in found.message


@pytest.mark.parametrize(
    ("owner", "found"),
    [
        (("ReplicaSet", "web-abc"), ("deployment", "web")),
        (("ReplicaSet", "by-hand"), ("replicaset", "by-hand")),
        (("StatefulSet", "db"), ("statefulset", "db")),
        (("Job", "nightly-123"), ("job", "nightly-123")),
    ],
)
def test_a_pod_is_its_controllers(owner: tuple[str, str], found: tuple[str, str]) -> None:
    assert pod(owner=owner).owner == found


def test_a_pod_that_nobody_controls_is_nobodys() -> None:
    assert pod(ownerReferences=[]).owner == ("", "")


def test_annotations_count_as_labels_and_the_most_precise_one_wins() -> None:
    notes = {
        "uptainer.tags.include": "^1\\.",
        "uptainer.level": "patch",
        "uptainer.level/app": "minor",
        "uptainer.level/other": "major",
        "keel.sh/policy": "minor",
        "uptainer.io/images": "{}",
        "kubectl.kubernetes.io/last-applied-configuration": '{"password": "x"}',
        "deployment.kubernetes.io/revision": "3",
        "huge": "x" * 5000,
    }
    made = workload(metadata={"labels": {"uptainer.level": "digest", "team": "shop"}, "annotations": notes})
    made["spec"]["template"]["metadata"] = {"annotations": {"uptainer.level": "none", "on": "pods"}}
    assert labels_of(made, "app") == {
        "uptainer.tags.include": "^1\\.",
        "uptainer.level": "minor",
        "keel.sh/policy": "minor",
        "team": "shop",
        "on": "pods",
    }
    assert labels_of(made, "third")["uptainer.level"] == "patch"


def test_mounts_are_told_by_what_holds_their_data() -> None:
    mounts = [
        {"name": name, "mountPath": f"/{name}"}
        for name in ("data", "files", "host", "scratch", "settings", "secrets")
    ]
    volumes = [
        {"name": "files", "persistentVolumeClaim": {"claimName": "files-claim"}},
        {"name": "host", "hostPath": {"path": "/srv"}},
        {"name": "scratch", "emptyDir": {}},
        {"name": "settings", "configMap": {"name": "settings-map"}},
        {"name": "secrets", "secret": {"secretName": "passwords"}},
    ]
    made = workload(
        container={"volumeMounts": mounts},
        pods={"volumes": volumes},
        volumeClaimTemplates=[{"metadata": {"name": "data"}}],
    )
    (facts,) = workload_facts("statefulset", made, [pod(owner=("StatefulSet", "web"))], {})
    assert [(each.kind, each.source) for each in facts.mounts] == [
        ("claim", "data-web-*"),
        ("claim", "files-claim"),
        ("bind", "/srv"),
        ("tmpfs", ""),
        ("configmap", "settings-map"),
        ("secret", "passwords"),
    ]
    assert facts.mounts[0].name == "data-web-*"


def test_the_platform_is_that_of_the_node() -> None:
    nodes = {"arm": Platform.of("linux", "arm64"), "pc": Platform.of("linux", "amd64")}
    pods = [pod(node="arm"), pod(node="arm"), pod(node="pc")]
    (facts,) = workload_facts("deployment", workload(), pods, nodes)
    assert str(facts.platform) == "linux/arm64"
    (unknown,) = workload_facts("deployment", workload(), pods, {})
    assert unknown.platform is None


@pytest.mark.parametrize(
    ("pods", "template", "noted"),
    [
        ([], {}, {"pull_secrets": [], "service_account": "default"}),
        ([], {"serviceAccountName": "shop"}, {"pull_secrets": [], "service_account": "shop"}),
        ([], {"imagePullSecrets": [{"name": "own"}]}, {"pull_secrets": ["own"]}),
        ([pod()], {}, {"pull_secrets": []}),
    ],
)
def test_which_secrets_its_node_pulls_with_is_noted(
    pods: list[Pod], template: dict[str, Any], noted: dict[str, Any]
) -> None:
    (facts,) = workload_facts("deployment", workload(pods=template), pods, {})
    details = {
        name: facts.details[name] for name in ("pull_secrets", "service_account") if name in facts.details
    }
    assert details == noted


def test_a_state_names_each_pods_address() -> None:
    state = workload_state(Key("shop", "deployment", "web", "app"), workload(), [pod()])
    assert state.addresses == {"web-abc-1": "10.0.0.1"}
    assert state.started_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert state.runtime_id == "uid-web"


def test_another_pod_or_job_that_starts_is_no_restart() -> None:
    key, two = Key("shop", "deployment", "web", "app"), [pod(), pod(name="web-abc-2")]
    assert workload_state(key, workload(), two).started_at is None


def test_a_cron_job_whose_job_begins_is_neither_restarted_nor_waited_for() -> None:
    key, cron = Key("shop", "cronjob", "nightly", "app"), workload(container=PROBED)
    states = [workload_state(key, cron, pods) for pods in ((), [pod(owner=("Job", "nightly"), ready=False)])]
    assert [state.started_at for state in states] == [None, None]
    assert [state.health for state in states] == [Health.NONE, Health.NONE]


@pytest.mark.parametrize("text", ["web", "shop/web", "shop/pod/web/app", "shop/deployment//app", "a/b/c/d/e"])
def test_what_is_no_key_of_a_cluster_is_not_found(text: str) -> None:
    with pytest.raises(NotFoundError, match="namespace/kind/name/container"):
        Key.parse(text)


def test_a_key_is_read_as_it_is_written() -> None:
    for text in ("shop/deployment/web", "shop/cronjob/nightly/app"):
        assert str(Key.parse(text)) == text
    assert str(Key.parse("shop/deployment/web/app").workload) == "shop/deployment/web"


def test_every_kind_has_its_row_in_the_table() -> None:
    assert tuple(TABLE) == KINDS
