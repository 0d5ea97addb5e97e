"""A private image that only the cluster has a login for is looked up with that one, and with no other."""

import base64
import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.integration.runtimes.kubernetes.granting import grant
from tests.integration.runtimes.kubernetes.manifests import pod_spec, workload
from tests.lab.images import build_image, push_image
from tests.lab.kubernetes import Cluster as Lab
from tests.lab.registry import Registry
from tests.lab.room import wait_until
from uptainer.core.clock import utc_now
from uptainer.core.enums import CheckResult, ConnectionType, RuntimeType, ScanStatus
from uptainer.core.findings import Scan
from uptainer.core.platform import Platform
from uptainer.core.reference import Reference
from uptainer.core.secrets import ClusterSecret
from uptainer.core.workloads import HostAddress
from uptainer.fleet.checking import check_registry, plan_check
from uptainer.fleet.discovery import discover_host
from uptainer.fleet.scanning import UNSCANNED, plan_scans, scan_image
from uptainer.fleet.updating import opener
from uptainer.images.credentials import Keychain
from uptainer.runtimes.connections import connect
from uptainer.runtimes.port import Runtime
from uptainer.scanning.trivy import ImageSource, RegistrySource
from uptainer.store import schema
from uptainer.store.database import Database
from uptainer.store.models import UpdateCheck
from uptainer.store.repositories.containers import ContainerRepository
from uptainer.store.repositories.hosts import HostRepository

RIGHTS = [
    *(("apps", each, "list") for each in ("deployments", "statefulsets", "daemonsets")),
    ("batch", "cronjobs", "list"),
    ("", "pods", "list"),
]


class Place:
    """A namespace with one workload of a private image, whose pull secret stands in the namespace."""

    def __init__(self, lab: Lab, registry: Registry, database: Database, namespace: str) -> None:
        self.lab, self.registry, self.database, self.namespace = lab, registry, database, namespace
        self.address = HostAddress(
            "kube", RuntimeType.KUBERNETES, ConnectionType.TOKEN, lab.url, namespaces=(namespace,)
        )
        self.secret = ClusterSecret(token=lab.token, ca=lab.authority.read_text())
        with database.session() as session:
            HostRepository(session).add(self.address)

    def connect(self, address: HostAddress) -> Runtime:
        return connect(address, self.secret)

    def push(self, tag: str) -> str:
        image = build_image(labels={"tag": tag, "of": self.namespace})
        return push_image(
            self.registry.url, f"{self.namespace}:{tag}", image, login=self.registry.credentials
        )

    def keep_login(self, kind: str = "kubernetes.io/dockerconfigjson", *, broken: bool = False) -> None:
        user, password = self.registry.credentials or ("", "")
        entry = {"auth": base64.b64encode(f"{user}:{'wrong' if broken else password}".encode()).decode()}
        auths = {self.registry.host: entry}
        name, content = (
            (".dockercfg", auths) if kind.endswith("dockercfg") else (".dockerconfigjson", {"auths": auths})
        )
        data = {name: base64.b64encode(json.dumps(content).encode()).decode()}
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "pull"},
            "type": kind,
            "data": data,
        }
        self.lab.create(secret, namespace=self.namespace)

    def deploy(self, **pod: object) -> None:
        """Started: its node pulls with the very secret that the lookup is to use."""
        reference = self.registry.reference(f"{self.namespace}:1.0.0")
        self.lab.apply(
            workload("Deployment", "web", pod_spec(reference, **pod), replicas=1), namespace=self.namespace
        )
        self.lab.wait_rolled_out("Deployment", "web", namespace=self.namespace)

    def check(self, keychain: Keychain | None = None) -> UpdateCheck:
        discover_host(self.database, self.address, self.connect)
        opens = opener(self.database, self.connect)
        for registry, questions in plan_check(self.database).registries.items():
            check_registry(self.database, registry, questions, keychain or Keychain({}, None), opens)
        key = f"kube/{self.namespace}/deployment/web/app"
        with self.database.session() as session:
            check = ContainerRepository(session).by_address(key).check
        assert check is not None
        return check


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    schema.upgrade(postgres_url)
    made = Database(postgres_url)
    yield made
    made.dispose()


@pytest.fixture(params=["basic_auth_registry", "auth_registry"])
def place(request: pytest.FixtureRequest, kubernetes_cluster: Lab, database: Database) -> Iterator[Place]:
    with kubernetes_cluster.namespace() as namespace:
        made = Place(kubernetes_cluster, request.getfixturevalue(request.param), database, namespace)
        made.push("1.0.0")
        yield made


def test_a_newer_private_image_is_found_with_the_workloads_own_pull_secret(place: Place) -> None:
    place.keep_login()
    place.deploy(imagePullSecrets=[{"name": "pull"}])
    place.push("1.1.0")
    check = place.check()
    assert check.result is CheckResult.CANDIDATES, check.reason


class Asked:
    """A scanner that keeps with what it was to ask the registry."""

    def __init__(self) -> None:
        self.sources: list[ImageSource] = []

    async def scan(
        self, target: Reference | str, platform: Platform, source: ImageSource, *, sboms: bool = False
    ) -> Scan:
        self.sources.append(source)
        return Scan(str(target).rpartition("@")[2], str(platform), ScanStatus.SUCCEEDED, scanned_at=utc_now())


def test_what_runs_and_what_is_offered_is_scanned_with_that_login(place: Place) -> None:
    place.keep_login()
    place.deploy(imagePullSecrets=[{"name": "pull"}])
    place.push("1.1.0")
    place.check()
    asked, opens = Asked(), opener(place.database, place.connect)
    jobs = plan_scans(place.database, older_than=UNSCANNED)
    for job in jobs:
        scan_image(place.database, job, asked, Keychain({}, None), opens)
    user, password = place.registry.credentials or ("", "")
    assert len(jobs) == 2, "what runs, and what is offered"
    assert asked.sources == [RegistrySource(user, password)] * 2


def test_a_pull_secret_of_the_service_account_counts_too(place: Place) -> None:
    place.keep_login("kubernetes.io/dockercfg")
    place.lab.patch(
        "v1", "ServiceAccount", "default", {"imagePullSecrets": [{"name": "pull"}]}, namespace=place.namespace
    )
    wait_until(lambda: gives_pull_secret(place), what="no pod was given the account's pull secret")
    place.deploy()
    assert place.check().result is CheckResult.UP_TO_DATE


def gives_pull_secret(place: Place) -> bool:
    """To a pod that is not made: what gives it to pods learns of the account's change a little later."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "tried"},
        "spec": pod_spec(place.registry.reference("tried:1")),
    }
    path = place.lab.path("v1", "Pod", "", place.namespace).rstrip("/")
    made = place.lab.request("POST", path, params={"dryRun": "All"}, json=pod)
    return bool(made["spec"].get("imagePullSecrets"))


def test_secrets_that_may_not_be_read_are_said_and_the_rest_is_read(place: Place) -> None:
    place.keep_login()
    place.deploy(imagePullSecrets=[{"name": "pull"}])
    place.secret = replace(place.secret, token=grant(place.lab, place.namespace, RIGHTS))
    check = place.check()
    assert check.result is CheckResult.UNKNOWN
    assert "a Role in the namespace" in check.reason
    assert '"secrets"' in check.reason
