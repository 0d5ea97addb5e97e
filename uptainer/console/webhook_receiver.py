"""The receiver of webhooks that `uptainer up` runs, as a process of its own: what strangers reach is apart."""

import os
import sys
from collections.abc import Mapping

from uptainer.console.children import Child
from uptainer.console.prefect_server import check_port
from uptainer.core.settings import Settings

NAME = "webhook receiver"


def is_wanted(settings: Settings) -> bool:
    return settings.webhook_port is not None


def check_listening(settings: Settings) -> None:
    """Refuse a port that can't be had before anything is started.

    Raises:
        RefusedError, AccessDeniedError, InvalidInputError: the port or the address is not for us.
    """
    if settings.webhook_port is not None:
        check_port(
            settings.webhook_host,
            settings.webhook_port,
            port_setting="UPTAINER_WEBHOOK_PORT",
            host_setting="UPTAINER_WEBHOOK_HOST",
        )


def start(settings: Settings, environment: Mapping[str, str] = os.environ) -> Child:
    """Call from the main thread, and when the deployments are registered."""
    return Child.start(
        NAME,
        [sys.executable, "-m", "uptainer", "webhooks", "serve"],
        environment=environment,
        log=settings.data_dir / "logs" / "webhooks.log",
    )
