"""What commands ask of the Prefect server: runs started and waited for, with plain errors."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any, TypeVar
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.utilities.schema_tools import validate
from prefect.utilities.urls import url_for
from rich.console import Console

from uptainer.cli.prefect import runs
from uptainer.cli.screen import Screen
from uptainer.core.errors import (
    AccessDeniedError,
    BusyError,
    InvalidInputError,
    NotFoundError,
    PermanentError,
    UnreachableError,
)

Answer = TypeVar("Answer")
PATIENCE = timedelta(hours=6)
_DENIED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_UNREACHED = "Failed to reach API"


@dataclass(frozen=True, slots=True)
class Requested:
    """A run that was asked for; `page` is where it is seen."""

    id: UUID
    name: str
    page: str


def ask(call: Callable[[PrefectClient], Coroutine[Any, Any, Answer]]) -> Answer:
    """Ask the server something.

    Raises:
        UnreachableError, AccessDeniedError, InvalidInputError: it does not answer, wants a login, or refuses the values.
    """

    async def asked() -> Answer:
        async with get_client() as client:
            return await call(client)

    with plain_errors():
        return asyncio.run(asked())


def start(flow: str, given: Mapping[str, Any], *, texts: bool = False) -> Requested:
    """Start a run of one of our deployments; with `texts`, the values are texts as they were typed.

    Raises:
        NotFoundError: there is no such deployment; the message names those that there are.
        InvalidInputError: a parameter is missing, unknown or wrong.
    """

    async def call(client: PrefectClient) -> FlowRun:
        schema = await _schema(client, flow)
        parameters = read_parameters(schema, given) if texts else dict(given)
        check_parameters(flow, schema, parameters)
        return await runs.request(client, flow, parameters)

    run = ask(call)
    return Requested(run.id, run.name, url_for("flow-run", obj_id=run.id) or "")


def wait(requested: Requested, doing: str) -> str:
    """Wait for its end with progress on stderr, and return what it said.

    Raises:
        BusyError: it was not run, because another run of the same kind is under way.
        PermanentError: it failed, or was cancelled.
        UnreachableError: it has not ended in six hours.
    """
    screen = Screen(Console(stderr=True, highlight=False))
    with screen.step(doing):
        ended = ask(lambda client: runs.watch(client, requested.id, seconds=PATIENCE.total_seconds()))
    state = ended.state
    assert state is not None, "a run that was watched to its end has a state"
    said = state.message or ""
    if state.is_completed():
        return said or "done"
    if state.is_paused():
        return f"it waits for an answer: {requested.page}"
    if state.is_cancelled():
        raise BusyError(f"{ended.name} was cancelled: {said or 'another run is under way'}")
    raise PermanentError(f"{ended.name} ended as {state.name}: {said or 'see ' + requested.page}")


def read_parameters(schema: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, Any]:
    """Typed texts, as the values that the schema wants: JSON, but for what is a text."""
    known = schema.get("properties", {})
    return {name: _read(known.get(name, {}), text) for name, text in given.items()}


def check_parameters(flow: str, schema: Mapping[str, Any], parameters: Mapping[str, Any]) -> None:
    """Raises InvalidInputError, which says each fault."""
    known = sorted(schema.get("properties", {}))
    unknown = [name for name in parameters if name not in known]
    if unknown:
        raise InvalidInputError(
            f"{flow} has no parameter {unknown[0]!r}; it has: {', '.join(known) or 'none'}"
        )
    faults = validate(dict(parameters), dict(schema))
    if faults:
        said = [f"{'.'.join(str(part) for part in each.path) or flow}: {each.message}" for each in faults]
        raise InvalidInputError("; ".join(said))


@contextmanager
def plain_errors() -> Iterator[None]:
    """The client's errors, as ours."""
    try:
        yield
    except httpx.TransportError as error:
        raise UnreachableError(
            f"the Prefect server does not answer: {error or type(error).__name__}"
        ) from error
    except PrefectHTTPStatusError as error:
        raise _refusal(error) from error
    except RuntimeError as error:
        if not str(error).startswith(_UNREACHED):
            raise
        raise UnreachableError(f"the Prefect server does not answer: {error}") from error


def _refusal(error: PrefectHTTPStatusError) -> Exception:
    if error.response.status_code in _DENIED:
        return AccessDeniedError(
            "the Prefect server wants a login: set PREFECT_API_AUTH_STRING=user:password"
        )
    if error.response.is_server_error:
        return UnreachableError(f"the Prefect server failed: {error.response.status_code}")
    return InvalidInputError(f"the Prefect server refused: {error.response.text.strip()[:500]}")


async def _schema(client: PrefectClient, flow: str) -> Mapping[str, Any]:
    try:
        deployment = await client.read_deployment_by_name(f"{flow}/{flow}")
    except ObjectNotFound as error:
        names = sorted(each.name for each in await client.read_deployments() if "uptainer" in each.tags)
        known = ", ".join(names) or "none: are the deployments registered?"
        raise NotFoundError(f"there is no flow {flow!r}; there are: {known}") from error
    return deployment.parameter_openapi_schema or {}


def _read(schema: Mapping[str, Any], text: str) -> Any:
    kinds = [schema.get("type"), *(each.get("type") for each in schema.get("anyOf", ()))]
    if "string" in kinds:
        return text
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
