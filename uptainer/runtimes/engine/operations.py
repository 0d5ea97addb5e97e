"""What a person asks of one container, on Docker and on Podman alike: start, stop, pause, run a command, read its output."""

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from uptainer.core.errors import RefusedError, TemporaryError, UnreachableError
from uptainer.runtimes.engine import output
from uptainer.runtimes.engine.client import Engine
from uptainer.runtimes.engine.namespaces import refuse_cutting_off
from uptainer.runtimes.engine.own_container import refuse_this_process
from uptainer.runtimes.port import ExecResult

Json = Mapping[str, Any]

DEFAULT_STOP_TIMEOUT = 10.0


def inspect(engine: Engine, container: str) -> Json:
    inspected: Json = engine.get(f"/containers/{container}/json", about=container)
    return inspected


def start(engine: Engine, container: str) -> None:
    engine.post(f"/containers/{container}/start", about=container, wait=60)


def stop(engine: Engine, container: str, timeout: timedelta | None = None) -> None:
    """With its own signal; killed when `timeout` is over, or the container's own, or the engine's ten seconds."""
    seconds = timeout.total_seconds() if timeout is not None else stop_timeout(engine, container)
    engine.post(f"/containers/{container}/stop", about=container, wait=seconds + 30, query=_grace(timeout))


def check_stop(engine: Engine, container: str, others: Iterable[Json]) -> None:
    """Raises: RefusedError, where a stop removes it, ends this very process, or cuts off one of the others that run."""
    inspected = inspect(engine, container)
    if inspected["HostConfig"].get("AutoRemove"):
        raise RefusedError(f"{container} was started with --rm, so that stopping it removes it")
    refuse_this_process(container, inspected["Id"])
    refuse_cutting_off(inspected, others)


def check_pause(engine: Engine, container: str) -> None:
    """Raises: RefusedError, where that halts this very process."""
    refuse_this_process(container, inspect(engine, container)["Id"])


def restart(engine: Engine, container: str, timeout: timedelta | None = None) -> None:
    seconds = timeout.total_seconds() if timeout is not None else stop_timeout(engine, container)
    engine.post(f"/containers/{container}/restart", about=container, wait=seconds + 60, query=_grace(timeout))


def pause(engine: Engine, container: str) -> None:
    engine.post(f"/containers/{container}/pause", about=container)


def unpause(engine: Engine, container: str) -> None:
    engine.post(f"/containers/{container}/unpause", about=container)


def remove(engine: Engine, container: str, *, force: bool = False) -> None:
    """Its volumes stay, also those that nobody named."""
    engine.delete(f"/containers/{container}", about=container, query={"force": _flag(force), "v": "0"})


def stop_timeout(engine: Engine, container: str) -> float:
    """Seconds that the engine waits before it kills; -1 (for ever) is taken as an hour."""
    configured = engine.get(f"/containers/{container}/json", about=container)["Config"].get("StopTimeout")
    if configured is None:
        return DEFAULT_STOP_TIMEOUT
    return 3600.0 if configured < 0 else float(configured)


def execute(engine: Engine, container: str, command: Sequence[str], timeout: timedelta) -> ExecResult:
    """Run a command and read what it writes, at most a mebibyte of it.

    Raises:
        TemporaryError: it did not end in time. The engine can't end a command, so it may still be running.
    """
    seconds = timeout.total_seconds()
    asked = {"AttachStdout": True, "AttachStderr": True, "Cmd": list(command)}
    exec_id = engine.post(f"/containers/{container}/exec", body=asked, about=container)["Id"]
    attached = {"Detach": False, "Tty": False}
    deadline = time.monotonic() + seconds
    try:
        with engine.open(
            "POST", f"/exec/{exec_id}/start", body=attached, about=container, timeout=seconds
        ) as answer:
            written = output.first(output.pieces(answer, terminal=False, deadline=deadline))
    except (TimeoutError, UnreachableError) as late:
        raise TemporaryError(
            f"{container}: {' '.join(command)!r} did not end in {seconds:g} s, and may still run"
        ) from late
    ended = engine.get(f"/exec/{exec_id}/json", about=container)
    return ExecResult(int(ended["ExitCode"] or 0), written)


def logs(engine: Engine, container: str, *, tail: int, since: datetime | None = None) -> str:
    """The last `tail` lines of both streams, at most the last mebibyte of them."""
    inspected = engine.get(f"/containers/{container}/json", about=container)
    query = {"stdout": "1", "stderr": "1", "tail": str(tail)}
    if since is not None:
        query["since"] = f"{since.timestamp():.6f}"
    path = f"/containers/{container}/logs"
    with engine.open("GET", path, about=container, query=query) as answer:
        return output.last(output.pieces(answer, terminal=inspected["Config"]["Tty"]))


def _grace(timeout: timedelta | None) -> dict[str, str]:
    """Docker calls it `t`, libpod `timeout`; each passes over the other."""
    if timeout is None:
        return {}
    seconds = str(max(0, round(timeout.total_seconds())))
    return {"t": seconds, "timeout": seconds}


def _flag(value: bool) -> str:
    return "1" if value else "0"
