"""Bringing exactly the approved image to Podman, and naming it as the user does."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from uptainer.core.errors import NotFoundError, TemporaryError, UnsupportedError
from uptainer.core.platform import Platform
from uptainer.core.reference import Reference
from uptainer.runtimes.engine.registries import auth_header, pull_fault
from uptainer.runtimes.podman import facts
from uptainer.runtimes.podman.client import Podman

Json = Mapping[str, Any]

SILENCE = 600.0
"""Seconds without any progress after which a pull counts as stuck."""


def find_image(podman: Podman, name: str) -> Json | None:
    try:
        found: Json = podman.get(f"/images/{name}/json", about=name)
    except NotFoundError:
        return None
    return found


def pull(podman: Podman, image: Reference, platform: Platform | None, auth: Mapping[str, str] | None) -> str:
    """Have the image of this digest here, for this platform; returns its id. One that is here is not pulled again.

    Raises:
        AccessDeniedError, NotFoundError, RateLimitedError, UnsupportedError: the registry's refusal.
        TemporaryError: anything else that a pull fails of.
    """
    name = str(image)
    found = find_image(podman, name)
    if found is None:
        _pull(podman, image, platform, auth)
        found = find_image(podman, name)
    if found is None:
        raise TemporaryError(f"{name} was pulled, and Podman does not know it")
    have = facts.image_facts(found)
    if platform is not None and have.platform != platform:
        raise UnsupportedError(f"{name} is for {have.platform}, and not for {platform}")
    return have.image_id


def _pull(
    podman: Podman, image: Reference, platform: Platform | None, auth: Mapping[str, str] | None
) -> None:
    query = {"reference": str(image), "policy": "always"}
    if platform:
        asked = {"OS": platform.os, "Arch": platform.architecture, "Variant": platform.variant}
        query |= {name: value for name, value in asked.items() if value}
    headers = {"X-Registry-Auth": auth_header(image.registry, auth)} if auth else {}
    with podman.open(
        "POST", "/images/pull", about=str(image), query=query, headers=headers, timeout=SILENCE
    ) as answer:
        _follow(answer, str(image))


def _follow(answer: Iterable[bytes], name: str) -> None:
    """Podman answers 200 and tells of its failure in the progress messages."""
    text = b"".join(answer).decode(errors="replace")
    for line in filter(None, (line.strip() for line in text.splitlines())):
        if said := json.loads(line).get("error"):
            raise pull_fault(name, str(said))


def tag(podman: Podman, image_id: str, reference: Reference) -> None:
    if reference.tag is not None:
        query = {"repo": reference.name, "tag": reference.tag}
        podman.post(f"/images/{image_id}/tag", about=str(reference), query=query)


def find_tagged(podman: Podman, reference: Reference) -> str | None:
    """The id of what the tag stands for here now; the digest beside it does not count."""
    found = find_image(podman, f"{reference.name}:{reference.tag}") if reference.tag else None
    return facts.full_id(found["Id"]) if found else None


def restore_tag(podman: Podman, reference: Reference, before: str | None, ours: str) -> None:
    """Point the tag back at the image it named before, unless somebody else moved it since."""
    if find_tagged(podman, reference) != ours or before == ours:
        return
    if before is None:
        query = {"repo": reference.name, "tag": str(reference.tag)}
        podman.post(f"/images/{ours}/untag", about=str(reference), query=query)
    elif find_image(podman, before):
        tag(podman, before, reference)
