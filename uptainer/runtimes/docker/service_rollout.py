"""A swarm replacing the tasks of a service: a pure rule for each look at it, and the looking until it has ended."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from uptainer.core.errors import PermanentError, SupersededError, TemporaryError
from uptainer.runtimes.docker import service_facts, services
from uptainer.runtimes.docker.services import image_of
from uptainer.runtimes.engine.client import Engine

Json = Mapping[str, Any]

UNDER_WAY = frozenset({"updating", "rollback_started"})
STOPPED = frozenset({"paused", "rollback_paused"})
_PAUSE = 0.3
_SILENCE = 600.0
"""Seconds without any change after which a rollout counts as stuck: nodes pull the image meanwhile."""
_NO_NODE = 60.0
"""The same, while the swarm says that there is no node for a task."""
_OUTAGE = 60.0
_FAILING = 60.0
"""Seconds of failures after the first one, without another task that runs, after which no more is hoped for."""
_STILL = 1.0
"""Seconds without any task, after which none is on its way any more."""
_NANOSECONDS = 1e9
_HEALTH_LOG = 500


@dataclass(frozen=True, slots=True)
class Look:
    """A service and its tasks at one moment."""

    service: Json
    tasks: Sequence[Json]

    @property
    def state(self) -> str:
        return str((self.service.get("UpdateStatus") or {}).get("State") or "")

    @property
    def image(self) -> str:
        return image_of(self.service["Spec"])

    @property
    def name(self) -> str:
        return str(self.service["Spec"]["Name"])

    @property
    def signature(self) -> object:
        return self.state, sorted((each["ID"], each["Status"]["State"]) for each in self.tasks)

    def arrived(self, at_least: int | None = None) -> bool:
        """All tasks that are to run do, of what the service is now; `at_least` bounds how many are waited for."""
        asked = service_facts.desired(self.service["Spec"], self.tasks)
        needed = asked if at_least is None else min(asked, at_least)
        alive = service_facts.running(self.tasks)
        old = [
            each
            for each in service_facts.wanted(self.tasks)
            if not service_facts.is_current(each, self.service)
        ]
        return not old and len(alive) >= needed

    def stuck_after(self) -> float:
        """Seconds that this service may stay as it is."""
        if any("no suitable node" in (each["Status"].get("Err") or "") for each in self._waiting()):
            return _NO_NODE
        spec = self.service["Spec"]
        update, container = spec.get("UpdateConfig") or {}, spec["TaskTemplate"]["ContainerSpec"]
        check = container.get("Healthcheck") or {}
        own = (
            update.get("Delay"),
            update.get("Monitor"),
            container.get("StopGracePeriod"),
            check.get("StartPeriod"),
        )
        return _SILENCE + sum(each or 0 for each in own) / _NANOSECONDS

    def _waiting(self) -> list[Json]:
        return [each for each in service_facts.wanted(self.tasks) if each["Status"]["State"] == "pending"]


def image_of_task(task: Json) -> str:
    return str(task["Spec"]["ContainerSpec"]["Image"])


def look(engine: Engine, key: str) -> Look:
    service = services.find(engine, key)
    return Look(service, services.read_tasks(engine, service["ID"]))


def is_done(seen: Look, image: str) -> bool:
    """Whether the service has become `image` completely.

    Raises:
        PermanentError: it will not, by what the swarm says or by what its tasks do.
        SupersededError: somebody else made something different of it.
    """
    key = services.key_of(seen.service)
    if seen.image != image:
        if seen.state.startswith("rollback"):
            raise PermanentError(f"{key}: the swarm rolled it back by itself ({_message(seen)})")
        raise SupersededError(
            f"{key} was changed by somebody else meanwhile: it is {seen.image}, and not {image}"
        )
    if seen.state in STOPPED:
        raise PermanentError(f"{key}: the swarm stopped the update ({_message(seen)})")
    if _goes_on_failing(seen):
        raise PermanentError(f"{key}: its new tasks fail")
    return seen.state not in UNDER_WAY and seen.arrived()


def _goes_on_failing(seen: Look) -> bool:
    """Where the swarm is told to go on over failures, or has gone on, more of them than it is told to bear."""
    config = seen.service["Spec"].get("UpdateConfig") or {}
    if config.get("FailureAction") != "continue" and seen.state in UNDER_WAY:
        return False
    slots = {
        each.get("Slot") or each.get("NodeID") for each in service_facts.failed(seen.service, seen.tasks)
    }
    asked = max(1, service_facts.desired(seen.service["Spec"], seen.tasks))
    return len(slots) / asked > float(config.get("MaxFailureRatio") or 0)


def await_rollout(engine: Engine, key: str, image: str) -> None:
    """Until the service has become `image`.

    Raises:
        PermanentError: it will not, or did not within a time in which nothing moved; with its tasks' own messages.
        SupersededError: somebody else changed it.
        TemporaryError: the engine did not answer for a minute.
    """
    watch = _Watch(engine, key)
    while True:
        seen = watch.look()
        try:
            if is_done(seen, image):
                return
        except SupersededError:
            raise
        except PermanentError as fault:
            raise PermanentError(f"{fault}: {why(engine, key, image) or 'its tasks say nothing'}") from fault
        watch.pause(seen, image)


def await_settled(engine: Engine, key: str, image: str, at_least: int | None) -> None:
    """Until the service is at rest with `image`, and so many of its tasks run (all, with None).

    Raises: as `await_rollout`; also where its tasks go on failing for a minute, and no more of them come to run.
    """
    watch, failing = _Watch(engine, key), Failing()
    while True:
        seen = watch.look()
        if seen.image != image:
            raise SupersededError(
                f"{key} was changed by somebody else meanwhile: it is {seen.image}, and not {image}"
            )
        if seen.state not in UNDER_WAY and seen.arrived(at_least):
            return
        if seen.state in STOPPED:
            raise PermanentError(f"{key}: the swarm stopped ({_message(seen)}): {why(engine, key, image)}")
        if failing.is_for_good(seen, time.monotonic()):
            said = why(engine, key, image) or "its tasks say nothing"
            raise PermanentError(f"{key}: its tasks go on failing: {said}")
        watch.pause(seen, image)


def await_stopped(engine: Engine, key: str) -> None:
    """Until none of its tasks runs any more, also none that was told to end.

    The swarm forgets at once a task that no node has taken over yet by its account, and a node that has just done so
    makes the container all the same: so this node's containers count as well, and nothing may happen for a moment.
    """
    watch, still_since = _Watch(engine, key), None
    while True:
        seen, now = watch.look(), time.monotonic()
        here = services.containers_here(engine, seen.service["ID"])
        is_still = not any(is_alive(each) for each in seen.tasks) and not any(_runs(each) for each in here)
        still_since = (still_since or now) if is_still else None
        if still_since is not None and now - still_since > _STILL:
            return
        watch.pause(seen, seen.image)


def _runs(container: Json) -> bool:
    return bool(container["State"].get("Running"))


def is_alive(task: Json) -> bool:
    return task["Status"]["State"] in ("assigned", "accepted", "preparing", "ready", "starting", "running")


def why(engine: Engine, key: str, image: str) -> str:
    """What the tasks with `image` that do not run say, each thing once, and the health checks that fail on this node."""
    seen = look(engine, key)
    mine = [each for each in seen.tasks if image_of_task(each) == image]
    ended = [
        each
        for each in mine
        if each["Status"].get("Err") or each["Status"]["State"] in ("failed", "complete")
    ]
    said = [service_facts.says(each, seen.name) for each in _newest_first(ended)[:3]]
    return "; ".join(dict.fromkeys([*said, *_health_logs(engine, seen, mine)]))


def _newest_first(tasks: Sequence[Json]) -> list[Json]:
    return sorted(tasks, key=lambda each: str(each["CreatedAt"]), reverse=True)


def _health_logs(engine: Engine, seen: Look, tasks: Sequence[Json]) -> list[str]:
    """The engine ends a container that is not healthy, and only the container itself knows why."""
    ids = {(each["Status"].get("ContainerStatus") or {}).get("ContainerID") for each in tasks}
    found = []
    for each in services.containers_here(engine, seen.service["ID"]):
        checked = each["State"].get("Health") or {}
        log = [str(entry.get("Output", "")).strip() for entry in checked.get("Log") or ()]
        if each["Id"] in ids and checked.get("Status") == "unhealthy":
            found.append(f"its health check fails: {' '.join(log)[-_HEALTH_LOG:]}".rstrip(": "))
    return found[:1]


def _message(seen: Look) -> str:
    return str((seen.service.get("UpdateStatus") or {}).get("Message") or seen.state)


class Failing:
    """Tasks that fail, and are made anew, which is no movement. One more failure tells, and not one that is over: a node
    may be pulling meanwhile.
    """

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._most = 0
        self._since: float | None = None

    def is_for_good(self, seen: Look, now: float) -> bool:
        failed = {str(each["ID"]) for each in service_facts.failed(seen.service, seen.tasks)}
        new, self._known = failed - self._known, self._known | failed
        running = len(service_facts.running(seen.tasks))
        if running > self._most:
            self._most, self._since = running, None
        if not new:
            return False
        self._since = now if self._since is None else self._since
        return now - self._since >= _FAILING


class _Watch:
    """Remembers when something moved last, and when the engine answered last."""

    def __init__(self, engine: Engine, key: str) -> None:
        self._engine = engine
        self._key = key
        self._signature: object = None
        self._moved = time.monotonic()

    def look(self) -> Look:
        silent_since = time.monotonic()
        while True:
            try:
                return look(self._engine, self._key)
            except TemporaryError:
                if time.monotonic() - silent_since > _OUTAGE:
                    raise
                time.sleep(_PAUSE)

    def pause(self, seen: Look, image: str) -> None:
        if seen.signature != self._signature:
            self._signature, self._moved = seen.signature, time.monotonic()
        limit = seen.stuck_after()
        if time.monotonic() - self._moved > limit:
            said = why(self._engine, self._key, image) or "its tasks say nothing"
            raise PermanentError(f"{self._key}: nothing moved for {limit:g} s: {said}")
        time.sleep(_PAUSE)
