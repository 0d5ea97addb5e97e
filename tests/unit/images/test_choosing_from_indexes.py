"""What is signed or scanned is one image of an index only where no engine could run another one of it."""

import json
from typing import Any

import pytest

from uptainer.core.platform import Platform
from uptainer.images.choosing import is_sole

OURS, OTHER = (f"sha256:{letter * 64}" for letter in "ab")
AMD64, ARMV7 = Platform.parse("linux/amd64"), Platform.parse("linux/arm/v7")
ATTESTATION = {"vnd.docker.reference.type": "attestation-manifest"}
IMAGE = "application/vnd.oci.image.manifest.v1+json"
NESTED = "application/vnd.oci.image.index.v1+json"
ZSTD = {"io.github.containers.compression.zstd": "true"}


def entry(digest: str, platform: str, **more: Any) -> dict[str, Any]:
    names = dict(zip(("os", "architecture", "variant"), platform.split("/"), strict=False))
    return {"mediaType": IMAGE, "digest": digest, "platform": names, **more}


def index(*entries: dict[str, Any]) -> bytes:
    return json.dumps({"schemaVersion": 2, "manifests": entries}).encode()


OURS_FOR_AMD64, OURS_FOR_V7 = entry(OURS, "linux/amd64"), entry(OURS, "linux/arm/v7")
INDEXES = [
    ("one for each platform", AMD64, index(OURS_FOR_AMD64, entry(OTHER, "linux/arm64/v8")), True),
    ("an attestation", AMD64, index(OURS_FOR_AMD64, entry(OTHER, "unknown/unknown", annotations=ATTESTATION)), True),
    ("the same one twice", AMD64, index(OURS_FOR_AMD64, entry(OURS, "linux/x86_64")), True),
    ("arm's variants", ARMV7, index(OURS_FOR_V7, entry(OTHER, "linux/arm/v6")), True),
    ("an arm of no variant", ARMV7, index(entry(OTHER, "linux/arm"), OURS_FOR_V7), False),
    ("an older arm, for there is no own one", ARMV7, index(entry(OURS, "linux/arm/v6"), entry(OTHER, "linux/arm/v5")), False),
    ("two for one platform", AMD64, index(OURS_FOR_AMD64, entry(OTHER, "linux/amd64")), False),
    ("one that Podman prefers", AMD64, index(OURS_FOR_AMD64, entry(OTHER, "linux/amd64", annotations=ZSTD)), False),
    ("one that calls itself an attestation", AMD64, index(entry(OTHER, "linux/amd64", annotations=ATTESTATION), OURS_FOR_AMD64), False),
    ("the same platform by another name", AMD64, index(OURS_FOR_AMD64, entry(OTHER, "Linux/x86-64")), False),
    ("a variant of it", AMD64, index(OURS_FOR_AMD64, entry(OTHER, "linux/amd64/v3")), False),
    ("one of no platform", AMD64, index(OURS_FOR_AMD64, {"digest": OTHER}), False),
    ("one of half a platform", AMD64, index(OURS_FOR_AMD64, {"digest": OTHER, "platform": {"architecture": "amd64"}}), False),
    ("a platform that is none", AMD64, index(OURS_FOR_AMD64, {"digest": OTHER, "platform": "linux"}), False),
    ("a name twice", AMD64, index(OURS_FOR_AMD64).replace(b'"digest"', f'"digest": "{OTHER}", "digest"'.encode()), False),
    ("a name in large letters too", AMD64, index(OURS_FOR_AMD64)[:-1] + b', "Manifests": []}', False),
    ("a name in letters that Go takes for others", AMD64, index(OURS_FOR_AMD64)[:-1] + ', "manife\N{LATIN SMALL LETTER LONG S}ts": []}'.encode(), False),
    ("annotations in both", AMD64, index(entry(OURS, "linux/amd64", annotations={"Team": "a", "team": "a"})), True),
    ("an index in the index", AMD64, index(entry(OURS, "linux/amd64", mediaType=NESTED)), False),
    ("another platform's index in the index", AMD64, index(OURS_FOR_AMD64, entry(OTHER, "linux/arm64", mediaType=NESTED)), True),
    ("of no type", AMD64, index({"digest": OURS, "platform": {"os": "linux", "architecture": "amd64"}}), False),
    ("no index", AMD64, b"{", False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("platform", "body", "sole"), [row[1:] for row in INDEXES], ids=[row[0] for row in INDEXES]
)
def test_what_every_engine_runs_is_told_from_what_one_of_them_may_run(
    platform: Platform, body: bytes, sole: bool
) -> None:
    assert is_sole(body, OURS, platform) is sole
