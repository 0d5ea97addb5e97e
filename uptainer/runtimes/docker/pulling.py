"""Bringing exactly the approved image to the engine, and naming it as the user does."""

import json
from collections.abc import Mapping
from typing import Any

from uptainer.core.errors import (
    NotFoundError,
    TemporaryError,
    UnsupportedError,
)
from uptainer.core.platform import Platform
from uptainer.core.reference import Reference
from uptainer.runtimes.docker import facts
from uptainer.runtimes.engine.client import Answer, Engine
from uptainer.runtimes.engine.registries import auth_header, pull_fault

Json = Mapping[str, Any]

SILENCE = 600.0
"""Seconds without any progress after which a pull counts as stuck."""


def find_image(engine: Engine, name: str) -> Json | None:
    try:
        found: Json = engine.get(f"/images/{name}/json", about=name)
    except NotFoundError:
        return None
    return found


def pull(engine: Engine, image: Reference, platform: Platform | None, auth: Mapping[str, str] | None) -> str:
    """Have the image of this digest here, for this platform; returns its id. One that is here is not pulled again.

    Raises:
        AccessDeniedError, NotFoundError, RateLimitedError, UnsupportedError: the registry's refusal.
        TemporaryError: anything else that a pull fails of.
    """
    name = str(image)
    found = find_image(engine, name)
    if found is None or not _fits(found, platform):
        _pull(engine, image, platform, auth)
        found = find_image(engine, name)
    if found is None:
        raise TemporaryError(f"{name} was pulled, and the engine does not know it")
    if not _fits(found, platform):
        have = facts.image_facts(found).platform
        raise UnsupportedError(f"{name} is for {have}, and not for {platform}")
    return str(found["Id"])


def find_tagged(engine: Engine, reference: Reference) -> Json | None:
    """What the tag stands for on this engine now; the digest beside it does not count."""
    return find_image(engine, f"{reference.name}:{reference.tag}") if reference.tag else None


def tag(engine: Engine, image_id: str, reference: Reference) -> None:
    if reference.tag is None:
        return
    query = {"repo": reference.name, "tag": reference.tag}
    engine.post(f"/images/{image_id}/tag", about=str(reference), query=query)


def restore_tag(engine: Engine, reference: Reference, before: str | None, ours: str) -> None:
    """Point the tag back at the image it named before, unless somebody else moved it since."""
    current = find_tagged(engine, reference)
    if current is None or current["Id"] != ours or before == ours:
        return
    if before is None:
        name = f"{reference.name}:{reference.tag}"
        engine.delete(f"/images/{name}", about=name, query={"noprune": "1"})
    elif find_image(engine, before):
        tag(engine, before, reference)


def _fits(image: Json, platform: Platform | None) -> bool:
    return platform is None or facts.image_facts(image).platform == platform


def _pull(
    engine: Engine, image: Reference, platform: Platform | None, auth: Mapping[str, str] | None
) -> None:
    query = {"fromImage": image.name, "tag": image.digest or image.tag or "latest"}
    if platform:
        query["platform"] = str(platform)
    headers = {"X-Registry-Auth": auth_header(image.registry, auth)} if auth else {}
    with engine.open(
        "POST", "/images/create", about=str(image), query=query, headers=headers, timeout=SILENCE
    ) as answer:
        _follow(answer, str(image))


def _follow(answer: Answer, name: str) -> None:
    """The engine answers 200 and tells of its failure in the progress messages."""
    text = b"".join(answer).decode(errors="replace")
    for line in filter(None, (line.strip() for line in text.splitlines())):
        message = json.loads(line)
        if said := message.get("error"):
            raise pull_fault(name, str(said))
