"""How far an update is. Not a task: it is asked once a second, and each task run costs the server."""

import anyio

from tasks.resources import database
from uptainer.updates import progress
from uptainer.updates.progress import Progress


async def read_progress(update_id: int) -> Progress:
    return await anyio.to_thread.run_sync(progress.read_progress, database(), update_id)
