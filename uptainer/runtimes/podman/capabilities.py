"""What Podman can do with its workloads; what it can't has its reason."""

from uptainer.runtimes.capabilities import Capability, Table

TABLE: Table = {
    "container": {},
    "pod": {
        Capability.KEEP_OLD: "a pod starts all of its containers, and would start the old one beside the new one",
    },
}
