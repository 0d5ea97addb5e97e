"""A workload that is stopped alone, for a backup or a restore, takes nothing down that lives with it, and is not read or
written while that writes.
"""

from typing import Any

import pytest

from tests.integration.fleet.house import ANN, House
from uptainer.core.enums import Consistency
from uptainer.core.errors import RefusedError
from uptainer.fleet.backing_up import back_up_workload
from uptainer.fleet.restoring import restore_backup


def back_up(house: House, consistency: Consistency | None = None) -> int:
    kept = back_up_workload(
        house.database, "lab/web", house.opens, house.stores, actor=ANN, reason="r", consistency=consistency
    )
    return kept.backup_id


def untouched(house: House) -> list[Any]:
    return [house.engine.client.containers.get(key).attrs["State"] for key in ("web", "neighbour")]


def test_data_that_another_one_has_from_it_is_not_read_or_written_while_that_runs(house: House) -> None:
    house.run(volumes=["data:/data"])
    neighbour = house.run(key="neighbour", volumes_from=["web"])
    house.discover()
    number, before = back_up(house, Consistency.LIVE), untouched(house)
    reason = r"/data of web is in use by neighbour, which runs: stop it first"
    with pytest.raises(RefusedError, match=f"{reason}.*`live`"):
        back_up(house)
    with pytest.raises(RefusedError, match=reason):
        restore_backup(house.database, number, house.opens, house.stores, actor=ANN)
    assert untouched(house) == before
    neighbour.stop(timeout=0)
    back_up(house)
