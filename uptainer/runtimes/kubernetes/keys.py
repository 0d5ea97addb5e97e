"""What a workload and its containers are called: `namespace/kind/name` and `namespace/kind/name/container`."""

from dataclasses import dataclass, replace
from typing import Self

from uptainer.core.errors import NotFoundError

KINDS = ("deployment", "statefulset", "daemonset", "cronjob")
_OF_WORKLOAD = 3
_OF_CONTAINER = 4


@dataclass(frozen=True, slots=True)
class Key:
    """`container` is "" for the workload as a whole."""

    namespace: str
    kind: str
    name: str
    container: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises NotFoundError: nothing in a cluster is called so."""
        parts = text.split("/")
        if len(parts) not in (_OF_WORKLOAD, _OF_CONTAINER) or not all(parts) or parts[1] not in KINDS:
            raise NotFoundError(
                f"there is no {text!r} in a cluster: a container is called namespace/kind/name/container, "
                f"where the kind is one of {', '.join(KINDS)}"
            )
        return cls(*parts)

    @property
    def workload(self) -> Self:
        return replace(self, container="")

    def of(self, container: str) -> Self:
        return replace(self, container=container)

    def __str__(self) -> str:
        whole = f"{self.namespace}/{self.kind}/{self.name}"
        return f"{whole}/{self.container}" if self.container else whole
