"""Bills of materials by image, compressed, one in each format."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import zstandard
from sqlalchemy import func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from uptainer.core.enums import SbomFormat
from uptainer.core.sboms import Sbom as Document
from uptainer.store.bulk import any_of
from uptainer.store.models import Container, Image, Sbom

_LEVEL = 9


@dataclass(frozen=True, slots=True)
class SbomView:
    """What is kept of an image, without the documents. `containers` run it; no `formats` means that none is kept."""

    image: Image
    containers: int
    formats: tuple[SbomFormat, ...]
    components: int | None
    size: int | None
    made_by: str
    made_at: datetime | None


class SbomRepository:
    def __init__(self, session: Session) -> None:
        self._session = session

    def put(self, image_pk: int, documents: Sequence[Document], now: datetime) -> None:
        """Keep these; what was kept of the image in the same format goes."""
        for each in documents:
            values = {
                "content": zstandard.ZstdCompressor(level=_LEVEL).compress(each.document),
                "size": len(each.document),
                "components": each.components,
                "made_by": each.made_by,
                "made_at": now,
            }
            statement = insert(Sbom).values(image_pk=image_pk, format=each.format, **values)
            self._session.execute(
                statement.on_conflict_do_update(index_elements=["image_pk", "format"], set_=values)
            )

    def fresh(self, image_pks: Sequence[int], since: datetime) -> frozenset[int]:
        """Those of the images of which both documents are kept, and made since then."""
        found = (
            select(Sbom.image_pk)
            .where(any_of(Sbom.image_pk, image_pks), Sbom.made_at >= since)
            .group_by(Sbom.image_pk)
            .having(func.count() == len(SbomFormat))
        )
        return frozenset(self._session.scalars(found))

    def document(self, image_pk: int, kind: SbomFormat) -> bytes | None:
        """The document; None where none is kept."""
        wanted = select(Sbom.content, Sbom.size).where(Sbom.image_pk == image_pk, Sbom.format == kind)
        row = self._session.execute(wanted).one_or_none()
        if row is None:
            return None
        return zstandard.ZstdDecompressor().decompress(row.content, max_output_size=row.size)

    def listing(self, name: str | None = None) -> Sequence[SbomView]:
        """Images that run, and others of which there is one; `name` is a part of the image's, or begins its digest."""
        running = (
            select(Container.image_pk, func.count().label("containers"))
            .where(Container.vanished_at.is_(None), Container.image_pk.is_not(None))
            .group_by(Container.image_pk)
            .subquery()
        )
        kept = (
            select(
                Sbom.image_pk,
                func.array_agg(Sbom.format).label("formats"),
                func.max(Sbom.components).filter(Sbom.format == SbomFormat.CYCLONEDX).label("components"),
                func.sum(func.length(Sbom.content)).label("size"),
                func.max(Sbom.made_by).label("made_by"),
                func.max(Sbom.made_at).label("made_at"),
            )
            .group_by(Sbom.image_pk)
            .subquery()
        )
        wanted = (
            select(Image, func.coalesce(running.c.containers, 0), kept)
            .outerjoin(running, running.c.image_pk == Image.id)
            .outerjoin(kept, kept.c.image_pk == Image.id)
            .where(or_(running.c.image_pk.is_not(None), kept.c.image_pk.is_not(None)))
            .order_by(Image.name, Image.digest, Image.platform)
        )
        if name is not None:
            by_name = Image.name.icontains(name, autoescape=True)
            wanted = wanted.where(or_(by_name, Image.digest.startswith(name, autoescape=True)))
        return [
            SbomView(
                image=row[0],
                containers=row[1],
                formats=tuple(sorted(SbomFormat(each) for each in row.formats or ())),
                components=row.components,
                size=row.size,
                made_by=row.made_by or "",
                made_at=row.made_at,
            )
            for row in self._session.execute(wanted)
        ]
