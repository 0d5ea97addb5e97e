"""The pages for people, written from the database."""

from tasks.resources import database
from tasks.retries import retryable
from uptainer.core.clock import utc_now
from uptainer.fleet.reports import REPORTS


@retryable(
    name="write report",
    run_name="write the page {name}",
    description="Writes one of the pages that a person looks at, as markdown.",
)
def write_report(name: str) -> str:
    with database().session() as session:
        return REPORTS[name](session, utc_now())
