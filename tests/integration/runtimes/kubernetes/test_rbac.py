"""The manifests of `deployments/kubernetes`, as the accounts that they make find them: enough, and nothing too much."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import timedelta

import pytest

from tests.integration.runtimes.kubernetes.granting import Grants, Right, rights_in
from tests.integration.runtimes.kubernetes.house import (
    OPERATOR,
    PRIVATE,
    READER,
    UPDATER,
    WORKLOADS,
    House,
    furnished,
)
from tests.integration.runtimes.kubernetes.replacing_ground import Ground
from tests.lab.kubernetes import Cluster
from tests.lab.registry import Registry
from tests.lab.room import wait_until
from uptainer.core.errors import AccessDeniedError, SupersededError
from uptainer.runtimes.port import HoldsLogins, Runtime

Probe = Callable[[House, Runtime], object]
SNAPSHOTS = "snapshot.storage.k8s.io"


def sees_nodes(_: House, runtime: Runtime) -> None:
    """That they may not be seen is no failure: their platform is not known then."""
    if not runtime.engine().cpus:
        raise AccessDeniedError("no node is seen")


def knows_cluster(house: House, runtime: Runtime) -> None:
    """Without a UID, its address stands for it."""
    uid = house.ground.cluster.get("v1", "Namespace", "kube-system")["metadata"]["uid"]
    if runtime.engine().id != uid:
        raise AccessDeniedError("the cluster is not known by its UID")


def lists(_: House, runtime: Runtime) -> None:
    runtime.containers()


def state_of(name: str) -> Probe:
    return lambda house, runtime: runtime.state(house.key(name))


def plans(name: str, *, snapshot: bool = False) -> Probe:
    return lambda house, runtime: runtime.plan_replacement(house.request(name, snapshot=snapshot))


def pulls(house: House, runtime: Runtime) -> None:
    try:
        house.step(runtime, "pull", "store")
    finally:
        house.take_back("pull", "store")


def watches(name: str) -> Probe:
    return lambda house, runtime: house.step(runtime, "rollout", name)


def reads_log(house: House, runtime: Runtime) -> None:
    runtime.logs(house.key("web"), tail=1)


def executes(house: House, runtime: Runtime) -> None:
    assert runtime.execute(house.key("web"), ["true"], timedelta(seconds=10)).exit_code == 0


def removes(name: str) -> Probe:
    return lambda house, runtime: runtime.remove(house.key(name), force=True)


def creates(name: str) -> Probe:
    def create(house: House, runtime: Runtime) -> None:
        kind = WORKLOADS[name][0]
        saved = runtime.configuration(house.key(name))
        runtime.create_from(saved, name=house.ground.key(kind, f"{name}-again").rpartition("/")[0])

    return create


READING: Mapping[Right, Probe] = {
    ("apps", "deployments", "get"): state_of("web"),
    ("apps", "deployments", "list"): lists,
    ("apps", "statefulsets", "get"): state_of("store"),
    ("apps", "statefulsets", "list"): lists,
    ("apps", "daemonsets", "get"): state_of("agent"),
    ("apps", "daemonsets", "list"): lists,
    ("batch", "cronjobs", "get"): state_of("job"),
    ("batch", "cronjobs", "list"): lists,
    ("batch", "jobs", "list"): lists,
    ("", "pods", "list"): lists,
    ("", "nodes", "list"): sees_nodes,
    ("", "namespaces", "get"): knows_cluster,
}
ONLY_SAVES_TIME = {("", "namespaces", "list")}
"""Without it a pattern is matched against what was listed in all namespaces."""

UPDATING: Mapping[Right, Probe] = {
    ("apps", "deployments", "patch"): plans("web"),
    ("apps", "statefulsets", "patch"): plans("store"),
    ("apps", "daemonsets", "patch"): plans("agent"),
    ("batch", "cronjobs", "patch"): plans("job"),
    ("", "resourcequotas", "list"): plans("web"),
    ("policy", "poddisruptionbudgets", "list"): plans("web"),
    ("autoscaling", "horizontalpodautoscalers", "list"): plans("web"),
    ("", "pods", "get"): pulls,
    ("", "pods", "create"): plans("store"),
    ("", "pods", "delete"): pulls,
    ("apps", "replicasets", "list"): watches("web"),
    ("apps", "controllerrevisions", "list"): watches("agent"),
    ("", "events", "list"): watches("stuck"),
    ("", "pods/log", "get"): reads_log,
    ("", "persistentvolumeclaims", "get"): plans("job", snapshot=True),
}
ON_REQUEST: Mapping[Right, Probe] = {
    ("", "pods/exec", "get"): executes,
    ("apps", "deployments", "delete"): removes("web"),
    ("apps", "statefulsets", "delete"): removes("store"),
    ("apps", "daemonsets", "delete"): removes("agent"),
    ("batch", "cronjobs", "delete"): removes("job"),
    ("apps", "deployments", "create"): creates("web"),
    ("apps", "statefulsets", "create"): creates("store"),
    ("batch", "cronjobs", "create"): creates("job"),
}
OF_NEWER_CLUSTERS = {("", "pods/exec", "create")}


@pytest.fixture(scope="module")
def house(kubernetes_cluster: Cluster, registry: Registry) -> Iterator[House]:
    with furnished(kubernetes_cluster, registry) as furnished_house:
        yield furnished_house


def test_every_right_that_is_granted_is_tried_here() -> None:
    assert {*rights_in("reading")} == READING.keys() | ONLY_SAVES_TIME
    untried = {right for right in rights_in("updating") if right[0] == SNAPSHOTS}
    assert {*rights_in("updating")} == UPDATING.keys() | untried
    assert {*rights_in("operating")} == ON_REQUEST.keys() | OF_NEWER_CLUSTERS


def test_a_reader_sees_everything_and_changes_nothing(house: House) -> None:
    before = [house.ground.get(house.key(name))["spec"] for name in WORKLOADS]
    with house.opened_by(READER) as runtime:
        assert {each.workload for each in runtime.containers()} == {
            house.key(name).rpartition("/")[0] for name in WORKLOADS
        }
        for probe in dict.fromkeys(READING.values()):
            probe(house, runtime)
        for refused in (plans("web"), reads_log, executes, removes("web")):
            with pytest.raises(AccessDeniedError, match=r'lab does not let us \w+ .* needs \{"apiGroups"'):
                refused(house, runtime)
        with pytest.raises(AccessDeniedError, match="does not let us patch deployments"):
            runtime.restart(house.key("web"))
    assert before == [house.ground.get(house.key(name))["spec"] for name in WORKLOADS]


def test_an_updater_is_refused_nothing_that_an_update_needs(house: House) -> None:
    with house.opened_by(UPDATER) as runtime:
        for probe in dict.fromkeys((*READING.values(), *UPDATING.values())):
            with suppress(SupersededError):  # what is watched was never begun
                probe(house, runtime)


def test_an_account_is_told_what_its_manifests_do_not_grant(house: House) -> None:
    with house.opened_by(READER) as reader, house.opened_by(UPDATER) as updater:
        assert "read" not in reader.missing_rights()
        assert f"patch deployments.apps in {house.ground.namespace}" in reader.missing_rights()["update"]
        assert {*updater.missing_rights()} == {"use the workloads' own pull secrets"}


def test_an_updater_replaces_an_image_and_takes_it_back(house: House) -> None:
    key = house.key("web")
    with house.opened_by(UPDATER) as runtime:
        ground = Ground(house.ground.cluster, house.ground.registry, house.ground.namespace, runtime)
        plan = ground.replace(key, house.new)
        ground.await_digests(key, house.new)
        ground.undo(key, house.new, plan)
        ground.await_digests(key, house.old)


@pytest.mark.parametrize("right", READING, ids="-".join)
def test_without_any_right_to_read_something_is_not_known(house: House, right: Right) -> None:
    with (
        house.grants.without(READER, right, READER),
        house.opened_by(READER) as runtime,
        pytest.raises(AccessDeniedError),
    ):
        READING[right](house, runtime)


@pytest.mark.parametrize("right", UPDATING, ids="-".join)
def test_without_any_right_to_update_an_update_is_refused(house: House, right: Right) -> None:
    with (
        house.grants.without(UPDATER, right, UPDATER),
        house.opened_by(UPDATER) as runtime,
        pytest.raises(AccessDeniedError, match=f"does not let us {right[2]} {right[1]}"),
    ):
        UPDATING[right](house, runtime)


def test_a_trial_that_was_never_made_needs_no_right_to_be_taken_back(house: House) -> None:
    with (
        house.grants.without(UPDATER, ("", "pods", "delete"), UPDATER),
        house.opened_by(UPDATER) as runtime,
    ):
        runtime.revert("pull", house.request("store"), house.plans["store"].document, {})


@pytest.mark.parametrize("right", ON_REQUEST, ids="-".join)
def test_without_any_right_to_operate_a_request_is_refused(house: House, right: Right) -> None:
    with (
        house.grants.without(OPERATOR, right, UPDATER),
        house.opened_by(UPDATER) as runtime,
        pytest.raises(AccessDeniedError, match=f"does not let us {right[2]} {right[1]}"),
    ):
        ON_REQUEST[right](house, runtime)


def test_an_operator_runs_a_command_and_makes_a_workload_anew(house: House) -> None:
    with house.opened_by(UPDATER) as runtime:
        executes(house, runtime)
        creates("web")(house, runtime)
        runtime.remove(house.ground.key("Deployment", "web-again"))


def test_pull_secrets_are_read_where_that_was_granted_and_else_said_to_be_missing(house: House) -> None:
    key = house.key("web")
    with house.opened_by(READER) as runtime:
        assert isinstance(runtime, HoldsLogins)
        web = [each for each in runtime.containers() if each.key == key]
        unknown = runtime.registry_logins(web)[key]
        assert not unknown.auths
        assert any("login" in fault for fault in unknown.faults)
        house.grants.apply("pull-secrets")
        read_logins = runtime.registry_logins
        wait_until(lambda: not read_logins(web)[key].faults, what="it was not granted")
        assert {*read_logins(web)[key].auths} == {PRIVATE}


def test_the_rights_in_one_namespace_are_enough_there_and_none_elsewhere(
    house: House, kubernetes_cluster: Cluster, registry: Registry
) -> None:
    with kubernetes_cluster.namespace() as namespace:
        grants = Grants(kubernetes_cluster, namespace)
        grants.apply("namespaced/reading", "namespaced/updating")
        with grants.runtime(UPDATER) as runtime:
            ground = Ground(kubernetes_cluster, registry, namespace, runtime)
            old, new = ground.push(), ground.push()
            key = ground.deploy("Deployment", "web", old.reference)
            assert [each.key for each in runtime.containers()] == [key]
            assert runtime.engine().cpus == 0
            plan = ground.replace(key, new)
            ground.undo(key, new, plan)
            ground.await_digests(key, old)
        for elsewhere in (house.ground.namespace, "*"):
            with grants.runtime(UPDATER, elsewhere) as runtime, pytest.raises(AccessDeniedError):
                runtime.containers()
