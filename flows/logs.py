"""What Prefect logs of a run: to the terminal nothing that it would obey, and no error of a run that suspends itself."""

import logging

from prefect.logging.handlers import PrefectConsoleHandler

from uptainer.core.text import seen

_SUSPENDED = "Finished in state Suspended"


class TerminalHandler(PrefectConsoleHandler):
    """In place of Prefect's own: errors tell what engines, registries and images say."""

    def format(self, record: logging.LogRecord) -> str:
        return seen(super().format(record))


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
