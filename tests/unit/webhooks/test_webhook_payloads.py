import json
from typing import Any

import pytest

from uptainer.core.enums import WebhookKind
from uptainer.core.errors import InvalidInputError
from uptainer.webhooks.payloads import MOST_EVENTS, read_pushes

HUB, GITHUB, HARBOR = WebhookKind.DOCKER_HUB, WebhookKind.GITHUB, WebhookKind.HARBOR
QUAY, DISTRIBUTION, GENERIC = WebhookKind.QUAY, WebhookKind.DISTRIBUTION, WebhookKind.GENERIC
DIGEST = "sha256:" + "0" * 64


def hub(name: object = "acme/app", tag: object = "1.2") -> dict[str, Any]:
    return {
        "callback_url": "https://registry.hub.docker.com/u/acme/app/hook/1/",
        "push_data": {"pushed_at": 1417566161, "pusher": "ada", "tag": tag},
        "repository": {"repo_name": name, "name": "app", "namespace": "acme"},
    }


def github(tag: object = "1.2-RC", **package: Any) -> dict[str, Any]:
    made = {
        "name": "tools/App",
        "namespace": "Acme",
        "owner": {"login": "Acme"},
        "package_type": "CONTAINER",
        "package_version": {"container_metadata": {"tag": {"name": tag, "digest": DIGEST}}},
    }
    return {"action": "published", "registry_package": {**made, **package}}


def harbor(*urls: object, kind: str = "PUSH_ARTIFACT") -> dict[str, Any]:
    resources = [{"digest": DIGEST, "tag": "1.2", "resource_url": url} for url in urls]
    return {"type": kind, "occur_at": 1, "event_data": {"resources": resources, "repository": {}}}


def event(action: str = "push", host: object = "registry.test:5000", **target: Any) -> dict[str, Any]:
    made = {"mediaType": "application/vnd.oci.image.index.v1+json", "repository": "acme/app", "tag": "1.2"}
    return {"action": action, "target": {**made, **target}, "request": {"host": host}}


def quay(tags: object) -> dict[str, Any]:
    return {"name": "app", "repository": "acme/app", "docker_url": "quay.io/acme/app", "updated_tags": tags}


@pytest.mark.parametrize(
    ("kind", "content", "names"),
    [
        (HUB, hub(), ["docker.io/acme/app:1.2"]),
        (HUB, hub("library/nginx", "latest"), ["docker.io/library/nginx:latest"]),
        (GITHUB, github(), ["ghcr.io/acme/tools/app:1.2-RC"]),
        (
            GITHUB,
            {"action": "published", "package": github()["registry_package"]},
            ["ghcr.io/acme/tools/app:1.2-RC"],
        ),
        (GITHUB, github(tag=""), []),
        (GITHUB, github(package_type="npm"), []),
        (GITHUB, github(package_version=None), []),
        (GITHUB, {"zen": "Keep it logically awesome.", "hook_id": 1}, []),
        (HARBOR, harbor("harbor.test/acme/app:1.2"), ["harbor.test/acme/app:1.2"]),
        (HARBOR, harbor(f"harbor.test/acme/app@{DIGEST}"), [f"harbor.test/acme/app@{DIGEST}"]),
        (HARBOR, harbor("harbor.test/acme/app:1", kind="DELETE_ARTIFACT"), []),
        (
            HARBOR,
            {
                "specversion": "1.0",
                "type": "harbor.artifact.pushed",
                "data": harbor("harbor.test/acme/app:1.2")["event_data"],
            },
            ["harbor.test/acme/app:1.2"],
        ),
        (QUAY, quay(["1.2", "latest"]), ["quay.io/acme/app:1.2", "quay.io/acme/app:latest"]),
        (QUAY, quay({"1.2": DIGEST}), ["quay.io/acme/app:1.2"]),
        (QUAY, {"name": "app", "build_id": "7"}, []),
        (
            DISTRIBUTION,
            {"events": [event(), event(), event("pull"), event(tag=""), event(tag="2.0")]},
            ["registry.test:5000/acme/app:1.2", "registry.test:5000/acme/app:2.0"],
        ),
        (DISTRIBUTION, {"events": []}, []),
        (GENERIC, {"reference": "nginx"}, ["docker.io/library/nginx:latest"]),
    ],
)
def test_each_kind_of_notification_names_what_was_pushed(
    kind: WebhookKind, content: object, names: list[str]
) -> None:
    assert [str(each) for each in read_pushes(kind, json.dumps(content).encode())] == names


@pytest.mark.parametrize(
    ("kind", "content", "sentence"),
    [
        (HUB, {}, "is not a notification of docker-hub: there is no 'repository'"),
        (HUB, hub(name=7), "a part of it is of another kind"),
        (HUB, hub(name="acme/app:1@x"), "is not an image reference"),
        (HUB, hub(tag="1.2\n\x1b[31m"), "is not an image reference"),
        (HUB, hub(tag="{{ 7 * 7 }}"), "is not an image reference"),
        (HUB, hub(name="../../etc/passwd"), "is not an image reference"),
        (GITHUB, github(owner=None), "a part of it is of another kind"),
        (HARBOR, harbor(None), "a part of it is of another kind"),
        (HARBOR, harbor("http://harbor.test/acme/app:1"), "is not an image reference"),
        (DISTRIBUTION, {"events": [event(host="user:password@evil.test")]}, "is not an image reference"),
        (DISTRIBUTION, {"events": [event()] * (MOST_EVENTS + 1)}, "more than 200 events"),
        (DISTRIBUTION, {"events": "push"}, "a part of it is of another kind"),
        (GENERIC, {"reference": "a" * 5000}, "is not an image reference"),
        (GENERIC, {"reference": DIGEST}, "is not an image reference"),
        (GENERIC, ["reference"], "not a JSON object"),
    ],
)
def test_what_is_hostile_or_broken_is_refused_with_a_plain_reason(
    kind: WebhookKind, content: object, sentence: str
) -> None:
    with pytest.raises(InvalidInputError, match=sentence) as raised:
        read_pushes(kind, json.dumps(content).encode())
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 250


@pytest.mark.parametrize("body", [b"", b"payload=%7B%7D", b"[" * 100_000, b"\xff\xfe"])
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInputError, match="not JSON"):
        read_pushes(GENERIC, body)


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (DISTRIBUTION, {"events": [event(host="10.0.0.7:5000")]}),
        (DISTRIBUTION, {"events": [event(host="registry")]}),
        (HARBOR, harbor("harbor/acme/app:1.2")),
    ],
)
def test_a_registry_that_the_fleet_knows_by_another_name_is_called_by_that(
    kind: WebhookKind, content: object
) -> None:
    (found,) = read_pushes(kind, json.dumps(content).encode(), "registry.example.org")
    assert str(found) == "registry.example.org/acme/app:1.2"
