"""The manifests that grant rights: least privilege, and the same in one namespace as in the whole cluster."""

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from uptainer.runtimes.kubernetes.rights import NEEDED, Right

FOLDER = Path(__file__).resolve().parents[4] / "deployments" / "kubernetes"
NAMES = ("reading", "updating", "operating", "pull-secrets")
WITHOUT_NAMESPACE = {"nodes", "namespaces", "volumesnapshotclasses"}
READS = {"get", "list"}


def rules_of(path: str) -> list[dict[str, Any]]:
    with (FOLDER / f"{path}.yaml").open() as file:
        documents = list(YAML(typ="safe").load_all(file))
    (role,) = (each for each in documents if each["kind"] in {"ClusterRole", "Role"})
    rules: list[dict[str, Any]] = role["rules"]
    return rules


@pytest.mark.parametrize("name", NAMES)
def test_no_right_is_granted_for_everything(name: str) -> None:
    for rule in rules_of(name):
        assert "*" not in {*rule["apiGroups"], *rule["resources"], *rule["verbs"]}


@pytest.mark.parametrize("name", NAMES)
def test_one_namespace_is_granted_what_the_whole_cluster_is_but_for_what_has_none(name: str) -> None:
    everywhere = [rule for rule in rules_of(name) if not WITHOUT_NAMESPACE & {*rule["resources"]}]
    assert rules_of(f"namespaced/{name}") == everywhere


def test_reading_changes_nothing_and_sees_no_secret() -> None:
    for rule in rules_of("reading"):
        assert {*rule["verbs"]} <= READS
        assert not {"secrets", "configmaps", "pods/log", "pods/exec"} & {*rule["resources"]}


def test_secrets_are_read_by_name_and_only_where_that_is_asked_for() -> None:
    granted = {
        (name, verb)
        for name in NAMES
        for rule in rules_of(name)
        if "secrets" in rule["resources"]
        for verb in rule["verbs"]
    }
    assert granted == {("pull-secrets", "get")}


def test_what_is_said_to_be_missing_is_what_the_manifests_grant() -> None:
    granted = [
        {
            Right(group, resource, verb)
            for rule in rules_of(name)
            for group in rule["apiGroups"]
            for resource in rule["resources"]
            for verb in rule["verbs"]
        }
        for name in NAMES
    ]
    assert granted == [set(rights) for rights in NEEDED.values()]
