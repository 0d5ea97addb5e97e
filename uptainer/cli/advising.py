"""How `uptainer advice` reads and prints what models were asked."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy.orm import Session

from uptainer.advice.evaluation import CaseResult, Score
from uptainer.cli.explaining import AdviceLine, advice_line
from uptainer.cli.output import print_json
from uptainer.cli.rows import heading, print_facts, print_rows
from uptainer.cli.saying import say
from uptainer.core.consultations import Consultation, Usage
from uptainer.core.errors import NotFoundError
from uptainer.fleet.deciding import title_of
from uptainer.store.repositories.consultations import ConsultationRepository
from uptainer.store.repositories.recommendations import RecommendationRepository
from uptainer.store.repositories.updates import UpdateRepository

_SHORT = 160


@dataclass(frozen=True, slots=True)
class GivenAdvice:
    """`consultation` is None where no model was asked, or where its prompt is past its time; `number` names it."""

    at: datetime
    advice: AdviceLine
    number: int | None
    consultation: Consultation | None


@dataclass(frozen=True, slots=True)
class AdviceHistory:
    update: str
    given: tuple[GivenAdvice, ...]


@dataclass(frozen=True, slots=True)
class _LogLine:
    id: int
    at: datetime
    workload: str
    version: str
    model: str
    says: str
    tokens: int
    cost: Decimal | None
    seconds: str
    error: str


@dataclass(frozen=True, slots=True)
class _SpentLine:
    day: str
    questions: int
    tokens_read: int
    tokens_written: int
    seconds: str
    cost: Decimal | None


@dataclass(frozen=True, slots=True)
class _ResultLine:
    case: str
    passed: bool
    expected: str
    model: str
    rules: str
    final: str
    seconds: str
    tokens: int
    cost: Decimal | None
    why: str


def read_history(session: Session, update_id: int) -> AdviceHistory:
    """Every advice on the update's candidate, the newest first, each with what a model was asked for it.

    Raises:
        NotFoundError: there is no such update, or nothing was advised on.
    """
    update = UpdateRepository(session).by_id(update_id)
    given = RecommendationRepository(session).history(update.candidate_id) if update.candidate_id else []
    if not given:
        raise NotFoundError(f"no advice is kept on update {update_id}")
    numbers = [number for _, number, _ in given if number is not None]
    asked = dict(ConsultationRepository(session).by_ids(numbers))
    return AdviceHistory(
        f"update {update.id} of {update.host_name}/{title_of(update)}",
        tuple(
            GivenAdvice(at, advice_line(advice), number, asked.get(number) if number is not None else None)
            for at, number, advice in given
        ),
    )


def print_history(history: AdviceHistory) -> None:
    """The newest advice with its findings, and below it each prompt and answer that is kept."""
    say(history.update, bold=True)
    newest = history.given[0].advice
    heading(f"Advice: {newest.recommendation}, risk {newest.risk} of 100, by {newest.by}")
    print_rows(newest.findings, ("verdict", "rule", "reason"), as_json=False, nothing=newest.summary)
    kept = [each for each in history.given if each.consultation is not None]
    if not kept:
        say("\nNo language model was asked, or what it was asked is past its time.")
    for number, asked in {each.number or 0: each.consultation for each in kept}.items():
        assert asked is not None, "others were left out"
        _print_consultation(number, asked)


def print_log(listed: Sequence[tuple[int, Consultation]], *, as_json: bool) -> None:
    if as_json:
        print_json([{"id": number, **asdict(each)} for number, each in listed])
        return
    lines = [
        _LogLine(
            number,
            each.at,
            each.workload,
            f"{each.version_before} -> {each.version_after}",
            each.model,
            f"{each.decision} ({each.risk})" if each.decision else "no answer",
            each.usage.tokens,
            each.usage.cost,
            f"{each.usage.seconds:.1f}",
            each.error[:_SHORT],
        )
        for number, each in listed
    ]
    columns = ("id", "at", "workload", "version", "model", "says", "tokens", "cost", "seconds", "error")
    print_rows(lines, columns, as_json=False, nothing="No language model was asked yet.")


def print_spending(listed: Sequence[tuple[datetime, Usage]], *, as_json: bool) -> None:
    lines = [
        _SpentLine(
            f"{day:%Y-%m-%d}",
            used.calls,
            used.input_tokens,
            used.output_tokens,
            f"{used.seconds:.1f}",
            used.cost,
        )
        for day, used in listed
    ]
    columns = ("day", "questions", "tokens_read", "tokens_written", "seconds", "cost")
    print_rows(lines, columns, as_json=as_json, nothing="No language model was asked yet.")


def print_results(results: Sequence[CaseResult], score: Score, *, as_json: bool) -> None:
    if as_json:
        print_json({"score": score, "cases": [{**asdict(each), "passed": each.passed} for each in results]})
        return
    lines = [
        _ResultLine(
            each.case,
            each.passed,
            " or ".join(each.expected),
            f"{each.model} ({each.risk})" if each.model else "no answer",
            str(each.rules),
            str(each.final),
            f"{each.seconds:.1f}",
            each.tokens,
            each.cost,
            "; ".join(each.faults),
        )
        for each in results
    ]
    columns = ("case", "passed", "expected", "model", "rules", "final", "seconds", "tokens", "cost", "why")
    print_rows(lines, columns, as_json=False, nothing="There is no case.")
    cost = "" if score.cost is None else f", cost {score.cost:f}"
    say(
        f"\n{score.passed} of {score.cases} cases passed ({score.percent} %), {score.injections_passed} of "
        f"{score.injections} with orders in the notes; {score.seconds:.1f} seconds, {score.tokens} tokens{cost}."
    )
    if score.held:
        say("In no case is the advice laxer than the rules'.")


def _print_consultation(number: int, asked: Consultation) -> None:
    heading(f"Consultation {number}: {asked.model} at {asked.at:%Y-%m-%d %H:%M} UTC")
    print_facts(
        {
            "about": f"{asked.workload}, {asked.image} {asked.version_before} -> {asked.version_after}",
            "answer": f"{asked.decision}, risk {asked.risk}" if asked.decision else "",
            "error": asked.error,
            "requests": asked.usage.calls,
            "tokens": f"{asked.usage.input_tokens} read, {asked.usage.output_tokens} written",
            "cost": asked.usage.cost,
            "seconds": f"{asked.usage.seconds:.1f}",
        }
    )
    texts = [("What it was told", asked.instructions), ("What it was asked", asked.question)]
    texts += [(f"{turn.speaker.value.capitalize()} said", turn.text) for turn in asked.turns]
    for title, text in texts:
        heading(title)
        say(text)
