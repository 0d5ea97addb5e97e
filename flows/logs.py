"""What Prefect logs of a run: to the terminal nothing that it would obey, and no error of a run that suspends itself."""

import copy
import logging

from prefect.logging.handlers import PrefectConsoleHandler

from uptainer.core.text import seen

_SUSPENDED = "Finished in state Suspended"


class TerminalHandler(PrefectConsoleHandler):
    """In place of Prefect's own: errors tell what engines, registries and images say.

    An error is a line; the page of its run has the traceback, and so has a terminal that is set to DEBUG.
    """

    def format(self, record: logging.LogRecord) -> str:
        return seen(super().format(record if self.level == logging.DEBUG else _without_traceback(record)))


def _without_traceback(record: logging.LogRecord) -> logging.LogRecord:
    """The same for this handler alone: other handlers keep the record as it is."""
    error = record.exc_info[1] if record.exc_info else None
    if error is None:
        return record
    short, message = copy.copy(record), record.getMessage()
    short.exc_info = short.exc_text = short.stack_info = None
    is_told = str(error) and str(error) in message
    short.msg, short.args = message if is_told else f"{message}: {error!r}", None
    return short


class _SuspensionIsNoError(logging.Filter):
    """Prefect logs every end that is not a completion as an error."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno == logging.ERROR and _SUSPENDED in record.getMessage():
            record.levelno, record.levelname = logging.INFO, logging.getLevelName(logging.INFO)
        return True


def call_suspension_no_error() -> None:
    """In this process, from now on."""
    logger = logging.getLogger("prefect.flow_runs")
    if not any(isinstance(each, _SuspensionIsNoError) for each in logger.filters):
        logger.addFilter(_SuspensionIsNoError())
