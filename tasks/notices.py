"""Telling people, and Prefect's events: what happened is noted and worked out once, then told notifier by notifier."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import NAMESPACE_URL, UUID, uuid5

import httpx
from prefect.client.orchestration import get_client
from prefect.events.schemas.events import Event, RelatedResource, Resource
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import get_current_settings

from blocks.loading import load, load_each
from blocks.notifier import Notifier
from tasks.resources import database, settings
from tasks.retries import retryable
from uptainer.core.clock import utc_now
from uptainer.core.errors import InvalidInputError, NotFoundError, UnreachableError
from uptainer.fleet import telling
from uptainer.fleet.telling import EVENTS, Channel, People, Told
from uptainer.notices.notice import Notice

MOST_HOSTS = 50
"""Prefect takes a hundred related resources for an event."""


@retryable(
    name="plan telling",
    run_name="work out who is told",
    description="Notes what happened since, works out by the Notifier blocks who is told when, and what is due.",
)
def plan_telling() -> Sequence[str]:
    rules = {
        name: each if isinstance(each, InvalidInputError) else each.rules
        for name, each in asyncio.run(load_each(Notifier)).items()
    }
    return telling.plan_telling(database(), rules, utc_now())


@retryable(
    name="tell",
    run_name="tell {notifier}",
    description="Sends one notifier what is due, once; what is not taken is kept and tried again later.",
    retries=0,
)
def tell_notifier(notifier: str) -> Told:
    """It is not retried at once: the next round does it, and what waits for the run is not held up.

    Raises:
        UnreachableError: something was not taken. It is written down, with when it is tried again.
    """
    told = telling.tell(database(), notifier, _channel(notifier), utc_now())
    if told.fault:
        raise UnreachableError(told.fault)
    return told


@dataclass(frozen=True, slots=True)
class PrefectEvents:
    """Prefect's own events, each under an id made of what it is about: the server keeps one that comes again once."""

    def tell(self, notices: Sequence[Notice], mark: UUID) -> None:  # noqa: ARG002 -- each event has a mark of its own
        events = [_event(each, place).model_dump(mode="json") for place, each in enumerate(notices)]
        asyncio.run(_post(events))


def _channel(notifier: str) -> Channel | InvalidInputError | NotFoundError:
    if notifier == EVENTS:
        return PrefectEvents()
    try:
        block = asyncio.run(load(Notifier, notifier))
        return People(block.channel(), _page())
    except NotFoundError:
        return telling.no_such(notifier)
    except InvalidInputError as error:
        return error


def _page() -> str:
    """Under which people see the runs."""
    return (settings().public_url or get_current_settings().ui_url or "").rstrip("/")


def _event(notice: Notice, place: int) -> Event:
    """Prefect orders events by time alone, and what is noted together has one time: `place` keeps them apart."""
    about = notice.subject.replace("/", ".")
    resource = {"prefect.resource.id": f"uptainer.{about}", "prefect.resource.name": notice.subject}
    payload = {
        **notice.payload,
        "text": notice.text,
        "severity": str(notice.severity),
        "hosts": list(notice.hosts),
        "projects": list(notice.projects),
        "update_id": notice.update_id,
    }
    return Event(
        id=uuid5(NAMESPACE_URL, notice.once),
        event=str(notice.event),
        resource=Resource(resource),
        related=_related(notice),
        occurred=(notice.at or utc_now()) + timedelta(microseconds=place),
        payload=payload,
    )


def _related(notice: Notice) -> list[RelatedResource]:
    """The hosts that it is about, and the run that carries its update, for automations and for the run's page."""
    roles = [("host", f"uptainer.host.{host}") for host in notice.hosts[:MOST_HOSTS]]
    if notice.flow_run_id is not None:
        roles.append(("flow-run", f"prefect.flow-run.{notice.flow_run_id}"))
    return [
        RelatedResource({"prefect.resource.role": role, "prefect.resource.id": number})
        for role, number in roles
    ]


async def _post(events: Sequence[object]) -> None:
    async with get_client() as client:
        try:
            await client.request("POST", "/events", json=list(events))
        except (httpx.TransportError, PrefectHTTPStatusError) as error:
            raise UnreachableError(f"the Prefect server did not take the events: {error}") from error
