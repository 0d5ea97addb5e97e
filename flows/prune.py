"""Retention: what is no longer kept is removed."""

from dataclasses import asdict
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.refusals import plainly
from flows.sweeping import sweep
from tasks.hosts import list_hosts
from tasks.retention import prune_backups, prune_images, prune_rows


@flow(
    name="prune",
    description="Removes backups, replaced images and old rows that their retention no longer keeps.",
    flow_run_name="prune",
)
@plainly
async def prune() -> State[Any]:
    rows = asdict(await prune_rows())
    backups = await prune_backups()
    hosts = await sweep([address.name for address in await list_hosts(None)], prune_images)
    images = sum(each.images for each in hosts.results)
    containers = sum(each.containers for each in hosts.results)
    counted = ", ".join(f"{count} {name}" for name, count in rows.items() if count) or "no rows"
    failed = [*backups.failures]
    failed += [f"{each.host}: {failure}" for each in hosts.results for failure in each.failures]
    failed += [f"{name} does not answer: {error}" for name, error in hosts.failures]
    said = f"removed: {counted} of the database, {backups.removed} backups, {containers} old containers, {images} images"
    return Completed(message="; ".join([said, *failed]))
