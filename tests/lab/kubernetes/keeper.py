"""The process that keeps the cluster up as long as somebody uses it, and leaves nothing when the last one goes.

Each user holds a connection to its socket; the kernel ends that of a user who is killed. A user is told where the
cluster is, or why there is none, in one line of JSON; "bye" is answered by the end of the connection: at once where
others stay, else when everything is gone.
"""

import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab.kubernetes.control_plane import ControlPlane
from tests.lab.kubernetes.node import NODE, Node, furnish
from tests.lab.kubernetes.objects import Objects
from tests.lab.room import BASE, LabUnavailableError, take_room, wait_until

SOCKET = BASE / f"uptainer-lab-{os.getuid()}" / "kubernetes.sock"
FIRST_USER = 30.0
"""Seconds that it waits for the one who started it."""

START = 150.0
"""Seconds: a loaded machine takes many times what an idle one does."""

BYE = b"bye\n"


@dataclass(frozen=True, slots=True)
class Kept:
    """`greeting` is the line that its users get."""

    greeting: dict[str, Any]
    is_well: Callable[[], bool] = lambda: True


def start_keeper(log: Path) -> None:
    """In a mount namespace and a session of its own: it outlives whoever started it, as long as others use it."""
    root = Path(__file__).resolve().parents[3]
    keeper = ["unshare", "--mount", "--propagation", "private", sys.executable, "-m", __name__]
    with log.open("wb") as output:
        subprocess.run(
            ["setsid", "--fork", *keeper],
            cwd=root,
            env={"PATH": os.environ["PATH"], "HOME": str(Path.home()), "PYTHONPATH": str(root)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            check=True,
        )


def main() -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        SOCKET.unlink(missing_ok=True)
        listener.bind(str(SOCKET))
        SOCKET.chmod(0o600)
        listener.listen(64)
        with ExitStack() as leaving:
            try:
                kept = leaving.enter_context(cluster())
            except (LabUnavailableError, TimeoutError) as error:
                kept = Kept({"unavailable": str(error)})
            except Exception as error:  # noqa: BLE001 -- whatever it was, those who wait are told
                kept = Kept({"broken": repr(error)})
            last = serve(listener, kept, SOCKET)
        for user in last:
            user.close()


def serve(listener: socket.socket, kept: Kept, place: Path) -> list[socket.socket]:
    """Until nobody is left, or what is kept has broken, so that the next user gets a new one; returns those who still
    wait for the end.
    """
    users: set[socket.socket] = set()
    leaving: list[socket.socket] = []
    deadline = time.monotonic() + FIRST_USER
    while kept.is_well() and (users or (not leaving and time.monotonic() < deadline)):
        for ready in select.select([listener, *users], [], [], 1.0)[0]:
            if ready is listener:
                user, _ = listener.accept()
                users.add(user)
                with suppress(OSError):
                    user.sendall(json.dumps(kept.greeting).encode() + b"\n")
                continue
            users.remove(ready)
            said = _read(ready)
            if said == BYE and not users:
                leaving.append(ready)
            else:
                ready.close()
            deadline = 0.0
    place.unlink(missing_ok=True)
    listener.close()
    return leaving


@contextmanager
def cluster() -> Iterator[Kept]:
    """Its users are told where they find it."""
    with take_room() as room:
        furnish(room)
        with ExitStack() as leaving:
            plane = ControlPlane(room)
            leaving.callback(plane.close)
            node = Node(room, plane.credentials.kubeconfig)
            leaving.callback(node.close)
            with Objects(plane.url, plane.credentials.authority, plane.credentials.token) as objects:
                _wait_for_node(plane, node, objects)
            where = {
                "url": plane.url,
                "credentials": str(plane.credentials.folder),
                "engine": node.engine.url,
            }
            yield Kept(where, lambda: plane.runs() and node.runs())


def _wait_for_node(plane: ControlPlane, node: Node, objects: Objects) -> None:
    """Until a pod would be started: the controllers run, the node is ready, and the scheduler may use it."""
    wait_until(plane.is_ready, what="the API server was not ready", timeout=START, pause=0.1)
    plane.start_controllers()

    def is_ready() -> bool:
        plane.check()
        node.check()
        found = objects.find("v1", "Node", NODE)
        if found is None or found["spec"].get("taints"):
            return False
        conditions = {each["type"]: each["status"] for each in found["status"].get("conditions", ())}
        return conditions.get("Ready") == "True"

    wait_until(is_ready, what="the node was not ready", timeout=START, pause=0.1)


def _read(user: socket.socket) -> bytes:
    try:
        return user.recv(len(BYE))
    except OSError:
        return b""


if __name__ == "__main__":
    main()
