"""Whether a namespace's quotas take one more pod of a workload while its rollout runs. Pure, with figures.

What a pod needs is read off a pod that runs: there, what the cluster adds by itself (limits by default, containers of a
mesh) is in it already.

Source: https://kubernetes.io/docs/concepts/policy/resource-quotas/
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from uptainer.runtimes.kubernetes.quantities import quantity

Json = Mapping[str, Any]
Needs = Mapping[str, Decimal]

_PLAIN = ("cpu", "memory", "ephemeral-storage")


def shortages(quotas: Sequence[Json], pod: Json, more: Mapping[str, int]) -> Iterator[str]:
    """What each quota lacks for one more pod like `pod`, and for `more` objects by resource; a sentence for each."""
    needs = {**_needs_of(pod), **{name: Decimal(count) for name, count in more.items()}}
    for quota in quotas:
        hard = (quota.get("status") or {}).get("hard") or quota["spec"].get("hard") or {}
        used = (quota.get("status") or {}).get("used") or {}
        asked = needs if _applies(quota["spec"], pod) else {}
        for resource, limit in hard.items():
            free = quantity(limit) - quantity(used.get(resource, 0))
            need = asked.get(resource, Decimal(0))
            if need > 0 and need > free:
                yield (
                    f"the quota {quota['metadata']['name']} allows {limit} of {resource}, of which "
                    f"{used.get(resource, 0)} are used, and one pod more needs {_written(need)}"
                )


def _needs_of(pod: Json) -> dict[str, Decimal]:
    needs = {"pods": Decimal(1), "count/pods": Decimal(1)}
    for which in ("requests", "limits"):
        for resource, amount in _total(pod["spec"], which).items():
            needs[f"{which}.{resource}"] = amount
            if which == "requests" and (resource in _PLAIN or resource.startswith("hugepages-")):
                needs[resource] = amount
    return needs


def _total(spec: Json, which: str) -> dict[str, Decimal]:
    """Init containers run one by one before the others, but for those that go on running beside them."""
    running: dict[str, Decimal] = {}
    highest: dict[str, Decimal] = {}
    for each in spec.get("initContainers") or ():
        if each.get("restartPolicy") == "Always":
            running = _sum(running, _of(each, which))
            highest = _highest(highest, running)
        else:
            highest = _highest(highest, _sum(running, _of(each, which)))
    for each in spec.get("containers") or ():
        running = _sum(running, _of(each, which))
    total = _highest(highest, running)
    overhead = {name: quantity(value) for name, value in (spec.get("overhead") or {}).items()}
    return _sum(total, overhead) if which == "requests" else total


def _of(container: Json, which: str) -> dict[str, Decimal]:
    resources = container.get("resources") or {}
    asked = resources.get(which) or {}
    if which == "requests":
        asked = {**(resources.get("limits") or {}), **asked}
    return {name: quantity(value) for name, value in asked.items()}


def _combine(one: Needs, other: Needs, how: Callable[[Decimal, Decimal], Decimal]) -> dict[str, Decimal]:
    none = Decimal(0)
    return {name: how(one.get(name, none), other.get(name, none)) for name in {**one, **other}}


def _sum(one: Needs, other: Needs) -> dict[str, Decimal]:
    return _combine(one, other, lambda a, b: a + b)


def _highest(one: Needs, other: Needs) -> dict[str, Decimal]:
    return _combine(one, other, max)


def _applies(spec: Json, pod: Json) -> bool:
    """Whether the quota counts such a pod: all its scopes have to take it; one that we do not know takes it."""
    scopes = [{"scopeName": name, "operator": "Exists"} for name in spec.get("scopes") or ()]
    scopes += (spec.get("scopeSelector") or {}).get("matchExpressions") or ()
    return all(_in_scope(each, pod) for each in scopes)


def _in_scope(scope: Json, pod: Json) -> bool:
    best_effort = not (_total(pod["spec"], "requests") or _total(pod["spec"], "limits"))
    ends = pod["spec"].get("activeDeadlineSeconds") is not None
    match scope["scopeName"]:
        case "BestEffort":
            return best_effort
        case "NotBestEffort":
            return not best_effort
        case "Terminating":
            return ends
        case "NotTerminating":
            return not ends
        case "PriorityClass":
            return _meets(scope, pod["spec"].get("priorityClassName") or "")
        case _:
            return True


def _meets(scope: Json, value: str) -> bool:
    match scope["operator"]:
        case "In":
            return value in (scope.get("values") or ())
        case "NotIn":
            return value not in (scope.get("values") or ())
        case "Exists":
            return bool(value)
        case _:
            return not value


def _written(amount: Decimal) -> str:
    """Cores with three places, bytes in the unit that fits."""
    if amount < 1024:  # noqa: PLR2004 -- below it there is no unit to write it in
        return f"{amount.normalize():f}"
    units = ("", "Ki", "Mi", "Gi", "Ti", "Pi")
    size, unit = amount, 0
    while size >= 1024 and unit < len(units) - 1:  # noqa: PLR2004 -- the base of these units
        size, unit = size / 1024, unit + 1
    return f"{size:.4g}{units[unit]}"
