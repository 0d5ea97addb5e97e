"""When the fleet's workloads may be changed next: their windows, without the freezes, and what waits for each."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from uptainer.fleet.policies import PolicyBook
from uptainer.fleet.readiness import APPROVED
from uptainer.policy.window_text import describe_window, format_window
from uptainer.policy.windows import Freeze, Opening, Window, openings
from uptainer.store.models import Update
from uptainer.store.repositories.containers import ContainerRepository, ContainerView
from uptainer.store.repositories.updates import UpdateRepository

Choice = tuple[tuple[Window, ...], tuple[Freeze, ...]]


@dataclass(frozen=True, slots=True)
class ComingOpening:
    """One stretch of time for all workloads, by address, whose policies come to the same windows and freezes.

    `waiting` are the ids of their approved updates.
    """

    opens: datetime
    closes: datetime
    windows: tuple[str, ...]
    workloads: tuple[str, ...]
    waiting: tuple[int, ...]


def preview_openings(
    session: Session, start: datetime, end: datetime, *, host: str | None = None
) -> Sequence[ComingOpening]:
    """The openings between two instants, in order. Workloads without a window or freeze are always open, and not here."""
    views = ContainerRepository(session).listing(host=host)
    waiting = [row for row in UpdateRepository(session).open() if row.status in APPROVED]
    groups = _by_windows(PolicyBook.load(session), views)
    found = (
        _coming(opening, choice, group, waiting)
        for choice, group in groups
        for opening in openings(*choice, start, end)
    )
    return sorted(found, key=lambda each: (each.opens, each.closes, each.workloads))


def windows_in_effect(session: Session) -> Mapping[str, Window]:
    """Each window at whose opening something may be due: the stored ones by name, and those that policies and labels of
    the fleet's workloads spell out, by their text. What opens at the same times is one.
    """
    book = PolicyBook.load(session)
    found = dict(book.windows)
    openings_known = {(window.recurrence, window.zone) for window in found.values()}
    for view in ContainerRepository(session).listing():
        for window in book.policy_of(view).policy.windows:
            if (window.recurrence, window.zone) not in openings_known:
                openings_known.add((window.recurrence, window.zone))
                found[format_window(window)] = window
    return found


def _by_windows(
    book: PolicyBook, views: Iterable[ContainerView]
) -> Iterator[tuple[Choice, Sequence[ContainerView]]]:
    groups: dict[Choice, list[ContainerView]] = {}
    for view in views:
        policy = book.policy_of(view).policy
        groups.setdefault((policy.windows, policy.freezes), []).append(view)
    return ((choice, group) for choice, group in groups.items() if any(choice))


def _coming(
    opening: Opening, choice: Choice, group: Sequence[ContainerView], waiting: Sequence[Update]
) -> ComingOpening:
    ids = {view.container.id for view in group}
    windows, freezes = choice
    return ComingOpening(
        opening.opens,
        opening.closes,
        (*map(describe_window, windows), *(f"except {describe_window(each)}" for each in freezes)),
        tuple(view.address for view in group),
        tuple(row.id for row in waiting if row.container_id in ids),
    )
