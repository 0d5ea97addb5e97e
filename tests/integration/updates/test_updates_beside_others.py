"""An update and the containers that go down and up with its own: nobody else is at them, and none is left down."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from tests.integration.updates.memory import Box, MemoryRuntime
from tests.integration.updates.seeding import NOW, add_container, add_update
from uptainer.backups.local import local_stores
from uptainer.core.clock import Clock
from uptainer.core.enums import UpdateStatus
from uptainer.core.errors import BusyError, NotFoundError, SupersededError, TemporaryError
from uptainer.runtimes.engine.turns import put_back_each
from uptainer.runtimes.port import Affected, Json, Phase, ReplacementPlan, ReplacementRequest, Step
from uptainer.store.database import Database
from uptainer.store.models import Update
from uptainer.updates.engine import apply
from uptainer.updates.health import HealthPlan
from uptainer.updates.locks import claim_workload
from uptainer.updates.options import UpdateOptions
from uptainer.updates.recovery import Found, Recovered, recover
from uptainer.updates.run import Outcome

DIGEST = "sha256:" + "a" * 64
CLIENTS = ("one", "two", "three")
STOP = Step("stop_dependants", Phase.STOP, "stop the others")


@dataclass
class Shared(MemoryRuntime):
    """With `clients` that are in the network namespace of `vpn`, and are stopped with it and started again."""

    clients: Sequence[str] = field(default=CLIENTS)

    def affected_by(self, key: str) -> Sequence[Affected]:
        if key not in self.boxes:
            raise NotFoundError(f"no container {key}")
        boxes = {name: self.boxes[name] for name in self.clients if name in self.boxes and key == "vpn"}
        return tuple(Affected(name, box.id, box.running) for name, box in boxes.items())

    def plan_replacement(self, request: ReplacementRequest) -> ReplacementPlan:
        plan, others = super().plan_replacement(request), tuple(self.affected_by(request.key))
        steps = (*plan.steps[:2], STOP, *plan.steps[2:])
        ran = {"others": [each.key for each in others if each.running]}
        return ReplacementPlan(plan.key, steps, {**plan.document, **ran}, others)

    def _stop_dependants(self, request: ReplacementRequest, document: Json) -> None:
        self._put(document, running=False)

    def _un_stop_dependants(self, request: ReplacementRequest, document: Json) -> None:
        self._put(document, running=True)

    def _start(self, request: ReplacementRequest, document: Json) -> None:
        super()._start(request, document)
        self._put(document, running=True)

    def _put(self, document: Json, *, running: bool) -> None:
        def put(name: str) -> None:
            if name not in self.boxes:
                raise SupersededError(f"{name} is gone, and is left so")
            self.boxes[name].running = running

        put_back_each(document["others"], put)


class House:
    def __init__(self, database: Database, backups: Path) -> None:
        self.database = database
        self.host = f"h-{uuid4().hex[:8]}"
        self.runtime = Shared(
            images={f"localhost:5000/app@{DIGEST}": "sha256:new"},
            boxes={name: Box(f"old-{name}", "sha256:old", running=True) for name in ("vpn", *CLIENTS)},
        )
        self.options = UpdateOptions(health=HealthPlan(soak=timedelta(seconds=3)))
        self.stores = local_stores(backups)
        self.seconds = 0.0
        self.vpn = self.propose("vpn")

    def propose(self, key: str) -> int:
        container = add_container(self.database, key=key, host=self.host, url=f"unix:///{self.host}")
        return add_update(self.database, container, key=key, host=self.host, to_digest=DIGEST)

    def apply(self, update: int) -> Outcome:
        clock = Clock(
            now=lambda: NOW + timedelta(seconds=self.seconds),
            monotonic=lambda: self.seconds,
            sleep=self.sleep,
        )
        return apply(update, self.database, self.runtime, self.options, self.stores, clock=clock)

    def recover(self) -> Recovered:
        report = recover(self.database, lambda host: self.runtime, self.stores)
        return next(each for each in report.updates if each.host == self.host)

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    def status(self, update: int) -> UpdateStatus:
        with self.database.session() as session:
            return session.get_one(Update, update).status

    def before(self, step: str, happens: Callable[[], object]) -> None:
        def on_step(verb: str, name: str) -> None:
            if (verb, name) == ("perform", step):
                happens()

        self.runtime.on_step = on_step

    def running(self) -> dict[str, str]:
        return {name: box.id for name, box in self.runtime.boxes.items() if box.running}


class KilledError(BaseException):
    """As if the process ended here: nothing of ours handles it."""


BEFORE = {name: f"old-{name}" for name in ("vpn", *CLIENTS)}
UPDATED = {**BEFORE, "vpn": "id-of-sha256:new"}


@pytest.fixture
def house(database: Database, tmp_path: Path) -> House:
    return House(database, tmp_path / "backups")


def die() -> None:
    raise KilledError


def recreate(house: House) -> None:
    house.runtime.boxes["one"] = Box("theirs", "sha256:old", running=True)


def remove(house: House) -> None:
    del house.runtime.boxes["one"]


def stop(house: House) -> None:
    house.runtime.boxes["one"].running = False


def add(house: House) -> None:
    house.runtime.boxes["four"] = Box("old-four", "sha256:old", running=True)
    house.runtime.clients = (*CLIENTS, "four")


@pytest.mark.parametrize(
    ("change", "changed"), [(recreate, "one"), (remove, "one"), (stop, "one"), (add, "four")]
)
def test_an_update_whose_neighbours_change_while_it_is_prepared_is_planned_anew_and_nothing_lost(
    house: House, change: Callable[[House], None], changed: str
) -> None:
    house.before("create", lambda: change(house))
    with pytest.raises(TemporaryError, match=f"^{changed}, stopped and started with vpn, changed"):
        house.apply(house.vpn)
    assert house.status(house.vpn) is UpdateStatus.APPROVED
    assert ("perform", "stop_dependants") not in house.runtime.calls
    assert {"vpn", "two", "three"} <= set(house.running())
    house.runtime.on_step = lambda verb, name: None
    house.runtime.clients = [name for name in house.runtime.clients if name in house.runtime.boxes]
    ran = house.running()
    assert house.apply(house.vpn).status is UpdateStatus.SUCCEEDED
    assert set(house.running()) == set(ran)


def test_an_update_waits_for_whoever_works_on_what_it_would_stop(house: House) -> None:
    house.propose("one")
    with (
        claim_workload(house.database, house.host, "one"),
        pytest.raises(
            BusyError, match=r"one on .*, which is stopped and started with vpn, is being worked on"
        ),
    ):
        house.apply(house.vpn)
    assert (house.status(house.vpn), house.runtime.calls) == (UpdateStatus.APPROVED, [])
    assert house.apply(house.vpn).status is UpdateStatus.SUCCEEDED
    assert house.running() == UPDATED


def test_nobody_works_on_what_an_update_stops_while_it_runs(house: House) -> None:
    one, refused = house.propose("one"), []

    def meanwhile() -> None:
        with pytest.raises(BusyError) as busy:
            house.apply(one)
        refused.append(busy)

    house.before("stop", meanwhile)
    assert house.apply(house.vpn).status is UpdateStatus.SUCCEEDED
    assert refused
    assert house.status(one) is UpdateStatus.APPROVED
    assert house.running() == UPDATED


@pytest.mark.parametrize(("dead", "other"), [("vpn", "one"), ("one", "vpn")])
def test_what_a_dead_run_left_in_the_middle_is_put_right_before_its_neighbours_are_updated(
    house: House, dead: str, other: str
) -> None:
    updates = {"vpn": house.vpn, "one": house.propose("one")}
    house.before("set_aside", die)
    with pytest.raises(KilledError):
        house.apply(updates[dead])
    house.runtime.on_step = lambda verb, name: None
    with pytest.raises(BusyError, match=f"update {updates[dead]} of {dead} .* was left in the middle"):
        house.apply(updates[other])
    with claim_workload(house.database, house.host, "one"):
        assert house.recover().found is Found.WORKING
    assert house.recover().found is Found.UNDONE
    assert house.running() == BEFORE
    assert house.apply(updates[other]).status is UpdateStatus.SUCCEEDED


def test_one_that_somebody_removes_in_the_middle_does_not_keep_the_others_down(house: House) -> None:
    house.runtime.bad_images = {"sha256:new"}
    house.before("set_aside", lambda: remove(house))
    outcome = house.apply(house.vpn)
    assert outcome.status is UpdateStatus.SUPERSEDED
    assert "one is gone, and is left so" in outcome.reason
    assert house.running() == {name: BEFORE[name] for name in ("vpn", "two", "three")}
