"""The downtime of a swap as a client sees it, against its floor: `stop` and `start` of the same container.

`python -m benchmarks.swap` runs a small web server behind a published port on a private engine and polls it every two
milliseconds. Its downtime is the longest time without an answer. Both sides are measured in turns, and judged by the
median of the rounds.
"""

import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException

from tests.lab.docker import DockerEngine
from tests.lab.images import make_image
from tests.lab.registry import Registry
from tests.lab.replacing import open_runtime, request_for
from tests.lab.room import free_port, take_room, wait_until
from uptainer.runtimes.port import Json, Phase, Runtime

ROUNDS = 12
LIMIT = 1.2
SERVE = ("/bin/sh", "-c", "echo ok > /tmp/index.html; httpd -f -p 80 -h /tmp & trap 'exit 0' TERM; wait")


class Poller:
    """Asks for the page all the time, and notes when it got it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._stopped = threading.Event()
        self._answers: list[float] = []
        self._thread = threading.Thread(target=self._poll)

    def answers_now(self) -> bool:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=0.05)
        try:
            connection.request("GET", "/")
            return connection.getresponse().read() == b"ok\n"
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def _poll(self) -> None:
        while not self._stopped.wait(0.002):
            if self.answers_now():
                self._answers.append(time.perf_counter())

    @contextmanager
    def watching(self) -> Iterator["Poller"]:
        self._thread.start()
        try:
            wait_until(lambda: bool(self._answers), what="the server did not answer")
            yield self
            seen = len(self._answers)
            wait_until(lambda: len(self._answers) > seen + 3, what="the server did not come back")
        finally:
            self._stopped.set()
            self._thread.join()

    @property
    def longest_gap(self) -> float:
        return max(later - earlier for earlier, later in zip(self._answers, self._answers[1:], strict=False))


def downtime(port: int, act: Callable[[], None]) -> float:
    poller = Poller(port)
    with poller.watching():
        act()
    return poller.longest_gap


def restart(runtime: Runtime) -> None:
    runtime.stop("web")
    runtime.start("web")


def swap(runtime: Runtime, reference: str, digest: str) -> Callable[[], None]:
    """Everything up to the stop is done before the measuring begins, and the rest after it ends, as in an update."""
    request = request_for("web", reference, digest)
    plan = runtime.plan_replacement(request)
    results: dict[str, Json] = {}
    for step in plan.steps:
        if step.phase is Phase.PREPARE:
            results[step.name] = runtime.perform(step.name, request, plan.document, results)

    def act() -> None:
        for step in plan.steps:
            if step.phase is not Phase.PREPARE:
                results[step.name] = runtime.perform(step.name, request, plan.document, results)

    return act


def measure(engine: DockerEngine, registry: Registry) -> tuple[list[float], list[float]]:
    references = [registry.reference(f"bench/web:{number}") for number in (1, 2)]
    images = [
        (reference, make_image(engine, reference, cmd=SERVE, labels={"build": reference}))
        for reference in references
    ]
    port = free_port()
    engine.client.containers.run(
        references[0], name="web", detach=True, ports={"80/tcp": ("127.0.0.1", port)}
    )
    restarts, swaps = [], []
    with open_runtime(engine) as runtime:
        wait_until(Poller(port).answers_now, what="the server did not answer")
        for number in range(ROUNDS):
            restarts.append(downtime(port, lambda: restart(runtime)))
            swaps.append(downtime(port, swap(runtime, *images[(number + 1) % 2])))
    return restarts, swaps


def main() -> int:
    with take_room() as room:
        engine, registry = DockerEngine(room), Registry(room)
        try:
            restarts, swaps = measure(engine, registry)
        finally:
            registry.close()
            engine.close()
    floor, ours = statistics.median(restarts), statistics.median(swaps)
    print(f"stop and start: {floor * 1000:.0f} ms without an answer (median of {ROUNDS})")
    print(f"swap: {ours * 1000:.0f} ms without an answer")
    print(f"a swap is {ours / floor:.2f} times stop and start (at most {LIMIT})")
    return 0 if ours / floor <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
