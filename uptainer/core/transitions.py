"""From which state an update may go to which: the one table that the store and the flows go by."""

from uptainer.core.enums import UpdateStatus
from uptainer.core.errors import RefusedError

S = UpdateStatus

WAITING = (S.PROPOSED, S.AWAITING_APPROVAL, S.APPROVED, S.WAITING_FOR_WINDOW)
"""Nothing has been touched yet; a newer candidate may take its place."""

UNDER_WAY = (S.BACKING_UP, S.APPLYING, S.VALIDATING, S.ROLLING_BACK)
"""A run is at it, or was when it died: what `recover` looks after."""

CLOSED = (S.SUCCEEDED, S.ROLLED_BACK, S.REJECTED, S.EXPIRED, S.SUPERSEDED, S.FAILED)
"""An update in one of these is history; ROLLBACK_FAILED is not, for a person must look at it."""

_GIVEN_UP = frozenset({S.REJECTED, S.EXPIRED, S.SUPERSEDED, S.FAILED})
_BEGUN = frozenset({S.BACKING_UP, S.APPLYING})

TRANSITIONS: dict[UpdateStatus, frozenset[UpdateStatus]] = {
    S.PROPOSED: _GIVEN_UP | {S.AWAITING_APPROVAL, S.APPROVED},
    S.AWAITING_APPROVAL: _GIVEN_UP | {S.APPROVED},
    # Back to the gate when the digest moved or the scan got worse after the answer.
    S.APPROVED: _GIVEN_UP | _BEGUN | {S.AWAITING_APPROVAL, S.WAITING_FOR_WINDOW},
    S.WAITING_FOR_WINDOW: _GIVEN_UP | _BEGUN | {S.AWAITING_APPROVAL, S.APPROVED},
    # Data is backed up between stopping and switching, so the two may alternate.
    S.BACKING_UP: frozenset({S.APPLYING, S.ROLLING_BACK, S.FAILED}),
    S.APPLYING: frozenset({S.BACKING_UP, S.VALIDATING, S.ROLLING_BACK, S.FAILED}),
    S.VALIDATING: frozenset({S.SUCCEEDED, S.ROLLING_BACK}),
    # Undone before the running workload was touched, it has failed, or may be tried again on the same approval.
    S.ROLLING_BACK: frozenset({S.ROLLED_BACK, S.ROLLBACK_FAILED, S.FAILED, S.SUPERSEDED, S.APPROVED}),
    # Tried again, or settled by a person.
    S.ROLLBACK_FAILED: frozenset({S.ROLLING_BACK, S.ROLLED_BACK, S.FAILED}),
    **{closed: frozenset() for closed in CLOSED},
}


def check_transition(current: UpdateStatus, new: UpdateStatus) -> None:
    """Raises RefusedError where the table does not have this way."""
    if new not in TRANSITIONS[current]:
        raise RefusedError(f"an update that is {current} cannot become {new}")
