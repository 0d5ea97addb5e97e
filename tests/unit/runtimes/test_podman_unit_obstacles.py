"""What forbids to have a unit make its container anew, told from what Podman shows."""

import shlex
from typing import Any

import pytest

from uptainer.core.errors import RefusedError
from uptainer.runtimes.podman.unit_obstacles import (
    refuse_companions,
    refuse_own_pulls,
    refuse_unnamed_volumes,
)

UNIT = "db.service"


def container(name: str, *, line: str = "app:1", unit: str = "", **shown: Any) -> dict[str, Any]:
    return {
        "Id": name[0] * 64,
        "Name": name,
        "Config": {
            "CreateCommand": shlex.split(f"podman run {line}"),
            "Labels": {"PODMAN_SYSTEMD_UNIT": unit} if unit else None,
        },
        "HostConfig": {},
        **shown,
    }


def volume(name: str, destination: str) -> dict[str, Any]:
    return {"Type": "volume", "Name": name, "Destination": destination, "RW": True}


def test_a_unit_s_named_volumes_and_folders_come_back() -> None:
    folder = {"Type": "bind", "Source": "/srv", "Destination": "/srv"}
    refuse_unnamed_volumes(container("db", Mounts=[volume("data", "/data"), folder]), UNIT)


def test_unnamed_volumes_would_be_lost() -> None:
    target = container("db", Mounts=[volume("data", "/data"), volume("e" * 64, "/var/lib/db")])
    with pytest.raises(RefusedError, match=r"db: db\.service would make .* \(/var/lib/db\): name them"):
        refuse_unnamed_volumes(target, UNIT)


@pytest.mark.parametrize("policy", ["always", "newer", "true"])
def test_a_unit_that_pulls_for_itself_may_take_another_image(policy: str) -> None:
    with pytest.raises(RefusedError, match=rf"--pull {policy}.*write Pull=missing"):
        refuse_own_pulls(container("db", line=f"--pull={policy} app:1"), UNIT)


@pytest.mark.parametrize("line", ["app:1", "--pull missing app:1", "--pull=never app:1 --pull=always"])
def test_a_unit_that_takes_what_is_here_gets_what_was_approved(line: str) -> None:
    refuse_own_pulls(container("db", line=line), UNIT)


LOST: list[tuple[str, dict[str, Any]]] = [
    ("shares its network", container("api", Dependencies=["d" * 64])),
    ("has its volumes", container("api", HostConfig={"VolumesFrom": ["db:ro"]})),
    ("is made by the same unit", container("api", unit=UNIT, Pod="p")),
]


@pytest.mark.parametrize(("why", "other"), LOST, ids=[why for why, _ in LOST])
def test_who_would_be_lost_with_it_is_named(why: str, other: dict[str, Any]) -> None:
    del why
    target = container("db", unit=UNIT, Pod="p")
    with pytest.raises(RefusedError, match=r"db can't be updated by way of db\.service: api would"):
        refuse_companions(target, UNIT, [target, other])


def test_others_of_its_pod_that_have_units_of_their_own_run_on() -> None:
    target = container("db", unit=UNIT, Pod="p")
    infra = container("infra", unit=UNIT, Pod="p", IsInfra=True)
    refuse_companions(target, UNIT, [target, infra, container("web", unit="web.service", Pod="p")])
