"""How a workload's controller replaces its pods: how many more, and how many fewer, there may be meanwhile. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, floor
from typing import Any

Json = Mapping[str, Any]

RECREATE = "Recreate"
ON_DELETE = "OnDelete"


@dataclass(frozen=True, slots=True)
class Strategy:
    """Of `pods` pods, `surge` more are made beside the old ones, and `unavailable` may be missing at a time."""

    pods: int
    surge: int
    unavailable: int

    def __str__(self) -> str:
        return f"by its strategy up to {self.surge} pods more and {self.unavailable} fewer than {self.pods}"


def strategy_of(kind: str, workload: Json) -> Strategy:
    """With the defaults that the API server writes out, and the rounding of the controllers.

    Source: https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#max-unavailable
    """
    match kind:
        case "deployment":
            return _deployment(workload["spec"])
        case "statefulset":
            return _stateful_set(workload["spec"])
        case "daemonset":
            return _daemon_set(workload)
        case _:
            return Strategy(0, 0, 0)


def replicas_of(workload: Json) -> int:
    replicas = workload["spec"].get("replicas")
    return 1 if replicas is None else int(replicas)


def _deployment(spec: Json) -> Strategy:
    pods = replicas_of({"spec": spec})
    strategy = spec.get("strategy") or {}
    if strategy.get("type") == RECREATE:
        return Strategy(pods, 0, pods)
    rolling = strategy.get("rollingUpdate") or {}
    surge = _count(rolling.get("maxSurge", "25%"), pods, up=True)
    unavailable = _count(rolling.get("maxUnavailable", "25%"), pods, up=False)
    return Strategy(pods, surge, unavailable or (0 if surge else min(1, pods)))


def _stateful_set(spec: Json) -> Strategy:
    pods = replicas_of({"spec": spec})
    rolling = (spec.get("updateStrategy") or {}).get("rollingUpdate") or {}
    return Strategy(pods, 0, min(pods, _count(rolling.get("maxUnavailable", 1), pods, up=True)))


def _daemon_set(workload: Json) -> Strategy:
    pods = int((workload.get("status") or {}).get("desiredNumberScheduled") or 0)
    rolling = (workload["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}
    surge = _count(rolling.get("maxSurge", 0), pods, up=True)
    unavailable = _count(rolling.get("maxUnavailable", 0 if surge else 1), pods, up=True)
    return Strategy(pods, surge, min(pods, unavailable))


def _count(value: int | str, pods: int, *, up: bool) -> int:
    if not isinstance(value, str):
        return value
    share = int(value.rstrip("%")) * pods / 100
    return ceil(share) if up else floor(share)
