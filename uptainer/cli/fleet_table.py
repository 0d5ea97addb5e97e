"""The fleet at a glance: what runs, what could take its place, and why or why not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from uptainer.core.reference import Reference
from uptainer.store.models import Update
from uptainer.store.repositories.containers import ContainerRepository, ContainerView
from uptainer.store.repositories.updates import UpdateRepository

COLUMNS = ("workload", "running", "version", "candidate", "why")
NOT_LOOKED_UP = "not looked up yet"


@dataclass(frozen=True, slots=True)
class Line:
    """`version` and `candidate` are "" where there is none, or none is known."""

    workload: str
    running: str
    version: str
    candidate: str
    why: str

    @property
    def cells(self) -> tuple[str, str, str, str, str]:
        return self.workload, self.running, self.version, self.candidate, self.why


def read(session: Session) -> list[Line]:
    """A line for each container that is there."""
    views = ContainerRepository(session).listing()
    proposed = {update.container_id: update for update in UpdateRepository(session).open()}
    return [_line(view, proposed) for view in views]


def _line(view: ContainerView, proposed: Mapping[int, Update]) -> Line:
    update = proposed.get(view.container.id)
    return Line(
        workload=view.address,
        running=view.container.image_reference,
        version=_version(view),
        candidate=_candidate(update) if update else "",
        why=_why(view, update),
    )


def _version(view: ContainerView) -> str:
    stands_for = view.check.stands_for if view.check else None
    return stands_for or (view.image.version if view.image else None) or ""


def _candidate(update: Update) -> str:
    reference = Reference.parse(update.to_reference)
    return update.to_version or reference.tag or update.to_digest[:19]


def _why(view: ContainerView, update: Update | None) -> str:
    parts: Sequence[str] = [f"update {update.id}: {update.status.replace('_', ' ')}"] if update else []
    if view.check is None:
        return "; ".join([*parts, NOT_LOOKED_UP])
    said = view.check.reason or view.check.result.replace("_", " ")
    return "; ".join([*parts, said])
