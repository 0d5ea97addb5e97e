"""Notices go out as Prefect events: an automation, a webhook or a mail block takes them from there."""

from prefect.events import emit_event

from tasks.resources import database
from tasks.retries import retryable
from uptainer.core.clock import utc_now
from uptainer.store.repositories.notices import NoticeRepository


@retryable(
    name="send notices",
    run_name="send what is to be told",
    description="Emits each notice that was not sent yet as a Prefect event, once.",
)
def send_notices() -> int:
    with database().session() as session:
        notices = NoticeRepository(session)
        unsent = notices.unsent()
        for notice in unsent:
            resource = {"prefect.resource.id": f"uptainer.{notice.subject.replace('/', '.')}"}
            resource["prefect.resource.name"] = notice.subject
            emit_event(notice.event, resource, payload={**notice.payload, "update_id": notice.update_id})
            notices.sent(notice.id, utc_now())
    return len(unsent)
