import pytest

from uptainer.core.enums import UpdateStatus
from uptainer.core.errors import RefusedError
from uptainer.core.transitions import CLOSED, TRANSITIONS, UNDER_WAY, WAITING, check_transition

S = UpdateStatus


def test_every_state_has_its_row_in_the_table() -> None:
    assert set(TRANSITIONS) == set(UpdateStatus)


def test_every_state_is_waiting_under_way_closed_or_in_need_of_a_person() -> None:
    assert sorted([*WAITING, *UNDER_WAY, *CLOSED, S.ROLLBACK_FAILED]) == sorted(UpdateStatus)


def test_nothing_leads_out_of_a_closed_state() -> None:
    assert not any(TRANSITIONS[status] for status in CLOSED)


def test_every_open_state_leads_to_an_end() -> None:
    def reachable(start: UpdateStatus) -> set[UpdateStatus]:
        found, queue = {start}, [start]
        while queue:
            fresh = TRANSITIONS[queue.pop()] - found
            found |= fresh
            queue.extend(fresh)
        return found

    assert all(reachable(status) & set(CLOSED) for status in UpdateStatus)
    assert reachable(S.PROPOSED) == set(UpdateStatus)


@pytest.mark.parametrize("status", [S.PROPOSED, S.AWAITING_APPROVAL])
def test_nothing_is_touched_before_it_is_approved(status: UpdateStatus) -> None:
    assert not TRANSITIONS[status] & {*UNDER_WAY, S.SUCCEEDED}


def test_what_was_begun_is_never_rejected_or_expired() -> None:
    given_up = {S.REJECTED, S.EXPIRED}
    assert not any(TRANSITIONS[status] & given_up for status in (*UNDER_WAY, S.ROLLBACK_FAILED))


def test_only_what_was_validated_succeeds() -> None:
    assert [status for status in UpdateStatus if S.SUCCEEDED in TRANSITIONS[status]] == [S.VALIDATING]


def test_a_way_that_is_not_in_the_table_is_refused_by_name() -> None:
    check_transition(S.AWAITING_APPROVAL, S.APPROVED)
    with pytest.raises(RefusedError, match="an update that is rejected cannot become applying"):
        check_transition(S.REJECTED, S.APPLYING)
