"""What a person asks of one service. A service is stopped by scaling it to no tasks, and remembers how many it had."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from uptainer.core.errors import BusyError, RefusedError, UnsupportedError
from uptainer.runtimes.capabilities import Capability, capabilities_of
from uptainer.runtimes.docker import service_facts, service_rollout, service_scale, services
from uptainer.runtimes.docker.capabilities import TABLE
from uptainer.runtimes.engine import operations, output
from uptainer.runtimes.engine.client import Engine
from uptainer.runtimes.port import ExecResult

Json = Mapping[str, Any]


def start(engine: Engine, key: str) -> None:
    """As many tasks as before it was stopped; returns when they run.

    Raises:
        RefusedError: somebody scaled it to none, and did not say how many there should be.
        PermanentError: its tasks fail.
    """
    service = _allowed(engine, key, Capability.START)
    if service_facts.replicas(service["Spec"]) == 0:
        _change(
            engine, service, service_scale.started(service["Spec"], service_scale.replicas_before(service))
        )
        service_rollout.await_rollout(engine, key, services.image_of(service["Spec"]))


def stop(engine: Engine, key: str, _timeout: timedelta | None = None) -> None:
    """Returns when no task runs any more. How long a task gets to end is in the service's own spec,
    and no other time is taken.
    """
    service = _allowed(engine, key, Capability.STOP)
    if service_facts.replicas(service["Spec"]) != 0:
        tasks = services.read_tasks(engine, service["ID"])
        _change(engine, service, service_scale.stopped(service["Spec"], tasks))
    service_rollout.await_stopped(engine, key)


def restart(engine: Engine, key: str, _timeout: timedelta | None = None) -> None:
    """Every task made anew, in the order and at the pace of the service's updates."""
    service = _allowed(engine, key, Capability.RESTART)
    template = service["Spec"]["TaskTemplate"]
    forced = {**template, "ForceUpdate": int(template.get("ForceUpdate") or 0) + 1}
    _change(engine, service, {**service["Spec"], "TaskTemplate": forced})
    service_rollout.await_rollout(engine, key, services.image_of(service["Spec"]))


def pause(engine: Engine, key: str) -> None:
    _allowed(engine, key, Capability.PAUSE)


def unpause(engine: Engine, key: str) -> None:
    _allowed(engine, key, Capability.UNPAUSE)


def remove(engine: Engine, key: str, *, force: bool = False) -> None:
    """Its volumes stay, on the nodes where they are. Raises RefusedError while it runs, unless forced."""
    service = _allowed(engine, key, Capability.REMOVE)
    tasks = services.read_tasks(engine, service["ID"])
    if not force and any(service_rollout.is_alive(each) for each in tasks):
        raise RefusedError(f"{key} runs: stop it before it is removed, or force it")
    engine.delete(f"/services/{service['ID']}", about=key)


def execute(engine: Engine, key: str, command: Sequence[str], timeout: timedelta) -> ExecResult:
    """In one of its tasks on this node.

    Raises:
        UnsupportedError: none of them runs here; the message says where they do.
    """
    service = _allowed(engine, key, Capability.EXEC)
    here = services.containers_here(engine, service["ID"])
    running = [each for each in here if each["State"].get("Running")]
    if not running:
        raise UnsupportedError(
            f"no task of {key} runs on this node ({engine.address.name}), and a command can be run in one here only. "
            f"They run on: {_places(engine, service)}"
        )
    return operations.execute(engine, running[0]["Id"], command, timeout)


def logs(engine: Engine, key: str, *, tail: int, since: datetime | None = None) -> str:
    """The last `tail` lines of each task, wherever it runs, at most the last mebibyte of them."""
    service = _allowed(engine, key, Capability.LOGS)
    terminal = bool(service["Spec"]["TaskTemplate"]["ContainerSpec"].get("TTY"))
    query = {"stdout": "1", "stderr": "1", "tail": str(tail)}
    if since is not None:
        query["since"] = f"{since.timestamp():.6f}"
    with engine.open("GET", f"/services/{service['ID']}/logs", about=key, query=query) as answer:
        return output.last(output.pieces(answer, terminal=terminal))


def inspect(engine: Engine, key: str) -> Json:
    """The service, and its tasks with it."""
    service = services.find(engine, key)
    return {**service, "Tasks": services.read_tasks(engine, service["ID"])}


def _allowed(engine: Engine, key: str, capability: Capability) -> Json:
    service = services.find(engine, key)
    capabilities_of(TABLE, service_facts.kind(service["Spec"])).require(capability, key)
    return service


def _change(engine: Engine, service: Json, spec: Json) -> None:
    if not services.change(engine, service, spec):
        raise BusyError(f"{services.key_of(service)} was changed by somebody else at this moment")


def _places(engine: Engine, service: Json) -> str:
    names = services.node_names(engine)
    tasks = service_facts.running(services.read_tasks(engine, service["ID"]))
    nodes = sorted({names.get(node, node) for node in (str(each["NodeID"]) for each in tasks)})
    return ", ".join(nodes) or "no node"
