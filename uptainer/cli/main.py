"""The console command: `uptainer`.

Each module of commands has a `register(app)`; what a command needs that is slow to import, it imports when it runs,
so that help and completion answer at once.
"""

import os
import sys
import traceback

import typer

from uptainer.cli import (
    advice,
    allowances,
    approvals,
    audit,
    backups,
    containers,
    credentials,
    declarations,
    flow_runs,
    hosts,
    notices,
    policies,
    registries,
    running,
    sboms,
    scans,
    trusts,
    updates,
    vex,
    webhooks,
    windows,
)
from uptainer.cli.saying import say
from uptainer.core.errors import TemporaryError, UptainerError

EXIT_PERMANENT = 1
EXIT_FAULT = os.EX_SOFTWARE
EXIT_TEMPORARY = os.EX_TEMPFAIL
EXIT_INTERRUPTED = 130
MODULES = (
    running,
    hosts,
    containers,
    updates,
    approvals,
    backups,
    scans,
    sboms,
    advice,
    policies,
    trusts,
    windows,
    allowances,
    vex,
    credentials,
    registries,
    webhooks,
    declarations,
    flow_runs,
    notices,
    audit,
)


def build() -> typer.Typer:
    app = typer.Typer(
        name="uptainer",
        help="Keep containers current, safely: checked, scanned, approved, backed up, replaced, proven, or rolled back.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for module in MODULES:
        module.register(app)
    return app


def main() -> None:
    """Run the command; an error is one sentence on stderr, and an exit code that says whether trying again may help.

    1: trying again changes nothing. 75: it may work later. 70: a fault of Uptainer's own. 130: interrupted.
    UPTAINER_DEBUG=1 adds the traceback.
    """
    try:
        build()()
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    except UptainerError as error:
        _complain(str(error))
        sys.exit(EXIT_TEMPORARY if isinstance(error, TemporaryError) else EXIT_PERMANENT)
    except Exception as error:  # noqa: BLE001 -- the last place that can turn a fault into a sentence
        _complain(
            f"{type(error).__name__}: {error} (a fault of Uptainer's own; UPTAINER_DEBUG=1 shows where)"
        )
        sys.exit(EXIT_FAULT)


def _complain(sentence: str) -> None:
    if os.environ.get("UPTAINER_DEBUG") == "1":
        say(traceback.format_exc(), err=True)
    say(f"uptainer: {sentence}", err=True)
