"""A rollout gets on when it gets where it has not been."""

import pytest

from uptainer.runtimes.kubernetes.watching import Standstill

UPDATED, READY = (1, 0), (1, 1)


@pytest.mark.parametrize(
    ("looks", "still"),
    [
        ([UPDATED], 0.0),
        ([UPDATED, UPDATED, UPDATED], 2.0),
        ([UPDATED, UPDATED, READY], 0.0),
        ([UPDATED, READY, UPDATED, READY, UPDATED], 3.0),
    ],
)
def test_only_what_was_not_seen_before_is_progress(looks: list[tuple[int, ...]], still: float) -> None:
    standstill = Standstill(0.0)
    assert [standstill.lasts(look, float(second)) for second, look in enumerate(looks)][-1] == still
