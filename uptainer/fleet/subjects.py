"""Everything that is known of containers and their candidates, read in a few statements for the whole fleet."""

import re
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from sqlalchemy.orm import Session

from uptainer.advice.subject import AdviceSubject, EarlierFailure
from uptainer.core.enums import CheckResult, ContainerStatus, SignatureStatus
from uptainer.core.findings import Advice, Scan, ScanDifference
from uptainer.core.reference import Reference
from uptainer.core.signatures import Verification
from uptainer.core.workloads import ContainerFacts
from uptainer.fleet.excuses import ExcuseBook
from uptainer.fleet.offers import offers
from uptainer.fleet.policies import ContainerPolicy, PolicyBook
from uptainer.fleet.scope import lookup_of, version_of
from uptainer.fleet.views import candidate_of, facts_of, image_facts_of
from uptainer.policy.excuses import Excuses
from uptainer.policy.subjects import DecisionSubject, EarlierUpdate, OpenUpdate
from uptainer.scanning.differences import comparable, compare
from uptainer.store.models import CandidateRow, Update
from uptainer.store.repositories.approvals import ApprovalRepository
from uptainer.store.repositories.checks import CheckRepository
from uptainer.store.repositories.containers import ContainerView
from uptainer.store.repositories.outcomes import Outcome, outcomes
from uptainer.store.repositories.recommendations import RecommendationRepository
from uptainer.store.repositories.scans import ScanRepository
from uptainer.store.repositories.signatures import SignatureRepository
from uptainer.store.repositories.updates import UpdateRepository

