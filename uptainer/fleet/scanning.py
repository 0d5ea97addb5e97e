"""Scans of what runs and of what is offered: each digest on each platform once, whoever runs it."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Protocol

import anyio
from sqlalchemy import Select, or_, select

from uptainer.core.budgets import Urgency
from uptainer.core.clock import utc_now
from uptainer.core.enums import ConnectionType, ScanStatus
from uptainer.core.errors import PermanentError
from uptainer.core.findings import Scan
from uptainer.core.platform import Platform
from uptainer.core.reference import Reference
from uptainer.fleet.budgeting import SharedBudgets
from uptainer.fleet.checking import selected
from uptainer.fleet.noticing import note_vulnerabilities
from uptainer.fleet.plain_registries import asked_plainly
from uptainer.fleet.pull_logins import read_pull_logins
from uptainer.fleet.updating import Opens
from uptainer.images.credentials import Credential, Keychain
from uptainer.images.registry import RegistryClient
from uptainer.images.repository import Repository
from uptainer.images.trust import authorities_for
from uptainer.scanning.trivy import EngineSource, ImageSource, RegistrySource
from uptainer.store.bulk import any_of
from uptainer.store.database import Database
from uptainer.store.models import CandidateRow, Container, ContainerHost, Image
from uptainer.store.repositories.images import ImageRepository
from uptainer.store.repositories.sboms import SbomRepository
from uptainer.store.repositories.scans import ScanRepository

UNSCANNED = timedelta(days=36500)
"""A maximum age that only an image without any scan is past."""

SBOM_GOOD_FOR = timedelta(days=30)
"""An image never changes; a newer scanner may see more in it."""

UNKNOWN_PLATFORM = "unknown"
NO_WAY = (
    "no registry has this image, and the engine that holds it is not on this machine: Trivy cannot reach it"
)
NOT_FOUND = "which image of it would run could not be found out"
NO_PLATFORM = "its engine does not hold the image any more, so that it is not known for which platform it is"


class Scans(Protocol):
    """A scanner, of any kind."""

    async def scan(
        self, target: Reference | str, platform: Platform, source: ImageSource, *, sboms: bool = False
    ) -> Scan: ...


@dataclass(frozen=True, slots=True)
class ScanJob:
    """One image to scan. `name` is its registry and repository; `engine` an engine's address that holds it, if any.

    `local`: no registry has given it its digest. `sboms`: its bills of materials are to be made with it.
    """

    image_pk: int
    digest: str
    platform: str
    name: str | None
    image_id: str | None
    engine: str | None
    local: bool = False
    sboms: bool = False

    @property
    def title(self) -> str:
        return f"{(self.name or 'image').rpartition('/')[2]}@{self.digest[7:19]}"


def plan_scans(
    database: Database, *, older_than: timedelta, address: str | None = None, repository: str | None = None
) -> Sequence[ScanJob]:
    """Images that run or are offered, and whose last successful scan is older than that, or that have none.

    Where one container (`host/name`) or a repository is named: only what concerns those.
    """
    with database.session() as session:
        named = address is not None or repository is not None
        of = [each.container.id for each in selected(session, address, repository)] if named else None
        images = ImageRepository(session).needing_scan(older_than, utc_now(), of=of)
        holders = session.execute(
            select(Container.image_pk, ContainerHost.url, Container.image_id)
            .join(Container.host)
            .where(
                any_of(Container.image_pk, [image.id for image in images]),
                ContainerHost.connection == ConnectionType.UNIX,
                ContainerHost.reachable.is_(True),
                ContainerHost.enabled,
                Container.vanished_at.is_(None),
                Container.platform.is_not(None),  # else its engine does not hold the image any more
            )
        )
        engines = {pk: (url, image_id) for pk, url, image_id in holders.tuples() if pk is not None}
        described = SbomRepository(session).fresh([image.id for image in images], utc_now() - SBOM_GOOD_FOR)
    return [replace(_job(image, engines.get(image.id)), sboms=image.id not in described) for image in images]


def scan_image(
    database: Database,
    job: ScanJob,
    scanner: Scans,
    keychain: Keychain,
    opens: Opens | None = None,
    *,
    urgency: Urgency = Urgency.SWEEP,
) -> Scan:
    """Scan one image and keep every finding; a critical one that is new in what runs is told.

    Where a cluster that has it, or is offered it, has a login for it, that one is used; `opens` reaches the clusters.
    An image that is read from its registry is paid for out of the registry's budget.

    Raises:
        TemporaryError: the registry, the engine or the scanner's server did not answer; nothing is recorded.
    """
    with database.session() as session:
        concerned = session.execute(_concerned(job.image_pk)).tuples().all()
        insecure = asked_plainly(session, [number for number, _ in concerned])
    # The same image may be another registry's elsewhere, whose login is not this one's.
    holders = [number for number, repository in concerned if repository == job.name]
    if opens and job.name and holders:
        own = read_pull_logins(database, holders, opens).credentials
        if login := next(iter(own.values()), None):
            keychain = keychain.preferring(Reference.parse(job.name).registry, login)
    paying = partial(SharedBudgets(database).scanning, urgency=urgency)
    scan = anyio.run(_scan, job, scanner, keychain, insecure, paying)
    with database.session() as session:
        row = ScanRepository(session).record(scan, job.image_pk, utc_now())
        note_vulnerabilities(session, row.id, scan.vulnerabilities)
        SbomRepository(session).put(job.image_pk, scan.sboms, utc_now())
    return replace(scan, sboms=())


def record_failure(database: Database, job: ScanJob, reason: str) -> None:
    """It could not be scanned this time, and people should see why."""
    scan = _failed(job, reason)
    with database.session() as session:
        ScanRepository(session).record(scan, job.image_pk, utc_now())


def record_unavailable(database: Database, jobs: Sequence[ScanJob], reason: str) -> None:
    """There is no scanner. It is written down once for each image, and again only after there was one."""
    with database.session() as session:
        scans = ScanRepository(session)
        last = scans.statuses([job.image_pk for job in jobs])
        fresh = [job for job in jobs if last.get(job.image_pk) is not ScanStatus.UNAVAILABLE]
        scans.record_none([job.image_pk for job in fresh], ScanStatus.UNAVAILABLE, reason, utc_now())


def _concerned(image_pk: int) -> Select[tuple[int, str | None]]:
    """The containers that run the image, or that it is offered to, and from which repository each has its own."""
    offered = select(CandidateRow.container_id).where(
        CandidateRow.image_pk == image_pk, CandidateRow.gone_at.is_(None)
    )
    return select(Container.id, Container.repository).where(
        or_(Container.image_pk == image_pk, Container.id.in_(offered)), Container.vanished_at.is_(None)
    )


async def _scan(
    job: ScanJob,
    scanner: Scans,
    keychain: Keychain,
    insecure: frozenset[str],
    paying: Callable[[str], AbstractContextManager[None]],
) -> Scan:
    """Of an index, the scanner is given the one manifest in it that engines run, and does not choose by itself."""
    if job.platform == UNKNOWN_PLATFORM:
        return _failed(job, NO_PLATFORM)
    platform = Platform.parse(job.platform)
    if job.engine is not None and job.image_id is not None:
        scan = await scanner.scan(job.image_id, platform, EngineSource(job.engine), sboms=job.sboms)
        # A manager of a swarm knows an image that only other nodes hold by its digest alone.
        if scan.status is not ScanStatus.FAILED or job.local or job.image_id != job.digest:
            return scan
    if job.name is None or job.local:
        return _failed(job, NO_WAY)
    access = keychain.access(Reference.parse(job.name).registry)
    reference = access.where_to_read(Reference.parse(f"{job.name}@{job.digest}"))
    with paying(reference.registry):
        async with RegistryClient(keychain, insecure=insecure) as client:
            source = await _source(reference.registry, keychain, client, insecure)
            try:
                chosen = await Repository(client, reference).manifest_that_runs(job.digest, platform)
            except PermanentError as error:
                return _failed(job, f"{NOT_FOUND}: {error}")
        scan = await scanner.scan(reference.with_digest(chosen), platform, source, sboms=job.sboms)
    return replace(scan, digest=job.digest)


def _failed(job: ScanJob, reason: str) -> Scan:
    return Scan(job.digest, job.platform, ScanStatus.FAILED, reason, scanned_at=utc_now())


async def _source(
    registry: str, keychain: Keychain, client: RegistryClient, insecure: frozenset[str]
) -> RegistrySource:
    """A registry's login and authorities, as the scanner is told them: it takes a login wherever the registry says.

    Without TLS a registry is read as nobody, unless a person has said that its login may be heard.
    """
    held = await keychain.find(registry)
    login = held or Credential()
    access = keychain.access(registry)
    source = RegistrySource(
        username=login.username,
        password=login.password,
        insecure=access.plain or (held is None and registry in insecure),
        identity_token=login.identity_token,
        registry_token=login.registry_token,
        authorities=authorities_for(registry, access.certificates),
    )
    if source.entry is not None:
        await client.require_own_token_server(registry)
    return source


def _job(image: Image, holder: tuple[str, str] | None) -> ScanJob:
    """Each engine knows an image by an id of its own: `holder` is one that has it, with its address."""
    local = image.digest == image.image_id and not image.repo_digests
    engine, image_id = holder or (None, image.image_id)
    return ScanJob(image.id, image.digest, image.platform, image.name, image_id, engine, local)
