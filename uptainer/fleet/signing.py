"""Signatures of what is offered: looked for in the candidate's registry, judged by the trusts that policies name.

What was verified holds for as long as its trust is the same: an image's digest never changes. All else is tried again
by each check, and before an update begins.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import anyio
from sqlalchemy.orm import Session

from uptainer.core.budgets import Urgency
from uptainer.core.clock import utc_now
from uptainer.core.errors import InvalidInputError, UptainerError
from uptainer.core.platform import Platform
from uptainer.core.reference import Reference
from uptainer.core.signatures import Verification
from uptainer.fleet.budgeting import SharedBudgets
from uptainer.fleet.checking import selected
from uptainer.fleet.plain_registries import asked_plainly
from uptainer.fleet.pull_logins import NO_LOGINS, read_pull_logins
from uptainer.fleet.readiness import known_of_all
from uptainer.fleet.subjects import Fleet, Known
from uptainer.fleet.updating import Opens
from uptainer.images.credentials import Keychain
from uptainer.images.metering import SharedMeter
from uptainer.images.registry import RegistryClient
from uptainer.images.repository import Repository
from uptainer.signatures.search import find_signatures
from uptainer.signatures.trusts import Trust, read_trust
from uptainer.signatures.verification import unknown, verify
from uptainer.store.database import Database
from uptainer.store.models import CandidateRow, SignatureTrust
from uptainer.store.repositories.signatures import SignatureRepository, Verified
from uptainer.store.repositories.updates import UpdateRepository

AT_ONCE = 4
"""So many images of a registry are asked for at one time."""


@dataclass(frozen=True, slots=True)
class Signed:
    """One image to verify. `container_id` is one that it is offered to, `trusts` are those that its policy names.

    `platform` is None where it is to run on several, or that is not known: only a signature over all of it counts then.
    """

    image_pk: int
    container_id: int
    reference: str
    digest: str
    platform: Platform | None
    trusts: frozenset[str]

    @property
    def registry(self) -> str:
        return Reference.parse(self.reference).registry


def plan_verifications(
    database: Database, *, address: str | None = None, repository: str | None = None
) -> Mapping[str, tuple[Signed, ...]]:
    """By registry, the candidates whose policy asks for a signature that is not known to be there."""
    with database.session() as session:
        if not SignatureRepository(session).trusts():
            return {}
        known = Fleet.load(session, selected(session, address, repository))
        return _by_registry(job for each in known for job in _jobs(each, each.candidates))


def plan_updates(database: Database, update_ids: Sequence[int] | None) -> Mapping[str, tuple[Signed, ...]]:
    """By registry, what is not verified of these updates, or of all that are approved, against their trusts as they are.

    Nothing, where all is verified.
    """
    with database.session() as session:
        if not SignatureRepository(session).trusts():
            return {}
        updates = UpdateRepository(session)
        rows = updates.answered() if update_ids is None else [updates.by_id(number) for number in update_ids]
        return _by_registry(
            job for known, row in known_of_all(session, rows).values() if row for job in _jobs(known, (row,))
        )


def verify_registry(
    database: Database,
    jobs: Sequence[Signed],
    keychain: Keychain,
    opens: Opens | None = None,
    *,
    urgency: Urgency = Urgency.SWEEP,
) -> Sequence[Verification]:
    """Verify these images of one registry, and keep what came of each.

    A registry that does not answer is recorded as unknown, with the reason, and not raised.
    """
    with database.session() as session:
        kept = {row.name: _Kept.of(row) for row in SignatureRepository(session).trusts()}
        insecure = asked_plainly(session, [job.container_id for job in jobs])
    logins = read_pull_logins(database, [job.container_id for job in jobs], opens) if opens else NO_LOGINS
    groups = logins.by_keychain(jobs[0].registry, jobs, keychain)
    meters = [SharedMeter(SharedBudgets(database), urgency) for _ in groups]
    found = anyio.run(_verify_all, groups, meters, insecure, kept)
    with database.session() as session:
        _record(session, found, kept)
    return [each for _, verifications in found for each in verifications]


Group = tuple[Sequence[Signed], Keychain]
Result = tuple[Signed, Sequence[Verification]]


@dataclass(frozen=True, slots=True)
class _Kept:
    """A stored trust; `fault` says why it can't be read any more."""

    id: int
    fingerprint: str
    trust: Trust | None
    fault: str = ""

    @classmethod
    def of(cls, row: SignatureTrust) -> "_Kept":
        try:
            return cls(row.id, row.fingerprint, read_trust(row.document))
        except InvalidInputError as error:
            return cls(row.id, row.fingerprint, None, str(error))


