"""A model is asked about one candidate: within its budget, once more where it was only busy, and on the record."""

import json
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import anyio

from uptainer.advice.consultations import Ledger, Transcript
from uptainer.advice.model import INSTRUCTIONS, REPAIRS, AdviceModel, ModelAnswer
from uptainer.advice.notes import ReleaseNotes, fit
from uptainer.advice.opinions import not_asked, repeat_opinion, stricter, without_model
from uptainer.advice.spending import worst_case
from uptainer.advice.subject import AdviceSubject
from uptainer.core.clock import utc_now
from uptainer.core.consultations import Consultation, Usage
from uptainer.core.errors import RefusedError, TemporaryError, UnreachableError, UptainerError
from uptainer.core.findings import Advice

_MAX_NOTES = 60_000
_DEFAULT_WAIT = timedelta(seconds=2)
_BEGIN = re.compile(r"^NOTES ([0-9a-f]{16}) BEGIN$", re.MULTILINE)
_UNTOLD = frozenset({"age"})
"""Rules that say something else every day, of which a model learns nothing that is in the notes."""


@dataclass(frozen=True, slots=True)
class Consulted:
    """`answer` is the model's own, before the rules' say; `number` names the consultation that was kept."""

    advice: Advice
    answer: ModelAnswer | None = None
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Earlier:
    """The last advice on the same candidate, with the number of what a model was asked for it, and that."""

    advice: Advice
    number: int
    asked: Consultation


@dataclass(frozen=True, slots=True)
class Desk:
    """A model with the ledger that it is asked through.

    A server that may answer later is asked once more, if it wants no longer a wait than `patience`.
    """

    model: AdviceModel
    ledger: Ledger
    patience: timedelta = timedelta(seconds=30)
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep
    clock: Callable[[], datetime] = utc_now

    async def consult(
        self, rules: Advice, subject: AdviceSubject, earlier: Earlier | None = None
    ) -> Consulted:
        """The rules' advice with the model's opinion in it, or as it was with the reason why there is none.

        What it was asked word for word before is not asked again: its answer of then is its opinion.
        """
        notes = subject.notes
        if notes is None:
            reason = f"there are no release notes to read ({subject.notes_reason})"
            return Consulted(without_model(rules, reason))
        if earlier is not None and self._answered(earlier.asked, subject, notes, rules):
            return Consulted(repeat_opinion(rules, earlier.advice, earlier.asked), None, earlier.number)
        asked = _Asked(self.model, subject, question_about(subject, notes, rules), self.clock())
        answer = await self._answer(asked)
        if isinstance(answer, RefusedError) and not asked.transcript.requests:
            return Consulted(not_asked(rules, str(answer)))
        number = await self.ledger.keep(asked.record(answer))
        if isinstance(answer, UptainerError):
            return Consulted(without_model(rules, str(answer)), None, number)
        return Consulted(stricter(rules, answer, notes, name=self.model.settings.model), answer, number)

    def _answered(
        self, asked: Consultation, subject: AdviceSubject, notes: ReleaseNotes, rules: Advice
    ) -> bool:
        """Whether it is the same model, that it gave an answer, and that the same question would be put again."""
        settings, mark = self.model.settings, _BEGIN.search(asked.question)
        if asked.decision is None or mark is None:
            return False
        whom = (asked.provider, asked.model, asked.instructions)
        return (
            whom == (settings.provider, settings.model, INSTRUCTIONS)
            and question_about(subject, notes, rules, mark=mark[1]) == asked.question
        )

    async def _answer(self, asked: "_Asked") -> ModelAnswer | UptainerError:
        try:
            return await self._ask_twice(asked.question, asked.transcript)
        except UptainerError as error:
            return error

    async def _ask_twice(self, question: str, transcript: Transcript) -> ModelAnswer:
        try:
            return await self._ask(question, transcript)
        except TemporaryError as error:
            wait = _DEFAULT_WAIT if error.retry_after is None else error.retry_after
            if wait > self.patience:
                raise
        await self.sleep(wait.total_seconds())
        return await self._ask(question, transcript)

    async def _ask(self, question: str, transcript: Transcript) -> ModelAnswer:
        """What was set aside is settled whatever happens; a run that dies here leaves it counted."""
        settings = self.model.settings
        wanted = worst_case(
            INSTRUCTIONS + question,
            max_tokens=settings.max_tokens,
            seconds=settings.timeout.total_seconds() * (1 + REPAIRS),
            requests=1 + REPAIRS,
            prices=settings.prices,
        )
        reserved = await self.ledger.reserve(wanted, self.clock())
        begun, before = time.monotonic(), (transcript.input_tokens, transcript.output_tokens)
        transcript.unmetered = False
        transcript.requests += 1
        try:
            with anyio.fail_after(reserved.seconds):
                return await self.model.ask(INSTRUCTIONS, question, transcript)
        except TimeoutError as error:
            transcript.unmetered = True
            raise UnreachableError(
                f"{settings.model} did not answer within {reserved.seconds:.0f} seconds"
            ) from error
        except anyio.get_cancelled_exc_class():
            transcript.unmetered = True
            raise
        finally:
            seconds = time.monotonic() - begun
            with anyio.CancelScope(shield=True):
                await self.ledger.settle(reserved, _used(transcript, before, seconds, wanted, self.model))


