"""Blocks by name, with our errors where there is none or it does not hold what it should."""

from http import HTTPStatus
from typing import TypeVar

from prefect.blocks.core import Block
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectHTTPStatusError
from pydantic import ValidationError

from uptainer.core.errors import InvalidInputError, NotFoundError

DEFAULT_NAME = "uptainer"
"""What a block is called of which an installation has one: Trivy, the advice model, the database."""

AnyBlock = TypeVar("AnyBlock", bound=Block)


async def load(kind: type[AnyBlock], name: str) -> AnyBlock:
    """The block `name` of this kind, its secrets in it.

    Raises:
        NotFoundError: there is none; the message says where to make it.
        InvalidInputError: what is stored does not fit any more.
    """
    found = await find(kind, name)
    if found is None:
        raise NotFoundError(
            f"there is no {kind.get_block_type_name()} block {name!r}: make one on the page, under Blocks"
        )
    return found


async def find(kind: type[AnyBlock], name: str = DEFAULT_NAME) -> AnyBlock | None:
    """The block, or None where there is none, which is no fault for a part that is optional."""
    data = (await documents(kind)).get(name)
    return None if data is None else read(kind, name, data)


async def load_all(kind: type[AnyBlock]) -> dict[str, AnyBlock]:
    """Every block of this kind by name, secrets in them."""
    return {name: read(kind, name, data) for name, data in (await documents(kind)).items()}


async def load_each(kind: type[AnyBlock]) -> dict[str, AnyBlock | InvalidInputError]:
    """As `load_all`, with the error in the place of a block that does not hold what it should."""
    found: dict[str, AnyBlock | InvalidInputError] = {}
    for name, data in (await documents(kind)).items():
        try:
            found[name] = read(kind, name, data)
        except InvalidInputError as error:
            found[name] = error
    return found


async def documents(kind: type[Block]) -> dict[str, dict[str, object]]:
    """What the server holds for each by name, secrets in it; it gives them in one answer, whatever their number.

    A server that does not know the type (nothing registered it yet) has none of it.
    """
    async with get_client() as client:
        try:
            documents = await client.read_block_documents_by_type(
                kind.get_block_type_slug(), include_secrets=True
            )
        except PrefectHTTPStatusError as error:
            if error.response.status_code == HTTPStatus.NOT_FOUND:
                return {}
            raise
    return {str(each.name): each.data for each in documents}


def read(kind: type[AnyBlock], name: str, data: dict[str, object]) -> AnyBlock:
    """A stored block of this kind.

    Raises:
        InvalidInputError: it does not hold what it should; nothing in it quotes what is stored.
    """
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
    field = ".".join(str(part) for part in first["loc"]) or "it"
    # Raised apart from its cause, which quotes what was stored, secrets too, and would be in a run's log with it.
    raise InvalidInputError(
        f"the {kind.get_block_type_name()} block {name!r} is wrong: {field}: {first['msg']}"
    )
