"""Where the policy asks for data to be kept, a snapshot is ready before anything is touched, or nothing is touched."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.integration.runtimes.kubernetes.replacing_ground import Ground
from tests.integration.runtimes.kubernetes.snapshot_driver import DRIVER, SnapshotDriver, snapshotting
from tests.lab.room import Room
from uptainer.core.enums import ConnectionType
from uptainer.core.errors import PermanentError, RefusedError
from uptainer.core.secrets import ClusterSecret
from uptainer.runtimes.kubernetes.runtime import KubernetesRuntime

CLAIM = "data-of-web"
BROKEN = {"readyToUse": False, "error": {"message": "the pool is full"}}


@pytest.fixture
def driver() -> SnapshotDriver:
    return SnapshotDriver()


@pytest.fixture
def snapshotted(ground: Ground, driver: SnapshotDriver) -> Iterator[Ground]:
    """The ground, by way of an API server that has the driver's snapshots."""
    with snapshotting(ground.cluster, driver) as url:
        address = replace(ground.runtime.address, connection=ConnectionType.TOKEN, url=url)
        with KubernetesRuntime(address, ClusterSecret(token=ground.cluster.token)) as runtime:
            yield replace(ground, runtime=runtime)


def test_without_snapshots_an_update_that_needs_them_is_refused(snapshotted: Ground, room: Room) -> None:
    ground = snapshotted
    with claimed(ground, room.directory("claimed")) as pod:
        key = ground.deploy("Deployment", "web", ground.push().reference, pod=pod, replicas=0)
        new = ground.push()
        with pytest.raises(RefusedError, match=r"asks for the data to be kept.*takes no snapshots"):
            ground.plan(key, new, snapshot=True)
        assert "snapshot" not in [step.name for step in ground.plan(key, new).steps]


def test_a_workload_without_claims_needs_no_snapshot(snapshotted: Ground) -> None:
    key = snapshotted.deploy("Deployment", "web", snapshotted.push().reference)
    steps = [step.name for step in snapshotted.plan(key, snapshotted.push(), snapshot=True).steps]
    assert "snapshot" not in steps


def test_data_is_kept_before_it_is_touched_and_old_snapshots_go(
    snapshotted: Ground, driver: SnapshotDriver, room: Room, subtests: pytest.Subtests
) -> None:
    ground, driver.served = snapshotted, True
    new = ground.push()
    with claimed(ground, room.directory("claimed")) as pod:
        key = ground.deploy("Deployment", "web", ground.push().reference, pod=pod, replicas=0)
        with (
            subtests.test("no class is the driver's"),
            pytest.raises(RefusedError, match="there is no VolumeSnap"),
        ):
            ground.plan(key, new, snapshot=True)
        driver.add_class("slow")
        driver.add_class("fast")
        with (
            subtests.test("none of two is the default"),
            pytest.raises(RefusedError, match="mark one of them"),
        ):
            ground.plan(key, new, snapshot=True)
        driver.add_class("fast", default=True)
        with subtests.test("the driver fails"):
            driver.status = BROKEN
            before = ground.get(key)["spec"]
            with pytest.raises(
                PermanentError, match="no snapshot of data-of-web could be taken: the pool is full"
            ):
                ground.replace(key, new, snapshot=True)
            assert ground.get(key)["spec"] == before
            request, plan = ground.request(key, new, snapshot=True), ground.plan(key, new, snapshot=True)
            with pytest.raises(PermanentError):
                ground.runtime.perform("snapshot", request, plan.document, {})
            kept = set(driver.snapshots)
            ground.runtime.revert("snapshot", request, plan.document, {})
            assert len(set(driver.snapshots)) == len(kept) - 1, "what never got ready is of no use"
        with subtests.test("the newest ones stay"):
            driver.status = {"readyToUse": True}
            driver.snapshots.clear()
            ground.replace(key, new, snapshot=True, snapshots_kept=1)
            (first,) = driver.snapshots.values()
            ground.replace(key, ground.push(), snapshot=True, snapshots_kept=1)
            (second,) = driver.snapshots.values()
            assert first["metadata"]["name"] != second["metadata"]["name"]
            assert second["spec"] == {
                "volumeSnapshotClassName": "fast",
                "source": {"persistentVolumeClaimName": CLAIM},
            }


@contextmanager
def claimed(ground: Ground, folder: Path) -> Iterator[dict[str, Any]]:
    """A claim that looks as if a driver had made its volume; yields what a pod needs to use it."""
    volume = f"{ground.namespace}-volume"
    shared = {"accessModes": ["ReadWriteOnce"], "storageClassName": "none"}
    size = {"storage": "1Mi"}
    ground.cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": volume},
            "spec": {**shared, "capacity": size, "hostPath": {"path": str(folder)}},
        }
    )
    provisioner = {"volume.beta.kubernetes.io/storage-provisioner": DRIVER}
    ground.cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": CLAIM, "annotations": provisioner},
            "spec": {**shared, "volumeName": volume, "resources": {"requests": size}},
        },
        namespace=ground.namespace,
    )
    try:
        yield {"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": CLAIM}}]}
    finally:
        ground.cluster.delete("v1", "PersistentVolume", volume)
