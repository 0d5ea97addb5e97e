"""What systemd's timers do for Podman's health checks, where no systemd runs."""

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import httpx

API = "/v4.0.0/libpod"


class HealthTimers:
    """Runs health checks at their interval: systemd's timers do it on a machine that has systemd, and nobody else does."""

    _HEALTH = json.dumps({"health": ["starting", "healthy", "unhealthy"], "status": ["running"]})
    _TICK = 0.5

    def __init__(self, ask: Callable[..., httpx.Response]) -> None:
        """`ask` makes one request to the service: method, path and httpx's options."""
        self._ask = ask
        self._ended = threading.Event()
        self._due: dict[str, float] = {}
        self._thread = threading.Thread(target=self._run, name="health-timers", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join(timeout=30)

    def _run(self) -> None:
        while not self._ended.wait(self._TICK):
            with suppress(httpx.TransportError, ValueError, KeyError, TypeError):
                self._tick()

    def _tick(self) -> None:
        listed = self._ask("GET", f"{API}/containers/json", params={"filters": self._HEALTH})
        for each in listed.json():
            if time.monotonic() >= self._due.get(each["Id"], 0):
                shown = self._ask("GET", f"{API}/containers/{each['Id']}/json").json()
                self._ask("GET", f"{API}/containers/{each['Id']}/healthcheck")
                interval = shown["Config"]["Healthcheck"].get("Interval") or 30_000_000_000
                self._due[each["Id"]] = time.monotonic() + max(interval / 1_000_000_000, self._TICK)
