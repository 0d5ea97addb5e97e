import pytest

from uptainer.advice.breaking import MarkKind, find_marks
from uptainer.advice.notes import Release, ReleaseNotes, is_quoted

DATA, MANUAL, BREAKING, SETTING, REMOVED, UPGRADE, DEPRECATED = MarkKind


def notes(text: str) -> ReleaseNotes:
    return ReleaseNotes("github.com/a/b", (Release("v2", "", text, ""),))


ANNOUNCED = [
    (BREAKING, "BREAKING: the --legacy flag was removed"),
    (BREAKING, "* feat!: **BREAKING CHANGE** drop Python 3.8"),
    (BREAKING, "feat(api)!: new shape of answers"),
    (BREAKING, "- 1a2b3c4 fix!: refuse empty names"),
    (BREAKING, "refactor!: rename DB_HOST"),
    (BREAKING, "Backwards-incompatible: the config moved"),
    (BREAKING, "This is not only a breaking change, it also moves data"),
    (BREAKING, "💥 new config format"),
    (BREAKING, "This is breaking for users of LDAP"),
    (DATA, "This change cannot be undone"),
    (DATA, "Downgrading is not supported"),
    (DATA, "Downgrading to 1.x is not possible once started"),
    (DATA, "On first start, it migrates your database"),
    (DATA, "This runs a one-time schema migration"),
    (DATA, "Please back up your database first"),
    (DATA, "There is no way back after the upgrade"),
    (DATA, "No breaking changes, but a database migration is required"),
    (DATA, "A database migration is required before starting"),
    (DATA, "An older version cannot open it afterwards"),
    (DATA, "Version 4 refuses to start on the files of version 3"),
    (DATA, "Archives of version 2 are deleted at the first start"),
    (SETTING, "PORTAL_SECRET is now called PORTAL_SIGNING_KEY"),
    (DEPRECATED, "The option `--old-log` is deprecated and will be removed in 2.0"),
    (MANUAL, "This release requires a manual step"),
    (MANUAL, "You must first upgrade to 1.9"),
    (MANUAL, "Action required for users of LDAP"),
    (MANUAL, "Manual steps are needed"),
    (MANUAL, "You need to run `app migrate` by hand"),
    (MANUAL, "Existing users must rename the key"),
    (SETTING, "The setting `listen` was renamed to `bind`"),
    (SETTING, "Renamed `foo` to `bar`"),
    (SETTING, "The environment variable APP_PORT has been removed"),
    (REMOVED, "Dropped support for ARMv6"),
    (REMOVED, "The old API no longer works"),
    (REMOVED, "Support for MySQL 5.7 has been dropped"),
    (DEPRECATED, "The v1 endpoint is deprecated"),
]


@pytest.mark.parametrize(("kind", "line"), ANNOUNCED)
def test_a_sentence_that_announces_something_is_quoted_with_its_kind(kind: MarkKind, line: str) -> None:
    (mark,) = find_marks(notes(f"Faster start\n  {line}  \nSmaller image"))
    assert (mark.quote, mark.release) == (line.strip(), "v2")
    assert mark.kind is kind


@pytest.mark.parametrize(
    "line",
    [
        "No breaking changes.",
        "There are no known breaking changes in this release",
        "There shouldn't be any breaking changes",
        "This release has zero breaking changes",
        "It does not contain any breaking changes",
        "This is not a breaking change",
        "This is a non-breaking change",
        "non-breaking API additions",
        "Breaking changes: none",
        "Breaking changes: N/A",
        "Nothing breaking in here",
        "Upgrades without manual steps",
        "Does not require a manual migration",
        "A migration is not required",
        "No migration needed",
        "No action required",
        "You no longer need to run the migration",
        "Groundbreaking performance",
        "Line breaking is better",
        "Fixed a bug that made search breaking on empty input",
        "fix: avoid breaking long words",
        "Fixed config key being removed on save",
        "fix: database migration runs twice",
        "Fixes a typo in the documentation",
        "feat: add dark mode",
        "Added an option for colours",
    ],
)
def test_a_sentence_that_announces_nothing_or_denies_it_is_not(line: str) -> None:
    assert find_marks(notes(line)) == ()


SECTIONS = [
    ("## Breaking changes\n\n- The API moved\n\n## Fixes\n- x", [(BREAKING, "- The API moved")]),
    ("## Breaking changes\n\nNone.\n\n## Fixes\n- x", []),
    ("## Breaking changes\n\n- n/a\n", []),
    (
        "### ⚠ BREAKING CHANGES\n* **api:** other answers\n### Features\n* y",
        [(BREAKING, "* **api:** other answers")],
    ),
    (
        "## Breaking changes\n### Search\n- moved\n## Fixes\n- x",
        [(BREAKING, "### Search"), (BREAKING, "- moved")],
    ),
    ("**Migration**\n- stop it\n\n**Features**\n- z", [(UPGRADE, "- stop it")]),
    ("Upgrade notes\n=============\nstop it\n\nFixes\n=====\nok", [(UPGRADE, "stop it")]),
    ("Upgrade notes:\n- stop it\n\nFixes:\n- ok", [(UPGRADE, "- stop it")]),
    ("## Upgrade notes\nNo manual steps needed.", []),
    ("### Deprecated/Removed\n- old one\n### Added\n- new", [(REMOVED, "- old one")]),
    ("### Removed\n- old one", [(REMOVED, "- old one")]),
    ("### Deprecated\n- old one", [(DEPRECATED, "- old one")]),
    ("### Non-breaking changes\n- small", []),
    (
        "## Breaking changes\nThe database migrates. It cannot be undone.",
        [(BREAKING, None), (DATA, "It cannot be undone.")],
    ),
    ("<!-- ## Breaking changes\n- to be written -->\n- fine", []),
]


@pytest.mark.parametrize(("text", "found"), SECTIONS)
def test_a_heading_speaks_for_what_stands_under_it(
    text: str, found: list[tuple[MarkKind, str | None]]
) -> None:
    marks = find_marks(notes(text))
    assert [mark.kind for mark in marks] == [kind for kind, _ in found]
    assert all(quote in {None, mark.quote} for mark, (_, quote) in zip(marks, found, strict=True))


def test_every_version_in_between_is_read_and_every_quote_stands_in_the_notes() -> None:
    bodies = {"v3": "fine", "v2": f"{'long ' * 200} BREAKING: gone {'tail ' * 200}", "v1": "cannot be undone"}
    read = ReleaseNotes("x", tuple(Release(tag, "", body, "") for tag, body in bodies.items()))
    marks = find_marks(read)
    assert [(mark.release, mark.kind) for mark in marks] == [("v2", BREAKING), ("v1", DATA)]
    assert "BREAKING: gone" in marks[0].quote
    assert all(is_quoted(mark.quote, read) and len(mark.quote) <= 300 for mark in marks)


def test_a_title_can_announce_a_break() -> None:
    (mark,) = find_marks(ReleaseNotes("x", (Release("v2", "v2 (breaking changes)", "", ""),)))
    assert mark.kind is BREAKING


def test_a_page_of_breaks_is_cut_to_what_a_person_reads() -> None:
    assert len(find_marks(notes("\n".join(f"BREAKING {number}" for number in range(200))))) == 40
    assert len(find_marks(notes("BREAKING a\nBREAKING a"))) == 1
