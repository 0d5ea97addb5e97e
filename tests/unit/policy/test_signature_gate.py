"""The gate on signatures: what is not known to be signed by somebody trusted is not."""

from datetime import UTC, datetime
from typing import Any

import pytest

from uptainer.core.enums import (
    ChangeLevel,
    CheckResult,
    ContainerStatus,
    Health,
    PolicyScope,
    SignatureStatus,
)
from uptainer.core.errors import InvalidInputError
from uptainer.core.findings import Verdict
from uptainer.core.images import Candidate
from uptainer.core.reference import Reference
from uptainer.core.signatures import Verification
from uptainer.core.workloads import ContainerFacts
from uptainer.policy.decisions import Outcome, decide
from uptainer.policy.labels import read_labels
from uptainer.policy.layers import Layer, merge
from uptainer.policy.settings import parse_settings
from uptainer.policy.signing import check_signature
from uptainer.policy.subjects import DecisionSubject

NOW = datetime(2026, 1, 14, 12, tzinfo=UTC)
CONTAINER = ContainerFacts(
    key="web", runtime_id="1", name="web", image_reference="nginx:1.27.2", image_id="sha256:a", repo_digests=(),
    status=ContainerStatus.RUNNING, health=Health.NONE, restart_count=0, platform=None, created_at=NOW,
)  # fmt: skip
CANDIDATE = Candidate(Reference.parse("nginx:1.27.4"), "sha256:" + "b" * 64, ChangeLevel.PATCH, "1.27.4")


def subject(
    statuses: dict[str, SignatureStatus], *, approved: bool = False, **settings: Any
) -> DecisionSubject:
    asked = {"mode": "auto", "unscanned": "allow", **settings}
    return DecisionSubject(
        container=CONTAINER,
        policy=merge([Layer(PolicyScope.HOST, "prod", parse_settings(asked))]),
        check=CheckResult.CANDIDATES,
        candidate=CANDIDATE,
        approved=approved,
        signatures={name: Verification(name, each, f"said of {name}") for name, each in statuses.items()},
    )


VERIFIED, MISSING = SignatureStatus.VERIFIED, SignatureStatus.MISSING
INVALID, UNKNOWN = SignatureStatus.INVALID, SignatureStatus.UNKNOWN

CASES: list[tuple[dict[str, SignatureStatus], dict[str, Any], Verdict]] = [
    ({}, {}, Verdict.ALLOW),
    ({"shop": INVALID}, {}, Verdict.ALLOW),
    ({"shop": VERIFIED}, {"signed_by": "shop"}, Verdict.ALLOW),
    ({"a": MISSING, "b": VERIFIED}, {"signed_by": ["a", "b"]}, Verdict.ALLOW),
    ({"b": VERIFIED}, {"signed_by": "shop"}, Verdict.BLOCK),
    ({}, {"signed_by": "shop"}, Verdict.BLOCK),
    *(({"shop": each}, {"signed_by": "shop"}, Verdict.BLOCK) for each in (MISSING, INVALID, UNKNOWN)),
    *(
        ({"shop": each}, {"signed_by": "shop", "unsigned": "ask"}, Verdict.ASK)
        for each in (MISSING, INVALID, UNKNOWN)
    ),
]


@pytest.mark.parametrize(("statuses", "settings", "verdict"), CASES)
def test_only_what_is_verified_is_signed(
    statuses: dict[str, SignatureStatus], settings: dict[str, Any], verdict: Verdict
) -> None:
    found = check_signature(subject(statuses, **settings), NOW)
    assert found.verdict is verdict
    if verdict is not Verdict.ALLOW:
        assert all(f"said of {name}" in found.reason for name in statuses if name in settings["signed_by"])


def test_a_persons_yes_does_not_lift_a_missing_signature_unless_the_policy_leaves_it_to_them() -> None:
    held = subject({"shop": MISSING}, approved=True, signed_by="shop")
    assert decide(held, NOW).outcome is Outcome.BLOCKED
    left = subject({"shop": MISSING}, approved=True, signed_by="shop", unsigned="ask")
    assert decide(left, NOW).outcome is Outcome.APPLY
    assert decide(subject({"shop": VERIFIED}, signed_by="shop"), NOW).outcome is Outcome.APPLY


def test_labels_name_trusts_and_there_is_no_way_to_let_everything_pass() -> None:
    read = read_labels({"uptainer.security.signed-by": "shop, releases"}, {}).settings
    assert read.signed_by == ("shop", "releases")
    assert parse_settings({"signed_by": []}).signed_by == ()
    with pytest.raises(InvalidInputError):
        parse_settings({"unsigned": "allow"})
