import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from uptainer.core.enums import (
    ChangeLevel,
    RecommendationType,
    ScanStatus,
    Severity,
    StepStatus,
    UpdateStatus,
)
from uptainer.core.findings import Advice, Finding, Scan, ScanDifference, Verdict, Vulnerability
from uptainer.updates.account import SHOWN, Account, hash_account, write_account, write_closing
from uptainer.updates.markdown import UNLINKED, plain, table
from uptainer.updates.run import Outcome
from uptainer.updates.steps import Entry, Stage

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
SCAN = Scan("sha256:b", "linux/amd64", ScanStatus.SUCCEEDED)


def cve(number: int, severity: Severity, title: str = "a hole") -> Vulnerability:
    return Vulnerability(f"CVE-2026-{number}", "libx", "1.0", "1.1", severity, title)


ACCOUNT = Account(
    workload="web",
    host="h",
    from_reference="nginx:1.27.2",
    from_digest="sha256:aaa",
    to_reference="nginx:1.27.4",
    to_digest="sha256:bbb",
    level=ChangeLevel.PATCH,
    findings=(Finding("min_age", Verdict.ALLOW, "published 3 days ago"),),
    from_version="1.27.2",
    to_version="1.27.4",
    published_at=NOW,
    running_scan=SCAN,
    candidate_scan=SCAN,
    difference=ScanDifference(
        new=(cve(1, Severity.LOW), cve(2, Severity.CRITICAL)),
        fixed=(cve(3, Severity.HIGH),),
        worse=(),
        unchanged=(),
    ),
    advice=Advice(
        RecommendationType.REVIEW, 40, (Finding("level", Verdict.INFORM, "a patch"),), "look at it"
    ),
    has_window=True,
    opens_at=NOW,
    backs_up_volumes=True,
    volumes=("data",),
    affected=("worker",),
)


@pytest.mark.parametrize(
    "said",
    [
        "web on h",
        "nginx:1.27.2",
        "sha256:bbb",
        "**patch** change",
        "2026-05-01 12:00 UTC",
        "2 new, 1 fixed, 0 worse, 0 unchanged",
        "New: 1 critical, 1 low",
        "Fixed: 1 high",
        "**Review**, risk 40 of 100",
        "a patch",
        "published 3 days ago",
        "in the window that opens 2026-05-01 12:00 UTC",
        "and the data in data",
        "Restarted with it: worker",
    ],
)
def test_an_account_says_what_a_person_has_to_know(said: str) -> None:
    assert said in write_account(ACCOUNT)


def test_the_worst_vulnerability_stands_first() -> None:
    text = write_account(ACCOUNT)
    assert text.index("CVE-2026-2") < text.index("CVE-2026-1")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"published_at": None}, "Published: unknown"),
        ({"to_version": None}, "unknown"),
        ({"candidate_scan": None}, "The new image was not scanned: no scan yet"),
        (
            {"running_scan": Scan("d", "p", ScanStatus.UNAVAILABLE, "there is no Trivy here")},
            "The running image was not scanned: there is no Trivy here",
        ),
        ({"difference": None}, "could not be compared: unknown"),
        ({"advice": None}, "None was given"),
        ({"opens_at": None}, "does not open again"),
        ({"approvers": "the *database* team"}, "To be approved by: the \\*database\\* team"),
        ({"has_window": False}, "as soon as it is approved"),
        ({"backs_up_volumes": False}, "**not** the data in data"),
        ({"backup_store": "offsite"}, "configuration and image in the store offsite, and the data in data"),
        ({"affected": ()}, "nothing else"),
        ({"changed_since": ("the tag moved",)}, "An earlier answer was not taken"),
    ],
)
def test_what_is_not_known_or_not_done_is_said(change: dict[str, object], said: str) -> None:
    assert said in write_account(replace(ACCOUNT, **change))  # type: ignore[arg-type]  # -- a table of one field each


def test_a_missing_scan_is_never_shown_as_no_vulnerabilities() -> None:
    text = write_account(replace(ACCOUNT, candidate_scan=None))
    assert "0 new" not in text
    assert "fixed" not in text


def test_a_long_list_is_cut_and_the_rest_is_counted() -> None:
    many = tuple(cve(number, Severity.HIGH) for number in range(SHOWN + 5))
    difference = ScanDifference(new=many, fixed=(), worse=(), unchanged=())
    text = write_account(replace(ACCOUNT, difference=difference))
    assert text.count("| high |") == SHOWN
    assert "and 5 more" in text


def test_the_same_facts_give_the_same_hash_and_others_another() -> None:
    assert hash_account(write_account(ACCOUNT)) == hash_account(write_account(replace(ACCOUNT)))
    assert hash_account(write_account(ACCOUNT)) != hash_account(
        write_account(replace(ACCOUNT, to_digest="sha256:c"))
    )
    assert len(hash_account("")) == 64


HOSTILE = [
    "| cell | breaks |",
    "line\nbreak\r\n## heading",
    "<script>alert(1)</script>",
    "![x](http://evil.example/x.png)",
    "[click](javascript:alert(1))",
    "`code` **bold** _it_ ~~no~~",
    "\\| already escaped",
    "&lt;img src=x&gt;",
    "https://evil.example/approve",
    "right \u202eot tfel",
    "zero\u200bwidth",
    "\x1b[2J soft\u00adhyphen, tagged \U000e0041",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text: str) -> None:
    cell = plain(text)
    assert "\n" not in cell
    assert not re.search(r"(?<!\\)(?:\\\\)*[|<>`*\[\]]", cell)
    assert "https:" not in cell
    assert cell.replace(UNLINKED, "").isprintable()


@pytest.mark.parametrize("text", HOSTILE)
def test_a_title_from_a_stranger_cannot_break_the_table(text: str) -> None:
    difference = ScanDifference(new=(cve(1, Severity.HIGH, text),), fixed=(), worse=(), unchanged=())
    rows = [
        line
        for line in write_account(replace(ACCOUNT, difference=difference)).splitlines()
        if "CVE-2026-1" in line
    ]
    assert len(rows) == 1
    assert len(re.findall(r"(?<!\\)\|", rows[0])) == 6


def test_text_is_cut_before_it_floods_the_page() -> None:
    assert len(plain("x" * 10_000)) == 300


def test_an_empty_table_has_its_headings() -> None:
    assert table(("A", "B"), []) == "| A | B |\n| --- | --- |"


def test_the_closing_account_tells_each_step_and_how_long_it_took() -> None:
    outcome = Outcome(7, UpdateStatus.ROLLED_BACK, "prove that web is healthy: it crashed")
    journal = (
        Entry(
            "stop", Stage.STOP, StepStatus.UNDONE, started_at=NOW, finished_at=NOW + timedelta(seconds=1.5)
        ),
        Entry("validate", Stage.VALIDATE, StepStatus.UNDONE, error="it | crashed", started_at=NOW),
        Entry("start", Stage.SWITCH, StepStatus.INTENT, started_at=NOW),
    )
    text = write_closing("web", outcome, None, journal)
    assert "## web: rolled back" in text
    assert "| stop | undone | 1.5 s |" in text
    assert "it \\| crashed" in text
    assert "begun, result unknown" in text
