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


CASES: list[tuple[dict[str, Any], str, str, Consistency]] = [
    (
        {"volumes_from": ["web"]},
        "/data of web is in use by neighbour, which runs: stop it first",
        "`live`",
        Consistency.LIVE,
    ),
    (
        {"network_mode": "container:web"},
        r"would be cut off .*: neighbour \(its network\)\. Stop them first",
        "`pause` or `live`",
        Consistency.PAUSE,
    ),
]


@pytest.mark.parametrize(("lives_with_it", "reason", "other", "works"), CASES, ids=["volumes", "network"])
def test_what_others_live_with_is_not_stopped_alone(
    house: House, lives_with_it: dict[str, Any], reason: str, other: str, works: Consistency
) -> None:
    house.run(volumes=["data:/data"])
    house.run(key="neighbour", **lives_with_it)
    house.discover()
    number, before = back_up(house, works), untouched(house)
    with pytest.raises(RefusedError, match=f"{reason}.*{other}"):
        back_up(house)
    with pytest.raises(RefusedError, match=reason):
        restore_backup(house.database, number, house.opens, house.stores, actor=ANN)
    assert untouched(house) == before
    with house.opens("lab") as runtime:  # for an update it is stopped too
        (mount,) = next(each.mounts for each in runtime.containers() if each.key == "web")
        runtime.check_mount("web", mount, alone=False)
