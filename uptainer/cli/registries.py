"""`uptainer registries`: what each registry may still be asked, and what we let it be asked at most."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

import typer

from uptainer.cli.groups import examples, group
from uptainer.cli.output import AsJson
from uptainer.cli.saying import say
from uptainer.core.budgets import Budget, Cap

Registry = Annotated[str, typer.Argument(help="Its host name, with the port where it has one: docker.io.")]
Limit = Annotated[
    str | None,
    typer.Argument(
        metavar="[REQUESTS/TIME]", help="Such as 60/minute, 200/6h or 1000/1d; `none` takes it away."
    ),
]
Reserve = Annotated[
    int | None,
    typer.Option(
        "--reserve",
        min=0,
        max=90,
        help="How many percent are kept for what somebody waits for: webhooks, approved updates.",
    ),
]
_COLUMNS = (
    "registry",
    "remaining",
    "counts",
    "resets_at",
    "held_until",
    "own_limit",
    "reserve",
    "last_error",
)
_UNITS = {
    "s": 1,
    "second": 1,
    "m": 60,
    "minute": 60,
    "h": 3600,
    "hour": 3600,
    "d": 86400,
    "day": 86400,
}
_LONGEST = timedelta(days=31)
_DIGITS = 9
"""More than any registry allows, and less than a column of the table holds."""


@dataclass(frozen=True, slots=True)
class RegistryLine:
    """`remaining` is what the registry says is left, of `limit`, in `counts` (requests or pulls), for `counted_by`."""

    registry: str
    remaining: str
    limit: int | None
    counts: str
    counted_by: str | None
    resets_at: datetime | None
    seen_at: datetime | None
    held_until: datetime | None
    held_because: str | None
    own_limit: str
    spent: int
    reserve: str
    last_error: str
    last_error_at: datetime | None


def register(app: typer.Typer) -> None:
    ours = group(app, "registries", doc="What each registry may still be asked.")
    ours.command("list", epilog=examples("uptainer registries", "uptainer registries --json"))(list_)
    ours.command(
        epilog=examples(
            "uptainer registries limit docker.io 200/6h --reserve 30",
            "uptainer registries limit ghcr.io none",
        )
    )(limit)
    ours.command(epilog=examples("uptainer registries release docker.io"))(release)


def list_(as_json: AsJson = False) -> None:
    """List what is left of each registry's quota, until when it is left alone, and what it last refused."""
    from uptainer.cli.connection import database  # noqa: PLC0415 -- help and completion need none of it
    from uptainer.cli.rows import print_rows  # noqa: PLC0415 -- as above
    from uptainer.core.clock import utc_now  # noqa: PLC0415 -- as above
    from uptainer.store.repositories.budgets import BudgetRepository  # noqa: PLC0415 -- as above

    with database() as opened, opened.session() as session:
        budgets = BudgetRepository(session).all(utc_now())
    nothing = "No registry was asked yet: `uptainer run check` does so."
    print_rows([_line(each) for each in budgets], _COLUMNS, as_json=as_json, nothing=nothing)


def limit(registry: Registry, most: Limit = None, reserve: Reserve = None) -> None:
    """Bound what all of Uptainer asks of a registry in a time, or what is kept for what is most wanted."""
    from uptainer.cli.connection import caller, database  # noqa: PLC0415 -- help and completion need none of it
    from uptainer.cli.credentials import registry_name  # noqa: PLC0415 -- as above
    from uptainer.core.clock import utc_now  # noqa: PLC0415 -- as above
    from uptainer.core.errors import InvalidInputError  # noqa: PLC0415 -- as above
    from uptainer.policy.durations import format_duration  # noqa: PLC0415 -- as above
    from uptainer.store.repositories.budgets import BudgetRepository, Terms  # noqa: PLC0415 -- as above

    if most is None and reserve is None:
        raise InvalidInputError("say how much, such as 200/6h, or what is to be kept, such as --reserve 30")
    name, now = registry_name(registry), utc_now()
    cap = None if most in {None, "none"} else Cap(*read_limit(most or ""))
    with database() as opened, opened.session() as session:
        budgets = BudgetRepository(session)
        before = budgets.terms(name, now)
        terms = Terms(
            before.cap if most is None else cap, before.reserve_percent if reserve is None else reserve
        )
        budgets.set_terms(name, terms, actor=caller(), now=now)
    said = (
        f"at most {terms.cap.requests} requests in {format_duration(terms.cap.window)}"
        if terms.cap
        else "no more than it allows itself"
    )
    say(f"{name} is asked {said}, and {terms.reserve_percent} % of it is kept for what is most wanted.")


def release(registry: Registry) -> None:
    """Ask a registry again that is left alone, whatever it said."""
    from uptainer.cli.connection import caller, database  # noqa: PLC0415 -- help and completion need none of it
    from uptainer.cli.credentials import registry_name  # noqa: PLC0415 -- as above
    from uptainer.core.clock import utc_now  # noqa: PLC0415 -- as above
    from uptainer.store.repositories.budgets import BudgetRepository  # noqa: PLC0415 -- as above

    name = registry_name(registry)
    with database() as opened, opened.session() as session:
        BudgetRepository(session).release(name, actor=caller(), now=utc_now())
    say(f"{name} is asked again.")


def read_limit(text: str) -> tuple[int, timedelta]:
    """`200/6h` as a number and its time.

    Raises:
        InvalidInputError: it is none.
    """
    from uptainer.core.errors import InvalidInputError  # noqa: PLC0415 -- help and completion need none of it

    count, _, time = text.replace(" ", "").partition("/")
    number = time.rstrip("abcdefghijklmnopqrstuvwxyz")
    unit = _UNITS.get(time[len(number) :])
    readable = (
        count.isdecimal() and (number.isdecimal() or not number) and max(len(count), len(number)) <= _DIGITS
    )
    if not readable or unit is None or not int(count) or number == "0":
        raise InvalidInputError(f"{text!r} is not a limit: write it like 60/minute, 200/6h or 1000/1d")
    window = timedelta(seconds=int(number or 1) * unit)
    if window > _LONGEST:
        raise InvalidInputError(f"{text!r} is longer than a month, which no registry counts by")
    return int(count), window


def _line(budget: Budget) -> RegistryLine:
    from uptainer.policy.durations import format_duration  # noqa: PLC0415 -- help and completion need none of it

    quota, hold, fault, cap = budget.quota, budget.hold, budget.fault, budget.cap
    return RegistryLine(
        registry=budget.registry,
        remaining=budget.remaining,
        limit=quota.limit if quota else None,
        counts=f"{quota.unit}s" if quota else "",
        counted_by=quota.source if quota else None,
        resets_at=quota.resets_at if quota else None,
        seen_at=quota.seen_at if quota else None,
        held_until=hold.until if hold else None,
        held_because=hold.reason if hold else None,
        own_limit=f"{budget.spent} of {cap.requests} in {format_duration(cap.window)}" if cap else "",
        spent=budget.spent,
        reserve=f"{budget.reserve_percent} %",
        last_error=fault.message if fault else "",
        last_error_at=fault.at if fault else None,
    )
