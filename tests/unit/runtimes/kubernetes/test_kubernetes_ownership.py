"""Who else sets a workload's image, told from its marks."""

from typing import Any

import pytest

from uptainer.runtimes.kubernetes.ownership import OwnerKind, owner_of


def deployment(**metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": "web", **metadata}, "spec": {}}


def applied(manager: str, part: str = "f:spec", subresource: str = "") -> list[dict[str, Any]]:
    return [{"manager": manager, "operation": "Apply", "subresource": subresource, "fieldsV1": {part: {}}}]


def owned(controller: bool) -> list[dict[str, Any]]:
    return [{"kind": "Grafana", "name": "main", "controller": controller}]


MARKS: list[tuple[str, dict[str, Any], tuple[OwnerKind, str] | None]] = [
    ("nobody's", deployment(), None),
    (
        "nobody's, with a label that many charts set",
        deployment(labels={"app.kubernetes.io/instance": "web"}),
        None,
    ),
    (
        "Argo CD's, by its annotation",
        deployment(annotations={"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/web"}),
        (OwnerKind.GITOPS, "the Argo CD application shop"),
    ),
    (
        "Argo CD's, by its label",
        deployment(labels={"argocd.argoproj.io/instance": "shop"}),
        (OwnerKind.GITOPS, "the Argo CD application shop"),
    ),
    (
        "Argo CD's, by what it applied",
        deployment(labels={"app.kubernetes.io/instance": "shop"}, managedFields=applied("argocd-controller")),
        (OwnerKind.GITOPS, "the Argo CD application shop"),
    ),
    (
        "somebody's that Argo CD only labelled",
        deployment(managedFields=applied("argocd-controller", "f:metadata")),
        None,
    ),
    (
        "Flux's",
        deployment(
            labels={
                "kustomize.toolkit.fluxcd.io/name": "apps",
                "kustomize.toolkit.fluxcd.io/namespace": "flux",
            }
        ),
        (OwnerKind.GITOPS, "the Flux Kustomization flux/apps"),
    ),
    (
        "Flux's, and told to leave it alone",
        deployment(
            labels={"kustomize.toolkit.fluxcd.io/name": "apps"},
            annotations={"kustomize.toolkit.fluxcd.io/reconcile": "disabled"},
            managedFields=applied("kustomize-controller"),
        ),
        None,
    ),
    (
        "Flux's, by what it applied",
        deployment(managedFields=applied("kustomize-controller")),
        (OwnerKind.GITOPS, "Flux"),
    ),
    (
        "a Helm release that Flux makes",
        deployment(
            labels={"helm.toolkit.fluxcd.io/name": "web"}, annotations={"meta.helm.sh/release-name": "web"}
        ),
        (OwnerKind.HELM, "the Flux HelmRelease web and the Helm release web"),
    ),
    (
        "Helm's",
        deployment(annotations={"meta.helm.sh/release-name": "web"}),
        (OwnerKind.HELM, "the Helm release web"),
    ),
    ("a chart's label without a release", deployment(labels={"app.kubernetes.io/managed-by": "Helm"}), None),
    ("an operator's", deployment(ownerReferences=owned(True)), (OwnerKind.CONTROLLER, "the Grafana main")),
    ("only collected with another object", deployment(ownerReferences=owned(False)), None),
    (
        "the add-on manager's",
        deployment(labels={"addonmanager.kubernetes.io/mode": "Reconcile"}),
        (OwnerKind.CONTROLLER, "the cluster's add-on manager, in mode Reconcile"),
    ),
]


@pytest.mark.parametrize(
    ("workload", "expected"), [each[1:] for each in MARKS], ids=[each[0] for each in MARKS]
)
def test_an_owner_is_told_from_its_marks(
    workload: dict[str, Any], expected: tuple[OwnerKind, str] | None
) -> None:
    owner = owner_of(workload)
    assert (owner and (owner.kind, owner.name)) == expected


def test_an_owner_is_noted_in_words_that_a_rule_can_repeat() -> None:
    owner = owner_of(deployment(annotations={"meta.helm.sh/release-name": "web"}))
    assert owner is not None
    assert owner.as_details() == {
        "kind": "helm",
        "name": "the Helm release web",
        "advice": "change the image in the values of its release and run `helm upgrade`",
    }
