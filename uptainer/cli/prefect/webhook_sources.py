"""The Webhook source blocks, as commands make and list them."""

import asyncio
from collections.abc import Mapping

from prefect.client.orchestration import get_client
from pydantic import SecretStr, ValidationError

from blocks.loading import find, load_each
from blocks.webhook_source import WebhookSource
from uptainer.cli.prefect.requests import plain_errors
from uptainer.core.enums import WebhookKind
from uptainer.core.errors import InvalidInputError, NotFoundError


def known() -> Mapping[str, WebhookSource | InvalidInputError]:
    """Each by its name, with the reason in the place of one whose block is broken."""
    with plain_errors():
        found = asyncio.run(load_each(WebhookSource))
    return dict(sorted(found.items()))


def make(name: str, kind: WebhookKind, secret: str, registry: str) -> None:
    """Raises InvalidInputError where there is one of this name, or the name or the registry is none."""
    try:
        block = WebhookSource(kind=kind, secret=SecretStr(secret), registry=registry)
    except ValidationError as error:
        raise InvalidInputError(error.errors()[0]["msg"].removeprefix("Value error, ")) from error
    with plain_errors():
        asyncio.run(_save(name, block))


def forget(name: str) -> None:
    """Raises NotFoundError where there is none of this name."""

    async def delete() -> None:
        slug = WebhookSource.get_block_type_slug()
        async with get_client() as client:
            there = {str(each.name): each for each in await client.read_block_documents_by_type(slug)}
            if name not in there:
                raise NotFoundError(f"there is no webhook source {name!r}: see `uptainer webhooks`")
            await client.delete_block_document(there[name].id)

    with plain_errors():
        asyncio.run(delete())


async def _save(name: str, block: WebhookSource) -> None:
    if await find(WebhookSource, name) is not None:
        raise InvalidInputError(
            f"there is a webhook source {name!r}: remove it first, or choose another name"
        )
    try:
        await block.save(name)
    except ValueError as error:
        raise InvalidInputError(
            f"{name!r} is no name for it: use small letters, digits and hyphens"
        ) from error