def _used(
    transcript: Transcript, before: tuple[int, int], seconds: float, wanted: Usage, model: AdviceModel
) -> Usage:
    """Where it is not known what a request took, what was set aside for it counts."""
    if transcript.unmetered:
        return Usage(1, seconds, wanted.input_tokens, wanted.output_tokens, wanted.cost)
    read, written = transcript.input_tokens - before[0], transcript.output_tokens - before[1]
    prices = model.settings.prices
    return Usage(1, seconds, read, written, prices.cost(read, written) if prices is not None else None)


def question_about(subject: AdviceSubject, notes: ReleaseNotes, rules: Advice, *, mark: str = "") -> str:
    """The facts as JSON, and the notes between two lines that whoever wrote the notes cannot have known."""
    mark = mark or secrets.token_hex(8)
    fitted, left_out = fit(notes.releases, _MAX_NOTES)
    text = ReleaseNotes(notes.source, fitted).text[: 2 * _MAX_NOTES]
    facts = {
        "workload": subject.workload,
        "image": subject.reference.name,
        "from": subject.version_before or subject.reference.tag,
        "to": subject.version_after or subject.candidate.reference.tag,
        "level": subject.candidate.level,
        "keeps_data_in": [mount.destination for mount in subject.mounts if not mount.read_only],
        "findings_of_the_rules": [
            f"{finding.rule}: {finding.reason}" for finding in rules.findings if finding.rule not in _UNTOLD
        ],
        "release_notes_complete": notes.complete and not left_out,
    }
    return f"Facts:\n{json.dumps(facts, indent=1)}\n\nNOTES {mark} BEGIN\n{text}\nNOTES {mark} END"


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question on its way, and what is written down of it."""

    model: AdviceModel
    subject: AdviceSubject
    question: str
    at: datetime
    transcript: Transcript = field(default_factory=Transcript)
    begun: float = field(default_factory=time.monotonic)

    def record(self, answer: ModelAnswer | UptainerError) -> Consultation:
        settings, said, subject = self.model.settings, self.transcript, self.subject
        prices = settings.prices
        return Consultation(
            at=self.at,
            provider=settings.provider,
            model=settings.model,
            workload=subject.workload,
            image=subject.reference.name,
            version_before=subject.version_before or subject.reference.tag or "",
            version_after=subject.version_after or subject.candidate.reference.tag or "",
            instructions=INSTRUCTIONS,
            question=self.question,
            turns=tuple(said.turns),
            usage=Usage(
                calls=said.requests,
                seconds=round(time.monotonic() - self.begun, 3),
                input_tokens=said.input_tokens,
                output_tokens=said.output_tokens,
                cost=prices.cost(said.input_tokens, said.output_tokens)
                if prices is not None and not said.unmetered
                else None,
            ),
            decision=None if isinstance(answer, UptainerError) else answer.decision,
            risk=None if isinstance(answer, UptainerError) else answer.risk_score,
            error=str(answer) if isinstance(answer, UptainerError) else "",
        )
