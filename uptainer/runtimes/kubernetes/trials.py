"""A pod that only pulls an image: the proof, before anything is touched, that the cluster can have it.

It has the pull secrets, the service account and the nodes of the workload, and a command that no image has: it can't
run anything of the image's, which would be the workload's work done at the wrong time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from uptainer.core.clock import Clock
from uptainer.core.errors import (
    AccessDeniedError,
    InvalidInputError,
    NotFoundError,
    PermanentError,
    RefusedError,
    TemporaryError,
)
from uptainer.runtimes.kubernetes import changes
from uptainer.runtimes.kubernetes.client import Cluster
from uptainer.runtimes.kubernetes.resources import PODS
from uptainer.runtimes.kubernetes.rollout import SLOWLY, Symptom, pull_symptoms
from uptainer.runtimes.kubernetes.targets import Target
from uptainer.runtimes.kubernetes.templates import CRON_JOB, template_of

Json = Mapping[str, Any]

PULL_LIMIT = timedelta(minutes=10)
_NO_NODE = timedelta(seconds=90)
_CONTAINER = "pull"
_COMMAND = "/uptainer-only-pulls-this-image"
_PULLED = frozenset(
    {"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "CrashLoopBackOff"}
)
_OF_THE_WORKLOAD = (
    "imagePullSecrets",
    "serviceAccountName",
    "nodeSelector",
    "tolerations",
    "runtimeClassName",
)
_NO_NEIGHBOURS = {"sidecar.istio.io/inject": "false", "linkerd.io/inject": "disabled"}


@dataclass(frozen=True, slots=True)
class Trial:
    """Of `image`, for the pods of `workload`; `mark` is in its pod's name, so that it is found again."""

    cluster: Cluster
    target: Target
    workload: Json
    image: str
    mark: str

    @property
    def path(self) -> str:
        return PODS.path(self.target.namespace, f"uptainer-pull-{self.mark}")

    def rehearse(self) -> None:
        """Have the server check the pod without making it.

        Raises:
            AccessDeniedError: we may not make pods there.
            RefusedError: a rule of the cluster does not take the pod, and nothing else could show the image.
        """
        try:
            self.cluster.post(PODS.path(self.target.namespace), _pod(self), query={"dryRun": "All"})
        except RefusedError:
            if self.target.kind == CRON_JOB:
                raise
        except InvalidInputError as error:
            if changes.CAN_NOT_REHEARSE not in str(error):
                raise RefusedError(
                    f"{self.target.key}: the cluster does not take a pod that tries the image: {error}"
                ) from error

    def prove(self, clock: Clock) -> None:
        """
        Raises:
            PermanentError: the registry has no such image, or does not give it to the workload; in the node's own words.
            TemporaryError: no node was free to try it, or it took too long.
        """
        if not self._is_there():
            try:
                self.cluster.post(PODS.path(self.target.namespace), _pod(self))
            except RefusedError:
                if self.target.kind == CRON_JOB:
                    raise
                return  # a full quota, or a rule for pods of another make: the rollout will show what this can't
        try:
            self._await(clock)
        finally:
            self.remove()

    def remove(self) -> None:
        try:
            self.cluster.delete(self.path, body={"gracePeriodSeconds": 0})
        except NotFoundError:
            return
        except AccessDeniedError:
            if self._was_made():
                raise

    def _was_made(self) -> bool:
        """It is looked for before it is made: whoever may not look never made it."""
        try:
            return self._is_there()
        except AccessDeniedError:
            return False

    def _is_there(self) -> bool:
        try:
            self.cluster.get(self.path)
        except NotFoundError:
            return False
        return True

    def _await(self, clock: Clock) -> None:
        begun = clock.monotonic()
        failing: float | None = None
        while not _has_pulled(pod := self.cluster.get(self.path)):
            elapsed = clock.monotonic() - begun
            symptom = next(iter(pull_symptoms(pod)), None)
            failing = None if symptom is None else elapsed if failing is None else failing
            if symptom is not None and failing is not None and _is_final(symptom, elapsed - failing):
                raise PermanentError(f"{self.target.key}: the new image can't be pulled: {symptom.sentence}")
            self._refuse_delay(pod, elapsed)
            clock.sleep(0.3 if elapsed < SLOWLY.total_seconds() else 2.0)

    def _refuse_delay(self, pod: Json, elapsed: float) -> None:
        if not pod["spec"].get("nodeName") and elapsed > _NO_NODE.total_seconds():
            raise TemporaryError(f"{self.target.key}: no node had room for a pod that tries the new image")
        if elapsed > PULL_LIMIT.total_seconds():
            limit = f"{PULL_LIMIT.total_seconds():g} s"
            raise TemporaryError(f"{self.target.key}: the new image was not pulled in {limit}")


def _is_final(symptom: Symptom, lasted: float) -> bool:
    return symptom.grace is not None and lasted >= symptom.grace.total_seconds()


def _has_pulled(pod: Json) -> bool:
    for each in (pod.get("status") or {}).get("containerStatuses") or ():
        state = each.get("state") or {}
        if "terminated" in state or "running" in state:
            return True
        return (state.get("waiting") or {}).get("reason") in _PULLED
    return False


def _pod(trial: Trial) -> Json:
    """It asks for next to nothing, and for no right that the strictest of Kubernetes' own standards forbids."""
    spec = template_of(trial.workload)["spec"]
    kept = {field: spec[field] for field in _OF_THE_WORKLOAD if field in spec}
    node_affinity = (spec.get("affinity") or {}).get("nodeAffinity")
    little = {"cpu": "1m", "memory": "16Mi"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": trial.path.rpartition("/")[2],
            "labels": {"app.kubernetes.io/managed-by": "uptainer", "uptainer.io/update": trial.mark},
            "annotations": _NO_NEIGHBOURS,
        },
        "spec": {
            **kept,
            **({"affinity": {"nodeAffinity": node_affinity}} if node_affinity else {}),
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "activeDeadlineSeconds": int(PULL_LIMIT.total_seconds()),
            "terminationGracePeriodSeconds": 0,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65534,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": _CONTAINER,
                    "image": trial.image,
                    "command": [_COMMAND],
                    "resources": {"requests": little, "limits": little},
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                    },
                }
            ],
        },
    }
