"""Every stand there is, by name. What it needs is asked for when its turn comes, so that one engine fails for itself."""

from collections.abc import Callable, Mapping

import pytest

from tests.lab.stands.docker import DockerStand
from tests.lab.stands.kubernetes import KubernetesStand
from tests.lab.stands.podman import PodmanStand
from tests.lab.stands.stand import Stand
from tests.lab.stands.swarm import SwarmStand

Build = Callable[[pytest.FixtureRequest], Stand]


def _docker(request: pytest.FixtureRequest) -> Stand:
    return DockerStand(request.getfixturevalue("docker_engine"), request.getfixturevalue("registry"))


def _podman(request: pytest.FixtureRequest) -> Stand:
    return PodmanStand(request.getfixturevalue("podman_engine"), request.getfixturevalue("registry"))


def _rootless_podman(request: pytest.FixtureRequest) -> Stand:
    return PodmanStand(request.getfixturevalue("rootless_podman_engine"), request.getfixturevalue("registry"))


def _kubernetes(kind: str) -> Build:
    def build(request: pytest.FixtureRequest) -> Stand:
        cluster, registry, room = map(request.getfixturevalue, ("kubernetes_cluster", "registry", "room"))
        return KubernetesStand(cluster, registry, room, kind)

    return build


def _swarm(request: pytest.FixtureRequest) -> Stand:
    return SwarmStand(request.getfixturevalue("swarm_engine"), request.getfixturevalue("registry"))


STANDS: Mapping[str, Build] = {
    "docker": _docker,
    "swarm": _swarm,
    "podman": _podman,
    "podman-rootless": _rootless_podman,
    "kubernetes-deployment": _kubernetes("Deployment"),
    "kubernetes-statefulset": _kubernetes("StatefulSet"),
    "kubernetes-daemonset": _kubernetes("DaemonSet"),
}

ONE_OF_EACH = ("docker", "swarm", "podman", "kubernetes-deployment")
"""For what takes long, and does not depend on the kind of workload: how steps are journalled, undone and recovered."""
