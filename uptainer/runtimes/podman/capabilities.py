"""What Podman can do with its workloads; what it can't has its reason."""

from uptainer.runtimes.capabilities import Capability, Table

_NO_CGROUP = "a user's Podman has no cgroup for a container where the machine has cgroups of version 1"
WITHOUT_CGROUPS = {Capability.PAUSE: _NO_CGROUP, Capability.UNPAUSE: _NO_CGROUP}
"""Refused besides, on such a host."""

TABLE: Table = {
    "container": {},
    "pod": {
        Capability.COPY: "its containers have one name and one network together: make another pod, and restore each into it",
        Capability.KEEP_OLD: "a pod starts all of its containers, and would start the old one beside the new one",
    },
}
