"""Images by content: those that run, and those that are candidates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from uptainer.core.enums import ScanStatus
from uptainer.core.errors import InvalidInputError
from uptainer.core.images import Candidate
from uptainer.core.platform import Platform
from uptainer.core.reference import Reference
from uptainer.store.bulk import any_of, upsert_rows
from uptainer.store.models import CandidateRow, Container, Image, VulnerabilityScan

_VERSION_LABEL = "org.opencontainers.image.version"
_SAID = ("labels", "version")
_NAMED = ("name", "tags", "repo_digests")
Key = tuple[str, str]
"""Digest and platform."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An image that a container runs; `digest` is its registry's for the reference's name, else the engine's id."""

    digest: str
    platform: str
    image_id: str
    name: str | None
    tags: tuple[str, ...]
    repo_digests: tuple[str, ...]
    labels: Mapping[str, str] = field(hash=False)

    @property
    def key(self) -> Key:
        return self.digest, self.platform


def seen_image(
    reference: str,
    image_id: str,
    *,
    repo_digests: Sequence[str],
    platform: Platform | None,
    labels: Mapping[str, str],
) -> Seen:
    name, tag = _name_and_tag(reference)
    return Seen(
        digest=_digest_for(name, repo_digests) or image_id,
        platform=str(platform) if platform else "unknown",
        image_id=image_id,
        name=name,
        tags=(tag,) if tag else (),
        repo_digests=tuple(repo_digests),
        labels=labels,
    )


def repository_of(reference: str) -> str | None:
    """Registry and repository, as `docker.io/library/nginx`; None for an image that is named by its id only."""
    return _name_and_tag(reference)[0]


class ImageRepository:
    def __init__(self, session: Session) -> None:
        self._session = session

    def record_seen(self, images: Sequence[Seen], now: datetime) -> Mapping[Key, int]:
        """Upsert each distinct image once; gives their primary keys. Not every engine tells what an image says of itself."""
        distinct = {image.key: image for image in images}
        return self._upsert([_seen_row(image, now) for image in distinct.values()], fill=(*_SAID, *_NAMED))

    def record_candidates(
        self, candidates: Sequence[tuple[Candidate, Platform | None]], now: datetime
    ) -> Mapping[Key, int]:
        """Upsert the images that candidates stand for, on the platforms they are meant for."""
        rows = {(each.digest, str(platform or "unknown")): each for each, platform in candidates}
        # What an engine said of an image it holds is more than what a lookup says of a candidate.
        found = [_candidate_row(each, key[1], now) for key, each in rows.items()]
        return self._upsert(found, keep=_NAMED, add=_SAID)

    def needing_scan(
        self, older_than: timedelta, now: datetime, *, of: Sequence[int] | None = None
    ) -> Sequence[Image]:
        """Images that run somewhere or are candidates, and whose last successful scan is older than that, or none.

        Each digest and platform once, those without any scan first; not what no pod has started, for that has no digest.
        `of`: only what these containers run or are offered.
        """
        last = (
            select(VulnerabilityScan.image_pk, func.max(VulnerabilityScan.scanned_at).label("at"))
            .where(VulnerabilityScan.status == ScanStatus.SUCCEEDED)
            .group_by(VulnerabilityScan.image_pk)
            .subquery()
        )
        runs = select(Container.id).where(Container.image_pk == Image.id, Container.vanished_at.is_(None))
        offered = select(CandidateRow.id).where(
            CandidateRow.image_pk == Image.id, CandidateRow.gone_at.is_(None)
        )
        if of is not None:
            runs = runs.where(any_of(Container.id, of))
            offered = offered.where(any_of(CandidateRow.container_id, of))
        wanted = (
            select(Image)
            .outerjoin(last, last.c.image_pk == Image.id)
            .where(or_(runs.exists(), offered.exists()), Image.digest != "")
            .where(or_(last.c.at.is_(None), last.c.at < now - older_than))
            .order_by(last.c.at.nulls_first(), Image.id)
        )
        return self._session.scalars(wanted).all()

    def _upsert(
        self,
        rows: Sequence[dict[str, Any]],
        *,
        keep: Sequence[str] = (),
        fill: Sequence[str] = (),
        add: Sequence[str] = (),
    ) -> Mapping[Key, int]:
        if not rows:
            return {}
        kept = ("first_seen_at", *keep)
        statement = upsert_rows(Image, rows, key=("digest", "platform"), keep=kept, fill=fill, add=add)
        found = self._session.execute(statement.returning(Image.id, Image.digest, Image.platform))
        return {(digest, platform): number for number, digest, platform in found}


def _seen_row(image: Seen, now: datetime) -> dict[str, Any]:
    return {
        "digest": image.digest,
        "platform": image.platform,
        "image_id": image.image_id,
        "name": image.name,
        "tags": list(image.tags),
        "repo_digests": list(image.repo_digests),
        "labels": dict(image.labels),
        "version": image.labels.get(_VERSION_LABEL),
        "first_seen_at": now,
        "last_seen_at": now,
    }


def _candidate_row(candidate: Candidate, platform: str, now: datetime) -> dict[str, Any]:
    return {
        "digest": candidate.digest,
        "platform": platform,
        "name": candidate.reference.name,
        "tags": [candidate.reference.tag] if candidate.reference.tag else [],
        "repo_digests": [str(candidate.pinned)],
        "labels": dict(candidate.labels),
        "version": candidate.version,
        "image_created_at": candidate.published_at,
        "first_seen_at": now,
        "last_seen_at": now,
    }


def _name_and_tag(reference: str) -> tuple[str | None, str | None]:
    """Both None for a container whose engine names its image by id only."""
    try:
        parsed = Reference.parse(reference)
    except InvalidInputError:
        return None, None
    return parsed.name, parsed.tag


def _digest_for(name: str | None, repo_digests: Sequence[str]) -> str | None:
    """The digest under which this name's registry knows the image: the same image may have another elsewhere."""
    for each in repo_digests:
        repository, _, digest = each.partition("@")
        if digest and name is not None and _name_and_tag(repository)[0] == name:
            return digest
    return None
