"""What the tests of a replacement stand on: a namespace, images that behave in a known way, and workloads of each kind."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import httpx

from tests.lab.images import MANIFEST
from tests.lab.kubernetes import Cluster
from tests.lab.registry import Registry
from tests.lab.replacing import perform_all, request_for, revert_all
from tests.lab.room import wait_until
from tests.lab.stands.releases import Behaviour, Release, push_release
from uptainer.runtimes.port import ReplacementPlan, ReplacementRequest, Runtime

Object = dict[str, Any]

APP = "app"
CAUSE = "kubernetes.io/change-cause"
PINS = "uptainer.io/images"
WELL = {"exec": {"command": ["/bin/well"]}, "periodSeconds": 1, "timeoutSeconds": 30}


@dataclass
class Ground:
    """`runtime` is what is tested; what is asked of the cluster besides is asked without it."""

    cluster: Cluster
    registry: Registry
    namespace: str
    runtime: Runtime
    results: dict[str, Any] = field(default_factory=dict)

    def push(self, behaviour: Behaviour = Behaviour.HEALTHY) -> Release:
        return push_release(self.registry, "replacing/app", behaviour)

    def move(self, release: Release) -> Release:
        """Its tag, to another image; which it stands for from now on."""
        other = self.push()
        path = f"{self.registry.url}/v2/replacing/app/manifests"
        manifest = httpx.get(f"{path}/{other.digest}", headers={"Accept": MANIFEST})
        tag = f"{path}/{release.reference.rpartition(':')[2]}"
        httpx.put(tag, content=manifest.content, headers={"Content-Type": MANIFEST}).raise_for_status()
        return replace(other, reference=release.reference)

    def deploy(self, kind: str, name: str, image: str, **spec: Any) -> str:
        """Running and available; returns the key of its container."""
        self.cluster.apply(manifest(kind, name, image, **spec), namespace=self.namespace)
        self.cluster.wait_rolled_out(kind, name, namespace=self.namespace)
        return self.key(kind, name)

    def key(self, kind: str, name: str, container: str = APP) -> str:
        return f"{self.namespace}/{kind.lower()}/{name}/{container}"

    def get(self, key: str) -> Object:
        _, kind, name, _ = key.split("/")
        api = "batch/v1beta1" if kind == "cronjob" else "apps/v1"
        return self.cluster.get(api, KINDS[kind], name, namespace=self.namespace)

    def edit(self, key: str, patch: Mapping[str, Any]) -> None:
        _, kind, name, _ = key.split("/")
        self.cluster.patch("apps/v1", KINDS[kind], name, patch, namespace=self.namespace)

    def containers_of(self, key: str, image: str) -> Object:
        """With another image in all of them, as a merge patch wants them."""
        spec = self.get(key)["spec"]["template"]["spec"]
        return {"containers": [{**each, "image": image} for each in spec["containers"]]}

    def await_observed(self, key: str) -> None:
        """Until its controller has seen what was changed last."""

        def is_observed() -> bool:
            found = self.get(key)
            return bool(found["status"].get("observedGeneration") == found["metadata"]["generation"])

        wait_until(is_observed, what=f"{key} was not observed", pause=0.1)

    def await_budget(self, name: str) -> None:
        """Until its controller has counted what it is for."""
        wait_until(
            lambda: bool(self._budget(name).get("desiredHealthy")),
            what=f"{name} was not counted",
            pause=0.1,
        )

    def _budget(self, name: str) -> Object:
        found = self.cluster.get("policy/v1beta1", "PodDisruptionBudget", name, namespace=self.namespace)
        return dict(found.get("status", {}))

    def await_quota(self, name: str, used: Mapping[str, str]) -> None:
        wait_until(lambda: self._used(name) == used, what=f"{name} did not count {used}", pause=0.1)

    def _used(self, name: str) -> Any:
        quota = self.cluster.get("v1", "ResourceQuota", name, namespace=self.namespace)
        return quota.get("status", {}).get("used")

    def request(self, key: str, release: Release, **options: Any) -> ReplacementRequest:
        return request_for(key, release.reference, release.digest, **options)

    def plan(self, key: str, release: Release, **options: Any) -> ReplacementPlan:
        return self.runtime.plan_replacement(self.request(key, release, **options))

    def replace(self, key: str, release: Release, **options: Any) -> ReplacementPlan:
        plan, self.results = perform_all(self.runtime, self.request(key, release, **options))
        return plan

    def go(self, request: ReplacementRequest, plan: ReplacementPlan) -> None:
        for step in plan.steps:
            self.runtime.perform(step.name, request, plan.document, {})

    def undo(self, key: str, release: Release, plan: ReplacementPlan) -> None:
        revert_all(self.runtime, self.request(key, release), plan, self.results)

    def all_pods(self) -> list[Object]:
        """Those that are not on their way out."""
        found = self.cluster.all_of("v1", "Pod", namespace=self.namespace)
        return [each for each in found if "deletionTimestamp" not in each["metadata"]]

    def pods(self, key: str) -> list[Object]:
        """Those that are not on their way out."""
        name = key.split("/")[2]
        found = self.cluster.all_of("v1", "Pod", namespace=self.namespace, labels=f"app={name}")
        return [each for each in found if "deletionTimestamp" not in each["metadata"]]

    def digests(self, key: str) -> set[str]:
        """Of what runs and is ready."""
        return {
            each["imageID"].rpartition("@")[2]
            for pod in self.pods(key)
            for each in pod["status"].get("containerStatuses", ())
            if each["name"] == APP and each["ready"]
        }

    def await_digests(self, key: str, *releases: Release) -> None:
        expected = {release.digest for release in releases}
        wait_until(
            lambda: self.digests(key) == expected,
            what=f"{key} did not run {releases} only",
            pause=0.1,
        )


KINDS = {
    "deployment": "Deployment",
    "statefulset": "StatefulSet",
    "daemonset": "DaemonSet",
    "cronjob": "CronJob",
}


def manifest(kind: str, name: str, image: str, **spec: Any) -> Object:
    """`annotations`, `labels` and `containers` of `spec` go where they belong; the rest is the workload's own."""
    metadata = {"name": name, "annotations": spec.pop("annotations", {}), "labels": spec.pop("labels", {})}
    template = pod_template(name, image, spec.pop("pod", {}))
    selector = {"selector": {"matchLabels": {"app": name}}, "template": template}
    if kind == "CronJob":
        job = {"jobTemplate": {"spec": {"template": template}}, "schedule": "0 3 1 1 *", **spec}
        template["spec"]["restartPolicy"] = "Never"
        return {"apiVersion": "batch/v1beta1", "kind": kind, "metadata": metadata, "spec": job}
    own: Object = {} if kind == "DaemonSet" else {"replicas": 1}
    if kind == "StatefulSet":
        own["serviceName"] = name
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": {**own, **selector, **spec}}


def pod_template(name: str, image: str, pod: Mapping[str, Any]) -> Object:
    container = {
        "name": APP,
        "image": image,
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        "readinessProbe": WELL,
    }
    spec = {
        "containers": [container],
        "volumes": [{"name": "data", "emptyDir": {}}],
        "terminationGracePeriodSeconds": 1,
        **pod,
    }
    return {"metadata": {"labels": {"app": name}}, "spec": spec}
