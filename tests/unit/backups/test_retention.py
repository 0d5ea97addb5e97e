from datetime import UTC, datetime, timedelta

import pytest

from uptainer.backups.retention import Kept, select_for_removal

NOW = datetime(2026, 5, 31, tzinfo=UTC)


def kept(number: int, days: int, *, good: bool = True, **more: bool) -> Kept:
    return Kept(number, NOW - timedelta(days=days), good and not more.get("doubted"), **more)


@pytest.mark.parametrize(
    ("backups", "keep_last", "keep_days", "removed"),
    [
        ([], 3, 7, ()),
        ([kept(1, 400)], 1, 7, ()),
        ([kept(1, 400)], 0, 7, ()),
        ([kept(1, 40), kept(2, 30), kept(3, 20)], 1, 7, (1, 2)),
        ([kept(1, 40), kept(2, 30), kept(3, 20)], 2, 7, (1,)),
        ([kept(1, 40), kept(2, 5), kept(3, 1)], 1, 7, (1,)),
        ([kept(1, 40), kept(2, 30, good=False), kept(3, 20, good=False)], 1, 7, (2, 3)),
        ([kept(1, 40), kept(2, 1, good=False)], 1, 7, ()),
        ([kept(1, 40, held=True), kept(2, 1)], 1, 7, ()),
        ([kept(1, 7), kept(2, 1)], 1, 7, ()),
        ([kept(1, 40, doubted=True), kept(2, 30, doubted=True), kept(3, 20, good=False)], 3, 7, (1, 3)),
        ([kept(1, 40), kept(2, 30, doubted=True)], 3, 7, (2,)),
        ([kept(1, 50, proven=True), kept(2, 40, proven=True), kept(3, 30), kept(4, 20)], 1, 7, (1, 3)),
    ],
    ids=[
        "nothing",
        "the only one stays",
        "the only one stays whatever was asked",
        "by count",
        "by a higher count",
        "the young stay beside the count",
        "the last good one stays behind failed ones",
        "a failed one stays while it is young",
        "what an update needs stays",
        "exactly old enough is not older",
        "without a good one the newest doubted one stays",
        "a doubted one goes behind a good one",
        "the newest that is proven stays behind those that are not",
    ],
)
def test_what_is_no_longer_kept(
    backups: list[Kept], keep_last: int, keep_days: int, removed: tuple[int, ...]
) -> None:
    found = select_for_removal(backups, keep_last=keep_last, keep_for=timedelta(days=keep_days), now=NOW)
    assert found == removed
