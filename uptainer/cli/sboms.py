"""`uptainer sbom`: what the images are made of."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from uptainer.cli import completion
from uptainer.cli.groups import examples
from uptainer.cli.output import AsJson
from uptainer.cli.saying import say, say_json
from uptainer.core.enums import SbomFormat

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from uptainer.store.repositories.sboms import SbomView

Subject = Annotated[
    str | None,
    typer.Argument(
        metavar="[HOST/NAME|IMAGE]",
        help="A workload, a part of an image's name, or the begin of its digest; without it, they are listed.",
        autocompletion=completion.containers,
    ),
]
Kind = Annotated[SbomFormat, typer.Option("--format", help="The form that it is written in.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="A file; without it, it is printed.")]


@dataclass(frozen=True, slots=True)
class SbomLine:
    """`containers` run the image. `components` is None where no bill of materials is kept; `size` is in bytes, as kept."""

    image: str
    digest: str
    platform: str
    containers: int
    formats: tuple[str, ...]
    components: int | None
    size: int | None
    made_by: str
    made_at: datetime | None


def register(app: typer.Typer) -> None:
    app.command(
        epilog=examples(
            "uptainer sbom", "uptainer sbom nas/web -o web.cdx.json", "uptainer sbom nginx --format spdx"
        )
    )(sbom)


def sbom(
    subject: Subject = None,
    kind: Kind = SbomFormat.CYCLONEDX,
    output: Output = None,
    as_json: AsJson = False,
) -> None:
    """List the bills of materials of what runs, or give the one of a workload or an image."""
    if subject is None:
        _list(as_json=as_json)
        return
    document = _document(subject, kind)
    if output is None:
        say_json(document.decode())
        return
    _write(output, document)
    say(f"{output} has the {kind} document of {subject}.")


def _list(*, as_json: bool) -> None:
    from uptainer.cli.connection import database  # noqa: PLC0415 -- help and completion need none of it
    from uptainer.cli.rows import print_rows  # noqa: PLC0415 -- as above
    from uptainer.store.repositories.sboms import SbomRepository  # noqa: PLC0415 -- as above

    with database() as opened, opened.session() as session:
        lines = [_line(view) for view in SbomRepository(session).listing()]
    columns = ("image", "platform", "containers", "components", "formats", "made_by", "made_at")
    nothing = "Nothing runs that is known here, and no bill of materials is kept: uptainer run scan"
    print_rows(lines, columns, as_json=as_json, nothing=nothing)


def _document(subject: str, kind: SbomFormat) -> bytes:
    """Raises NotFoundError: nothing is meant by this, or no document is kept of it."""
    from uptainer.cli.connection import database  # noqa: PLC0415 -- help and completion need none of it
    from uptainer.core.errors import NotFoundError  # noqa: PLC0415 -- as above
    from uptainer.store.repositories.sboms import SbomRepository  # noqa: PLC0415 -- as above

    with database() as opened, opened.session() as session:
        found = SbomRepository(session).document(_image(session, subject), kind)
    if found is None:
        raise NotFoundError(
            f"no bill of materials is kept of {subject}: the next scan makes one (uptainer run scan --wait)"
        )
    return found


def _image(session: "Session", subject: str) -> int:
    from uptainer.core.errors import InvalidInputError, NotFoundError  # noqa: PLC0415 -- help and completion need none of it
    from uptainer.store.repositories.containers import ContainerRepository  # noqa: PLC0415 -- as above
    from uptainer.store.repositories.sboms import SbomRepository  # noqa: PLC0415 -- as above

    views = [view for view in ContainerRepository(session).listing() if view.address == subject]
    if views and views[0].container.image_pk is not None:
        return views[0].container.image_pk
    found = SbomRepository(session).listing(subject)
    meant = [view for view in found if view.containers] or list(found)
    if not meant:
        raise NotFoundError(f"nothing that runs or was scanned is called {subject!r}: see `uptainer sbom`")
    if len(meant) > 1:
        several = ", ".join(f"{view.image.digest[:19]} ({view.image.platform})" for view in meant[:5])
        raise InvalidInputError(f"{subject!r} may be several images: say which, by its digest: {several}")
    return meant[0].image.id


def _write(path: Path, document: bytes) -> None:
    from uptainer.core.errors import InvalidInputError  # noqa: PLC0415 -- help and completion need none of it

    try:
        path.write_bytes(document)
    except OSError as error:
        raise InvalidInputError(f"{path} can't be written: {error.strerror}") from error


def _line(view: "SbomView") -> SbomLine:
    image = view.image
    return SbomLine(
        image=image.name or image.digest[:19],
        digest=image.digest,
        platform=image.platform,
        containers=view.containers,
        formats=tuple(str(each) for each in view.formats),
        components=view.components,
        size=view.size,
        made_by=view.made_by,
        made_at=view.made_at,
    )
