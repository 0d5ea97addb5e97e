"""What `host test` asks for is what the manifests grant."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from uptainer.runtimes.kubernetes.rights import NEEDED, Right

FOLDER = Path(__file__).resolve().parents[4] / "deployments" / "kubernetes"
MANIFESTS = dict(zip(NEEDED, ("reading", "updating", "operating", "pull-secrets"), strict=True))


@pytest.mark.parametrize("purpose", list(NEEDED))
def test_the_rights_that_are_asked_for_are_those_of_the_manifest(purpose: str) -> None:
    documents = YAML(typ="safe").load_all(FOLDER / f"{MANIFESTS[purpose]}.yaml")
    (role,) = (each for each in documents if each["kind"] == "ClusterRole")
    granted = {
        Right(group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert set(NEEDED[purpose]) == granted
