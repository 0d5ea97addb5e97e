"""Signatures found in a real registry, in both forms, and judged against what will run."""

import pytest

from tests.lab.images import build_image, push_image, push_index
from tests.lab.registry import Registry
from tests.lab.signed import push_bundle, push_layers
from tests.lab.sigstore import (
    BUILDER,
    ISSUER,
    SIGNED_AT,
    Sigstore,
    key_bundle,
    key_layer,
    new_key,
    public_pem,
)
from uptainer.core.clock import utc_now
from uptainer.core.enums import SignatureStatus
from uptainer.core.errors import NotFoundError
from uptainer.core.platform import Platform
from uptainer.core.reference import Reference
from uptainer.core.signatures import Verification
from uptainer.images.credentials import Credential, Keychain
from uptainer.images.registry import RegistryClient
from uptainer.images.repository import Repository
from uptainer.signatures.roots import TrustRoot
from uptainer.signatures.search import MOST, find_signatures
from uptainer.signatures.trusts import IdentityTrust, KeyTrust, Trust
from uptainer.signatures.verification import verify

AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")
KEY = new_key()
TRUST = KeyTrust(keys=(public_pem(KEY),))
SIGSTORE = Sigstore()
SHOP = IdentityTrust(
    identity=BUILDER, issuer=ISSUER, root=TrustRoot.from_pem(SIGSTORE.fulcio_pem, [SIGSTORE.rekor_pem])
)
VERIFIED, MISSING = SignatureStatus.VERIFIED, SignatureStatus.MISSING
INVALID = SignatureStatus.INVALID


async def verified(
    registry: Registry,
    name: str,
    digest: str,
    trust: Trust = TRUST,
    *,
    platform: Platform | None = AMD64,
    keychain: Keychain | None = None,
) -> Verification:
    async with RegistryClient(keychain or Keychain({}, None)) as client:
        repository = Repository(client, Reference.parse(f"{registry.host}/{name}@{digest}"))
        signed = await repository.manifests_of(digest, platform)
        return verify("shop", trust, await find_signatures(repository, signed), tuple(signed), utc_now())


def push(registry: Registry, name: str, **files: str) -> str:
    return push_image(registry.url, f"{name}:1", build_image(files={"a": name, **files}))


async def test_an_image_is_signed_once_its_key_signed_it(registry: Registry) -> None:
    digest = push(registry, "signed/key")
    assert (await verified(registry, "signed/key", digest)).status is MISSING
    push_layers(registry.url, "signed/key", digest, [key_layer(new_key(), digest), key_layer(KEY, digest)])
    found = await verified(registry, "signed/key", digest)
    assert (found.status, found.signed_digest) == (VERIFIED, digest)
    assert found.signer.startswith("the key ")


async def test_a_bundle_that_refers_to_the_image_counts_too(registry: Registry) -> None:
    digest = push(registry, "signed/bundle")
    push_bundle(registry.url, "signed/bundle", digest, key_bundle(KEY, digest))
    assert (await verified(registry, "signed/bundle", digest)).holds


async def test_who_signed_without_a_key_and_when_is_kept(registry: Registry) -> None:
    for name in ("signed/keyless", "signed/keyless-bundle"):
        digest = push(registry, name)
        if name.endswith("bundle"):
            push_bundle(registry.url, name, digest, SIGSTORE.bundle(digest))
        else:
            push_layers(registry.url, name, digest, [SIGSTORE.layer(digest)])
        found = await verified(registry, name, digest, SHOP)
        assert (found.status, found.signed_at) == (VERIFIED, SIGNED_AT), found.reason
        assert found.signer == f"{BUILDER} by {ISSUER}"


async def test_a_wrong_signature_is_not_a_missing_one(registry: Registry) -> None:
    digest, other = push(registry, "signed/wrong"), push(registry, "signed/wrong", b="other")
    push_layers(registry.url, "signed/wrong", digest, [key_layer(new_key(), digest), key_layer(KEY, other)])
    found = await verified(registry, "signed/wrong", digest)
    assert found.status is INVALID
    assert "not made with a key that is trusted" in found.reason
    assert other in found.reason
    assert "no certificate" in (await verified(registry, "signed/wrong", digest, SHOP)).reason


@pytest.mark.parametrize("signed", ["index", "amd64", "arm64"])
async def test_a_signature_counts_for_what_will_run_and_for_no_other_platform(
    registry: Registry, signed: str
) -> None:
    name = f"signed/multi-{signed}"
    images = [build_image(files={"a": name + each}, platform=f"linux/{each}") for each in ("amd64", "arm64")]
    index = push_index(registry.url, f"{name}:1", images)
    async with RegistryClient(Keychain({}, None)) as client:
        repository = Repository(client, Reference.parse(f"{registry.host}/{name}@{index}"))
        digests = {
            "index": index,
            "amd64": tuple(await repository.manifests_of(index, AMD64))[1],
            "arm64": tuple(await repository.manifests_of(index, ARM64))[1],
        }
        with pytest.raises(NotFoundError):
            await repository.manifests_of(index, Platform("linux", "s390x"))
    push_layers(registry.url, name, digests[signed], [key_layer(KEY, digests[signed])])
    found = await verified(registry, name, index)
    assert found.holds is (signed != "arm64")
    assert found.signed_digest == ("" if signed == "arm64" else digests[signed])
    on_several = await verified(registry, name, index, platform=None)
    assert on_several.holds is (signed == "index")


async def test_a_private_repositorys_signatures_are_read_with_its_login(auth_registry: Registry) -> None:
    login = auth_registry.credentials
    assert login is not None
    image = build_image(files={"a": "b"})
    digest = push_image(auth_registry.url, "private/app:1", image, login=login)
    push_layers(auth_registry.url, "private/app", digest, [key_layer(KEY, digest)], login=login)
    keychain = Keychain({auth_registry.host: Credential(*login)}, None)
    assert (await verified(auth_registry, "private/app", digest, keychain=keychain)).holds


async def test_so_many_signatures_are_read_and_no_more(registry: Registry) -> None:
    digest = push(registry, "signed/many")
    foreign = new_key()
    layers = [key_layer(foreign, digest, number=str(each)) for each in range(MOST)]
    push_layers(registry.url, "signed/many", digest, [*layers, key_layer(KEY, digest)])
    found = await verified(registry, "signed/many", digest)
    assert found.status is INVALID
