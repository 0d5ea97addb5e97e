"""What a registry says, and does not say, of an image's signatures."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.lab.images import digest_of
from tests.lab.sigstore import BUNDLE, key_bundle, key_layer, new_key, public_pem
from uptainer.core.clock import utc_now
from uptainer.core.enums import SignatureStatus
from uptainer.core.errors import (
    AccessDeniedError,
    NotFoundError,
    ProtocolError,
    UnreachableError,
    UptainerError,
)
from uptainer.signatures.search import MOST, find_signatures
from uptainer.signatures.simple_signing import LAYER
from uptainer.signatures.trusts import KeyTrust
from uptainer.signatures.verification import verify

MANIFEST = b"the image's manifest"
DIGEST = digest_of(MANIFEST)
KEY = new_key()
TRUST = KeyTrust(keys=(public_pem(KEY),))
TAG = f"{DIGEST.replace(':', '-')}.sig"


@dataclass
class InMemory:
    """A repository by name and digest; `faults` are raised for a name instead."""

    kept: dict[str, bytes] = field(default_factory=dict)
    faults: Mapping[str, UptainerError] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def put(self, content: Any, name: str = "") -> str:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.kept[name or digest_of(body)] = body
        return digest_of(body)

    def put_layer(self) -> None:
        layer = key_layer(KEY, DIGEST)
        entry = {"mediaType": LAYER, "digest": self.put(layer.payload), "annotations": layer.annotations}
        self.put({"layers": [entry]}, TAG)

    def put_bundle(self, *, subject: str = DIGEST) -> None:
        entry = {"mediaType": BUNDLE, "digest": self.put(key_bundle(KEY, DIGEST))}
        manifest = self.put({"layers": [entry], "subject": {"digest": subject}})
        listed = {"manifests": [{"digest": manifest, "artifactType": BUNDLE}]}
        self.put(listed, f"referrers {DIGEST}")

    async def manifest(self, name: str) -> bytes:
        return self._get(name)

    async def blob(self, digest: str) -> bytes:
        return self._get(digest)

    async def referrers(self, digest: str) -> list[bytes]:
        return [self._get(f"referrers {digest}")]

    def _get(self, name: str) -> bytes:
        self.asked.append(name)
        if name in self.faults:
            raise self.faults[name]
        if name not in self.kept:
            raise NotFoundError(f"no {name}")
        return self.kept[name]


async def found_in(shelf: InMemory) -> tuple[SignatureStatus, str]:
    found = await find_signatures(shelf, {DIGEST: MANIFEST})
    verification = verify("shop", TRUST, found, (DIGEST,), utc_now())
    return verification.status, verification.reason


async def test_a_registrys_own_list_of_referrers_is_read() -> None:
    shelf = InMemory()
    shelf.put_bundle()
    assert (await found_in(shelf))[0] is SignatureStatus.VERIFIED


async def test_a_referrer_that_refers_to_another_image_is_passed_over() -> None:
    shelf = InMemory()
    shelf.put_bundle(subject=digest_of(b"other"))
    assert (await found_in(shelf))[0] is SignatureStatus.MISSING


@pytest.mark.parametrize("fault", [UnreachableError("it is away"), AccessDeniedError("it is private")])
async def test_what_could_not_be_asked_is_unknown_unless_a_signature_holds(fault: UptainerError) -> None:
    shelf = InMemory(faults={TAG: fault})
    assert await found_in(shelf) == (
        SignatureStatus.UNKNOWN,
        f"its signatures could not be asked for: {fault}",
    )
    shelf.put_bundle()
    assert (await found_in(shelf))[0] is SignatureStatus.VERIFIED
    away = InMemory(faults={f"referrers {DIGEST}": fault})
    away.put_layer()
    assert (await found_in(away))[0] is SignatureStatus.VERIFIED


async def test_a_referrer_whose_subject_is_none_is_passed_over() -> None:
    shelf = InMemory()
    manifest = shelf.put({"layers": [], "subject": "everything"})
    shelf.put({"manifests": [{"digest": manifest, "artifactType": BUNDLE}]}, f"referrers {DIGEST}")
    assert (await found_in(shelf))[0] is SignatureStatus.MISSING


async def test_a_referrer_that_is_listed_and_not_there_hides_no_other() -> None:
    shelf = InMemory()
    shelf.put_bundle()
    entries = json.loads(shelf.kept[f"referrers {DIGEST}"])["manifests"]
    gone = {"digest": digest_of(b"gone"), "artifactType": BUNDLE}
    shelf.put({"manifests": [gone]}, f"referrers {DIGEST}")
    assert (await found_in(shelf))[0] is SignatureStatus.INVALID
    shelf.put({"manifests": [gone, *entries]}, f"referrers {DIGEST}")
    assert (await found_in(shelf))[0] is SignatureStatus.VERIFIED


async def test_no_list_of_referrers_keeps_us_reading() -> None:
    shelf = InMemory()
    others = shelf.put({"layers": [], "subject": {"digest": digest_of(b"other")}})
    shelf.put({"manifests": [{"digest": others}] * (MOST + 1)}, f"referrers {DIGEST}")
    shelf.asked.clear()
    assert f"more than {MOST} signatures" in (await found_in(shelf))[1]
    assert shelf.asked.count(others) == MOST


LISTS = {
    "no JSON": b"<html>",
    "a list": b"[]",
    "layers that are none": b'{"layers": 7}',
    "a layer without a digest": json.dumps({"layers": [{"mediaType": LAYER}]}).encode(),
    "a layer that is somewhere else, at the length of a digest": json.dumps(
        {"layers": [{"mediaType": LAYER, "digest": f"sha256:{'../' * 20}abcd"}]}
    ).encode(),
    "a layer that is somewhere else": json.dumps(
        {"layers": [{"mediaType": LAYER, "digest": "sha256:../../secret"}]}
    ).encode(),
}


@pytest.mark.parametrize("name", LISTS)
async def test_a_list_that_cannot_be_read_is_never_a_signature(name: str) -> None:
    shelf = InMemory()
    shelf.put(LISTS[name], TAG)
    assert (await found_in(shelf))[0] is not SignatureStatus.VERIFIED


ODD: list[Any] = [None, 7, [], {}, ["application/json"], "text/html", "x" * 1000]


@pytest.mark.parametrize("odd", ODD, ids=lambda each: str(each)[:20])
async def test_an_odd_media_type_hides_no_signature(odd: Any) -> None:
    shelf = InMemory()
    good = {"mediaType": BUNDLE, "digest": shelf.put(key_bundle(KEY, DIGEST))}
    bad = {"mediaType": odd, "digest": digest_of(b"odd")}
    manifest = shelf.put({"layers": [bad, good], "subject": {"digest": DIGEST}})
    shelf.put({"manifests": [{"digest": manifest, "artifactType": BUNDLE}]}, f"referrers {DIGEST}")
    shelf.put({"layers": [bad]}, TAG)
    assert (await found_in(shelf))[0] is SignatureStatus.VERIFIED


UNREADABLE: dict[str, tuple[dict[str, Any], dict[str, UptainerError]]] = {
    "that is not there": ({"digest": digest_of(b"gone")}, {}),
    "that is too large": (
        {"digest": digest_of(b"huge")},
        {digest_of(b"huge"): ProtocolError("it has more than 16 MiB")},
    ),
    "without a digest": ({}, {}),
    "whose digest is none": ({"digest": "sha256:../../secret"}, {}),
}


@pytest.mark.parametrize("name", UNREADABLE)
async def test_a_layer_hides_no_signature_behind_it(name: str) -> None:
    layer, faults = UNREADABLE[name]
    for media_type in (LAYER, BUNDLE):
        shelf = InMemory(faults=faults)
        shelf.put_layer()
        shelf.put_bundle()
        if media_type == LAYER:
            (good,) = json.loads(shelf.kept[TAG])["layers"]
            shelf.put({"layers": [{**layer, "mediaType": media_type}, good]}, TAG)
            del shelf.kept[f"referrers {DIGEST}"]
        else:
            (entry,) = json.loads(shelf.kept[f"referrers {DIGEST}"])["manifests"]
            manifest = json.loads(shelf.kept[entry["digest"]])
            manifest["layers"].insert(0, {**layer, "mediaType": media_type})
            shelf.put({"manifests": [{**entry, "digest": shelf.put(manifest)}]}, f"referrers {DIGEST}")
            del shelf.kept[TAG]
        assert (await found_in(shelf))[0] is SignatureStatus.VERIFIED


async def test_a_layer_that_is_not_there_is_no_missing_signature() -> None:
    shelf = InMemory()
    shelf.put({"layers": [{"mediaType": LAYER, "digest": digest_of(b"gone")}]}, TAG)
    status, reason = await found_in(shelf)
    assert status is SignatureStatus.INVALID
    assert "not there" in reason


async def test_referrers_that_refer_to_each_other_are_read_once() -> None:
    shelf = InMemory()
    first, second = digest_of(b"first"), digest_of(b"second")
    for name, subject in ((first, second), (second, first), (DIGEST, DIGEST)):
        shelf.put({"layers": [], "manifests": [{"digest": first}], "subject": {"digest": subject}}, name)
        shelf.put({"manifests": [{"digest": each} for each in (first, second, DIGEST)]}, f"referrers {name}")
    shelf.asked.clear()
    assert (await found_in(shelf))[0] is SignatureStatus.MISSING
    assert sorted(shelf.asked) == sorted([TAG, f"referrers {DIGEST}", first, second, DIGEST])


async def test_thousands_of_attestations_do_not_hide_the_signature() -> None:
    shelf = InMemory()
    shelf.put_bundle()
    (entry,) = json.loads(shelf.kept[f"referrers {DIGEST}"])["manifests"]
    said = "dev.sigstore.bundle.predicateType"
    others = [
        {
            "digest": digest_of(str(each).encode()),
            "artifactType": BUNDLE,
            "annotations": {said: "https://slsa.dev"},
        }
        for each in range(3000)
    ]
    for own in (entry, {**entry, "annotations": {said: "https://sigstore.dev/cosign/sign/v1"}}):
        shelf.put({"manifests": [*others, own]}, f"referrers {DIGEST}")
        assert (await found_in(shelf))[0] is SignatureStatus.VERIFIED
