"""Advice from everything there is: release notes where they can be found, the rules, and a model where there is one."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import anyio

from uptainer.advice.consulting import Consulted, Desk, Earlier
from uptainer.advice.notes import ReleaseNotes
from uptainer.advice.projects import LABELS
from uptainer.advice.release_notes import ReleaseReader
from uptainer.advice.rules import advise
from uptainer.advice.subject import AdviceSubject
from uptainer.core.errors import ProtocolError, UptainerError

logger = logging.getLogger(__name__)

_Question = tuple[str, str, str | None, str | None]


@dataclass(frozen=True, slots=True)
class Advisor:
    """For one sweep over a fleet: the notes of a project are read once, however many containers run it, and one
    project after the other, as hosts ask their callers to do.

    Without a `desk` the rules advise alone, and nothing is said of a model: nobody wanted one.
    """

    releases: ReleaseReader
    desk: Desk | None = None
    _notes: dict[_Question, ReleaseNotes | UptainerError] = field(default_factory=dict)
    _reading: anyio.Lock = field(default_factory=anyio.Lock)

    async def advise(self, subject: AdviceSubject, earlier: Earlier | None = None) -> Consulted:
        """The advice on one candidate, of which there is an `earlier` one. Notes or a model that cannot be had are a
        finding with the reason.
        """
        informed = await self._with_notes(subject)
        rules = advise(informed)
        if self.desk is None:
            return Consulted(rules)
        return await self.desk.consult(rules, informed, earlier)

    async def _with_notes(self, subject: AdviceSubject) -> AdviceSubject:
        labels = _labels(subject)
        source = " ".join(labels.get(name, "") for name in LABELS)
        question = (source, _name(subject), subject.version_before, subject.version_after)
        async with self._reading:
            if question not in self._notes:
                self._notes[question] = await self._read(labels, subject)
        found = self._notes[question]
        if isinstance(found, UptainerError):
            return replace(subject, notes=None, notes_reason=str(found))
        return replace(subject, notes=found)

    async def _read(self, labels: Mapping[str, str], subject: AdviceSubject) -> ReleaseNotes | UptainerError:
        try:
            before, after = subject.version_before, subject.version_after
            return await self.releases.notes_for(labels, before, after, name=_name(subject))
        except UptainerError as error:
            return error
        except (
            Exception
        ) as error:  # strangers write what is read here, and the fleet is decided on without it
            logger.exception("the release notes of %s could not be read", subject.candidate.reference)
            return ProtocolError(f"they can't be read ({type(error).__name__}: a fault of Uptainer's own)")


def _name(subject: AdviceSubject) -> str:
    """The image's own, by which a part of a repository may be called."""
    return subject.candidate.reference.repository.rpartition("/")[2]


def _labels(subject: AdviceSubject) -> Mapping[str, str]:
    """The candidate's own labels, else those of what runs: a project seldom moves between two versions."""
    if any(subject.candidate.labels.get(name) for name in LABELS) or subject.running is None:
        return subject.candidate.labels
    return subject.running.labels
