import pytest
from rich.console import Console

from uptainer.cli import output
from uptainer.cli.columns import fit

UPDATES = ("id", "workload", "what", "level", "status", "why", "created at")
WAITING = (
    "17",
    "vm/web-1",
    "nginx 1.27.2 -> 1.27.4",
    "patch",
    "awaiting approval",
    "a person must decide",
    "2026-11-23 04:16",
)


def printed(monkeypatch: pytest.MonkeyPatch, width: int, *rows: tuple[str, ...]) -> str:
    screen = Console(width=width, record=True, highlight=False, quiet=False)
    monkeypatch.setattr(output, "console", lambda: screen)
    output.print_table(UPDATES, rows)
    return screen.export_text()


def test_numbers_and_names_stay_whole_on_eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = printed(monkeypatch, 80, WAITING).splitlines()

    assert all(len(line) <= 80 for line in lines)
    assert lines[1].split()[:2] == ["17", "vm/web-1"]
    assert "2026-11-23 04:16" in lines[1]


@pytest.mark.parametrize("width", [40, 80, 120])
def test_nothing_is_cut_off_however_narrow_the_terminal(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    letters = "".join(printed(monkeypatch, width, WAITING).split())

    assert sorted(letters) == sorted("".join((*UPDATES, *WAITING)).replace(" ", ""))


def test_a_column_without_a_word_is_the_first_to_go(monkeypatch: pytest.MonkeyPatch) -> None:
    calm = (*WAITING[:5], "", WAITING[6])

    assert "why" in printed(monkeypatch, 120, calm)
    assert "why" not in printed(monkeypatch, 80, calm)


@pytest.mark.parametrize(
    ("headings", "cells"),
    [
        (
            "id|image|platform|status|critical|high|medium|low|scanned at",
            "7|localhost:43167/shop/nginx|linux/amd64|succeeded|3|4|11|3|2026-11-23 04:16",
        ),
        (
            "id|workload|status|reason|volumes|size|created at|tested at|test|why",
            "3|vm/web|succeeded|before update 5 to localhost:43167/shop/nginx:1.27.4|1|9|2026-11-23 04:46|2026-11-23 04:50|passed|",
        ),
    ],
)
def test_a_day_is_not_broken_among_many_columns(headings: str, cells: str) -> None:
    columns = list(zip(headings.split("|"), cells.split("|"), strict=True))

    widths, gap = fit(columns, 80)

    shown = [width for width in widths if width]
    assert sum(shown) + gap * (len(shown) - 1) <= 80
    assert all(
        width >= len("2026-11-23") for width, cells in zip(widths, columns, strict=True) if " at" in cells[0]
    )


def test_what_fits_is_on_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(printed(monkeypatch, 120, WAITING).splitlines()) == 2


def test_a_long_reason_leaves_the_short_columns_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    long = (*WAITING[:5], "the candidate brings a critical vulnerability " * 4, WAITING[6])

    lines = printed(monkeypatch, 120, long).splitlines()

    assert all(text in lines[1] for text in (*WAITING[:5], WAITING[6]))


def test_headings_without_rows_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert printed(monkeypatch, 80).split() == " ".join(UPDATES).split()
