"""The first look at the fleet after a start: engines found, what a dead run left undone, discover and check."""

import asyncio
import time
from datetime import timedelta

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import FlowRun

from uptainer.cli.fleet import COLUMNS
from uptainer.cli.prefect import runs
from uptainer.cli.rows import print_rows
from uptainer.cli.screen import Screen
from uptainer.console.engines import Found, add_engines
from uptainer.console.record import database_url
from uptainer.core.errors import UptainerError
from uptainer.core.settings import Settings
from uptainer.fleet.listing import list_fleet
from uptainer.store.database import Database

PATIENCE = timedelta(minutes=30)
BETWEEN = timedelta(seconds=2)
NO_HOST = (
    "There is no container engine on this machine yet. Add a host with: "
    "uptainer host add NAME unix:///path/to/docker.sock"
)
NEXT = "What needs an answer is asked about on the page, and by `uptainer updates`. All commands: `uptainer --help`."
STEPS = {
    "recover": "finishing what an earlier run left undone",
    "discover": "reading the hosts",
    "check": "looking for newer images",
}


async def look(settings: Settings, screen: Screen) -> None:
    """Show what is there, and what could be newer; a fault on the way is said, and ends only the look."""
    database = Database(database_url(settings))
    try:
        found = await asyncio.to_thread(add_engines, database)
        _tell_of_engines(found, screen)
        if not found.hosts:
            return
        async with get_client() as client:
            for flow, doing in STEPS.items():
                await _run(client, flow, doing, screen)
        await asyncio.to_thread(_show, database)
        screen.say(NEXT)
    except UptainerError as error:
        screen.say(f"The first look did not come to its end: {error}")
    finally:
        database.dispose()


async def _run(client: PrefectClient, flow: str, doing: str, screen: Screen) -> None:
    with screen.step(doing):
        ended = await run_to_its_end(client, flow)
    if not (ended.state and ended.state.is_completed()):
        screen.say(f"{flow} did not succeed: {_account(ended)}")


async def run_to_its_end(client: PrefectClient, flow: str) -> FlowRun:
    """Asked for again where Prefect cancelled it, which it does to the second of a flow that runs by its schedule just now."""
    deadline = time.monotonic() + PATIENCE.total_seconds()
    while True:
        requested = await runs.request(client, flow)
        ended = await runs.watch(client, requested.id, seconds=deadline - time.monotonic())
        if not (ended.state and ended.state.is_cancelled()) or time.monotonic() > deadline:
            return ended
        await asyncio.sleep(BETWEEN.total_seconds())


def _account(run: FlowRun) -> str:
    if run.state is None:
        return "it has no state"
    return f"{run.state.name}: {run.state.message or 'no reason given'}"


def _tell_of_engines(found: Found, screen: Screen) -> None:
    for sentence in found.sentences:
        screen.say(sentence)
    if not found.hosts:
        screen.say(NO_HOST)


def _show(database: Database) -> None:
    with database.session() as session:
        lines = list_fleet(session)
    print_rows(lines, COLUMNS, as_json=False, nothing="No containers were found on the hosts that answered.")
