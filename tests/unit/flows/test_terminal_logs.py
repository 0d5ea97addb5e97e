"""What went wrong is a line of the terminal, not a page of it."""

import io
import logging
import sys

from flows.logs import TerminalHandler

LOST = "did not receive a valid HTTP response"


def _record(message: str, error: Exception) -> logging.LogRecord:
    """As `logger.exception` makes it, when another handler has formatted it already."""
    try:
        raise error
    except type(error):
        found = {"msg": message, "levelno": logging.WARNING, "exc_info": sys.exc_info()}
    record = logging.makeLogRecord(found)
    logging.Formatter().format(record)
    return record


def _shown(record: logging.LogRecord, level: int = logging.WARNING) -> str:
    terminal = io.StringIO()
    TerminalHandler(terminal, level=level).emit(record)
    return terminal.getvalue()


def test_an_error_is_told_in_one_line() -> None:
    record = _record("Consumer task exited with exception", ConnectionError(LOST))
    assert _shown(record).splitlines() == [f"Consumer task exited with exception: ConnectionError('{LOST}')"]


def test_an_error_that_the_message_tells_is_told_once() -> None:
    assert _shown(_record(f"It failed: {LOST}", ConnectionError(LOST))).splitlines() == [f"It failed: {LOST}"]


def test_an_error_without_words_is_named() -> None:
    assert _shown(_record("It failed", TimeoutError())).splitlines() == ["It failed: TimeoutError()"]


def test_the_page_of_a_run_keeps_the_traceback() -> None:
    record = _record("It failed", ConnectionError(LOST))
    _shown(record)
    assert "Traceback" in logging.Formatter().format(record)


def test_a_terminal_set_to_debug_has_the_traceback() -> None:
    assert "Traceback" in _shown(_record("It failed", ConnectionError(LOST)), logging.DEBUG)
