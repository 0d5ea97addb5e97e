"""The rules' advice and a model's opinion, put together: the model may only be stricter than the rules.

The model reads text that strangers wrote, so nothing that it answers is trusted: the answer has a form that is
checked, its quotes are looked for in the release notes, and `stricter` takes the stricter of both recommendations
and the higher of both risks. A note that talks the model into "apply" changes nothing.
"""

from dataclasses import replace

from uptainer.advice.judgements import HOLD, strictest
from uptainer.advice.model import ModelAnswer
from uptainer.advice.notes import ReleaseNotes, is_quoted, squeeze, visible
from uptainer.core.consultations import Consultation
from uptainer.core.enums import RecommendationType
from uptainer.core.findings import Advice, Finding, Verdict

RULE = "language model"
_MAX_SAID = 400
_UNHEARD = "the language model was not heard"
_UNASKED = "the model was not asked"


def check_quotes(answer: ModelAnswer, notes: ReleaseNotes) -> tuple[ModelAnswer, int]:
    """The answer with those breaking changes whose quotes stand in the notes, and how many were dropped.

    White space is not compared: models wrap lines as they like.
    """
    kept = tuple(change for change in answer.breaking_changes if is_quoted(change.quote, notes))
    return answer.model_copy(update={"breaking_changes": kept}), len(answer.breaking_changes) - len(kept)


def stricter(rules: Advice, answer: ModelAnswer, notes: ReleaseNotes, *, name: str) -> Advice:
    """The rules' advice, made stricter where the model is: never a softer recommendation, never a lower risk."""
    checked, dropped = check_quotes(answer, notes)
    recommendation = strictest([rules.recommendation, checked.decision])
    return Advice(
        recommendation=recommendation,
        risk=max(rules.risk, checked.risk_score),
        findings=(*rules.findings, *_findings(checked, dropped, name)),
        summary=rules.summary if recommendation is rules.recommendation else _one_line(checked.summary),
        source=f"{rules.source}+{name}",
    )


def without_model(rules: Advice, reason: str) -> Advice:
    """The rules' advice as it is, and a word on why the model has no part in it."""
    finding = Finding(RULE, Verdict.INFORM, f"{_UNHEARD}: {_one_line(reason)}")
    return replace(rules, findings=(*rules.findings, finding))


def not_asked(rules: Advice, reason: str) -> Advice:
    """The rules' advice as it is, where there was no budget left to ask."""
    finding = Finding(RULE, Verdict.INFORM, f"{_UNASKED}: {_one_line(reason)}")
    return replace(rules, findings=(*rules.findings, finding))


def repeat_opinion(rules: Advice, earlier: Advice, asked: Consultation) -> Advice:
    """The rules' advice with what a model answered before to the very same question; `earlier` is the advice of then."""
    assert asked.decision is not None, "it was answered"
    return _joined(rules, earlier, asked.decision, asked.risk or 0)


def keep_opinion(now: Advice, earlier: Advice) -> Advice:
    """Advice without a model, and what one said before of the same candidate: a spent budget or a server that is away
    takes back no warning.
    """
    if now.source == earlier.source or not earlier.source.startswith(f"{now.source}+"):
        return now
    return _joined(now, earlier, earlier.recommendation, earlier.risk)


def _joined(now: Advice, earlier: Advice, opinion: RecommendationType, risk: int) -> Advice:
    said = tuple(
        each
        for each in earlier.findings
        if each.rule == RULE and not each.reason.startswith((_UNHEARD, _UNASKED))
    )
    recommendation = strictest([now.recommendation, opinion])
    return Advice(
        recommendation=recommendation,
        risk=max(now.risk, risk),
        findings=(*now.findings, *said),
        summary=now.summary if recommendation is now.recommendation else earlier.summary,
        source=earlier.source,
    )


def _findings(answer: ModelAnswer, dropped: int, name: str) -> list[Finding]:
    verdict = Verdict.BLOCK if answer.decision is HOLD else Verdict.INFORM
    opinion = f"{name} says {answer.decision} (risk {answer.risk_score}): {_one_line(answer.summary)}"
    said = [Finding(RULE, verdict, opinion)]
    said += [Finding(RULE, Verdict.INFORM, _one_line(reason)) for reason in answer.reasons]
    said += [
        Finding(RULE, Verdict.INFORM, f'{_one_line(change.what)}: "{_one_line(change.quote)}"')
        for change in answer.breaking_changes
    ]
    if dropped:
        reason = f"{dropped} breaking change{'s' if dropped > 1 else ''} of its answer left out: not in the release notes"
        said.append(Finding(RULE, Verdict.INFORM, reason))
    return said


def _one_line(text: str) -> str:
    """What others wrote, for a table or a log: no line breaks, no control characters, of bounded length."""
    flat = squeeze(visible(text))
    return flat if len(flat) <= _MAX_SAID else flat[: _MAX_SAID - 3] + "..."
