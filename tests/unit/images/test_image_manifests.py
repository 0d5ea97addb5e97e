import json
from datetime import UTC, datetime
from typing import Any

import pytest

from uptainer.core.errors import ProtocolError, UnsupportedError
from uptainer.core.platform import Platform
from uptainer.images.manifests import (
    Index,
    Manifest,
    digest_of,
    read_config,
    read_manifest,
    read_tag_page,
    verify_digest,
)

A, B, C, D = (f"sha256:{letter * 64}" for letter in "abcd")
IMAGE_CONFIG = "application/vnd.oci.image.config.v1+json"


def entry(digest: str, platform: str, **more: Any) -> dict[str, Any]:
    os, architecture, *variant = platform.split("/")
    named = {"os": os, "architecture": architecture, **({"variant": variant[0]} if variant else {})}
    return {"digest": digest, "platform": named, **more}


def index_of(*entries: dict[str, Any]) -> Index:
    index = read_manifest(json.dumps({"schemaVersion": 2, "manifests": list(entries)}).encode(), D, "it")
    assert isinstance(index, Index)
    return index


@pytest.mark.parametrize(
    ("platform", "digest"),
    [
        ("linux/amd64", A),
        ("linux/arm64", B),
        ("linux/arm64/v8", B),
        ("linux/arm/v7", C),
        ("linux/arm/v6", None),
        ("linux/amd64/v3", A),
        ("windows/amd64", None),
    ],
)
def test_an_index_gives_the_image_for_a_platform(platform: str, digest: str | None) -> None:
    index = index_of(entry(A, "linux/amd64"), entry(B, "linux/arm64/v8"), entry(C, "linux/arm/v7"))

    assert index.digest_for(Platform.parse(platform)) == digest


def test_the_newest_variant_that_runs_is_taken() -> None:
    index = index_of(entry(A, "linux/arm/v5"), entry(B, "linux/arm/v6"), entry(C, "linux/arm/v7"))

    assert index.digest_for(Platform.parse("linux/arm/v6")) == B


def test_attestations_are_no_images() -> None:
    attestation = entry(
        B, "unknown/unknown", annotations={"vnd.docker.reference.type": "attestation-manifest"}
    )

    assert index_of(entry(A, "linux/amd64"), attestation).images == ((Platform("linux", "amd64"), A),)


def test_a_manifest_names_its_configuration() -> None:
    body = json.dumps({"schemaVersion": 2, "config": {"mediaType": IMAGE_CONFIG, "digest": A}}).encode()

    assert read_manifest(body, D, "it") == Manifest(D, A)


@pytest.mark.parametrize(
    ("content", "error", "fault"),
    [
        ("{", ProtocolError, "not JSON"),
        ("[" * 100_000, ProtocolError, "not JSON"),
        ("[]", ProtocolError, "no object"),
        ("{}", ProtocolError, "neither an image nor an index"),
        ({"manifests": [], "config": {}}, ProtocolError, "neither an image nor an index"),
        ({"manifests": 7}, ProtocolError, "malformed"),
        ({"manifests": [7]}, ProtocolError, "malformed"),
        ({"manifests": [entry("sha256:x", "linux/amd64")]}, ProtocolError, "as a digest"),
        ({"manifests": [{"digest": A, "platform": {"os": 7}}]}, ProtocolError, "malformed"),
        ({"config": {"mediaType": IMAGE_CONFIG}}, ProtocolError, "malformed"),
        ({"config": {"mediaType": IMAGE_CONFIG, "digest": "../../x"}}, ProtocolError, "as a digest"),
        ({"config": {"mediaType": IMAGE_CONFIG, "digest": 7}}, ProtocolError, "malformed"),
        (
            {"config": {"mediaType": "application/vnd.cncf.helm.config.v1+json"}},
            UnsupportedError,
            "no container image",
        ),
        ({"config": {"mediaType": ["x"]}}, ProtocolError, "malformed"),
        ({"schemaVersion": 1, "fsLayers": []}, UnsupportedError, "schema 1"),
    ],
)
def test_what_is_no_manifest_is_refused(content: Any, error: type[Exception], fault: str) -> None:
    body = content if isinstance(content, str) else json.dumps(content)

    with pytest.raises(error, match=fault):
        read_manifest(body.encode(), D, "it")


@pytest.mark.parametrize(
    ("created", "read"),
    [
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05.123456789Z", datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=UTC)),
        ("2026-01-02T05:04:05+02:00", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("1970-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00Z", None),
        ("yesterday", None),
        (None, None),
    ],
)
def test_a_configuration_says_when_the_image_was_made(created: str | None, read: datetime | None) -> None:
    body = json.dumps(
        {"os": "linux", "architecture": "arm64", "variant": "v8", "created": created, "config": None}
    )
    config = read_config(body.encode(), "it")

    assert (config.created_at, config.platform, config.labels) == (read, Platform("linux", "arm64"), {})


@pytest.mark.parametrize(
    "content", ["[]", "{}", '{"os":1,"architecture":2}', '{"config":{"Labels":[1]}}', '{"config":7}']
)
def test_what_is_no_configuration_is_refused(content: str) -> None:
    with pytest.raises(ProtocolError):
        read_config(content.encode(), "it")


@pytest.mark.parametrize("content", ['{"tags":"a"}', '{"tags":[1]}', '{"tags":{}}', "[]", "null"])
def test_what_is_no_page_of_tags_is_refused(content: str) -> None:
    with pytest.raises(ProtocolError):
        read_tag_page(content.encode(), "it")


def test_null_tags_are_no_tags() -> None:
    assert read_tag_page(b'{"name":"a","tags":null}', "it") == ()


def test_content_must_be_what_its_digest_says() -> None:
    verify_digest(b"x", digest_of(b"x"), "it")
    verify_digest(b"x", digest_of(b"x", "sha512"), "it")
    with pytest.raises(ProtocolError, match="not what its digest"):
        verify_digest(b"y", digest_of(b"x"), "it")
