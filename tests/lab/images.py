"""Images made on the spot from Debian's static busybox, and put into a registry as it would hold them.

Source: the OCI distribution specification ("Push"), and Docker's image manifest version 2, schema 2.
"""

import base64
import gzip
import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Protocol, Self

import docker
import httpx

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"

SLEEP = ("/bin/sh", "-c", "trap 'exit 0' TERM INT; while :; do sleep 1 & wait $!; done")
"""Runs until it is told to stop, and then stops at once."""

Login = tuple[str, str] | None


class Engine(Protocol):
    """What holds images, and speaks Docker's API."""

    client: docker.DockerClient


@dataclass(frozen=True, slots=True)
class Image:
    """Layers as uncompressed tars, and a configuration in the image specification's own words."""

    layers: tuple[bytes, ...]
    config: Mapping[str, Any]
    platform: str = "linux/amd64"
    created: str = "2026-01-01T00:00:00Z"
    history: tuple[str, ...] = field(default=("busybox", "files"))

    @property
    def config_blob(self) -> bytes:
        """Its digest is the image id."""
        os, architecture, *variant = self.platform.split("/")
        body: dict[str, Any] = {
            "architecture": architecture,
            "os": os,
            "created": self.created,
            "config": dict(self.config),
            "rootfs": {"type": "layers", "diff_ids": [digest_of(layer) for layer in self.layers]},
            "history": [
                {"created": self.created, "created_by": f"COPY {name} /"}
                for name in self.history[: len(self.layers)]
            ],
        }
        if variant:
            body["variant"] = variant[0]
        return json.dumps(body, separators=(",", ":"), sort_keys=True).encode()

    @property
    def id(self) -> str:
        return digest_of(self.config_blob)


def build_image(
    *,
    cmd: Sequence[str] = SLEEP,
    entrypoint: Sequence[str] | None = None,
    healthcheck: Mapping[str, Any] | None = None,
    labels: Mapping[str, str] | None = None,
    env: Mapping[str, str] | None = None,
    files: Mapping[str, str | bytes] | None = None,
    platform: str = "linux/amd64",
    created: str = "2026-01-01T00:00:00Z",
    config: Mapping[str, Any] | None = None,
) -> Image:
    """An image with busybox and these files. What is the same in gives the same digest out.

    Args:
        healthcheck: as the specification has it: `Test` (list), `Interval`, `Timeout`, `StartPeriod` (nanoseconds), `Retries`.
        files: absolute path to content; what lies under a `bin` folder is made executable.
        created: RFC 3339.
        config: any further keys of the image configuration (`User`, `Volumes`, `ExposedPorts`, `StopSignal`, ...).
    """
    settings: dict[str, Any] = {
        "Cmd": list(cmd),
        "Entrypoint": list(entrypoint) if entrypoint else None,
        "Env": [f"{name}={value}" for name, value in {"PATH": "/bin", **(env or {})}.items()],
        "Labels": dict(labels or {}),
        **({"Healthcheck": dict(healthcheck)} if healthcheck else {}),
        **(config or {}),
    }
    layers = (busybox_layer(), *((files_layer(files),) if files else ()))
    return Image(layers, settings, platform, created)


def make_image(
    engine: Engine | None,
    reference: str,
    *,
    login: Login = None,
    pull: bool = True,
    **options: Any,
) -> str:
    """Build an image (`options` are build_image's), push it to the registry in its reference, and pull it.

    Returns its manifest's digest. Without an engine, or with `pull=False`, it is in the registry only.
    """
    host, _, name = reference.partition("/")
    digest = push_image(f"http://{host}", name, build_image(**options), login=login)
    if engine is not None and pull:
        auth = {"username": login[0], "password": login[1]} if login else None
        engine.client.images.pull(reference, auth_config=auth)
    return digest


def load_image(engine: Engine, reference: str, image: Image) -> str:
    """Put it into the engine only, as a local build does: no registry has it. Returns its id."""
    engine.client.images.load(docker_archive(reference, image))
    return image.id


def push_image(registry_url: str, name: str, image: Image, *, login: Login = None) -> str:
    """Push to `name` (`app:1.0.0`); returns the manifest's digest."""
    repository, _, tag = name.rpartition(":")
    with Pusher(registry_url, repository, login) as push:
        return push.manifest(tag, MANIFEST, push.image_manifest(image))


def push_index(registry_url: str, name: str, images: Sequence[Image], *, login: Login = None) -> str:
    """Push one image for each platform under one tag; returns the index's digest."""
    repository, _, tag = name.rpartition(":")
    with Pusher(registry_url, repository, login) as push:
        entries = []
        for image in images:
            body = push.image_manifest(image)
            os, architecture, *variant = image.platform.split("/")
            platform = {
                "os": os,
                "architecture": architecture,
                **({"variant": variant[0]} if variant else {}),
            }
            digest = push.manifest(digest_of(body), MANIFEST, body)
            entries.append({"mediaType": MANIFEST, "digest": digest, "size": len(body), "platform": platform})
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}
        return push.manifest(tag, INDEX, json.dumps(index).encode())


