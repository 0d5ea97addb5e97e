"""One host's fleet in a real database, made by the repositories as discovery, lookups and scans make it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from tests.lab.facts import NOW, address, candidate, container, digest, engine
from tests.lab.kept import image_of
from uptainer.core.enums import (
    ApprovalChannel,
    ApprovalDecision,
    ChangeLevel,
    CheckResult,
    PolicyScope,
    ScanStatus,
    Severity,
    UpdateStatus,
)
from uptainer.core.findings import Scan, Vulnerability
from uptainer.core.images import Candidate
from uptainer.core.platform import Platform
from uptainer.core.workloads import ContainerFacts
from uptainer.fleet.deciding import DecisionReport, decide_fleet
from uptainer.store.database import Database
from uptainer.store.models import Container, Update, UpdateCheck
from uptainer.store.repositories.approvals import Answer
from uptainer.store.repositories.audit import SYSTEM, Actor
from uptainer.store.repositories.checks import CheckRepository, Lookup
from uptainer.store.repositories.containers import ContainerRepository
from uptainer.store.repositories.hosts import HostRepository
from uptainer.store.repositories.policies import PolicyRepository
from uptainer.store.repositories.scans import ScanRepository
from uptainer.store.repositories.updates import UpdateRepository

ANN = Actor("ann", authenticated=True)
OPEN_UNTIL_ONE = "daily 11:00-13:00 UTC"
AT_NIGHT = "daily 02:00-04:00 UTC"


def flaw(identifier: str = "CVE-1", severity: Severity = Severity.HIGH, **given: Any) -> Vulnerability:
    values: dict[str, Any] = {"package": "openssl", "installed_version": "1", "fixed_version": "2", **given}
    return Vulnerability(identifier, severity=severity, **values)


def answer(
    decision: ApprovalDecision = ApprovalDecision.APPROVE,
    *,
    by: Actor = ANN,
    until: datetime | None = None,
    refusal: str = "",
) -> Answer:
    return Answer(decision, ApprovalChannel.COMMAND, by, "because", until, refusal)


class Seeded:
    """The host `alpha`. Containers run nginx:1.27; what is found for them are other tags of nginx."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.facts: dict[str, ContainerFacts] = {}
        with database.session() as session:
            self.host_id = HostRepository(session).add(address()).id
            HostRepository(session).mark_seen(self.host_id, engine(), NOW)

    def run(self, *keys: str, at: datetime = NOW, **given: Any) -> None:
        """Discovery sees these too."""
        self.facts |= {key: container(key, **given) for key in keys}
        self.discover(at)

    def remove(self, key: str, at: datetime = NOW) -> None:
        del self.facts[key]
        self.discover(at)

    def discover(self, at: datetime = NOW) -> None:
        with self.database.session() as session:
            HostRepository(session).mark_seen(self.host_id, engine(), at)
            ContainerRepository(session).record(self.host_id, list(self.facts.values()), at)

    def lose_host(self, at: datetime = NOW) -> None:
        with self.database.session() as session:
            HostRepository(session).mark_unreachable(self.host_id, "no route to it", at)

    def id_of(self, key: str) -> int:
        with self.database.session() as session:
            return ContainerRepository(session).by_address(f"alpha/{key}", with_vanished=True).container.id

    def find(
        self,
        key: str,
        *found: str | Candidate,
        at: datetime = NOW,
        result: CheckResult | None = None,
        registry_digest: str | None = digest("running"),
        unanswered: frozenset[ChangeLevel] = frozenset(),
        reference: str = "nginx:1.27",
    ) -> None:
        """A lookup found these tags, or nothing newer."""
        given: dict[str, Any] = {"registry_digest": registry_digest, "reference": reference}
        self.find_all([key], *found, at=at, result=result, unanswered=unanswered, **given)

    def find_all(
        self,
        keys: Sequence[str],
        *found: str | Candidate,
        at: datetime = NOW,
        result: CheckResult | None = None,
        registry_digest: str | None = digest("running"),
        unanswered: frozenset[ChangeLevel] = frozenset(),
        reference: str = "nginx:1.27",
    ) -> None:
        offered = tuple(candidate(each) if isinstance(each, str) else each for each in found)
        outcome = result or (CheckResult.CANDIDATES if offered else CheckResult.UP_TO_DATE)
        ids = self.ids()
        lookups = [
            Lookup(
                ids[key],
                reference,
                outcome,
                "said so",
                registry_digest,
                candidates=offered,
                platform=Platform("linux", "amd64"),
                unanswered=unanswered,
            )
            for key in keys
        ]
        with self.database.session() as session:
            CheckRepository(session).record(lookups, at)

    def ids(self) -> Mapping[str, int]:
        with self.database.session() as session:
            views = ContainerRepository(session).listing(with_vanished=True)
            return {view.container.key: view.container.id for view in views}

    def scan(
        self, image: str, *flaws: Vulnerability, at: datetime = NOW, status: ScanStatus = ScanStatus.SUCCEEDED
    ) -> None:
        """A scan of the image with this seed's digest."""
        key = (digest(image), "linux/amd64")
        with self.database.session() as session:
            row = image_of(session, *key)
            ScanRepository(session).record(Scan(*key, status, vulnerabilities=flaws, scanned_at=at), row, at)

    def policy(self, scope: PolicyScope = PolicyScope.DEFAULT, target: str = "", **settings: Any) -> None:
        with self.database.session() as session:
            PolicyRepository(session).put_policy(scope, target, settings, actor=ANN, now=NOW)

    def decide(self, at: datetime = NOW) -> DecisionReport:
        return decide_fleet(self.database, at)

    def propose(self, key: str = "web", tag: str = "1.28", at: datetime = NOW) -> int:
        """One container with one candidate, decided on; the update's id."""
        if key not in self.facts:
            self.run(key)
        self.find(key, tag, at=at)
        (made,) = [each for each in self.decide(at).proposed if each.workload == key]
        return made.id

    def update(self, update_id: int) -> Update:
        with self.database.session() as session:
            return UpdateRepository(session).by_id(update_id)

    def open(self, key: str = "web") -> Update | None:
        with self.database.session() as session:
            found = [each for each in UpdateRepository(session).open() if each.workload == key]
        assert len(found) <= 1
        return found[0] if found else None

    def move(self, update_id: int, *states: UpdateStatus, reason: str = "", at: datetime = NOW) -> None:
        with self.database.session() as session:
            updates = UpdateRepository(session)
            for state in states:
                now = updates.by_id(update_id).status
                updates.transition(update_id, (now,), state, reason=reason, actor=SYSTEM, now=at)

    def container(self, key: str = "web") -> Container:
        with self.database.session() as session:
            return ContainerRepository(session).by_address(f"alpha/{key}", with_vanished=True).container

    def check(self, key: str = "web") -> UpdateCheck:
        with self.database.session() as session:
            found = ContainerRepository(session).by_address(f"alpha/{key}", with_vanished=True).check
        assert found is not None
        return found

    def rules(self, key: str = "web") -> dict[str, str]:
        """Of the decision on its current check: each rule's verdict."""
        return {each["rule"]: each["verdict"] for each in self.check(key).decision["findings"]}
