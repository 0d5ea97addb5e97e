"""What kubectl does, as some user: objects are plain dictionaries, as the API has them.

Source: https://kubernetes.io/docs/reference/using-api/api-concepts/ and .../server-side-apply/.
"""

import json
import ssl
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from tests.lab.room import wait_until

Object = dict[str, Any]
MANAGER = "lab"


class Objects:
    """A call that the API refuses raises httpx.HTTPStatusError, with the server's sentence in `error.response.text`.

    A kind is named by its API version and its name: `("apps/v1", "Deployment")`. What has no namespace is asked for
    without one.
    """

    def __init__(self, url: str, authority: Path, token: str) -> None:
        self._client = httpx.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {token}"},
            verify=ssl.create_default_context(cafile=authority),
            timeout=60,
        )
        self._kinds: dict[tuple[str, str], tuple[str, bool]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._client.close()

    def request(self, method: str, path: str, **options: Any) -> Object:
        """For what has no word here: any call of the API; `options` are httpx's."""
        answer = self._client.request(method, path, **options)
        answer.raise_for_status()
        body: Object = answer.json()
        return body

    def apply(self, manifest: Mapping[str, Any], *, namespace: str = "") -> Object:
        """Create it, or make it what the manifest says (server-side apply)."""
        path = self._path_of(manifest, namespace)
        options = {"fieldManager": MANAGER, "force": "true"}
        content = json.dumps({**manifest})
        headers = {"Content-Type": "application/apply-patch+yaml"}
        return self.request("PATCH", path, params=options, content=content, headers=headers)

    def create(self, manifest: Mapping[str, Any], *, namespace: str = "") -> Object:
        """Unlike `apply`, it fails where the object is there."""
        path = self._path_of(manifest, namespace).rpartition("/")[0]
        return self.request("POST", path, json={**manifest})

    def patch(
        self, api: str, kind: str, name: str, patch: Mapping[str, Any], *, namespace: str = ""
    ) -> Object:
        """A merge patch (RFC 7386)."""
        headers = {"Content-Type": "application/merge-patch+json"}
        path = self.path(api, kind, name, namespace)
        return self.request("PATCH", path, content=json.dumps({**patch}), headers=headers)

    def get(self, api: str, kind: str, name: str, *, namespace: str = "") -> Object:
        return self.request("GET", self.path(api, kind, name, namespace))

    def find(self, api: str, kind: str, name: str, *, namespace: str = "") -> Object | None:
        """None where there is none; any other refusal raises."""
        try:
            return self.get(api, kind, name, namespace=namespace)
        except httpx.HTTPStatusError as error:
            if error.response.status_code == httpx.codes.NOT_FOUND:
                return None
            raise

    def all_of(self, api: str, kind: str, *, namespace: str = "", labels: str = "") -> list[Object]:
        """Of one namespace, or of all; `labels` is a label selector."""
        path = self.path(api, kind, "", namespace).rstrip("/")
        items: list[Object] = self.request("GET", path, params={"labelSelector": labels})["items"]
        return items

    def delete(
        self,
        api: str,
        kind: str,
        name: str,
        *,
        namespace: str = "",
        grace: int | None = None,
        wait: bool = False,
    ) -> None:
        """With what belongs to it, in the background; `wait` until it is gone itself. None there is no failure."""
        options = {
            "propagationPolicy": "Background",
            **({} if grace is None else {"gracePeriodSeconds": grace}),
        }
        answer = self._client.request("DELETE", self.path(api, kind, name, namespace), json=options)
        if answer.status_code != httpx.codes.NOT_FOUND:
            answer.raise_for_status()
        if wait:
            wait_until(
                lambda: self.find(api, kind, name, namespace=namespace) is None,
                what=f"{kind} {name} was not gone",
                timeout=60,
                pause=0.1,
            )

    def read_log(self, pod: str, *, namespace: str) -> str:
        """Of its only container, so far."""
        answer = self._client.get(self.path("v1", "Pod", pod, namespace) + "/log")
        return answer.raise_for_status().text

    def may(self, right: tuple[str, str, str], *, namespace: str) -> bool:
        """Whether the server lets this user do that: API group, resource, verb."""
        group, resource, verb = right
        kind, _, part = resource.partition("/")
        asked = {"group": group, "resource": kind, "subresource": part, "verb": verb}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {**asked, "namespace": namespace}},
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        return bool(self.request("POST", path, json=review)["status"]["allowed"])

    def path(self, api: str, kind: str, name: str, namespace: str = "") -> str:
        """Raises: LookupError, when the server has no such kind."""
        plural, is_namespaced = self._kind(api, kind)
        place = f"/namespaces/{namespace}" if is_namespaced and namespace else ""
        return f"{_root(api)}{place}/{plural}/{name}"

    def _path_of(self, manifest: Mapping[str, Any], namespace: str) -> str:
        """The manifest's own namespace counts, then the one that was given, then "default"."""
        metadata = manifest["metadata"]
        place = metadata.get("namespace") or namespace or "default"
        return self.path(manifest["apiVersion"], manifest["kind"], metadata["name"], place)

    def _kind(self, api: str, kind: str) -> tuple[str, bool]:
        if (api, kind) not in self._kinds:
            for resource in self.request("GET", _root(api))["resources"]:
                if "/" not in resource["name"]:
                    self._kinds[api, resource["kind"]] = resource["name"], resource["namespaced"]
        try:
            return self._kinds[api, kind]
        except KeyError:
            raise LookupError(f"the cluster has no {kind} in {api}") from None


def _root(api: str) -> str:
    return f"/apis/{api}" if "/" in api else f"/api/{api}"
