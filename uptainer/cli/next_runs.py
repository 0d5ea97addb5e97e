"""What the Prefect server of the running system starts next. Prefect itself is not imported: that would take a second."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

import httpx

from uptainer.console import prefect_server
from uptainer.core.errors import AccessDeniedError, ProtocolError, UnreachableError


@dataclass(frozen=True, slots=True)
class NextRun:
    deployment: str
    at: datetime


def read(url: str) -> list[NextRun]:
    """The next run of each deployment that has a schedule, the soonest first.

    Raises:
        UnreachableError: the server does not answer, or fails.
        AccessDeniedError: it wants a login that the environment does not give.
        ProtocolError: what answers there is no Prefect server.
    """
    with _plain_errors(url), prefect_server.client() as client:
        client.headers.update(_proof(client, url))
        names = {each["id"]: each["name"] for each in _ask(client, f"{url}/api/deployments/filter", {})}
        wanted = {"state": {"type": {"any_": ["SCHEDULED"]}}, "deployment_id": {"any_": list(names)}}
        question = {"flow_runs": wanted, "sort": "EXPECTED_START_TIME_ASC"}
        runs = _ask(client, f"{url}/api/flow_runs/filter", question)
    soonest: dict[str, datetime] = {}
    for run in runs:
        soonest.setdefault(names[run["deployment_id"]], datetime.fromisoformat(run["expected_start_time"]))
    return [NextRun(name, at) for name, at in soonest.items()]


def _proof(client: httpx.Client, url: str) -> dict[str, str]:
    """What a server with PREFECT_SERVER_CSRF_PROTECTION_ENABLED wants to see; one without it has none to give."""
    name = str(uuid4())
    given = client.get(f"{url}/api/csrf-token", params={"client": name})
    if not given.is_success:
        return {}
    return {"Prefect-Csrf-Client": name, "Prefect-Csrf-Token": str(given.json()["token"])}


def _ask(client: httpx.Client, address: str, question: dict[str, Any]) -> list[dict[str, Any]]:
    return list(client.post(address, json=question).raise_for_status().json())


@contextmanager
def _plain_errors(url: str) -> Iterator[None]:
    what = "what runs next is not known, for the Prefect server"
    try:
        yield
    except httpx.TransportError as error:
        raise UnreachableError(f"{what} at {url} does not answer: {error or type(error).__name__}") from error
    except httpx.HTTPStatusError as error:
        if error.response.status_code == httpx.codes.UNAUTHORIZED:
            raise AccessDeniedError(
                f"{what} wants a login: set PREFECT_API_AUTH_STRING=user:password"
            ) from error
        raise UnreachableError(f"{what} at {url} failed: {error.response.status_code}") from error
    except (ValueError, LookupError, TypeError) as error:
        raise ProtocolError(f"{what} did not answer at {url}, but something else did") from error
