"""What a pod says of itself and of each of its containers, and whose pod it is. Pure.

Source: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from uptainer.core.errors import InvalidInputError
from uptainer.core.reference import Reference

Json = Mapping[str, Any]

_HASH = "pod-template-hash"
_ENDED = ("Succeeded", "Failed")
_STATES = ("running", "waiting", "terminated")


@dataclass(frozen=True, slots=True)
class Instance:
    """One container of one pod. `image` is what was asked for, `image_id` what the node says it is, "" before its start.

    `state` is running, waiting or terminated; `reason` and `message` are the node's words on it, `exit_code` that of its
    last end.
    """

    name: str
    image: str
    image_id: str = ""
    state: str = "waiting"
    reason: str = ""
    message: str = ""
    exit_code: int | None = None
    restarts: int = 0
    ready: bool = False
    started_at: datetime | None = None

    @property
    def digest(self) -> str:
        """Of what runs: as it was asked for where that names one, for then nothing else can have been pulled; else as
        the node says; "" where nothing was started yet.
        """
        if not self.image_id:
            return ""
        return digest_in(self.image) or self.repo_digest.rpartition("@")[2] or _bare(self.image_id)

    @property
    def repo_digest(self) -> str:
        """`name@digest`, or "" for an image that its node did not get from a registry."""
        if self.image_id and (asked := digest_in(self.image)):
            return f"{Reference.parse(self.image).name}@{asked}"
        name = self.image_id.partition("://")[2] or self.image_id
        return name if "@" in name else ""


@dataclass(frozen=True, slots=True)
class Pod:
    """`owner` is the kind and name of its controller, a Deployment's in place of the ReplicaSet between them.

    `turned_at` is when it last became ready, or was not ready any more. `pull_secrets` are those of its service account,
    where it asked for none itself.
    """

    namespace: str
    name: str
    owner: tuple[str, str]
    created_at: datetime
    node: str = ""
    address: str = ""
    phase: str = ""
    ending: bool = False
    ready: bool = False
    turned_at: datetime | None = None
    complaint: str = ""
    pull_secrets: tuple[str, ...] = ()
    instances: Mapping[str, Instance] = field(default_factory=dict)

    @classmethod
    def read(cls, pod: Json) -> Self:
        metadata, spec, status = pod["metadata"], pod["spec"], pod.get("status") or {}
        conditions = {each["type"]: each for each in status.get("conditions") or ()}
        ready = conditions.get("Ready") or {}
        placed = conditions.get("PodScheduled") or {}
        return cls(
            namespace=metadata["namespace"],
            name=metadata["name"],
            owner=_owner(metadata),
            created_at=datetime.fromisoformat(metadata["creationTimestamp"]),
            node=spec.get("nodeName") or "",
            address=status.get("podIP") or "",
            phase=status.get("phase") or "",
            ending="deletionTimestamp" in metadata,
            ready=ready.get("status") == "True",
            turned_at=moment(ready.get("lastTransitionTime")),
            complaint=str(placed.get("message") or "") if placed.get("status") == "False" else "",
            pull_secrets=tuple(each["name"] for each in spec.get("imagePullSecrets") or ()),
            instances={each.name: each for each in _instances(spec, status)},
        )

    @property
    def live(self) -> bool:
        """Neither on its way out nor at its end: an evicted pod stays listed for as long as nobody looks."""
        return not self.ending and self.phase not in _ENDED

    @property
    def runs(self) -> bool:
        """Something in it still does, as far as its node has told: one that is on its way out may take its time."""
        return any(each.state == "running" for each in self.instances.values())


def moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def digest_in(image: str) -> str:
    """The digest that an image is asked for by, or ""."""
    try:
        return Reference.parse(image).digest or ""
    except InvalidInputError:
        return ""


def _bare(image_id: str) -> str:
    """An image id: `sha256:...`, with the container engine before it, or the hexadecimal digits alone."""
    text = image_id.partition("://")[2] or image_id
    return text if ":" in text else f"sha256:{text}"


def _instances(spec: Json, status: Json) -> Iterator[Instance]:
    said = {
        each["name"]: each
        for part in ("containerStatuses", "initContainerStatuses")
        for each in status.get(part) or ()
    }
    for container in (*(spec.get("initContainers") or ()), *spec["containers"]):
        yield _instance(container, said.get(container["name"]) or {})


def _instance(container: Json, said: Json) -> Instance:
    states = said.get("state") or {}
    state = next((each for each in _STATES if each in states), "waiting")
    now: Json = states.get(state) or {}
    last: Json = (said.get("lastState") or {}).get("terminated") or {}
    ended = now if state == "terminated" else last
    return Instance(
        name=container["name"],
        image=container["image"],
        image_id=said.get("imageID") or "",
        state=state,
        reason=str(now.get("reason") or ""),
        message=str(now.get("message") or last.get("message") or ""),
        exit_code=ended.get("exitCode"),
        restarts=int(said.get("restartCount") or 0),
        ready=bool(said.get("ready")),
        started_at=moment(now.get("startedAt")),
    )


def _owner(metadata: Json) -> tuple[str, str]:
    """A ReplicaSet is called as its Deployment, with the hash that its pods are labelled with behind."""
    controller = next(
        (each for each in metadata.get("ownerReferences") or () if each.get("controller")), None
    )
    if controller is None:
        return "", ""
    kind, name = str(controller["kind"]).lower(), str(controller["name"])
    suffix = f"-{(metadata.get('labels') or {}).get(_HASH, '')}"
    if kind == "replicaset" and len(suffix) > 1 and name.endswith(suffix):
        return "deployment", name.removesuffix(suffix)
    return kind, name
