"""The form of the gate, as Prefect's page shows it and as the API takes it."""

from dataclasses import replace
from datetime import datetime
from typing import Literal

from prefect.input import RunInput
from pydantic import Field

from uptainer.core.enums import ApprovalChannel, ApprovalDecision
from uptainer.core.errors import InvalidInputError
from uptainer.fleet.situations import parse_until
from uptainer.store.repositories.approvals import Answer
from uptainer.store.repositories.audit import Actor


class GateForm(RunInput):
    """What is required has no default: a resume with an empty body must be refused."""

    decision: Literal["approve", "reject", "snooze", "skip"] = Field(
        title="Decision",
        description="**approve** it, **reject** this image, **snooze** the question, or **skip** this version for good.",
    )
    approved_by: str = Field(
        title="Your name",
        min_length=2,
        max_length=200,
        description="It goes into the audit log as a name that was typed.",
    )
    reason: str = Field(default="", title="Reason", max_length=2000, description="Kept with the answer.")
    snooze_until: str = Field(
        default="",
        title="Snooze until",
        description="Only for snooze: a duration like `3d`, or a time like `2026-12-01T06:00+01:00`.",
    )

    def answer(self, now: datetime) -> Answer:
        """What was filled in; a time that cannot be read is the answer's own refusal, and the gate opens anew."""
        given = Answer(
            ApprovalDecision(self.decision),
            ApprovalChannel.PREFECT_FORM,
            Actor(self.approved_by.strip()),
            self.reason,
        )
        if given.decision is not ApprovalDecision.SNOOZE:
            return given
        try:
            return replace(given, snooze_until=parse_until(self.snooze_until, now))
        except InvalidInputError as error:
            return replace(given, refusal=str(error))
