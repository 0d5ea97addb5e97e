"""A container's whole configuration for the backup, and a container made again from it."""

from collections.abc import Mapping
from typing import Any

from uptainer.core.errors import InvalidInputError, NotFoundError
from uptainer.runtimes.docker import discovery, exchange, pulling
from uptainer.runtimes.docker.swap import Surroundings, Swap, swap_of
from uptainer.runtimes.engine import inspection
from uptainer.runtimes.engine.client import Engine

Json = Mapping[str, Any]

_VERSION = 1


def read_configuration(engine: Engine, key: str) -> dict[str, Any]:
    """The container and its image as inspected, its volumes with their driver and options, and the host's names."""
    container = engine.get(f"/containers/{key}/json", about=key)
    volumes = [each["Name"] for each in container.get("Mounts") or () if each.get("Name")]
    return {
        "version": _VERSION,
        "runtime": "docker",
        "api_version": engine.api_version,
        "engine_name": engine.get("/info", about="itself")["Name"],
        "names_of": {each["Id"]: inspection.key(each) for each in discovery.inspect_all(engine)},
        "container": container,
        "image": engine.get(f"/images/{container['Image']}/json", about=key),
        "volumes": [engine.get(f"/volumes/{name}", about=name) for name in volumes],
    }


def create_from(engine: Engine, saved: Json, *, name: str | None = None) -> str:
    """Create the container again, not started, with volumes that are missing; returns its key.

    Raises:
        InvalidInputError: this is no configuration that `read_configuration` gave.
        NotFoundError: the image, a network or a container that it refers to is gone; the message says which.
        PermanentError: there is a container of that name.
    """
    swap = read_swap(engine, saved)
    for volume in saved["volumes"]:
        _create_volume(engine, volume)
    return create(engine, swap, name or swap.key)


def create(engine: Engine, swap: Swap, key: str) -> str:
    """A container like the one of the swap, under the name `key`."""
    policy = {**swap.body["HostConfig"], "RestartPolicy": swap.restart_policy}
    body = {**swap.body, "HostConfig": policy}
    made = engine.post("/containers/create", body=body, about=key, wait=60, query={"name": key})
    new = engine.get(f"/containers/{made['Id']}/json", about=key)
    exchange.connect(engine, swap, new)
    return key


def read_swap(engine: Engine, saved: Json) -> Swap:
    """Raises: InvalidInputError, NotFoundError; as `create_from`."""
    if saved.get("version") != _VERSION or saved.get("runtime") != "docker":
        raise InvalidInputError("this is not the saved configuration of a Docker container")
    container, image = saved["container"], saved["image"]
    around = Surroundings(saved["engine_name"], engine.api_version, saved["names_of"])
    return swap_of(container, image, _reference(engine, container, image), around)


def _reference(engine: Engine, container: Json, image: Json) -> str:
    """The name as the user wrote it, where it still stands for that image; else by digest, else by id."""
    for name in (container["Config"]["Image"], *(image.get("RepoDigests") or ()), image["Id"]):
        found = pulling.find_image(engine, name)
        if found and found["Id"] == image["Id"]:
            return str(name)
    raise NotFoundError(
        f"the image of {inspection.key(container)}, {container['Config']['Image']}, is gone from the engine"
    )


def _create_volume(engine: Engine, volume: Json) -> None:
    """One that is there is left as it is."""
    body = {
        "Name": volume["Name"],
        "Driver": volume["Driver"],
        "DriverOpts": volume.get("Options") or {},
        "Labels": volume.get("Labels") or {},
    }
    try:
        engine.get(f"/volumes/{volume['Name']}", about=volume["Name"])
    except NotFoundError:
        engine.post("/volumes/create", body=body, about=volume["Name"])
