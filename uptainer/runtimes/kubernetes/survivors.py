"""Whether all pods that ran before an update run on beside it. Pure."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from uptainer.runtimes.kubernetes.planning import Document
from uptainer.runtimes.kubernetes.pods import Pod, digest_in
from uptainer.runtimes.kubernetes.strategies import strategy_of
from uptainer.runtimes.kubernetes.targets import Target
from uptainer.runtimes.kubernetes.templates import LISTS, template_of

Json = Mapping[str, Any]


def all_survive(target: Target, plan: Document, workload: Json, pods: Sequence[Pod]) -> bool:
    """Whether an undo to the template as it stood makes no pod, and ends none of those that ran before.

    So only where an old pod stays until a new one is ready, none is, and nobody changed the template in the middle.
    """
    if strategy_of(target.kind, workload).unavailable or not _is_otherwise_the_same(target, plan, workload):
        return False
    ready = [pod.instances[target.container] for pod in pods if pod.live and pod.ready]
    ran = digest_in(plan.change.back)
    return len(ready) >= max(1, plan.available) and all(
        each.image == plan.change.before and each.digest == ran for each in ready
    )


def _is_otherwise_the_same(target: Target, plan: Document, workload: Json) -> bool:
    return _without_image(plan.old, target.container) == _without_image(workload, target.container)


def _without_image(workload: Json, container: str) -> Json:
    template = deepcopy(template_of(workload))
    for name in LISTS:
        for each in template["spec"].get(name) or ():
            if each["name"] == container:
                del each["image"]
    return template