def push_artifact(
    registry_url: str,
    name: str,
    *,
    config_type: str,
    layer_type: str,
    layer: bytes,
    title: str,
    login: Login = None,
) -> str:
    """Push one blob as an OCI artifact; returns its manifest's digest."""
    repository, _, tag = name.rpartition(":")
    with Pusher(registry_url, repository, login) as push:
        titled = {**push.blob(layer, layer_type), "annotations": {"org.opencontainers.image.title": title}}
        body = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": push.blob(b"{}", config_type),
            "layers": [titled],
        }
        return push.manifest(tag, OCI_MANIFEST, json.dumps(body).encode())


def docker_archive(reference: str, image: Image) -> bytes:
    """As `docker save` writes it."""
    names = [f"{digest_of(layer).removeprefix('sha256:')}/layer.tar" for layer in image.layers]
    config_name = f"{image.id.removeprefix('sha256:')}.json"
    manifest = [{"Config": config_name, "RepoTags": [reference], "Layers": names}]
    return tar_of(
        {
            config_name: image.config_blob,
            **dict(zip(names, image.layers, strict=True)),
            "manifest.json": json.dumps(manifest).encode(),
        }
    )


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@cache
def busybox_layer() -> bytes:
    """`/bin/busybox` with a link for each of its applets, and the few files that programs expect."""
    listed = subprocess.run(
        ["/bin/busybox", "--list"], check=True, capture_output=True, text=True, timeout=10
    )
    links = {f"bin/{applet}": "busybox" for applet in listed.stdout.split() if applet != "busybox"}
    files: dict[str, bytes] = {
        "bin/busybox": Path("/bin/busybox").read_bytes(),
        "etc/passwd": b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n",
        "etc/group": b"root:x:0:\nnogroup:x:65534:\n",
    }
    return tar_of(files, links, folders=("tmp", "root", "var"))


def files_layer(files: Mapping[str, str | bytes]) -> bytes:
    raw = {path.lstrip("/"): text.encode() if isinstance(text, str) else text for path, text in files.items()}
    return tar_of(raw)


def tar_of(
    files: Mapping[str, bytes], links: Mapping[str, str] | None = None, folders: Sequence[str] = ()
) -> bytes:
    """A tar whose bytes depend on its content only."""
    parents = {str(parent) for path in (*files, *(links or {})) for parent in Path(path).parents} - {"."}
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for folder in sorted(parents | set(folders)):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            tar.addfile(entry)
        for path, data in sorted(files.items()):
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(data), 0o755 if "bin/" in path else 0o644
            tar.addfile(entry, io.BytesIO(data))
        for path, target in sorted((links or {}).items()):
            entry = tarfile.TarInfo(path)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            tar.addfile(entry)
    return raw.getvalue()


@cache
def _compressed(layer: bytes) -> bytes:
    return gzip.compress(layer, compresslevel=1, mtime=0)


class Pusher:
    """One repository that is being written to."""

    def __init__(self, registry_url: str, repository: str, login: Login) -> None:
        self._base = f"/v2/{repository}"
        self._scope = f"repository:{repository}:pull,push"
        self._login = login
        self._client = httpx.Client(base_url=registry_url, timeout=30)

    def __enter__(self) -> Self:
        self._client.headers.update(self._authorization())
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def image_manifest(self, image: Image) -> bytes:
        config = self.blob(image.config_blob, CONFIG)
        layers = [self.blob(_compressed(layer), LAYER) for layer in image.layers]
        body = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers}
        return json.dumps(body, separators=(",", ":")).encode()

    def manifest(self, name: str, media_type: str, body: bytes) -> str:
        url = f"{self._base}/manifests/{name}"
        answer = self._client.put(url, content=body, headers={"Content-Type": media_type})
        answer.raise_for_status()
        return str(answer.headers["Docker-Content-Digest"])

    def blob(self, data: bytes, media_type: str) -> dict[str, Any]:
        digest = digest_of(data)
        if self._client.head(f"{self._base}/blobs/{digest}").status_code != httpx.codes.OK:
            started = self._client.post(f"{self._base}/blobs/uploads/").raise_for_status()
            where = httpx.URL(started.headers["Location"]).copy_merge_params({"digest": digest})
            octets = {"Content-Type": "application/octet-stream"}
            self._client.put(where, content=data, headers=octets).raise_for_status()
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    def _authorization(self) -> dict[str, str]:
        challenge = self._client.get("/v2/").headers.get("WWW-Authenticate", "")
        auth = self._login
        if challenge.lower().startswith("bearer "):
            fields = dict(part.split("=", 1) for part in challenge[7:].split(","))
            realm, service = (fields[name].strip('"') for name in ("realm", "service"))
            answer = httpx.get(
                realm, params={"service": service, "scope": self._scope}, auth=auth, timeout=10
            )
            return {"Authorization": f"Bearer {answer.raise_for_status().json()['token']}"}
        if auth is not None:
            return {"Authorization": f"Basic {base64.b64encode(':'.join(auth).encode()).decode()}"}
        return {}
