"""The one change that we make to a workload: its image, and our notes on it. Made, rehearsed and taken back.

Each is a patch of the version of the object that was looked at, so that it never lands on somebody else's change.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from uptainer.core.errors import BusyError, InvalidInputError, RefusedError, SupersededError
from uptainer.core.reference import Reference
from uptainer.runtimes.kubernetes.client import STRATEGIC, Cluster
from uptainer.runtimes.kubernetes.pins import ANNOTATION, Pin, read_pins, write_pins
from uptainer.runtimes.kubernetes.targets import Target
from uptainer.runtimes.kubernetes.templates import image_in, image_patch

Json = Mapping[str, Any]

CAUSE = "kubernetes.io/change-cause"
_TRIES = 20
_PAUSE = 0.2
CAN_NOT_REHEARSE = "does not support dry run"


@dataclass(frozen=True, slots=True)
class Change:
    """From the image `before` to `after`, which is followed by the name `reference`. `back` is what an undo puts there:
    `before`, or what ran by that name, by its digest.
    """

    before: str
    after: str
    back: str
    reference: str
    cause_before: str | None = None
    pin_before: dict[str, str] | None = None

    @property
    def cause(self) -> str:
        return f"Uptainer: {self.after} in place of {self.before}"

    @property
    def is_of_the_same_name(self) -> bool:
        """The old name stands for the new image then."""
        return Reference.parse(self.reference) == Reference.parse(self.before)


def rehearse(cluster: Cluster, target: Target, workload: Json, change: Change) -> None:
    """Have the server check the change without making it: our rights, the cluster's rules, the image's name.

    Raises:
        AccessDeniedError: we may not.
        RefusedError: a rule of the cluster does not take it.
        BusyError: the object changed meanwhile.
    """
    patch = _forwards(workload, target, change)
    try:
        cluster.patch(target.path, patch, kind=STRATEGIC, query={"dryRun": "All"})
    except InvalidInputError as error:
        if CAN_NOT_REHEARSE not in str(error):
            raise RefusedError(f"{target.key}: the cluster does not take the change: {error}") from error


def make(cluster: Cluster, target: Target, change: Change) -> None:
    """Raises SupersededError where the container has neither the old image nor the new one."""

    def patch_of(workload: Json) -> Json | None:
        image = image_in(workload, target.container)
        if image == change.after:
            return None
        if image != change.before:
            raise superseded(target, image)
        return _forwards(workload, target, change)

    _apply(cluster, target, patch_of)


def take_back(cluster: Cluster, target: Target, change: Change, all_survive: Callable[[Json], bool]) -> None:
    """Where all old pods survive, the template is what it was: nothing came in their place. Else it names what ran.

    Raises:
        SupersededError: somebody else's image stands there, which stays.
    """

    def patch_of(workload: Json) -> Json | None:
        image = image_in(workload, target.container)
        if image not in (change.before, change.back, change.after):
            raise superseded(target, image)
        if image != change.after:
            return None
        stands = change.back != change.before and not change.is_of_the_same_name and all_survive(workload)
        return _backwards(workload, target, replace(change, back=change.before) if stands else change)

    _apply(cluster, target, patch_of)


def superseded(target: Target, image: str) -> SupersededError:
    return SupersededError(
        f"somebody else gave {target.key} the image {image} meanwhile, which is left as it is"
    )


def _apply(cluster: Cluster, target: Target, patch_of: Callable[[Json], Json | None]) -> None:
    """Its controllers write to the object too: read again and patch again where one was quicker."""
    for _ in range(_TRIES):
        patch = patch_of(cluster.get(target.path))
        if patch is None:
            return
        try:
            cluster.patch(target.path, patch, kind=STRATEGIC)
        except BusyError:
            time.sleep(_PAUSE)
        else:
            return
    raise BusyError(f"{target.key} is being changed all the time by somebody else")


def _forwards(workload: Json, target: Target, change: Change) -> Json:
    pins = read_pins(workload)
    pins[target.container] = Pin(change.reference, change.after, change.before)
    notes = {CAUSE: change.cause, ANNOTATION: write_pins(pins)}
    return image_patch(workload, target.container, change.after, notes)


def _backwards(workload: Json, target: Target, change: Change) -> Json:
    """As it stood before, our notes too; an image that has to be named otherwise now is noted."""
    pins = read_pins(workload)
    pins.pop(target.container, None)
    notes: dict[str, str | None] = {}
    if change.back != change.before:
        pins[target.container] = Pin(change.before, change.back, change.after)
        notes[CAUSE] = f"Uptainer: {change.back} again, the one that ran before {change.after}"
    else:
        if change.pin_before is not None:
            pins[target.container] = Pin.read(change.pin_before)
        if (workload["metadata"].get("annotations") or {}).get(CAUSE) == change.cause:
            notes[CAUSE] = change.cause_before
    notes[ANNOTATION] = write_pins(pins)
    return image_patch(workload, target.container, change.back, notes)
