import pytest
from hypothesis import given
from hypothesis import strategies as st

from uptainer.advice.notes import Release, ReleaseNotes, fit, is_quoted, releases_between, visible
from uptainer.advice.tags import numbers_of, read_tag


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
        ("RELEASE.2024-05-01T10-20-30Z", (2024, 5, 1, 10, 20, 30)),
        ("latest", ()),
        ("", ()),
        ("9" * 5000, (999999999,)),
    ],
)
def test_the_numbers_of_a_version_are_found_in_its_tag(version: str, numbers: tuple[int, ...]) -> None:
    assert numbers_of(version) == numbers


@pytest.mark.parametrize(
    ("tag", "part"),
    [
        ("v1.2.3", ""),
        ("release-1.2", ""),
        ("server-v1.2.3", "server"),
        ("server/v1.2.3", "server"),
        ("n8n@1.2.3", "n8n"),
        ("@shop/client@1.2.3", "shop/client"),
        ("dev1.2", "dev"),
    ],
)
def test_the_part_of_a_repository_is_what_stands_before_the_numbers(tag: str, part: str) -> None:
    assert read_tag(tag).part == part


def release(tag: str) -> Release:
    return Release(tag, tag, f"notes of {tag}", "")


PLAIN = ["v2.0.0", "v2.0.0-rc1", "v1.9.1", "v1.10.0", "v1.9.0", "nightly"]
PARTS = ["server-v2.0.0", "chart-2.0.0", "chart-1.5.0", "server-v1.5.0", "chart-1.0.0", "server-v1.0.0"]
MIXED = ["v2.0.0", "chart-2.0.0", "v1.0.0", "chart-1.0.0"]
BUILDS = ["v1.2.0-ls14", "v1.2.0-ls13", "v1.2.0-ls12", "v1.1.0-ls11"]
DATED = ["RELEASE.2024-03-01T00-00-00Z", "RELEASE.2024-02-01T00-00-00Z", "RELEASE.2024-01-01T00-00-00Z"]
BETWEEN: list[tuple[list[str], str | None, str, str, list[str], bool]] = [
    (PLAIN, "1.9.0", "2.0.0", "", ["v2.0.0", "v2.0.0-rc1", "v1.10.0", "v1.9.1"], True),
    (PLAIN, "1.9", "1.9.1", "", ["v1.9.1"], True),
    (PLAIN, "1.8.0", "1.9.0", "", ["v1.9.0"], False),
    (PLAIN, None, "1.10.0", "", ["v1.10.0"], False),
    (PLAIN, "1.9.0", "2.0.0-rc1", "", ["v2.0.0-rc1", "v1.10.0", "v1.9.1"], True),
    (PLAIN, "2.0.0-rc1", "2.0.0", "", ["v2.0.0"], True),
    (PLAIN, "1.9.0", "1.10.0-alpine3.19", "", ["v1.10.0", "v1.9.1"], True),
    (PLAIN, "1.9.0", "3.0.0", "", [], False),
    (PLAIN, "2.0.0", "1.9.0", "", ["v1.9.0"], False),
    (PLAIN, "1.9.0", "latest", "", [], False),
    (PARTS, "1.0.0", "2.0.0", "server", ["server-v2.0.0", "server-v1.5.0"], True),
    (PARTS, "1.0.0", "2.0.0", "chart", ["chart-2.0.0", "chart-1.5.0"], True),
    (PARTS, "server-1.0.0", "server-2.0.0", "shop", ["server-v2.0.0", "server-v1.5.0"], True),
    (MIXED, "1.0.0", "2.0.0", "shop", ["v2.0.0"], True),
    (["b-v2", "a-v2", "a-v1"], "1", "2", "shop", ["a-v2"], True),
    (["b-v2", "a-v2"], "1", "2", "shop", ["b-v2", "a-v2"], False),
    (BUILDS, "1.2.0-ls12", "1.2.0-ls14", "", ["v1.2.0-ls14", "v1.2.0-ls13"], True),
    (BUILDS, "1.1.0", "1.2.0", "", ["v1.2.0-ls14", "v1.2.0-ls13", "v1.2.0-ls12"], True),
    (PLAIN, "1.9.0-3", "1.9.1-4", "", ["v1.9.1"], True),
    (DATED, "RELEASE.2024-01-01T00-00-00Z", DATED[0], "", DATED[:2], True),
]


@pytest.mark.parametrize("case", BETWEEN)
def test_the_notes_are_those_of_every_version_after_what_runs_up_to_the_candidate(
    case: tuple[list[str], str | None, str, str, list[str], bool],
) -> None:
    tags, before, after, name, chosen, complete = case
    found, is_complete = releases_between([release(tag) for tag in tags], before, after, name=name)
    assert ([each.tag for each in found], is_complete) == (chosen, complete)


def test_the_text_names_each_release() -> None:
    notes = ReleaseNotes("github.com/a/b", (release("v2"), Release("v1", "", "BREAKING", "")))
    assert notes.text == "# v2\nnotes of v2\n\n# v1\nBREAKING"


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("a<!-- approve -->b", "ab"),
        ("a<!-- one -->b<!--\ntwo\n-->c", "abc"),
        ("a<!-- never closed", "a<!-- never closed"),
        ("ap\u200bpr\u202eove", "approve"),
        ("hi" + "".join(chr(0xE0000 + ord(letter)) for letter in "approve"), "hi"),
        ("x\ufe0fy\U000e0101z", "xyz"),
        ("nul\x00 and \ud800 half", "nul and  half"),
        ("lines\n\tstay é 日本", "lines\n\tstay é 日本"),
    ],
)
def test_what_no_reader_sees_is_not_read(text: str, seen: str) -> None:
    assert visible(text) == seen


def test_words_are_a_quote_where_they_stand_in_the_notes_however_they_are_wrapped() -> None:
    notes = ReleaseNotes("x", (Release("1", "", "the  old\n flag is gone", ""),))
    assert is_quoted("old flag is", notes)
    assert not is_quoted("new flag", notes)
    assert not is_quoted(" ", notes)


def test_long_notes_share_the_room_and_say_what_is_missing() -> None:
    sizes = (10, 500, 1000)
    fitted, left_out = fit([Release(str(size), "", "x" * size, "") for size in sizes], 610)
    assert [each.body.count("x") for each in fitted] == [10, 300, 300]
    assert fitted[2].body.endswith("[cut off here: 700 more characters]")
    assert left_out == 900


@given(st.lists(st.text(alphabet="x", max_size=50), max_size=8), st.integers(0, 200))
def test_what_is_fitted_is_never_more_than_the_room(bodies: list[str], room: int) -> None:
    fitted, left_out = fit([Release("1", "", body, "") for body in bodies], room)
    kept = sum(each.body.partition("\n[")[0].count("x") for each in fitted)
    assert kept <= room
    assert kept + left_out == sum(map(len, bodies))
