"""A service's whole configuration for the backup, and a service made again from it."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from uptainer.core.errors import InvalidInputError, NotFoundError
from uptainer.runtimes.capabilities import Capability, capabilities_of
from uptainer.runtimes.docker import service_facts, service_scale, services
from uptainer.runtimes.docker.capabilities import TABLE
from uptainer.runtimes.engine.client import Engine

Json = Mapping[str, Any]

_VERSION = 1
_FILES = (("Secrets", "secret"), ("Configs", "config"))


def is_service(saved: Json) -> bool:
    return saved.get("kind") == "service"


def read_configuration(engine: Engine, key: str) -> dict[str, Any]:
    """The service as inspected, and its networks by name. What its secrets hold, the swarm shows to nobody."""
    service = services.find(engine, key)
    names = services.network_names(engine)
    attached = _networks(service["Spec"])
    return {
        "version": _VERSION,
        "runtime": "docker",
        "kind": "service",
        "service": service,
        "networks": {each["Target"]: names.get(each["Target"], each["Target"]) for each in attached},
    }


def create_from(engine: Engine, saved: Json, *, name: str | None = None) -> str:
    """Create the service again, with no tasks until it is started; returns its key.

    Raises:
        InvalidInputError: this is no configuration that `read_configuration` gave.
        NotFoundError: a secret, config or network that it refers to is gone; the message says which.
        UnsupportedError: such a service can't be made without its starting at once.
        PermanentError: there is a service of that name.
    """
    if saved.get("version") != _VERSION or saved.get("runtime") != "docker":
        raise InvalidInputError("this is not the saved configuration of a Swarm service")
    service = saved["service"]
    capabilities_of(TABLE, service_facts.kind(service["Spec"])).require(
        Capability.RECREATE, services.key_of(service)
    )
    spec = {**service["Spec"], "Name": name or service["Spec"]["Name"]}
    if service_facts.replicas(spec):
        spec = service_scale.stopped(spec)
    spec["TaskTemplate"] = _template(engine, spec["TaskTemplate"], saved["networks"])
    engine.post("/services/create", body=spec, about=f"{services.PREFIX}{spec['Name']}")
    return f"{services.PREFIX}{spec['Name']}"


def _networks(spec: Json) -> Sequence[Json]:
    return spec["TaskTemplate"].get("Networks") or spec.get("Networks") or ()


def _template(engine: Engine, template: Json, networks: Mapping[str, str]) -> dict[str, Any]:
    """By name, for ids are new when a network, secret or config was made again."""
    container = dict(template["ContainerSpec"])
    for field, kind in _FILES:
        if files := container.get(field):
            container[field] = [_known(engine, each, kind) for each in files]
    attached = [
        {**each, "Target": networks.get(each["Target"], each["Target"])}
        for each in template.get("Networks") or ()
    ]
    return {**template, "ContainerSpec": container, **({"Networks": attached} if attached else {})}


def _known(engine: Engine, file: Json, kind: str) -> dict[str, Any]:
    name = file[f"{kind.capitalize()}Name"]
    filters = {"filters": json.dumps({"name": [name]})}
    found = engine.get(f"/{kind}s", about=f"its {kind}s", query=filters)
    for each in found:
        if each["Spec"]["Name"] == name:
            return {**file, f"{kind.capitalize()}ID": each["ID"]}
    raise NotFoundError(f"the {kind} {name} is gone from the swarm, and what it held is in no backup")
