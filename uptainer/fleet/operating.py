"""One operation on one workload, on request; who did what is written down."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from uptainer.core.errors import InvalidInputError, RefusedError, UptainerError
from uptainer.fleet.updating import Opens, recorder
from uptainer.runtimes.capabilities import Capability
from uptainer.runtimes.port import Runtime
from uptainer.store.database import Database
from uptainer.store.repositories.audit import Actor, AuditRepository
from uptainer.store.repositories.containers import ContainerRepository
from uptainer.updates.locks import claim_workload


class Operation(StrEnum):
    START = "start"
    STOP = "stop"
    RESTART = "restart"
    PAUSE = "pause"
    UNPAUSE = "unpause"
    REMOVE = "remove"
    EXEC = "exec"
    INSPECT = "inspect"
    LOGS = "logs"


READING = frozenset({Operation.INSPECT, Operation.LOGS})
"""These change nothing, need no lock, and are not in the audit log."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be done. `command` is for EXEC; `tail` (lines) for LOGS; `force` removes one that runs."""

    operation: Operation
    command: tuple[str, ...] = ()
    tail: int = 200
    force: bool = False
    timeout: timedelta = timedelta(seconds=60)

    def check(self) -> None:
        """Raises InvalidInputError for a command without EXEC, and the other way round."""
        if self.operation is Operation.EXEC and not self.command:
            raise InvalidInputError('exec needs a command: give it as a list, like ["sh", "-c", "date"]')
        if self.command and self.operation is not Operation.EXEC:
            raise InvalidInputError(f"{self.operation} takes no command")


def operate(database: Database, address: str, order: Order, opens: Opens, *, actor: Actor) -> str:
    """Do it, and return what it said: text for EXEC, INSPECT and LOGS, a sentence for the others.

    Raises:
        BusyError: an update works on the workload.
        RefusedError: a command ended with another code than 0, or it still runs and is to be removed.
        UnsupportedError: this kind of workload has no such operation; the message says why.
        NotFoundError, UnreachableError, PermanentError: the engine's.
    """
    order.check()
    with database.session() as session:
        view = ContainerRepository(session).by_address(address)
    host, key, kind = view.host.name, view.container.key, view.container.workload_kind
    if order.operation in READING:
        with opens(host) as runtime:
            runtime.capabilities(kind).require(Capability(order.operation), key)
            return _READ[order.operation](runtime, key, order)
    with claim_workload(database, host, key), recorder(database, opens)(host) as runtime:
        runtime.capabilities(kind).require(Capability(order.operation), key)
        details = {"command": list(order.command)} if order.command else {}
        _note(database, actor, f"workload.{order.operation}", view.address, details)
        try:
            said = _DO[order.operation](runtime, key, order)
        except UptainerError as error:
            failure = {**details, "error": str(error)}
            _note(database, actor, f"workload.{order.operation}.failed", view.address, failure)
            raise
    return said or f"{host}/{key}: {order.operation} done"


def _note(database: Database, actor: Actor, action: str, address: str, details: Mapping[str, object]) -> None:
    """Before it is done, so that nothing is done that is not on record; and again where it did not work."""
    with database.session() as session:
        AuditRepository(session).append(actor, action, f"workload/{address}", details)


def _inspect(runtime: Runtime, key: str, _order: Order) -> str:
    return json.dumps(runtime.inspect(key), indent=2, sort_keys=True)


def _logs(runtime: Runtime, key: str, order: Order) -> str:
    return runtime.logs(key, tail=order.tail)


def _exec(runtime: Runtime, key: str, order: Order) -> str:
    result = runtime.execute(key, order.command, order.timeout)
    if result.exit_code != 0:
        raise RefusedError(f"the command ended with {result.exit_code}: {result.output.strip()[-2000:]}")
    return result.output


def _remove(runtime: Runtime, key: str, order: Order) -> None:
    runtime.remove(key, force=order.force)


_READ: Mapping[Operation, Callable[[Runtime, str, Order], str]] = {
    Operation.INSPECT: _inspect,
    Operation.LOGS: _logs,
}
_DO: Mapping[Operation, Callable[[Runtime, str, Order], str | None]] = {
    Operation.START: lambda runtime, key, _: runtime.start(key),
    Operation.STOP: lambda runtime, key, _: runtime.stop(key),
    Operation.RESTART: lambda runtime, key, _: runtime.restart(key),
    Operation.PAUSE: lambda runtime, key, _: runtime.pause(key),
    Operation.UNPAUSE: lambda runtime, key, _: runtime.unpause(key),
    Operation.REMOVE: _remove,
    Operation.EXEC: _exec,
}
