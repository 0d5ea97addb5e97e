"""One workload of a stand, updates for it that were approved, and what must be true of it afterwards."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from tests.integration.updates.seeding import add_container, add_update
from tests.lab.room import wait_until
from tests.lab.stands.releases import Behaviour, Release
from tests.lab.stands.stand import NAME, Stand, assert_exactly
from uptainer.backups.local import local_stores
from uptainer.core.enums import UpdateStatus
from uptainer.core.errors import UnreachableError
from uptainer.core.workloads import ContainerFacts
from uptainer.runtimes.capabilities import Capability
from uptainer.runtimes.connections import connect
from uptainer.runtimes.port import Runtime
from uptainer.store.database import Database
from uptainer.store.repositories.journal import JournalRepository
from uptainer.store.repositories.updates import UpdateRepository
from uptainer.updates.engine import apply, dry_run
from uptainer.updates.health import HealthPlan
from uptainer.updates.journal import entry_of
from uptainer.updates.options import UpdateOptions
from uptainer.updates.recovery import Recovered, recover
from uptainer.updates.run import Outcome
from uptainer.updates.steps import Entry, Plan


class Bench:
    """Its workload is deployed once and updated again and again; `deploy` makes it anew where a test has broken it.

    `current` is the release that ran before the update at hand, `coming` the one that it brings.
    """

    def __init__(self, stand: Stand, database: Database, directory: Path) -> None:
        self.stand = stand
        self.database = database
        self.address = stand.address
        with self.open() as runtime:
            self._capabilities = runtime.capabilities(stand.kind)
        self.restores_data = stand.traits.keeps_data and self._capabilities.can(Capability.RESTORE_VOLUMES)
        self.backups = directory / "backups"
        self.stores = local_stores(self.backups)
        self.options = self._options_for(Behaviour.HEALTHY)
        self.deploy()

    def open(self) -> Runtime:
        return connect(self.address, self.stand.secret)

    def deploy(self) -> None:
        self.stand.clear()
        self.current = self.coming = self.stand.push(Behaviour.HEALTHY)
        self.key = self.stand.deploy(NAME, self.current)
        assert_exactly(self.stand, self.key, self.current)
        self._await_data(self.current)

    def facts(self) -> ContainerFacts:
        with self.open() as runtime:
            return next(each for each in runtime.containers() if each.key == self.key)

    def propose(self, behaviour: Behaviour) -> int:
        """An approved update from what runs now to a new image that is in the registry only."""
        facts = self.facts()
        self.coming = self.stand.push(behaviour)
        self.options = self._options_for(behaviour)
        self._identity = facts.runtime_id
        self._data = self.data()
        self.address = replace(self.stand.address, name=f"{self.stand.name}-{uuid4().hex[:8]}")
        return add_update(
            self.database,
            self._record(facts),
            host=self.address.name,
            key=self.key,
            to_digest=self.coming.digest,
            to_reference=self.coming.reference,
            from_reference=self.current.reference,
            from_digest=self.current.digest,
            from_image_id=facts.image_id,
        )

    def plan(self) -> Plan:
        """What would be done to bring a healthy one."""
        with self.open() as runtime:
            return dry_run(self.propose(Behaviour.HEALTHY), self.database, runtime, self.options, self.stores)

    def carry_out(self, update: int) -> Outcome:
        with self.open() as runtime:
            return apply(update, self.database, runtime, self.options, self.stores)

    def recover(self, update: int) -> Recovered:
        report = recover(self.database, self._open_current, self.stores)
        return next(each for each in report.updates if each.update_id == update)

    def status(self, update: int) -> UpdateStatus:
        with self.database.session() as session:
            return UpdateRepository(session).by_id(update).status

    def reason(self, update: int) -> str:
        with self.database.session() as session:
            return UpdateRepository(session).by_id(update).status_reason

    def journal(self, update: int) -> tuple[Entry, ...]:
        with self.database.session() as session:
            return tuple(entry_of(row) for row in JournalRepository(session).steps(update))

    def data(self) -> Mapping[str, str]:
        return self.stand.data(self.key) if self.stand.traits.keeps_data else {}

    def assert_updated(self) -> None:
        """Exactly the new one runs, with all that the old one had written, and what it wrote itself."""
        assert_exactly(self.stand, self.key, self.coming)
        self._await_data(self.coming)
        assert set(self._data) <= set(self.data())
        self.current = self.coming

    def assert_as_before(self, *, same_identity: bool = True) -> None:
        """Exactly the old one runs; its data is what it was, or at least all there where none is put back."""
        assert_exactly(self.stand, self.key, self.current)
        if same_identity:
            assert self.facts().runtime_id == self._identity
        if self.restores_data:
            assert self.data() == self._data
        assert set(self._data) <= set(self.data())

    @contextmanager
    def intact_again(self) -> Iterator[None]:
        """After a failure in the block the workload is made anew, so that what follows fails for itself only."""
        try:
            yield
        except Exception:
            self.deploy()
            raise

    def _options_for(self, behaviour: Behaviour) -> UpdateOptions:
        """What is to crash is given the time for it: on a busy machine a program that has begun may not run yet."""
        patience = timedelta(minutes=4 if behaviour in {Behaviour.HEALTHY, Behaviour.CRASHING} else 0)
        calm = 0.3 if self.stand.traits.quick else 2
        return UpdateOptions(
            back_up_volumes=self.restores_data,
            health=HealthPlan(
                soak=timedelta(seconds=20 if behaviour is Behaviour.CRASHING else calm),
                deadline=max(patience, self.stand.traits.patience),
                interval=timedelta(seconds=0.05),
            ),
            stop_timeout=timedelta(seconds=2),
        )

    def _record(self, facts: ContainerFacts) -> int:
        """As discovery would; on a host of its own for each update, so that one which broke is nobody else's business."""
        return add_container(
            self.database,
            key=self.key,
            workload=facts.workload_key,
            host=self.address.name,
            url=f"{self.address.url}#{self.address.name}",
            runtime=self.address.runtime,
            connection=self.address.connection,
        )

    def _open_current(self, host: str) -> Runtime:
        if host != self.address.name:
            raise UnreachableError(f"{host} is of an earlier test")
        return self.open()

    def _await_data(self, release: Release) -> None:
        if self.stand.traits.keeps_data:
            wait_until(
                lambda: (
                    self.data().get("kept") == f"by {release.version}\n" and release.version in self.data()
                ),
                what=f"{release} did not write its data",
            )
