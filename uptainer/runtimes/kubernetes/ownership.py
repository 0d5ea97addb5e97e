"""Who sets a workload's image besides us: a GitOps tool, Helm, or the controller of another object. Pure.

Whoever it is would put an image back that was changed behind its back, now or with its next release.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Json = Mapping[str, Any]


class OwnerKind(StrEnum):
    GITOPS = "gitops"
    HELM = "helm"
    CONTROLLER = "controller"


@dataclass(frozen=True, slots=True)
class Owner:
    """`name` reads after "it belongs to"; `advice` says to a person what to do instead."""

    kind: OwnerKind
    name: str
    advice: str

    def as_details(self) -> dict[str, str]:
        """As discovery notes it with a container, for the rules of policy."""
        return {"kind": self.kind.value, "name": self.name, "advice": self.advice}


_IN_REPOSITORY = "change the image in the repository that it comes from"
_IN_CHART = "change the image in the values of its release and run `helm upgrade`"

_ARGO = "argocd.argoproj.io/"
_ARGO_TRACKING = f"{_ARGO}tracking-id"
_ARGO_INSTANCES = (f"{_ARGO}instance", "app.kubernetes.io/instance")
_ARGO_MANAGERS = frozenset({"argocd-controller", "argocd-application-controller"})
_FLUX = {"kustomize.toolkit.fluxcd.io/": "Kustomization", "helm.toolkit.fluxcd.io/": "HelmRelease"}
_FLUX_MANAGERS = frozenset({"kustomize-controller", "helm-controller"})
_FLUX_LEAVES_IT = {"reconcile": "disabled", "ssa": "ignore"}
_HELM_RELEASE = "meta.helm.sh/release-name"
_OTHERS = {
    "olm.owner": "the Operator Lifecycle Manager's",
    "addonmanager.kubernetes.io/mode": "the cluster's add-on manager, in mode",
}


def owner_of(workload: Json) -> Owner | None:
    """Everybody who would put another image back, as one: a repository may hold a Helm release.

    What a repository holds a policy may overrule; so it is GITOPS only where nobody else would put it back either.
    """
    owners = [
        *_argo(workload),
        *_flux(workload),
        *_helm(workload),
        *_controllers(workload),
        *_others(workload),
    ]
    if not owners:
        return None
    kind = next((each.kind for each in owners if each.kind is not OwnerKind.GITOPS), OwnerKind.GITOPS)
    return Owner(kind, " and ".join(each.name for each in owners), owners[0].advice)


def _argo(workload: Json) -> Iterator[Owner]:
    """Told by its tracking annotation, by its label, or by the fields that it applied.

    Source: https://argo-cd.readthedocs.io/en/stable/user-guide/resource_tracking/
    """
    labels, annotations = _labels(workload), _annotations(workload)
    tracking = annotations.get(_ARGO_TRACKING, "")
    applied = _applied_by(workload, _ARGO_MANAGERS)
    if not (tracking or applied or _ARGO_INSTANCES[0] in labels):
        return
    name = tracking.partition(":")[0] or next(
        (labels[each] for each in _ARGO_INSTANCES if each in labels), ""
    )
    yield Owner(OwnerKind.GITOPS, f"the Argo CD application {name}".rstrip(), _IN_REPOSITORY)


def _flux(workload: Json) -> Iterator[Owner]:
    """Told by the labels that its controllers set; an object that they are told to leave alone is nobody's.

    Source: https://fluxcd.io/flux/components/kustomize/kustomizations/
    """
    labels, annotations = _labels(workload), _annotations(workload)
    for prefix, kind in _FLUX.items():
        name = labels.get(f"{prefix}name")
        left = any(
            annotations.get(prefix + word, "").lower() == value for word, value in _FLUX_LEAVES_IT.items()
        )
        if name and not left:
            namespace = labels.get(f"{prefix}namespace", "")
            named = f"{namespace}/{name}" if namespace else name
            yield Owner(OwnerKind.GITOPS, f"the Flux {kind} {named}", _IN_REPOSITORY)
            return
        if left:
            return
    if _applied_by(workload, _FLUX_MANAGERS):
        yield Owner(OwnerKind.GITOPS, "Flux", _IN_REPOSITORY)


def _helm(workload: Json) -> Iterator[Owner]:
    """Helm notes its release on what it installs; the label `managed-by: Helm` alone is only what a chart says.

    Source: https://helm.sh/docs/topics/chart_best_practices/labels/
    """
    release = _annotations(workload).get(_HELM_RELEASE)
    if release:
        yield Owner(OwnerKind.HELM, f"the Helm release {release}", _IN_CHART)


def _controllers(workload: Json) -> Iterator[Owner]:
    for each in workload["metadata"].get("ownerReferences") or ():
        if each.get("controller"):
            advice = f"change the image there, in the {each['kind']}"
            yield Owner(OwnerKind.CONTROLLER, f"the {each['kind']} {each['name']}", advice)


def _others(workload: Json) -> Iterator[Owner]:
    labels = _labels(workload)
    for label, name in _OTHERS.items():
        if label in labels:
            yield Owner(OwnerKind.CONTROLLER, f"{name} {labels[label]}", "change the image there")


def _applied_by(workload: Json, managers: frozenset[str]) -> bool:
    """Whether one of them set fields of its specification, and not only a label or the status."""
    return any(
        entry.get("manager") in managers and "f:spec" in (entry.get("fieldsV1") or {})
        for entry in workload["metadata"].get("managedFields") or ()
        if entry.get("subresource", "") == ""
    )


def _labels(workload: Json) -> Mapping[str, str]:
    return workload["metadata"].get("labels") or {}


def _annotations(workload: Json) -> Mapping[str, str]:
    return workload["metadata"].get("annotations") or {}
