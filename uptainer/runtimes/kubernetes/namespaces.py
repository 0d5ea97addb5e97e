"""Which namespaces are read, and in how many questions: one for the whole cluster, or one for each of few namespaces."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import translate

from uptainer.core.errors import AccessDeniedError, NotFoundError
from uptainer.runtimes.kubernetes.client import Cluster
from uptainer.runtimes.kubernetes.resources import NAMESPACES, Resource

FEW = 8
"""So many namespaces are asked one by one, which needs no rights in the others; more cost too many calls."""
_GLOB = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Scope:
    """`places` are namespaces to be asked one by one; None asks for all at once."""

    places: tuple[str, ...] | None
    admits: Callable[[str], bool]
    query: dict[str, str]

    def paths(self, resource: Resource) -> list[str]:
        if self.places is None:
            return [resource.path()]
        return [resource.path(place) for place in self.places]


def choose_scope(cluster: Cluster) -> Scope:
    """By the globs of the cluster's address: what includes nothing includes all, and what is excluded is excluded.

    Raises:
        UnreachableError: it did not answer.
    """
    included, excluded = cluster.address.namespaces, cluster.address.excluded_namespaces
    admits = _matcher(included, excluded)
    if included and not any(_GLOB.search(each) for each in included):
        return Scope(tuple(each for each in dict.fromkeys(included) if admits(each)), admits, {})
    if included and (few := _few(cluster, admits)) is not None:
        return Scope(few, admits, {})
    literal = [each for each in excluded if not _GLOB.search(each)]
    selector = ",".join(f"metadata.namespace!={each}" for each in literal)
    return Scope(None, admits, {"fieldSelector": selector} if selector else {})


def require_admitted(cluster: Cluster, namespace: str) -> None:
    """Raises NotFoundError: what is not to be read is not touched either."""
    if not _matcher(cluster.address.namespaces, cluster.address.excluded_namespaces)(namespace):
        raise NotFoundError(
            f"the namespace {namespace} is not among those that {cluster.address.name} is managed in"
        )


def _few(cluster: Cluster, admits: Callable[[str], bool]) -> tuple[str, ...] | None:
    """None where they are many, or where we may not see which there are."""
    try:
        names = cluster.collect(NAMESPACES.path(), lambda each: str(each["metadata"]["name"]))
    except AccessDeniedError:
        return None
    matching = tuple(filter(admits, names))
    return matching if len(matching) <= FEW else None


def _matcher(included: Sequence[str], excluded: Sequence[str]) -> Callable[[str], bool]:
    wanted, unwanted = _pattern(included), _pattern(excluded)
    return lambda name: (not included or wanted(name)) and not unwanted(name)


def _pattern(globs: Sequence[str]) -> Callable[[str], bool]:
    compiled = [re.compile(translate(each)) for each in globs]
    return lambda name: any(each.match(name) for each in compiled)
