"""What each kind of registry says when something was pushed, read into references.

Sources: https://docs.docker.com/docker-hub/repos/manage/webhooks/,
https://docs.github.com/webhooks/webhook-events-and-payloads#registry_package (and `#package`),
https://goharbor.io/docs/latest/working-with-projects/project-configuration/configure-webhooks/,
https://docs.quay.io/guides/notifications.html, https://distribution.github.io/distribution/about/notifications/.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from uptainer.core.enums import WebhookKind
from uptainer.core.errors import InvalidInputError
from uptainer.core.reference import DOCKER_HUB, Reference

MOST_EVENTS = 200
"""Events of one delivery that are read; a registry sends them one by one, or a few dozen after a pause."""
_CONTAINER = "container"


def read_pushes(kind: WebhookKind, body: bytes, registry: str = "") -> tuple[Reference, ...]:
    """The references that were pushed, each once; none where it tells of something else.

    `registry` is the name by which the fleet's references call this registry, where that is another one than its own.

    Raises:
        InvalidInputError: it is no such notification, or it names something that is no image.
    """
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidInputError("the body is not JSON") from error
    if not isinstance(content, dict):
        raise InvalidInputError("the body is not a JSON object")
    try:
        found = [_reference(name, registry) for name in _READERS[kind](content)]
    except (KeyError, TypeError, AttributeError) as error:
        raise InvalidInputError(f"the body is not a notification of {kind}: {_lacking(error)}") from error
    return tuple(dict.fromkeys(found))


def _docker_hub(content: Mapping[str, Any]) -> Iterator[str]:
    yield f"{DOCKER_HUB}/{_text(content['repository']['repo_name'])}:{_text(content['push_data']['tag'])}"


def _github(content: Mapping[str, Any]) -> Iterator[str]:
    """`registry_package`, and its successor `package`; what is no container, or has no tag, is passed over."""
    package = content.get("registry_package") or content.get("package")
    if package is None or content.get("action") not in {"published", "updated"}:
        return
    if str(package["package_type"]).lower() != _CONTAINER:
        return
    version = package.get("package_version") or {}
    tag = ((version.get("container_metadata") or {}).get("tag") or {}).get("name")
    if tag:
        yield (
            f"ghcr.io/{_text(package['owner']['login'])}/{_text(package['name'])}".lower() + f":{_text(tag)}"
        )


def _harbor(content: Mapping[str, Any]) -> Iterator[str]:
    """In Harbor's own form, and in that of CloudEvents."""
    if content.get("type") not in {"PUSH_ARTIFACT", "harbor.artifact.pushed"}:
        return
    data = content["event_data"] if "event_data" in content else content["data"]
    for resource in _few(data["resources"]):
        yield _hosted(_text(resource["resource_url"]))


def _quay(content: Mapping[str, Any]) -> Iterator[str]:
    if "docker_url" not in content:
        return  # a notification of something else, such as of a build
    for tag in _few(content.get("updated_tags") or ["latest"]):
        yield f"{_text(content['docker_url'])}:{_text(tag)}"


def _distribution(content: Mapping[str, Any]) -> Iterator[str]:
    """An envelope; a blob that was pushed, or a manifest without a tag, is no image that somebody follows."""
    for event in _few(content["events"]):
        target = event["target"]
        if event.get("action") == "push" and target.get("tag"):
            host = _text(event["request"]["host"])
            yield _hosted(f"{host}/{_text(target['repository'])}:{_text(target['tag'])}")


def _generic(content: Mapping[str, Any]) -> Iterator[str]:
    yield _text(content["reference"])


_READERS: Mapping[WebhookKind, Callable[[Mapping[str, Any]], Iterator[str]]] = {
    WebhookKind.DOCKER_HUB: _docker_hub,
    WebhookKind.GITHUB: _github,
    WebhookKind.HARBOR: _harbor,
    WebhookKind.QUAY: _quay,
    WebhookKind.DISTRIBUTION: _distribution,
    WebhookKind.GENERIC: _generic,
}


def _hosted(text: str) -> str:
    """What begins with a host; one of a single word, as a container's, would be read as a part of Docker Hub's names."""
    host, slash, rest = text.partition("/")
    return text if {".", ":"} & set(host) or host == "localhost" or not slash else f"{host}:443/{rest}"


def _reference(text: str, registry: str) -> Reference:
    """A registry's own name for itself is replaced by the one that was given for it."""
    try:
        found = Reference.parse(text)
        return (
            Reference.parse(f"{registry}/{found.repository}:{found.tag or 'latest'}") if registry else found
        )
    except InvalidInputError as error:
        raise InvalidInputError(f"{text[:100]!r} is not an image reference") from error


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a text is something else")
    return value


def _few(values: Sequence[Any]) -> Sequence[Any]:
    if not isinstance(values, list | dict):
        raise TypeError("a list is something else")
    if len(values) > MOST_EVENTS:
        raise InvalidInputError(f"more than {MOST_EVENTS} events in one notification")
    return list(values)


def _lacking(error: Exception) -> str:
    return f"there is no {error}" if isinstance(error, KeyError) else "a part of it is of another kind"
