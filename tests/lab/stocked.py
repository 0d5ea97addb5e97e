"""A small fleet in a database, written through the repositories as discovery, check and scan would write it."""

from dataclasses import dataclass, field
from datetime import datetime

from tests.lab.facts import address, candidate, container, digest, engine
from uptainer.core.clock import utc_now
from uptainer.core.enums import ChangeLevel, CheckResult, Health, ScanStatus, Severity
from uptainer.core.findings import Scan, Vulnerability
from uptainer.core.platform import Platform
from uptainer.core.workloads import ContainerFacts, Mount, Port
from uptainer.fleet.deciding import decide_fleet
from uptainer.store.database import Database
from uptainer.store.repositories.checks import CheckRepository, Lookup
from uptainer.store.repositories.containers import ContainerRepository
from uptainer.store.repositories.health import HealthRepository, Observation
from uptainer.store.repositories.hosts import HostRepository
from uptainer.store.repositories.scans import ScanRepository
from uptainer.store.repositories.updates import UpdateRepository


@dataclass
class Stocked:
    """Host `alpha` with `web` (an update waits), `db` (up to date) and `cron` (unknown)."""

    database: Database
    update_id: int = 0
    ids: dict[str, int] = field(default_factory=dict)
    now: datetime = field(default_factory=utc_now)

    def fill(self) -> None:
        with self.database.session() as session:
            hosts, containers = HostRepository(session), ContainerRepository(session)
            host = hosts.add(address())
            hosts.mark_seen(host.id, engine(), self.now)
            containers.record(host.id, [_web(), container("db", project="shop"), container("cron")], self.now)
            self.ids = {view.container.key: view.container.id for view in containers.listing()}
            health = Observation(self.ids["web"], Health.UNHEALTHY, "HTTP 500")
            HealthRepository(session).observe([health], self.now)
        self._check()
        self._scan()
        decide_fleet(self.database, self.now)
        with self.database.session() as session:
            (row,) = UpdateRepository(session).open()
            self.update_id = row.id

    def offer(self, key: str, tag: str = "1.28") -> int:
        """A newer version for another container, which a person must approve; the update's id."""
        found = candidate(tag, level=ChangeLevel.MINOR, published_at=self.now)
        lookup = Lookup(
            self.ids[key],
            "nginx:1.27",
            CheckResult.CANDIDATES,
            f"{tag} is newer",
            candidates=(found,),
            platform=Platform("linux", "amd64"),
        )
        with self.database.session() as session:
            CheckRepository(session).record([lookup], self.now)
        (made,) = decide_fleet(self.database, self.now, address=f"alpha/{key}").proposed
        return made.id

    def _check(self) -> None:
        found = candidate("1.28", level=ChangeLevel.MINOR, published_at=self.now)
        lookups = [
            Lookup(
                self.ids["web"],
                "nginx:1.27",
                CheckResult.CANDIDATES,
                "1.28 is newer",
                candidates=(found,),
                platform=Platform("linux", "amd64"),
            ),
            Lookup(self.ids["db"], "nginx:1.27", CheckResult.UP_TO_DATE, "nothing newer"),
            Lookup(self.ids["cron"], "nginx:1.27", CheckResult.UNKNOWN, "the registry did not answer"),
        ]
        with self.database.session() as session:
            CheckRepository(session).record(lookups, self.now)

    def _scan(self) -> None:
        weakness = Vulnerability(
            "CVE-2026-1", "openssl", "3.0", "3.1", Severity.HIGH, title="a flaw", url="https://cve"
        )
        with self.database.session() as session:
            view = ContainerRepository(session).by_address("alpha/web")
            assert view.image is not None
            scan = Scan(
                digest("running"),
                "linux/amd64",
                ScanStatus.SUCCEEDED,
                vulnerabilities=(weakness,),
                os_family="alpine",
                os_version="3.20",
                end_of_life=False,
                scanned_at=self.now,
            )
            ScanRepository(session).record(scan, view.image, self.now)


def _web() -> ContainerFacts:
    return container(
        "web",
        labels={"uptainer.group": "front"},
        mounts=(Mount("volume", "data", "/v/data", "/data", read_only=False),),
        ports=(Port(80, "tcp", "0.0.0.0", 8080),),
    )
