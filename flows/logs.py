"""What Prefect logs of a run, where its level would frighten: a run that suspends itself has not gone wrong."""

import logging

_SUSPENDED = "Finished in state Suspended"


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
