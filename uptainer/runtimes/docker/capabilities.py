"""What Docker, and Swarm on it, can't do with a workload of each kind, and why."""

from uptainer.runtimes.capabilities import Capability, Table

_NO_PAUSE = "Swarm has no such operation for a service"
_KEEPS_SPEC = "Swarm keeps what it was before in the service itself, and no old one beside it"
_EVERY_NODE = "a global service has a task on every node, and no number that could be none"
_ONCE = "a job runs to its end once: create it again to run it, or to give it another image"
_ELSEWHERE = "it belongs to a Swarm service: operate that, on a manager of the swarm"
_ON_EVERY_NODE = "a global service has a volume on every node, and only those of this node can be reached"

_ONE_NAME = "what is published and placed for a service is the swarm's: deploy another one with its data"

_SERVICE = {
    Capability.COPY: _ONE_NAME,
    Capability.PAUSE: _NO_PAUSE,
    Capability.UNPAUSE: _NO_PAUSE,
    Capability.KEEP_OLD: _KEEPS_SPEC,
}

TABLE: Table = {
    "container": {},
    "service": _SERVICE,
    "global_service": {
        **_SERVICE,
        Capability.START: _EVERY_NODE,
        Capability.STOP: _EVERY_NODE,
        Capability.BACK_UP_VOLUMES: _ON_EVERY_NODE,
        Capability.RESTORE_VOLUMES: _ON_EVERY_NODE,
        Capability.RECREATE: "a global service starts as soon as it is created",
    },
    "service_job": {
        **_SERVICE,
        Capability.UPDATE: _ONCE,
        Capability.ROLL_BACK: _ONCE,
        Capability.START: _ONCE,
        Capability.STOP: _ONCE,
        Capability.RESTART: _ONCE,
        Capability.BACK_UP_VOLUMES: _ONCE,
        Capability.RESTORE_VOLUMES: _ONCE,
        Capability.RECREATE: "a job runs as soon as it is created",
    },
    "service_task": {
        each: _ELSEWHERE
        for each in Capability
        if each
        not in (Capability.INSPECT, Capability.LOGS, Capability.EXEC, Capability.BACK_UP_CONFIGURATION)
    },
}
