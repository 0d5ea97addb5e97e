"""The signature gate: what is not signed by whom the policy trusts is stopped, or left to a person."""

from datetime import datetime

from uptainer.core.findings import Finding, Verdict
from uptainer.policy.fields import Unsigned
from uptainer.policy.subjects import DecisionSubject

SIGNATURE = "signature"
_UNSIGNED = {Unsigned.BLOCK: Verdict.BLOCK, Unsigned.ASK: Verdict.ASK}


def check_signature(subject: DecisionSubject, _now: datetime) -> Finding:
    """One of the trusts is enough. What was not found out is no signature."""
    policy = subject.policy
    if not policy.signed_by:
        return Finding(SIGNATURE, Verdict.ALLOW, "no signature is asked for")
    by = policy.source("signed_by")
    found = {name: subject.signatures.get(name) for name in policy.signed_by}
    for name, verification in found.items():
        if verification is not None and verification.holds:
            return Finding(
                SIGNATURE, Verdict.ALLOW, f"{verification.reason}, whom {name} trusts (asked for by {by})"
            )
    reasons = "; ".join(
        f"{name}: {each.reason if each else 'it was not verified yet'}" for name, each in found.items()
    )
    reason = f"it is not shown to be signed as {by} asks for: {reasons}"
    return Finding(SIGNATURE, _UNSIGNED[policy.unsigned], reason)
