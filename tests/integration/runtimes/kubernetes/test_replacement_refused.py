"""What stands against a replacement is said before anything is touched; what is merely to be known is said too."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.integration.runtimes.kubernetes.replacing_ground import Ground
from tests.lab.stands.releases import Behaviour
from uptainer.core.errors import BusyError, InvalidInputError, NotFoundError, RefusedError
from uptainer.core.reference import Reference

HELM = {"annotations": {"meta.helm.sh/release-name": "web"}}
ARGO = {"annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/web"}}
FLUX = {"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}

ON_DEPLOYMENT: list[tuple[str, Mapping[str, Any], Mapping[str, Any], str]] = [
    ("Helm", {"metadata": HELM}, {"metadata": {"annotations": {"meta.helm.sh/release-name": None}}}, "the Helm release web.*helm upgrade"),
    ("Argo CD", {"metadata": ARGO}, {"metadata": {"annotations": {"argocd.argoproj.io/tracking-id": None}}}, "the Argo CD application shop.*gitops: update"),
    ("Flux", {"metadata": FLUX}, {"metadata": {"labels": {"kustomize.toolkit.fluxcd.io/name": None}}}, "the Flux Kustomization apps.*gitops: update"),
    ("paused", {"spec": {"paused": True}}, {"spec": {"paused": None}}, "its rollout is paused"),
]  # fmt: skip


def test_a_deployment_is_refused_with_the_reason(ground: Ground, subtests: pytest.Subtests) -> None:
    old, new = ground.push(), ground.push()
    key = ground.deploy("Deployment", "web", old.reference)
    for name, mark, unmark, words in ON_DEPLOYMENT:
        with subtests.test(name):
            ground.edit(key, mark)
            ground.await_observed(key)
            spec = ground.get(key)["spec"]
            with pytest.raises(RefusedError, match=words):
                ground.plan(key, new)
            assert ground.get(key)["spec"] == spec
            ground.edit(key, unmark)
            ground.await_observed(key)
    with subtests.test("and a policy that overrules a repository"):
        ground.edit(key, {"metadata": ARGO})
        ground.await_observed(key)
        assert ground.plan(key, new, overrule_gitops=True).steps
        (facts,) = ground.runtime.containers()
        assert facts.details["owner"]["kind"] == "gitops"
    with subtests.test("an image that is already there"):
        ground.edit(key, {"metadata": {"annotations": {"argocd.argoproj.io/tracking-id": None}}})
        ground.await_observed(key)
        ground.replace(key, new)
        with pytest.raises(RefusedError, match="already"):
            ground.plan(key, new)
    with subtests.test("what is not there"):
        with pytest.raises(NotFoundError):
            ground.plan(key.replace("web", "nobody"), new)
        with pytest.raises(NotFoundError, match="has no container named nobody, only app"):
            ground.plan(f"{key.rpartition('/')[0]}/nobody", new)
        with pytest.raises(NotFoundError, match="name the container"):
            ground.plan(key.rpartition("/")[0], new)
    with subtests.test("a tag without a digest"):
        request = replace(ground.request(key, new), image=Reference.parse(new.reference))
        with pytest.raises(InvalidInputError, match="no digest"):
            ground.runtime.plan_replacement(request)


IN_ORDER: list[tuple[str, str, Mapping[str, Any], str]] = [
    ("DaemonSet", "by-hand", {"updateStrategy": {"type": "OnDelete"}}, "its update strategy is OnDelete"),
    ("StatefulSet", "held", {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}}, "its partition 1 holds back"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "name", "spec", "words"), IN_ORDER)
def test_pods_that_somebody_replaces_in_an_order_of_their_own_are_left_to_them(
    ground: Ground, kind: str, name: str, spec: Mapping[str, Any], words: str
) -> None:
    old, new = ground.push(), ground.push()
    key = ground.deploy(kind, name, old.reference, **spec)
    with pytest.raises(RefusedError, match=words):
        ground.plan(key, new)


def test_a_rollout_that_is_under_way_is_waited_for(ground: Ground) -> None:
    old, middle, new = ground.push(), ground.push(Behaviour.UNHEALTHY), ground.push()
    key = ground.deploy("Deployment", "web", old.reference)
    ground.edit(key, {"spec": {"template": {"spec": ground.containers_of(key, middle.reference)}}})
    with pytest.raises(BusyError, match="earlier"):
        ground.plan(key, new)


def test_a_disruption_budget_is_kept_and_an_autoscaler_left_alone(ground: Ground) -> None:
    old, new = ground.push(), ground.push()
    key = ground.deploy("Deployment", "web", old.reference)
    ground.cluster.apply(budget(), namespace=ground.namespace)
    ground.cluster.apply(autoscaler(), namespace=ground.namespace)
    ground.await_budget("steady")
    plan = ground.plan(key, new)
    sentence = next(step.sentence for step in plan.steps if step.name == "patch")
    assert "the autoscaler more keeps setting the number of its pods" in sentence
    assert "the disruption budget steady is kept" in sentence
    ground.edit(key, {"spec": {"strategy": {"type": "Recreate", "rollingUpdate": None}}})
    ground.await_observed(key)
    with pytest.raises(RefusedError, match="the disruption budget steady wants 1 of its 1 pods available"):
        ground.plan(key, new)


def budget() -> dict[str, Any]:
    return {
        "apiVersion": "policy/v1beta1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "steady"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}},
    }


def autoscaler() -> dict[str, Any]:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    return {
        "apiVersion": "autoscaling/v1",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "more"},
        "spec": {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 2},
    }
