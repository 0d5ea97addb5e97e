import pytest

from uptainer.advice.notes import Release, ReleaseNotes, numbers_of, pick_breaking_lines, releases_between


@pytest.mark.parametrize(
    "line",
    [
        "BREAKING: the --legacy flag was removed",
        "### Breaking changes",
        "* feat!: **BREAKING CHANGE** drop Python 3.8",
        "A database migration is required before starting",
        "This release requires a manual migration",
        "Backwards-incompatible: the config moved",
        "You must first upgrade to 1.9",
        "Dropped support for ARMv6",
        "The old API no longer works",
        "Action required for users of LDAP",
        "Manual steps are needed",
    ],
)
def test_a_line_that_announces_a_break_is_picked(line: str) -> None:
    assert pick_breaking_lines(f"Fixes\n  {line}  \nMore fixes") == (line.strip(),)


@pytest.mark.parametrize(
    "line",
    [
        "No breaking changes.",
        "There are no known breaking changes in this release",
        "Upgrades without manual steps",
        "Fixes a typo in the documentation",
        "Groundbreaking performance",
        "Fixed a crash",
    ],
)
def test_a_line_that_announces_none_is_not(line: str) -> None:
    assert pick_breaking_lines(line) == ()


def test_a_page_of_breaks_is_cut_to_what_a_person_reads() -> None:
    lines = pick_breaking_lines("\n".join(f"BREAKING {number} {'x' * 1000}" for number in range(200)))
    assert len(lines) == 40
    assert all(len(line) == 300 for line in lines)
    assert pick_breaking_lines("BREAKING a\nBREAKING a") == ("BREAKING a",)


@pytest.mark.parametrize(
    ("version", "numbers"),
    [
        ("v1.2.3", (1, 2, 3)),
        ("1.2.0", (1, 2)),
        ("1.2-alpine3.19", (1, 2)),
        ("16-bookworm", (16,)),
        ("app-1.2.3", (1, 2, 3)),
        ("n8n@1.2.3", (1, 2, 3)),
        ("release-7", (7,)),
        ("2024.05.01", (2024, 5, 1)),
        ("latest", ()),
        ("", ()),
        ("9" * 5000, (999999999,)),
    ],
)
def test_the_numbers_of_a_version_are_found_in_its_tag(version: str, numbers: tuple[int, ...]) -> None:
    assert numbers_of(version) == numbers


def release(tag: str) -> Release:
    return Release(tag, tag, f"notes of {tag}", "")


ALL = [release(tag) for tag in ("v2.0.0", "v2.0.0-rc1", "v1.9.1", "v1.10.0", "v1.9.0", "nightly")]


@pytest.mark.parametrize(
    ("before", "after", "tags", "complete"),
    [
        ("1.9.0", "2.0.0", ["v2.0.0", "v1.10.0", "v1.9.1"], True),
        ("1.9", "1.9.1", ["v1.9.1"], True),
        ("1.8.0", "1.9.0", ["v1.9.0"], False),
        (None, "1.10.0", ["v1.10.0"], False),
        ("1.9.0", "2.0.0-rc1", ["v2.0.0-rc1", "v1.10.0", "v1.9.1"], True),
        ("1.9.0", "3.0.0", [], False),
        ("2.0.0", "1.9.0", ["v1.9.0"], False),
        ("1.9.0", "latest", [], False),
    ],
)
def test_the_notes_are_those_from_what_runs_to_the_candidate(
    before: str | None, after: str, tags: list[str], complete: bool
) -> None:
    chosen, is_complete = releases_between(ALL, before, after)
    assert ([release.tag for release in chosen], is_complete) == (tags, complete)


def test_the_text_names_each_release() -> None:
    notes = ReleaseNotes("github.com/a/b", (release("v2"), Release("v1", "", "BREAKING", "")))
    assert notes.text == "# v2\nnotes of v2\n\n# v1\nBREAKING"
    assert notes.breaking_lines == ("BREAKING",)
