"""Whose signatures are trusted, and what verifying images against them found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, contains_eager

from uptainer.core.enums import SignatureStatus
from uptainer.core.errors import NotFoundError
from uptainer.core.signatures import Verification
from uptainer.store.bulk import any_of, upsert_rows
from uptainer.store.models import SignatureTrust, SignatureVerification
from uptainer.store.repositories.audit import Actor, AuditRepository


@dataclass(frozen=True, slots=True)
class Verified:
    """What came of verifying an image against a trust that had this fingerprint."""

    image_pk: int
    trust_id: int
    fingerprint: str
    found: Verification


class SignatureRepository:
    def __init__(self, session: Session) -> None:
        self._session = session
        self._audit = AuditRepository(session)

    def trusts(self) -> Sequence[SignatureTrust]:
        return self._session.scalars(select(SignatureTrust).order_by(SignatureTrust.name)).all()

    def put_trust(self, name: str, document: Mapping[str, Any], fingerprint: str, *, actor: Actor) -> None:
        """Keep a trust, or another one under its name; the whole document, which is no secret, goes on record."""
        values = {"document": dict(document), "fingerprint": fingerprint}
        statement = insert(SignatureTrust).values(name=name, **values)
        self._session.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))
        self._audit.append(actor, "trust.put", f"trust/{name}", values)

    def remove_trust(self, name: str, *, actor: Actor) -> None:
        """With all that was verified against it."""
        gone = delete(SignatureTrust).where(SignatureTrust.name == name)
        if self._session.scalar(gone.returning(SignatureTrust.id)) is None:
            known = ", ".join(trust.name for trust in self.trusts()) or "none"
            raise NotFoundError(f"there is no trust {name!r}; known: {known}")
        self._audit.append(actor, "trust.removed", f"trust/{name}", {})

    def record(self, found: Sequence[Verified], now: datetime) -> None:
        """The last one of each image and trust is kept; each pair may be given once."""
        rows = [
            {
                "image_pk": each.image_pk,
                "trust_id": each.trust_id,
                "fingerprint": each.fingerprint,
                "status": each.found.status,
                "reason": each.found.reason,
                "signer": each.found.signer,
                "signed_at": each.found.signed_at,
                "signed_digest": each.found.signed_digest,
                "verified_at": each.found.verified_at or now,
            }
            for each in found
        ]
        if rows:
            self._session.execute(upsert_rows(SignatureVerification, rows, key=("image_pk", "trust_id")))

    def verified_counts(self) -> Mapping[int, int]:
        """By trust, how many images are verified against it as it is now."""
        rows = self._session.execute(
            select(SignatureVerification.trust_id, func.count())
            .join(SignatureVerification.trust)
            .where(
                SignatureVerification.status == SignatureStatus.VERIFIED,
                SignatureVerification.fingerprint == SignatureTrust.fingerprint,
            )
            .group_by(SignatureVerification.trust_id)
        )
        return dict(rows.tuples().all())

    def current(self, image_pks: Sequence[int]) -> Mapping[int, Mapping[str, Verification]]:
        """By image and trust, what was verified against the trust as it is now."""
        rows = self._session.scalars(
            select(SignatureVerification)
            .join(SignatureVerification.trust)
            .options(contains_eager(SignatureVerification.trust))
            .where(
                any_of(SignatureVerification.image_pk, image_pks),
                SignatureVerification.fingerprint == SignatureTrust.fingerprint,
            )
        )
        found: dict[int, dict[str, Verification]] = {pk: {} for pk in image_pks}
        for row in rows:
            found[row.image_pk][row.trust.name] = _verification(row)
        return found


def _verification(row: SignatureVerification) -> Verification:
    return Verification(
        trust=row.trust.name,
        status=row.status,
        reason=row.reason,
        signer=row.signer,
        signed_at=row.signed_at,
        signed_digest=row.signed_digest,
        verified_at=row.verified_at,
    )