NO_TRUST = "there is no trust of that name: see `uptainer trust list`"
_SHORT_ID = re.compile(r"[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Known:
    """One container with all that was found out about it and its candidates."""

    view: ContainerView
    policy: ContainerPolicy
    facts: ContainerFacts
    candidates: tuple[CandidateRow, ...]
    outcomes: tuple[Outcome, ...]
    open_update: Update | None
    running_scan: Scan | None
    candidate_scans: Mapping[int, Scan]
    advice: Mapping[int, Advice]
    excuses: Excuses
    signatures: Mapping[int, Mapping[str, Verification]]
    trusts: frozenset[str]
    by_policy: bool = False
    """The open update was approved by the policy, and by no person."""

    def at_any_time(self) -> Self:
        """As if its policy had neither windows nor freezes."""
        policy = self.policy.policy.model_copy(update={"windows": (), "freezes": ()})
        return replace(self, policy=replace(self.policy, policy=policy))

    def difference(self, row: CandidateRow) -> ScanDifference | None:
        candidate = self.scan_of(row)
        if self.running_scan is None or candidate is None or not comparable(self.running_scan, candidate):
            return None
        return compare(self.running_scan, candidate)

    def scan_of(self, row: CandidateRow) -> Scan | None:
        return None if row.image_pk is None else self.candidate_scans.get(row.image_pk)

    def signatures_of(self, row: CandidateRow) -> Mapping[str, Verification]:
        """By trust, what was verified against it as it is now; where it runs on several platforms, or on one that is not
        known, only over all of the image.
        """
        missing = set(self.policy.policy.signed_by) - self.trusts
        found = {name: Verification(name, SignatureStatus.UNKNOWN, NO_TRUST) for name in missing}
        verified = self.signatures.get(row.image_pk or 0, {})
        return found | {
            name: each
            for name, each in verified.items()
            if not (each.holds and self._needs_whole and each.signed_digest != row.digest)
        }

    @property
    def _needs_whole(self) -> bool:
        return self.has_platforms or self.facts.platform is None

    @property
    def has_platforms(self) -> bool:
        """Whether its pods run on machines of several kinds."""
        return len(self.facts.platforms) > 1

    def brings(self, row: CandidateRow) -> list[str]:
        """What the candidate adds to what runs now, in words; sorted, to be compared later. Also what is excused."""
        difference, scan = self.difference(row), self.scan_of(row)
        added = (*difference.new, *(after for _, after in difference.worse)) if difference else ()
        told = {f"{each.severity} {each.id} in {each.package}" for each in added}
        return sorted(told | _beside(self.running_scan, scan)) if scan else sorted(told)

    def decision_subject(
        self,
        row: CandidateRow | None,
        *,
        approved: bool = False,
        ignoring_open: bool = False,
        chosen: bool = False,
    ) -> DecisionSubject:
        """`ignoring_open` leaves the open update out, to decide on that one itself. `chosen`: it is to be deployed, and
        whether the registry can be asked for a still newer one does not count any more.
        """
        result, reason = lookup_of(self.view)
        unasked = result is CheckResult.UNKNOWN and self.facts.status is not ContainerStatus.UNKNOWN
        if chosen and unasked:
            result, reason = CheckResult.CANDIDATES, ""
        return DecisionSubject(
            container=self.facts,
            policy=self.policy.policy,
            check=result,
            check_reason=reason,
            candidate=candidate_of(row) if row else None,
            first_seen_at=row.found_at if row else None,
            advice=self.advice.get(row.id) if row else None,
            running_scan=self.running_scan,
            candidate_scan=self.scan_of(row) if row else None,
            difference=self.difference(row) if row else None,
            signatures=self.signatures_of(row) if row else {},
            excuses=self.excuses,
            label_faults=self.policy.faults,
            earlier=tuple(_earlier(each) for each in self.outcomes),
            open_update=None if ignoring_open else _open(self.open_update),
            skipped=frozenset(_skipped(self.outcomes)),
            snoozed_until=self.open_update.snoozed_until if self.open_update else None,
            approved=approved,
            is_self=_is_ours(self.facts.runtime_id),
        )

    def advice_subject(self, row: CandidateRow, now: datetime) -> AdviceSubject:
        facts = self.facts
        # Of an image that its engine does not hold any more, there is nothing to say.
        image = self.view.image if facts.platform is not None else None
        return AdviceSubject(
            workload=self.view.address,
            reference=Reference.parse(facts.image_reference),
            candidate=candidate_of(row),
            now=now,
            platform=facts.platform,
            running=image_facts_of(image, has_healthcheck=facts.has_healthcheck) if image else None,
            running_version=self.version,
            running_scan=self.running_scan,
            candidate_scan=self.scan_of(row),
            difference=self.difference(row),
            has_healthcheck=facts.has_healthcheck,
            failures=tuple(_failure(each) for each in self.outcomes),
            mounts=facts.mounts,
        )

    @property
    def version(self) -> str | None:
        """The version that runs: what its tag stands for where that was found out, else what its image says."""
        return version_of(self.view)


class Fleet:
    """A snapshot of some containers, in a constant number of statements."""

    def __init__(self, known: Sequence[Known]) -> None:
        self._known = {each.view.container.id: each for each in known}

    @classmethod
    def load(
        cls,
        session: Session,
        views: Sequence[ContainerView],
        *,
        also: Sequence[CandidateRow] = (),
        book: PolicyBook | None = None,
    ) -> Self:
        """`also` are candidates that count although the last lookup no longer gave them; `book` are the policies that
        hold, where they are not the stored ones.
        """
        ids = [view.container.id for view in views]
        book = book or PolicyBook.load(session)
        candidates = dict(CheckRepository(session).candidates(ids))
        for row in also:
            if all(each.id != row.id for each in candidates[row.container_id]):
                candidates[row.container_id] += (row,)
        asked = {row.id for row in also}
        earlier = outcomes(session, ids)
        rows = [row for found in candidates.values() for row in found]
        scans = ScanRepository(session).standing(sorted(_images(views, rows)))
        advice = RecommendationRepository(session).latest([row.id for row in rows])
        policies = {view.container.id: book.policy_of(view) for view in views}
        named = {name for each in policies.values() for name in each.policy.vex}
        excuses = ExcuseBook.load(session, sorted(named))
        trusts = frozenset(trust.name for trust in SignatureRepository(session).trusts())
        signatures = SignatureRepository(session).current(sorted(_images((), rows))) if trusts else {}
        open_updates = {row.container_id: row for row in UpdateRepository(session).open()}
        by_policy = ApprovalRepository(session).of_policy([row.id for row in open_updates.values()])
        return cls(
            [
                Known(
                    view=view,
                    policy=policies[view.container.id],
                    facts=facts_of(view),
                    candidates=offers(
                        view, policies[view.container.id], candidates[view.container.id], asked
                    ),
                    outcomes=earlier[view.container.id],
                    open_update=open_updates.get(view.container.id),
                    running_scan=scans.get(view.container.image_pk or 0),
                    candidate_scans=scans,
                    advice=advice,
                    excuses=excuses.excuses_for(view, policies[view.container.id].policy),
                    signatures=signatures,
                    trusts=trusts,
                    by_policy=_id_of(open_updates.get(view.container.id)) in by_policy,
                )
                for view in views
            ]
        )

    def __iter__(self) -> Iterator[Known]:
        return iter(self._known.values())

    def __getitem__(self, container_id: int) -> Known:
        return self._known[container_id]


def _beside(before: Scan | None, after: Scan) -> set[str]:
    """What a candidate has besides vulnerabilities, and what runs has not."""
    known = {(each.rule, each.file) for each in (before.found_secrets if before else ())}
    hidden = [each for each in after.found_secrets if (each.rule, each.file) not in known]
    said = {f"a secret, {each.rule} in {each.file or each.place}" for each in hidden}
    ended = after.end_of_life and not (before and before.end_of_life)
    return said | ({f"that {after.os_family} {after.os_version} gets no fixes any more"} if ended else set())


def _id_of(update: Update | None) -> int | None:
    return None if update is None else update.id


def _is_ours(runtime_id: str) -> bool:
    """A container's host name is its short id, unless somebody chose another; a machine may be called `db`."""
    hostname = socket.gethostname()
    return _SHORT_ID.fullmatch(hostname) is not None and runtime_id.startswith(hostname)


def _images(views: Sequence[ContainerView], rows: Sequence[CandidateRow]) -> set[int]:
    return {
        pk for pk in (*(view.container.image_pk for view in views), *(row.image_pk for row in rows)) if pk
    }


def _earlier(outcome: Outcome) -> EarlierUpdate:
    return EarlierUpdate(outcome.to_digest, outcome.status, _ended(outcome), outcome.reason)


def _failure(outcome: Outcome) -> EarlierFailure:
    return EarlierFailure(
        outcome.to_digest, outcome.to_version, outcome.status, _ended(outcome), outcome.reason
    )


def _ended(outcome: Outcome) -> datetime:
    """ROLLBACK_FAILED has not ended; it counts from when it was begun."""
    return outcome.finished_at or outcome.created_at


def _skipped(earlier: Sequence[Outcome]) -> Iterator[str]:
    for outcome in earlier:
        if outcome.skipped:
            yield from (name for name in (outcome.to_version, outcome.to_digest) if name)


def _open(update: Update | None) -> OpenUpdate | None:
    if update is None:
        return None
    return OpenUpdate(update.id, update.to_digest, update.status)
