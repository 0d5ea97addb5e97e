import os
from collections.abc import Mapping

import pytest

from tests.lab import environment
from tests.lab.room import LabUnavailableError, Room


@pytest.mark.parametrize(
    ("env", "outcome"),
    [
        ({}, pytest.skip.Exception),
        ({"CI": "false", "LAB_IS_REQUIRED": "0"}, pytest.skip.Exception),
        ({"CI": "true"}, pytest.fail.Exception),
        ({"LAB_IS_REQUIRED": "1"}, pytest.fail.Exception),
    ],
)
def test_an_engine_that_is_missing_is_left_out_or_a_failure_where_the_lab_is_required(
    env: Mapping[str, str], outcome: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CI", "LAB_IS_REQUIRED"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(outcome, match="no dockerd on this machine"), environment.lab_part():
        raise LabUnavailableError("no dockerd on this machine")


def test_no_engine_or_setting_of_the_developer_is_in_sight(room: Room) -> None:
    assert not [
        name
        for name in os.environ
        if name.startswith(("UPTAINER_DATABASE", "DOCKER_HOST", "KUBECONFIG", "PG"))
    ]
    assert os.environ["PREFECT_HOME"].startswith(str(room.path))
