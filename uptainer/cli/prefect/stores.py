"""Blocks that commands name, and the schedules that follow the windows."""

import asyncio

from blocks.advice_model import AdviceModel
from blocks.backup_store import BackupStore
from blocks.loading import load
from blocks.notifier import Notifier
from blocks.registries import load_login
from tasks import schedules
from tasks.schedules import Changes
from uptainer.advice.model import ModelSettings
from uptainer.backups.store import BackupStore as Store
from uptainer.cli.prefect.requests import plain_errors
from uptainer.fleet.content import NotifierDeclaration
from uptainer.notices.channel import AppriseChannel
from uptainer.store.database import Database


def credentials_registry(block: str) -> str:
    """The registry that the credentials in this block are for."""
    with plain_errors():
        return asyncio.run(load_login(block)).registry


def notifier(block: str) -> AppriseChannel:
    """The channel that this Notifier block names."""
    with plain_errors():
        return asyncio.run(load(Notifier, block)).channel()


def notifier_rules(block: str) -> NotifierDeclaration:
    """What this Notifier block is told."""
    with plain_errors():
        found = asyncio.run(load(Notifier, block))
    return NotifierDeclaration.model_validate(found.model_dump(include=set(NotifierDeclaration.model_fields)))


def put_notifier_rules(block: str, rules: NotifierDeclaration) -> None:
    """Have this Notifier block be told that, under the URL that it has."""

    async def put() -> None:
        found = await load(Notifier, block)
        await Notifier(url=found.url, **rules.model_dump(mode="json")).asave(block, overwrite=True)

    with plain_errors():
        asyncio.run(put())


def backup_store(block: str) -> Store:
    """The store that this Backup store block opens."""
    with plain_errors():
        return asyncio.run(load(BackupStore, block)).open(block)


def advice_model(block: str) -> ModelSettings:
    """The model that this Advice model block names."""
    with plain_errors():
        return asyncio.run(load(AdviceModel, block)).settings()


def follow_windows(database: Database) -> Changes:
    """Bring the schedules of `maintain` in step with the windows."""
    with plain_errors():
        return schedules.follow_windows(database)
