from uptainer.core.enums import UpdateStatus
from uptainer.core.errors import BusyError
from uptainer.updates.batches import BatchItem, run_batch
from uptainer.updates.run import Outcome

DB = BatchItem(1, "db")
APP = BatchItem(2, "app", frozenset({"db"}))
WEB = BatchItem(3, "web", frozenset({"app"}))
CACHE = BatchItem(4, "cache", frozenset({"elsewhere"}))


def answers(**statuses: UpdateStatus) -> dict[int, UpdateStatus]:
    ids = {"db": 1, "app": 2, "web": 3, "cache": 4}
    return {ids[name]: status for name, status in statuses.items()}


def test_one_that_fails_stops_those_that_depend_on_it_and_no_others() -> None:
    results = answers(db=UpdateStatus.ROLLED_BACK, cache=UpdateStatus.SUCCEEDED)
    report = run_batch([DB, APP, WEB, CACHE], lambda number: Outcome(number, results[number], ""))
    assert [outcome.update_id for outcome in report.outcomes] == [1, 4]
    assert report.stopped == (
        (2, "app needs db, whose update did not succeed"),
        (3, "web needs app, whose update did not succeed"),
    )


def test_those_that_succeed_are_carried_out_in_the_order_given() -> None:
    begun: list[int] = []

    def apply(number: int) -> Outcome:
        begun.append(number)
        return Outcome(number, UpdateStatus.SUCCEEDED, "")

    report = run_batch([DB, APP, WEB], apply)
    assert begun == [1, 2, 3]
    assert not report.stopped


def test_one_that_is_busy_is_told_and_stops_what_needs_it() -> None:
    def apply(number: int) -> Outcome:
        raise BusyError("another run")

    report = run_batch([DB, APP], apply)
    assert [number for number, _ in report.errors] == [1]
    assert [number for number, _ in report.stopped] == [2]
