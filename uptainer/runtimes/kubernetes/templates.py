"""The pod template of a workload: where it stands for each kind, and the change of one image in it. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from uptainer.core.errors import NotFoundError

Json = Mapping[str, Any]

CRON_JOB = "cronjob"
LISTS = ("containers", "initContainers")


def template_of(workload: Json) -> Json:
    """A CronJob has it inside the template of its jobs."""
    spec = workload["spec"]
    template: Json = spec["jobTemplate"]["spec"]["template"] if "jobTemplate" in spec else spec["template"]
    return template


def containers_of(workload: Json) -> Iterator[tuple[str, Json]]:
    """Each container with the name of the list that it stands in."""
    spec = template_of(workload)["spec"]
    for name in LISTS:
        yield from ((name, each) for each in spec.get(name) or ())


def find_container(workload: Json, name: str) -> tuple[str, Json]:
    """Raises NotFoundError."""
    for found in containers_of(workload):
        if found[1]["name"] == name:
            return found
    held = ", ".join(each["name"] for _, each in containers_of(workload))
    raise NotFoundError(f"{workload['metadata']['name']} has no container named {name}, only {held}")


def image_in(workload: Json, container: str) -> str:
    """Raises NotFoundError."""
    return str(find_container(workload, container)[1]["image"])


def image_patch(
    workload: Json, container: str, image: str, annotations: Mapping[str, str | None]
) -> dict[str, Any]:
    """A strategic merge patch of one image and some annotations, and nothing else; None takes an annotation away.

    It names the version of the object that it was made from: the server refuses it where somebody was quicker.
    """
    place, _ = find_container(workload, container)
    template = {"spec": {place: [{"name": container, "image": image}]}}
    within = {"template": template}
    is_cron_job = "jobTemplate" in workload["spec"]
    return {
        "metadata": {
            "resourceVersion": workload["metadata"]["resourceVersion"],
            "annotations": dict(annotations),
        },
        "spec": {"jobTemplate": {"spec": within}} if is_cron_job else within,
    }


def matches(selector: Json | None, labels: Mapping[str, str]) -> bool:
    """Whether a label selector takes an object with these labels; an empty one takes all, none takes nothing.

    Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#resources-that-support-set-based-requirements
    """
    if selector is None:
        return False
    wanted = selector.get("matchLabels") or {}
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _meets(each, labels) for each in selector.get("matchExpressions") or ()
    )


def selector_text(selector: Json) -> str:
    """As a list's `labelSelector` wants it."""
    equal = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    return ",".join([*equal, *(_requirement(each) for each in selector.get("matchExpressions") or ())])


def controlled_by(owner: Json, objects: Sequence[Json]) -> list[Json]:
    """Those whose controller is `owner`: a selector alone also takes strangers."""
    uid = owner["metadata"]["uid"]
    return [each for each in objects if _controller_uid(each) == uid]


def _controller_uid(item: Json) -> str | None:
    references = item["metadata"].get("ownerReferences") or ()
    return next((str(each["uid"]) for each in references if each.get("controller")), None)


def _meets(expression: Json, labels: Mapping[str, str]) -> bool:
    key, values = expression["key"], expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case _:
            return key not in labels


def _requirement(expression: Json) -> str:
    key, values = expression["key"], ",".join(expression.get("values") or ())
    match expression["operator"]:
        case "In":
            return f"{key} in ({values})"
        case "NotIn":
            return f"{key} notin ({values})"
        case "Exists":
            return str(key)
        case _:
            return f"!{key}"
