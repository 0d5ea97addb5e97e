"""Which claims hold the data of a workload, by its template alone."""

from typing import Any

import pytest

from uptainer.runtimes.kubernetes.snapshots import claim_names


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        ({}, ["shared", "data-db-0", "data-db-1"]),
        ({"ordinals": {"start": 5}}, ["shared", "data-db-5", "data-db-6"]),
        ({"ordinals": {}, "replicas": 0}, ["shared"]),
    ],
)
def test_a_stateful_set_has_a_claim_for_each_of_its_numbers(spec: dict[str, Any], names: list[str]) -> None:
    volumes = [
        {"name": "shared", "persistentVolumeClaim": {"claimName": "shared"}},
        {"name": "seen", "persistentVolumeClaim": {"claimName": "seen", "readOnly": True}},
        {"name": "settings", "configMap": {"name": "settings"}},
    ]
    made = {
        "replicas": 2,
        "template": {"spec": {"containers": [], "volumes": volumes}},
        "volumeClaimTemplates": [{"metadata": {"name": "data"}}],
        **spec,
    }
    assert list(claim_names({"spec": made}, "db")) == names
