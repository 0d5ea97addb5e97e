"""What `uptainer allow ...` does."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from uptainer.cli import connection
from uptainer.cli.rows import cell, print_rows
from uptainer.cli.saying import say
from uptainer.core.clock import utc_now
from uptainer.core.errors import InvalidInputError
from uptainer.fleet.excuses import allowance_of, put_allowance
from uptainer.policy.allowances import Allowance, read_expiry
from uptainer.store.repositories.containers import ContainerRepository
from uptainer.store.repositories.excuses import AllowanceRepository

COLUMNS = ("id", "finding", "package", "image", "workload", "project", "until", "holds", "by", "reason")


@dataclass(frozen=True, slots=True)
class AllowanceLine:
    """`holds` is false from `until` on."""

    id: int
    finding: str
    package: str
    image: str
    workload: str
    project: str
    until: datetime
    holds: bool
    by: str
    since: datetime
    reason: str


def add(finding: str, scope: Mapping[str, str], *, reason: str, until: str, beyond_a_year: bool) -> None:
    now = utc_now()
    expires = read_expiry(until, now)
    if expires <= now:
        raise InvalidInputError(f"{until} is past: say until when {finding} is accepted")
    allowance = Allowance(finding, reason.strip(), expires, **scope).checked(now, beyond_a_year=beyond_a_year)
    with connection.database() as database, database.session() as session:
        if allowance.workload and not set("*?[") & set(allowance.workload):
            ContainerRepository(session).by_address(allowance.workload)
        put_allowance(session, allowance, connection.caller(), now)
    say(f"{allowance.scope} is allowed until {cell(expires)} UTC: {allowance.reason}.")


def show_all(*, as_json: bool) -> None:
    now = utc_now()
    with connection.database() as database, database.session() as session:
        lines = [
            AllowanceLine(
                id=row.id,
                finding=row.finding,
                package=row.package,
                image=row.image,
                workload=row.workload,
                project=row.project,
                until=row.expires_at,
                holds=allowance_of(row).holds(now),
                by=row.allowed_by,
                since=row.allowed_at,
                reason=row.reason,
            )
            for row in AllowanceRepository(session).all()
        ]
    print_rows(lines, COLUMNS, as_json=as_json, nothing="Nothing is accepted: all that a scan finds counts.")


def remove(number: int) -> None:
    with connection.database() as database, database.session() as session:
        gone = allowance_of(AllowanceRepository(session).remove(number, actor=connection.caller()))
    say(f"{gone.scope} is not allowed any more.")
