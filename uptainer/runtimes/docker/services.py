"""Swarm services as the engine holds them: who may be asked, what there is, and the tasks of one.

Source: Docker Engine API 1.41, "Service", "Task", "Node".
"""

import json
from collections.abc import Mapping
from typing import Any

from uptainer.core.errors import NotFoundError, PermanentError, TemporaryError
from uptainer.core.platform import Platform
from uptainer.core.reference import Reference
from uptainer.runtimes.engine.client import Engine

Json = Mapping[str, Any]

PREFIX = "service/"
SERVICE_ID = "com.docker.swarm.service.id"
SERVICE_NAME = "com.docker.swarm.service.name"
_OUT_OF_SEQUENCE = "out of sequence"
_NO_SWARM = ("", "inactive")
_ACTIVE = "active"


def is_service(key: str) -> bool:
    """No container's name has a slash in it."""
    return key.startswith(PREFIX)


def key_of(service: Json) -> str:
    return f"{PREFIX}{service['Spec']['Name']}"


def is_manager(engine: Engine) -> bool:
    """Whether this engine can be asked about services.

    Raises:
        TemporaryError: it belongs to a swarm and can't say now what runs in it (it is locked, or is still joining).
    """
    swarm = engine.get("/info", about="itself").get("Swarm") or {}
    state = swarm.get("LocalNodeState") or ""
    if state not in (*_NO_SWARM, _ACTIVE):
        said = swarm.get("Error") or "see `docker swarm unlock` and `docker info`"
        raise TemporaryError(
            f"{engine.address.name}: its swarm is {state}, so its services are unknown: {said}"
        )
    return state == _ACTIVE and bool(swarm.get("ControlAvailable"))


def node_id(engine: Engine) -> str:
    return str(engine.get("/info", about="itself")["Swarm"]["NodeID"])


def read_all(engine: Engine) -> list[Json]:
    services: list[Json] = engine.get("/services", about="its services")
    return services


def find(engine: Engine, key: str) -> Json:
    """Raises NotFoundError, also where the engine is in no swarm."""
    name = key.removeprefix(PREFIX)
    try:
        service: Json = engine.get(f"/services/{name}", about=key)
    except TemporaryError:
        if is_manager(engine):
            raise
        raise NotFoundError(f"there is no {key}: {engine.address.name} is not a manager of a swarm") from None
    if name not in (service["Spec"]["Name"], service["ID"]):
        raise NotFoundError(f"there is no {key}")  # the engine takes the beginning of an id, too
    return service


def read_tasks(engine: Engine, service_id: str | None = None) -> list[Json]:
    """Of one service, or of all: those that are to run, and the last few of each slot that ran before."""
    filters = {"filters": json.dumps({"service": [service_id]})} if service_id else {}
    tasks: list[Json] = engine.get("/tasks", about="the tasks of its services", query=filters)
    return tasks


def containers_here(engine: Engine, service_id: str) -> list[Json]:
    """The containers of its tasks on this node as inspected, the newest first; those that ended are among them."""
    filters = {"all": "1", "filters": json.dumps({"label": [f"{SERVICE_ID}={service_id}"]})}
    listed = engine.get("/containers/json", about="its containers", query=filters)
    found: list[Json] = []
    for each in sorted(listed, key=lambda item: -item["Created"]):
        try:
            found.append(engine.get(f"/containers/{each['Id']}/json"))
        except NotFoundError:
            continue
    return found


def network_names(engine: Engine) -> dict[str, str]:
    """By id."""
    return {each["Id"]: each["Name"] for each in engine.get("/networks", about="its networks")}


def node_names(engine: Engine) -> dict[str, str]:
    """By id."""
    nodes = engine.get("/nodes", about="the nodes of its swarm")
    return {each["ID"]: each["Description"]["Hostname"] for each in nodes}


def node_platforms(engine: Engine) -> dict[str, Platform]:
    """By id."""
    nodes = engine.get("/nodes", about="the nodes of its swarm")
    known = {each["ID"]: each["Description"].get("Platform") or {} for each in nodes}
    return {
        node: Platform.of(each["OS"], each["Architecture"])
        for node, each in known.items()
        if each.get("OS") and each.get("Architecture")
    }


def change(
    engine: Engine,
    service: Json,
    spec: Json,
    *,
    query: Mapping[str, str] | None = None,
    auth: str | None = None,
) -> bool:
    """Put `spec` in place of what `service` shows; False where somebody changed it since, and nothing was done.

    Without `auth` the nodes go on with the registry login that the service has.
    """
    key, asked = key_of(service), {"version": str(service["Version"]["Index"]), **(query or {})}
    headers = {"X-Registry-Auth": auth} if auth else {}
    path = f"/services/{service['ID']}/update"
    try:
        with engine.open("POST", path, about=key, body=spec, query=asked, headers=headers) as answer:
            answer.read()
    except (TemporaryError, PermanentError) as refusal:
        if _OUT_OF_SEQUENCE in str(refusal):
            return False
        raise
    return True


def image_of(spec: Json) -> str:
    """As the spec has it, with the digest that it is pinned to."""
    return str(spec["TaskTemplate"]["ContainerSpec"]["Image"])


def split_image(image: str) -> tuple[str, str | None]:
    """What a person wrote, and the digest that Docker's client added; an image by digest alone was written so."""
    written, _, digest = image.partition("@")
    has_tag = ":" in written.rpartition("/")[2]
    return (written, digest or None) if has_tag or not digest else (image, digest)


def pinned(image: str) -> Reference | None:
    """The reference by which nodes pull it: by digest. None where the spec has none."""
    _, digest = split_image(image)
    return Reference.parse(image).with_digest(digest) if digest else None
