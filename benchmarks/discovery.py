"""Reading 200 containers, against its floor: the same list and inspect calls made bare, one after the other.

`python -m benchmarks.discovery` makes the containers on a private engine. Both sides are measured in turns, over
connections that are kept alive, and judged by the median of the rounds.
"""

import json
import socket
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection

from tests.lab.docker import DockerEngine
from tests.lab.images import build_image, load_image
from tests.lab.replacing import open_runtime
from tests.lab.room import take_room

CONTAINERS = 200
RUNNING = 10
ROUNDS = 15
LIMIT = 1.3
IMAGE = "lab/discovery:1"


class BareClient(HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=30)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(self._path)

    def get(self, path: str) -> list[dict[str, str]]:
        self.request("GET", f"/v1.41{path}")
        found: list[dict[str, str]] = json.loads(self.getresponse().read())
        return found


def populate(engine: DockerEngine) -> None:
    load_image(engine, IMAGE, build_image())
    api = engine.client.api
    for number in range(CONTAINERS):
        labels = {"com.docker.compose.project": "bench", "com.docker.compose.service": f"s{number}"}
        made = api.create_container(
            IMAGE, name=f"bench-{number}", labels=labels, environment={"N": str(number)}
        )
        if number < RUNNING:
            api.start(made)


def read_bare(engine: DockerEngine) -> None:
    client = BareClient(engine.url.removeprefix("unix://"))
    for each in client.get("/containers/json?all=1"):
        client.get(f"/containers/{each['Id']}/json")
    client.close()


def read_bare_side_by_side(engine: DockerEngine, workers: int = 4) -> None:
    client = BareClient(engine.url.removeprefix("unix://"))
    ids = [each["Id"] for each in client.get("/containers/json?all=1")]
    client.close()

    def read(share: list[str]) -> None:
        own = BareClient(engine.url.removeprefix("unix://"))
        for each in share:
            own.get(f"/containers/{each}/json")
        own.close()

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(read, [ids[number::workers] for number in range(workers)]))


def seconds(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def main() -> int:
    with take_room() as room:
        engine = DockerEngine(room)
        try:
            populate(engine)
            with open_runtime(engine) as runtime:
                assert len(runtime.containers()) == CONTAINERS
                sides: dict[str, Callable[[], object]] = {
                    "bare": lambda: read_bare(engine),
                    "bare, side by side": lambda: read_bare_side_by_side(engine),
                    "discovery": runtime.containers,
                }
                times: dict[str, list[float]] = {side: [] for side in sides}
                for _ in range(ROUNDS):
                    for side, act in sides.items():
                        times[side].append(seconds(act))
        finally:
            engine.close()
    medians = {side: statistics.median(each) for side, each in times.items()}
    ratio = medians["discovery"] / medians["bare"]
    for side, median in medians.items():
        print(f"{side}: {median * 1000:.0f} ms for {CONTAINERS} containers")
    print(f"discovery is {ratio:.2f} times the bare calls (at most {LIMIT})")
    return 0 if ratio <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
