"""A container's whole configuration for the backup, and a container made again from it."""

from collections.abc import Mapping
from typing import Any

from uptainer.core.errors import InvalidInputError, NotFoundError
from uptainer.runtimes.engine import inspection, operations
from uptainer.runtimes.podman import discovery, pulling
from uptainer.runtimes.podman.client import Podman
from uptainer.runtimes.podman.specification import Old, specification
from uptainer.runtimes.podman.swap import creation_of

Json = Mapping[str, Any]

_VERSION = 1


def read_configuration(podman: Podman, key: str) -> dict[str, Any]:
    """The container and its image as inspected, its volumes with their driver and options, and the host's names."""
    container = operations.inspect(podman, key)
    volumes = [each["Name"] for each in container.get("Mounts") or () if each.get("Name")]
    return {
        "version": _VERSION,
        "runtime": "podman",
        "api_version": podman.api_version,
        "names_of": {each["Id"]: inspection.key(each) for each in discovery.inspect_all(podman)},
        "pod": discovery.pod_names(podman).get(container.get("Pod") or ""),
        "container": container,
        "image": podman.get(f"/images/{container['Image']}/json", about=key),
        "volumes": [podman.get(f"/volumes/{name}/json", about=name) for name in volumes],
    }


def create_from(podman: Podman, saved: Json, *, name: str | None = None) -> str:
    """Create the container again, not started, with volumes that are missing; returns its key.

    Raises:
        InvalidInputError: this is no configuration that `read_configuration` gave.
        NotFoundError: the image, its pod, a network or a container that it refers to is gone; the message says which.
        RefusedError: it has what can't be made again; see `creation_of`.
    """
    body = read_specification(podman, saved, name)
    for volume in saved["volumes"]:
        _create_volume(podman, volume)
    podman.post("/containers/create", body=body, about=body["name"], wait=60)
    return str(body["name"])


def read_specification(podman: Podman, saved: Json, name: str | None = None) -> dict[str, Any]:
    """What it is created with. Raises: as `create_from`."""
    if saved.get("version") != _VERSION or saved.get("runtime") != "podman":
        raise InvalidInputError("this is not the saved configuration of a Podman container")
    container, image = saved["container"], saved["image"]
    old = Old(container, image, creation_of(container), saved["names_of"], saved["pod"])
    key = name or inspection.key(container)
    return specification(old, key, _reference(podman, container, image))


def _reference(podman: Podman, container: Json, image: Json) -> str:
    """The name as the user wrote it, where it still stands for that image; else by digest, else by id."""
    written = container.get("ImageName") or container["Config"]["Image"]
    for name in (written, *(image.get("RepoDigests") or ()), image["Id"]):
        found = pulling.find_image(podman, name)
        if found and found["Id"] == image["Id"]:
            return str(name)
    raise NotFoundError(f"the image of {inspection.key(container)}, {written}, is gone from Podman")


def _create_volume(podman: Podman, volume: Json) -> None:
    """One that is there is left as it is."""
    body = {
        "Name": volume["Name"],
        "Driver": volume["Driver"],
        "Options": volume.get("Options") or {},
        "Labels": volume.get("Labels") or {},
    }
    try:
        podman.get(f"/volumes/{volume['Name']}/json", about=volume["Name"])
    except NotFoundError:
        podman.post("/volumes/create", body=body, about=volume["Name"])
