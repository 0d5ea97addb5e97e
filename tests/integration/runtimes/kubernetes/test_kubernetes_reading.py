"""A cluster with a workload of each kind, read as discovery reads it."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace

import pytest

from tests.integration.runtimes.kubernetes.granting import grant
from tests.integration.runtimes.kubernetes.manifests import cron_job, job_of, pod_spec, workload
from tests.lab.images import build_image, push_image
from tests.lab.kubernetes import Cluster as Lab
from tests.lab.registry import Registry
from tests.lab.room import wait_until
from uptainer.core.enums import ConnectionType, ContainerStatus, Health, RuntimeType
from uptainer.core.errors import AccessDeniedError, NotFoundError
from uptainer.core.secrets import ClusterSecret
from uptainer.core.workloads import ContainerFacts, HostAddress
from uptainer.runtimes.kubernetes import discovery
from uptainer.runtimes.kubernetes.client import Cluster
from uptainer.runtimes.kubernetes.runtime import KubernetesRuntime
from uptainer.runtimes.port import WorkloadState


class Place:
    """A namespace with a fleet in it, and how it is reached."""

    def __init__(self, lab: Lab, registry: Registry, namespace: str) -> None:
        self.lab = lab
        self.namespace = namespace
        self.reference = registry.reference("reading/app:1.0.0")
        self.digest = push_image(registry.url, "reading/app:1.0.0", build_image(labels={"is": "app"}))
        self.helper = registry.reference("reading/helper:2.0.0")
        self.helper_digest = push_image(registry.url, "reading/helper:2.0.0", build_image(cmd=["/bin/true"]))
        self.address = HostAddress(
            "kube", RuntimeType.KUBERNETES, ConnectionType.TOKEN, lab.url, namespaces=(namespace,)
        )
        self.secret = ClusterSecret(token=lab.token, ca=lab.authority.read_text())

    def fill(self) -> None:
        lab, place = self.lab, self.namespace
        ready = {"readinessProbe": {"exec": {"command": ["true"]}, "periodSeconds": 1, "timeoutSeconds": 30}}
        app = {**pod_spec(self.reference)["containers"][0], **ready, "ports": [{"containerPort": 8080}]}
        init = {"name": "prepare", "image": self.helper}
        claims = [{"name": "shared", "emptyDir": {}}]
        spec = pod_spec(self.reference, containers=[app], initContainers=[init], volumes=claims)
        notes = {
            "uptainer.tags.include": "^1",
            "uptainer.level/app": "minor",
            "meta.helm.sh/release-name": "shop",
        }
        lab.apply(workload("Deployment", "web", spec, annotations=notes, replicas=2), namespace=place)
        lab.apply(workload("StatefulSet", "db", pod_spec(self.reference), replicas=1), namespace=place)
        lab.apply(workload("DaemonSet", "agent", pod_spec(self.reference)), namespace=place)
        lab.apply(workload("Deployment", "idle", pod_spec(self.reference), replicas=0), namespace=place)
        crashing = pod_spec(self.reference)
        crashing["containers"][0]["command"] = ["/bin/sh", "-c", "echo it is broken; exit 3"]
        lab.apply(workload("Deployment", "broken", crashing, replicas=1), namespace=place)
        made = lab.create(cron_job("nightly", pod_spec(self.helper)), namespace=place)
        lab.create(job_of(made, "by-hand"), namespace=place)
        lab.wait_rolled_out("Deployment", "web", namespace=place)
        lab.wait_rolled_out("StatefulSet", "db", namespace=place)
        lab.wait_rolled_out("DaemonSet", "agent", namespace=place)

    def facts(self) -> Mapping[str, ContainerFacts]:
        """By the key without the namespace."""
        with self.runtime() as runtime:
            return {each.key.partition("/")[2]: each for each in runtime.containers()}

    def runtime(self) -> KubernetesRuntime:
        return KubernetesRuntime(self.address, self.secret)


@pytest.fixture(scope="module")
def place(kubernetes_cluster: Lab, registry: Registry) -> Iterator[Place]:
    with kubernetes_cluster.namespace() as namespace:
        made = Place(kubernetes_cluster, registry, namespace)
        made.fill()
        yield made


@pytest.fixture(scope="module")
def found(place: Place) -> Mapping[str, ContainerFacts]:
    """Once one crashes again and again, and the job has ended."""
    looks: list[Mapping[str, ContainerFacts]] = []

    def is_settled() -> bool:
        looks.append(place.facts())
        crashes = looks[-1]["deployment/broken/app"].status is ContainerStatus.RESTARTING
        return crashes and looks[-1]["cronjob/nightly/app"].image_id != ""

    wait_until(is_settled, what="the fleet did not settle", timeout=90, pause=0.2)
    return looks[-1]


def test_every_container_of_every_workload_is_found(found: Mapping[str, ContainerFacts]) -> None:
    assert set(found) == {
        "deployment/web/app",
        "deployment/web/prepare",
        "deployment/idle/app",
        "deployment/broken/app",
        "statefulset/db/app",
        "daemonset/agent/app",
        "cronjob/nightly/app",
    }


def test_the_digest_is_what_the_pods_run(place: Place, found: Mapping[str, ContainerFacts]) -> None:
    for key in ("deployment/web/app", "statefulset/db/app", "daemonset/agent/app"):
        assert found[key].image_id == place.digest, key
        assert [each.rpartition("@")[2] for each in found[key].repo_digests] == [place.digest]
        assert found[key].image_reference == place.reference
    assert found["deployment/web/prepare"].image_id == place.helper_digest
    assert found["cronjob/nightly/app"].image_id == place.helper_digest, "of the job that is over"


def test_what_has_never_run_has_no_digest_that_anybody_could_know(
    found: Mapping[str, ContainerFacts],
) -> None:
    assert (found["deployment/idle/app"].image_id, found["deployment/idle/app"].repo_digests) == ("", ())


@pytest.mark.parametrize(
    ("key", "status", "health"),
    [
        ("deployment/web/app", ContainerStatus.RUNNING, Health.HEALTHY),
        ("deployment/web/prepare", ContainerStatus.RUNNING, Health.NONE),
        ("statefulset/db/app", ContainerStatus.RUNNING, Health.NONE),
        ("daemonset/agent/app", ContainerStatus.RUNNING, Health.NONE),
        ("deployment/idle/app", ContainerStatus.EXITED, Health.NONE),
        ("deployment/broken/app", ContainerStatus.RESTARTING, Health.NONE),
        ("cronjob/nightly/app", ContainerStatus.RUNNING, Health.NONE),
    ],
)
def test_each_is_told_as_it_is(
    found: Mapping[str, ContainerFacts], key: str, status: ContainerStatus, health: Health
) -> None:
    assert (found[key].status, found[key].health) == (status, health)


def test_a_container_knows_its_workload_its_project_and_its_policy(
    place: Place, found: Mapping[str, ContainerFacts]
) -> None:
    app, prepare = found["deployment/web/app"], found["deployment/web/prepare"]
    assert app.workload == prepare.workload == f"{place.namespace}/deployment/web"
    assert (app.workload_kind, app.project, app.service) == ("deployment", place.namespace, "web")
    assert (app.labels["uptainer.tags.include"], app.labels["uptainer.level"]) == ("^1", "minor")
    assert "uptainer.level" not in prepare.labels
    assert (app.details["container_role"], prepare.details["container_role"]) == ("container", "init")
    assert app.details["owner"]["kind"] == "helm"
    assert [port.container_port for port in app.ports] == [8080]
    assert str(app.platform) == "linux/amd64"


def test_the_state_of_each_agrees_with_what_was_found(
    place: Place, found: Mapping[str, ContainerFacts]
) -> None:
    with place.runtime() as runtime:
        for key, facts in found.items():
            state = runtime.state(facts.key)
            assert (state.runtime_id, state.image_id) == (facts.runtime_id, facts.image_id), key
            assert key == "deployment/broken/app" or state.status is facts.status, key
        broken = _backing_off(runtime, found["deployment/broken/app"].key)
    assert broken.restart_count > 0
    assert broken.exit_code == 3


def test_pages_smaller_than_the_fleet_hold_the_same(
    place: Place, found: Mapping[str, ContainerFacts]
) -> None:
    with closing(Cluster(place.address, place.secret, page=1)) as cluster:
        read = discovery.read_containers(cluster)
    assert {each.key for each in read} == {each.key for each in found.values()}


@pytest.mark.parametrize(
    ("included", "excluded", "seen"),
    [
        ((), (), True),
        (("*",), (), True),
        (("lab-*",), ("*-nobody",), True),
        (("nobody-*",), (), False),
        ((), ("lab-*",), False),
        ((), ("{namespace}",), False),
        (("{namespace}",), ("lab-*",), False),
    ],
)
def test_namespaces_are_chosen_by_globs(
    place: Place, included: tuple[str, ...], excluded: tuple[str, ...], *, seen: bool
) -> None:
    named = [
        tuple(each.format(namespace=place.namespace) for each in globs) for globs in (included, excluded)
    ]
    address = replace(place.address, namespaces=named[0], excluded_namespaces=named[1])
    with KubernetesRuntime(address, place.secret) as runtime:
        projects = {each.project for each in runtime.containers()}
        assert (place.namespace in projects) is seen
        if not seen:
            with pytest.raises(NotFoundError, match="not among those"):
                runtime.state(f"{place.namespace}/deployment/web/app")


READING = [
    ("apps", "deployments", "list"),
    ("apps", "statefulsets", "list"),
    ("apps", "daemonsets", "list"),
    ("batch", "cronjobs", "list"),
    ("batch", "jobs", "list"),
    ("", "pods", "list"),
]


def test_rights_in_one_namespace_are_enough_to_read_that_one(kubernetes_cluster: Lab, place: Place) -> None:
    secret = replace(place.secret, token=grant(kubernetes_cluster, place.namespace, READING))
    with KubernetesRuntime(place.address, secret) as runtime:
        facts = runtime.containers()
        engine = runtime.engine()
    assert {each.project for each in facts} == {place.namespace}
    assert all(each.platform is None for each in facts), "the nodes may not be seen"
    assert (engine.cpus, engine.memory) == (0, 0)
    assert len(engine.id) == 64
    with (
        KubernetesRuntime(replace(place.address, namespaces=()), secret) as runtime,
        pytest.raises(AccessDeniedError, match=r'a ClusterRole needs .*"deployments".*"list"'),
    ):
        runtime.containers()


def test_the_cluster_says_who_it_is_and_what_it_has(place: Place) -> None:
    with place.runtime() as runtime:
        engine = runtime.engine()
    assert engine.version == "1.20.2"
    assert engine.api_version == "1.20"
    assert str(engine.platform) == "linux/amd64"
    assert engine.cpus > 0
    assert engine.memory > 1 << 30
    assert len(engine.id) == 36


def test_what_we_deployed_is_followed_by_its_tag_and_not_taken_for_pinned(
    kubernetes_cluster: Lab, place: Place
) -> None:
    deployed = f"{place.reference}@{place.digest}"
    pin = f'{{"app": {{"reference": "{place.reference}", "deployed": "{deployed}", "before": "{place.reference}"}}}}'
    manifest = workload(
        "Deployment", "pinned", pod_spec(deployed), annotations={"uptainer.io/images": pin}, replicas=1
    )
    kubernetes_cluster.apply(manifest, namespace=place.namespace)
    kubernetes_cluster.wait_rolled_out("Deployment", "pinned", namespace=place.namespace)
    facts = place.facts()["deployment/pinned/app"]
    assert (facts.image_reference, facts.image_id) == (place.reference, place.digest)
    assert not [label for label in facts.labels if label.startswith("uptainer.io")]
    with place.runtime() as runtime:
        assert runtime.image(deployed).image_id == runtime.state(facts.key).image_id
        with pytest.raises(NotFoundError, match="by its digest only"):
            runtime.image(place.reference)
    kubernetes_cluster.delete("apps/v1", "Deployment", "pinned", namespace=place.namespace)


def _backing_off(runtime: KubernetesRuntime, key: str) -> WorkloadState:
    """Its state at a moment when its node waits before it tries again."""
    looks: list[WorkloadState] = []

    def is_backing_off() -> bool:
        looks.append(runtime.state(key))
        return "CrashLoopBackOff" in looks[-1].health_log

    wait_until(is_backing_off, what="its node's words were not told", timeout=240, pause=0.2)
    return looks[-1]
