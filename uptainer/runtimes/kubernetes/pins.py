"""What we deployed, and the name that it is followed by: a note on the workload itself. Pure.

A pod is given `name:tag@digest`, so that exactly what was approved runs on every node and after every restart. Read
back, that would look like an image that somebody pinned on purpose, and nothing newer would ever be looked for.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from uptainer.core.errors import InvalidInputError
from uptainer.core.reference import Reference

Json = Mapping[str, Any]

ANNOTATION = "uptainer.io/images"
"""On the workload: for each container that we gave an image, a pin as JSON."""


@dataclass(frozen=True, slots=True)
class Pin:
    """`deployed` stands in the template, `reference` is what it is followed by, `before` stood there before it."""

    reference: str
    deployed: str
    before: str

    @classmethod
    def read(cls, document: Json) -> Self:
        return cls(str(document["reference"]), str(document["deployed"]), str(document["before"]))

    def write(self) -> dict[str, str]:
        return asdict(self)


def read_pins(workload: Json) -> dict[str, Pin]:
    """By container. What somebody wrote there that is no note of ours says nothing."""
    text = (workload["metadata"].get("annotations") or {}).get(ANNOTATION, "{}")
    try:
        return {name: Pin.read(each) for name, each in json.loads(text).items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        return {}


def write_pins(pins: Mapping[str, Pin]) -> str | None:
    """The annotation's text; None where there is nothing to note."""
    return json.dumps({name: pin.write() for name, pin in pins.items()}, sort_keys=True) if pins else None


def reference_of(workload: Json, container: str, image: str) -> str:
    """What the image of a container is followed by: its own name, or the one that we were asked to follow."""
    pin = read_pins(workload).get(container)
    return pin.reference if pin is not None and pin.deployed == image else image


def pinned(written: str, tag: Reference, digest: str) -> str:
    """`name:tag@digest`, with the name spelled as in `written` where that is the same one: rules in a cluster, and
    mirrors, may go by its spelling.
    """
    return f"{named(written, tag)}@{digest}"


def named(written: str, tag: Reference) -> str:
    """The name and tag, spelled as in `written`."""
    try:
        same = Reference.parse(written).name == tag.name
    except InvalidInputError:
        same = False
    name = _name_in(written) if same else tag.name
    return f"{name}:{tag.tag}" if tag.tag else name


def _name_in(written: str) -> str:
    rest = written.partition("@")[0]
    head, colon, tag = rest.rpartition(":")
    return head if colon and "/" not in tag else rest
