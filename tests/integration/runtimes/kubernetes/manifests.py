"""Workloads of each kind, as somebody would write them, for the tests that read and operate them."""

from collections.abc import Mapping, Sequence
from typing import Any

GRACE = 1
"""Seconds that a pod is given to end."""


def pod_spec(image: str, **changes: Any) -> dict[str, Any]:
    container = {"name": "app", "image": image, "imagePullPolicy": "IfNotPresent"}
    return {"containers": [container], "terminationGracePeriodSeconds": GRACE, **changes}


def template(
    name: str, spec: Mapping[str, Any], annotations: Mapping[str, str] | None = None
) -> dict[str, Any]:
    return {"metadata": {"labels": {"app": name}, "annotations": dict(annotations or {})}, "spec": spec}


def workload(
    kind: str,
    name: str,
    spec: Mapping[str, Any],
    *,
    annotations: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """`spec` is the pods'; `settings` go beside the template."""
    whole = {"selector": {"matchLabels": {"app": name}}, "template": template(name, spec), **settings}
    if kind == "StatefulSet":
        whole["serviceName"] = name
    metadata = {"name": name, "labels": dict(labels or {}), "annotations": dict(annotations or {})}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": whole}


def cron_job(name: str, spec: Mapping[str, Any], schedule: str = "0 0 1 1 *") -> dict[str, Any]:
    jobs = {"spec": {"template": template(name, {**spec, "restartPolicy": "Never"})}}
    return {
        "apiVersion": "batch/v1beta1",
        "kind": "CronJob",
        "metadata": {"name": name},
        "spec": {"schedule": schedule, "jobTemplate": jobs},
    }


def job_of(made: Mapping[str, Any], name: str) -> dict[str, Any]:
    """As `kubectl create job --from` makes it."""
    owner = {
        "apiVersion": made["apiVersion"],
        "kind": "CronJob",
        "name": made["metadata"]["name"],
        "uid": made["metadata"]["uid"],
        "controller": True,
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "ownerReferences": [owner]},
        "spec": made["spec"]["jobTemplate"]["spec"],
    }


def role(
    namespace: str, rules: Sequence[tuple[str, str, str]], account: str = "default"
) -> list[dict[str, Any]]:
    """A Role with these rules (API group, resource, verb) for a service account of its namespace."""
    listed = [
        {"apiGroups": [group], "resources": [resource], "verbs": [verb]} for group, resource, verb in rules
    ]
    api = "rbac.authorization.k8s.io/v1"
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"}
    subject = {"kind": "ServiceAccount", "name": account, "namespace": namespace}
    return [
        {"apiVersion": api, "kind": "Role", "metadata": {"name": "reader"}, "rules": listed},
        {
            "apiVersion": api,
            "kind": "RoleBinding",
            "metadata": {"name": "reader"},
            "roleRef": reference,
            "subjects": [subject],
        },
    ]
