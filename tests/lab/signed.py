"""Signatures put into a registry, where and how cosign puts them."""

import json
from collections.abc import Sequence
from typing import Any

import httpx

from tests.lab.images import OCI_MANIFEST, Login, Pusher, digest_of
from tests.lab.sigstore import BUNDLE, LAYER, Layer

_EMPTY = "application/vnd.oci.empty.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"


def push_layers(
    registry_url: str, repository: str, digest: str, layers: Sequence[Layer], *, login: Login = None
) -> None:
    """Under the tag `sha256-<hex>.sig`."""
    with Pusher(registry_url, repository, login) as push:
        config = push.blob(b"{}", "application/vnd.oci.image.config.v1+json")
        kept = [{**push.blob(each.payload, LAYER), "annotations": dict(each.annotations)} for each in layers]
        body = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": kept}
        push.manifest(f"{digest.replace(':', '-')}.sig", OCI_MANIFEST, json.dumps(body).encode())


def push_bundle(registry_url: str, repository: str, digest: str, bundle: dict[str, Any]) -> None:
    """As a referrer, found by the tag that stands for the list of them: this registry has no such list."""
    with Pusher(registry_url, repository, None) as push:
        head = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": BUNDLE,
            "config": push.blob(b"{}", _EMPTY),
            "layers": [push.blob(json.dumps(bundle).encode(), BUNDLE)],
            "subject": {"mediaType": OCI_MANIFEST, "digest": digest, "size": 1},
        }
        body = json.dumps(head).encode()
        own = push.manifest(digest_of(body), OCI_MANIFEST, body)
        entry = {"mediaType": OCI_MANIFEST, "digest": own, "size": len(body), "artifactType": BUNDLE}
        listed = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": [entry]}
        push.manifest(digest.replace(":", "-"), _INDEX, json.dumps(listed).encode())


def unsign(registry_url: str, repository: str, digest: str) -> None:
    """Take the tag away again."""
    tag = f"{registry_url}/v2/{repository}/manifests/{digest.replace(':', '-')}.sig"
    found = httpx.head(tag, headers={"Accept": OCI_MANIFEST}, timeout=10).raise_for_status()
    known = found.headers["Docker-Content-Digest"]
    httpx.delete(f"{registry_url}/v2/{repository}/manifests/{known}", timeout=10).raise_for_status()
