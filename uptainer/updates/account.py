"""The account of an update that a person decides on, and the one of how it went. Both are markdown."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from uptainer.core.enums import ChangeLevel, ScanStatus, Severity, StepStatus
from uptainer.core.findings import SEVERITY_ORDER, Advice, Finding, Scan, ScanDifference, Vulnerability
from uptainer.updates.markdown import bullets, plain, table
from uptainer.updates.run import Outcome
from uptainer.updates.steps import Entry, Plan

SHOWN = 20
"""So many vulnerabilities are named in each list; the rest is counted."""

REASON = 8000
"""Longer than any finding's reason is: what is excused is approved with the rest, and must be there to be read."""


@dataclass(frozen=True, slots=True)
class Account:
    """What a person should know before they answer. What is None could not be found out, and is said to be so.

    `affected` are the workloads that are restarted with it; `opens_at` is when its window opens, where it has one.
    """

    workload: str
    host: str
    from_reference: str
    from_digest: str
    to_reference: str
    to_digest: str
    level: ChangeLevel
    findings: tuple[Finding, ...]
    from_version: str | None = None
    to_version: str | None = None
    published_at: datetime | None = None
    running_scan: Scan | None = None
    candidate_scan: Scan | None = None
    difference: ScanDifference | None = None
    advice: Advice | None = None
    approvers: str = ""
    has_window: bool = False
    opens_at: datetime | None = None
    backs_up_volumes: bool = False
    backup_store: str = ""
    volumes: tuple[str, ...] = ()
    affected: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    changed_since: tuple[str, ...] = ()