def _jobs(known: Known, rows: Iterable[CandidateRow]) -> Iterator[Signed]:
    wanted = frozenset(known.policy.policy.signed_by)
    for row in rows:
        found = known.signatures_of(row)
        if row.image_pk is None or not wanted or any(found[name].holds for name in wanted & found.keys()):
            continue
        yield Signed(
            image_pk=row.image_pk,
            container_id=row.container_id,
            reference=row.reference,
            digest=row.digest,
            platform=None if known.has_platforms else known.facts.platform,
            trusts=wanted,
        )


def _by_registry(jobs: Iterable[Signed]) -> Mapping[str, tuple[Signed, ...]]:
    """Each image in each repository once, whoever it is offered to."""
    distinct: dict[tuple[int, str, frozenset[str]], Signed] = {}
    for job in jobs:
        distinct.setdefault((job.image_pk, Reference.parse(job.reference).name, job.trusts), job)
    planned: defaultdict[str, list[Signed]] = defaultdict(list)
    for job in distinct.values():
        planned[job.registry].append(job)
    return {registry: tuple(given) for registry, given in planned.items()}


async def _verify_all(
    groups: Sequence[Group],
    meters: Sequence[SharedMeter],
    insecure: frozenset[str],
    kept: Mapping[str, _Kept],
) -> Sequence[Result]:
    async def one(jobs: Sequence[Signed], keychain: Keychain, meter: SharedMeter) -> Sequence[Result]:
        turns = asyncio.Semaphore(AT_ONCE)
        async with RegistryClient(keychain, insecure=insecure, meter=meter) as client:
            return await asyncio.gather(*(_in_turn(turns, job, client, kept) for job in jobs))

    pairs = zip(groups, meters, strict=True)
    return [
        each
        for found in await asyncio.gather(*(one(*group, meter) for group, meter in pairs))
        for each in found
    ]


async def _in_turn(
    turns: asyncio.Semaphore, job: Signed, client: RegistryClient, kept: Mapping[str, _Kept]
) -> Result:
    async with turns:
        return job, await _verify(job, client, kept)


async def _verify(job: Signed, client: RegistryClient, kept: Mapping[str, _Kept]) -> Sequence[Verification]:
    now = utc_now()
    trusts = {name: kept[name].trust for name in job.trusts & kept.keys()}
    faults = {name: kept[name].fault for name in trusts if kept[name].fault}
    repository = Repository(client, Reference.parse(job.reference))
    try:
        signed = await repository.manifests_of(job.digest, job.platform)
        found = await find_signatures(repository, signed)
    except UptainerError as error:
        return [unknown(name, f"it could not be asked for: {error}", now) for name in trusts]
    return [
        verify(name, trust, found, tuple(signed), now)
        if trust
        else unknown(name, f"the trust can't be read: {faults[name]}", now)
        for name, trust in trusts.items()
    ]


def _record(session: Session, results: Sequence[Result], kept: Mapping[str, _Kept]) -> None:
    """The same image may be signed in one repository and not in another: what holds is not taken back by that. Nothing is
    said of a trust that was removed meanwhile.
    """
    signatures = SignatureRepository(session)
    there = {trust.id for trust in signatures.trusts()}
    before = signatures.current([job.image_pk for job, _ in results])
    rows: dict[tuple[int, int], Verified] = {}
    for image_pk, each in ((job.image_pk, each) for job, found in results for each in found):
        trust = kept[each.trust]
        same = rows.get((image_pk, trust.id))
        known = same.found if same else before[image_pk].get(each.trust)
        if trust.id in there and (each.holds or known is None or not known.holds):
            rows[image_pk, trust.id] = Verified(image_pk, trust.id, trust.fingerprint, each)
    signatures.record(list(rows.values()), utc_now())
