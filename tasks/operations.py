"""One operation on one workload. It is not retried: a command that did run must not run twice."""

from tasks.resources import database, engines
from tasks.retries import retryable
from uptainer.fleet.operating import Order, operate
from uptainer.store.repositories.audit import Actor


@retryable(
    name="operate",
    run_name="{order.operation} {address}",
    description="Does one thing to one workload, and writes down who asked for it.",
    retries=0,
)
def operate_workload(address: str, order: Order, by: str) -> str:
    return operate(database(), address, order, engines(), actor=Actor(by))