def write_account(account: Account) -> str:
    """The whole account; the same facts give the same text."""
    parts = [
        _changed_since(account),
        _what(account),
        _security(account),
        _advice(account.advice),
        _findings(account.findings),
        _how(account),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def hash_account(text: str) -> str:
    """SHA-256, in hexadecimal: what an approval is given on."""
    return hashlib.sha256(text.encode()).hexdigest()


def write_closing(workload: str, outcome: Outcome, plan: Plan | None, journal: Sequence[Entry]) -> str:
    """How an update went: its end, why, and each step with its time."""
    sentences = {step.name: step.sentence for step in plan.steps} if plan else {}
    rows = [
        (
            sentences.get(entry.name, entry.name),
            _step_words(entry),
            _seconds(entry.started_at, entry.finished_at),
        )
        for entry in journal
    ]
    head = f"## {plain(workload)}: {outcome.status.value.replace('_', ' ')}"
    body = [head, plain(outcome.reason, limit=2000)]
    if rows:
        body.append(table(("Step", "Result", "Took"), rows))
    return "\n\n".join(part for part in body if part) + "\n"


def _changed_since(account: Account) -> str:
    if not account.changed_since:
        return ""
    return "**An earlier answer was not taken, for this has changed since:**\n\n" + bullets(
        account.changed_since
    )


def _what(account: Account) -> str:
    """Lines and no table: the form in which it is read is narrow, and a second column would be out of sight."""
    published = "unknown" if account.published_at is None else f"{account.published_at:%Y-%m-%d %H:%M} UTC"
    before, after = plain(account.from_version or "unknown"), plain(account.to_version or "unknown")
    return "\n\n".join(
        (
            f"## {plain(account.workload)} on {plain(account.host)}",
            f"Version **{before}** to **{after}**: a **{_level(account.level)}** change. Published: {published}.",
            bullets(
                (
                    f"Now: {account.from_reference} {account.from_digest}",
                    f"After: {account.to_reference} {account.to_digest}",
                )
            ),
        )
    )


def _level(level: ChangeLevel) -> str:
    words = {ChangeLevel.DIGEST: "same tag, new content", ChangeLevel.UNORDERED: "not comparable"}
    return words.get(level, level.value)


def _security(account: Account) -> str:
    unknown = [
        f"The {name} image was not scanned: {scan.reason if scan else 'no scan yet'}"
        for name, scan in (("running", account.running_scan), ("new", account.candidate_scan))
        if scan is None or scan.status is not ScanStatus.SUCCEEDED
    ]
    if account.difference is None or unknown:
        return "### Vulnerabilities\n\n" + bullets(
            unknown or ["The two images could not be compared: unknown."]
        )
    difference = account.difference
    worse = tuple(after for _, after in difference.worse)
    counts = (
        f"{len(difference.new)} new, {len(difference.fixed)} fixed, {len(worse)} worse, "
        f"{len(difference.unchanged)} unchanged."
    )
    lists = [_list("New", difference.new), _list("Worse", worse), _list("Fixed", difference.fixed)]
    return "\n\n".join(["### Vulnerabilities", counts, *(each for each in lists if each)])


def _list(title: str, vulnerabilities: Sequence[Vulnerability]) -> str:
    if not vulnerabilities:
        return ""
    order = sorted(
        vulnerabilities, key=lambda each: (-SEVERITY_ORDER.index(each.severity), each.id, each.package)
    )
    rows = [
        (
            each.severity.value,
            each.id,
            f"{each.package} {each.installed_version}",
            each.fixed_version,
            each.title,
        )
        for each in order[:SHOWN]
    ]
    text = f"**{title}: {_counted(vulnerabilities)}**\n\n" + table(
        ("Severity", "CVE", "Package", "Fixed in", "What"), rows
    )
    rest = len(order) - SHOWN
    return text + (f"\n\nand {rest} more." if rest > 0 else "")


def _counted(vulnerabilities: Sequence[Vulnerability]) -> str:
    def count(severity: Severity) -> int:
        return sum(each.severity is severity for each in vulnerabilities)

    return ", ".join(f"{count(each)} {each}" for each in reversed(SEVERITY_ORDER) if count(each))


def _advice(advice: Advice | None) -> str:
    if advice is None:
        return "### Advice\n\nNone was given."
    head = f"**{advice.recommendation.value.capitalize()}**, risk {advice.risk} of 100, by {plain(advice.source)}."
    return "\n\n".join(
        part
        for part in (
            "### Advice",
            head,
            plain(advice.summary),
            bullets(each.reason for each in advice.findings),
        )
        if part
    )


def _findings(findings: Sequence[Finding]) -> str:
    if not findings:
        return ""
    return "### Findings\n\n" + table(
        ("Rule", "Verdict", "Why"),
        [(each.rule, each.verdict.value, each.reason) for each in findings],
        limit=REASON,
    )


def _how(account: Account) -> str:
    return "### How\n\n" + "\n".join(
        (
            *((f"- To be approved by: {plain(account.approvers)}",) if account.approvers else ()),
            f"- When: {_when(account)}",
            f"- Backup: {_backup(account)}",
            f"- Restarted with it: {', '.join(plain(each) for each in account.affected) or 'nothing else'}",
            *(f"- {plain(note)}" for note in account.notes),
        )
    )


def _when(account: Account) -> str:
    if not account.has_window:
        return "as soon as it is approved"
    if account.opens_at is None:
        return "its window does not open again: it will not be applied"
    return f"in the window that opens {account.opens_at:%Y-%m-%d %H:%M %Z}"


def _backup(account: Account) -> str:
    where = f" in the store {plain(account.backup_store)}" if account.backup_store else ""
    kept = f"configuration and image{where}"
    if not account.backs_up_volumes:
        return f"{kept}; **not** the data in {_names(account.volumes)}" if account.volumes else kept
    return (
        f"{kept}, and the data in {_names(account.volumes)}"
        if account.volumes
        else f"{kept} (it has no volumes)"
    )


def _names(volumes: Sequence[str]) -> str:
    return ", ".join(plain(each) for each in volumes)


def _step_words(entry: Entry) -> str:
    return f"{entry.status.value}: {entry.error}" if entry.error else _status_words(entry.status)


def _status_words(status: StepStatus) -> str:
    return "begun, result unknown" if status is StepStatus.INTENT else status.value


def _seconds(start: datetime | None, end: datetime | None) -> str:
    return "" if start is None or end is None else f"{(end - start) / timedelta(seconds=1):.1f} s"
