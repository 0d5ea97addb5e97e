import pytest

from uptainer.core.text import one_line, seen

OBEYED = ["\x1b[2J", "\x1b]0;title\x07", "\x9b2J", "\x00", "\x08", "\x7f"]
HIDDEN = ["\u202e", "\u2066", "\u200b", "\u200e", "\u2060", "\u00ad", "\ufeff", "\U000e0041", "\ud800"]


@pytest.mark.parametrize("hostile", [*OBEYED, *HIDDEN], ids=ascii)
def test_what_a_terminal_obeys_or_hides_is_shown_to_have_been_there(hostile: str) -> None:
    shown = seen(f"1.27{hostile}.4")
    assert shown.isprintable()
    assert shown.startswith("1.27\N{REPLACEMENT CHARACTER}")
    assert one_line(f"1.27{hostile}.4") == shown


@pytest.mark.parametrize("text", ["nginx 1.27.2 -> 1.27.4", "büro/日本 …", "👍🏽 ⚠️", "one\n\ttwo\n"])
def test_what_can_be_read_stays(text: str) -> None:
    assert seen(text) == text


def test_space_of_another_kind_is_a_space() -> None:
    assert seen("1\N{NO-BREAK SPACE}000\r\nbytes\u2028more") == "1 000 \nbytes more"


def test_one_line_is_one() -> None:
    assert one_line(" one\r\n\ttwo\u2028three  four\n") == "one two three four"
