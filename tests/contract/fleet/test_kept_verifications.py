"""What is kept of verifications: whatever a stranger wrote into a signature, and whatever became of its trust."""

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest

from tests.contract.fleet.seeded import ANN, Seeded
from tests.lab.facts import candidate, digest
from tests.lab.images import build_image, push_image
from tests.lab.registry import Registry
from tests.lab.signed import push_layers
from tests.lab.sigstore import Layer, key_layer, new_key, public_pem, simple_payload
from uptainer.core.enums import SignatureStatus
from uptainer.core.reference import Reference
from uptainer.core.signatures import Verification
from uptainer.fleet.signing import plan_verifications, verify_registry
from uptainer.fleet.subjects import Fleet
from uptainer.images.access import Access
from uptainer.images.credentials import Keychain
from uptainer.signatures.trusts import KeyTrust, document_of, fingerprint
from uptainer.store.models import Image
from uptainer.store.repositories.containers import ContainerRepository
from uptainer.store.repositories.signatures import SignatureRepository

KEY = new_key()
TRUST = KeyTrust(keys=(public_pem(KEY),))


def trust(fleet: Seeded) -> None:
    with fleet.database.session() as session:
        SignatureRepository(session).put_trust("shop", document_of(TRUST), fingerprint(TRUST), actor=ANN)


def offer(fleet: Seeded, registry: Registry, name: str) -> str:
    """An image that a policy wants signed; its digest."""
    pushed = push_image(registry.url, f"{name}:1", build_image(files={"a": name}))
    fleet.policy(signed_by=["shop"])
    fleet.run("web")
    reference = Reference.parse(f"{registry.host}/{name}:1")
    fleet.find("web", replace(candidate("1.28", digest=pushed), reference=reference))
    return pushed


def verified(fleet: Seeded, keychain: Keychain | None = None) -> list[Verification]:
    planned = plan_verifications(fleet.database)
    logins = keychain or Keychain({}, None)
    return [each for jobs in planned.values() for each in verify_registry(fleet.database, jobs, logins)]


def kept(fleet: Seeded) -> Mapping[str, Verification]:
    with fleet.database.session() as session:
        images = [row.id for row in session.query(Image)]
        found = SignatureRepository(session).current(images)
    return {name: each for of_image in found.values() for name, each in of_image.items()}


@pytest.mark.parametrize("hostile", ["\x00", "\ud800", "\n# Approved\n", "\u202e"], ids=ascii)
def test_what_a_stranger_wrote_is_kept_as_far_as_it_can_be_shown(
    fleet: Seeded, registry: Registry, hostile: str
) -> None:
    name = f"kept/{ord(hostile[0])}"
    trust(fleet)
    pushed = offer(fleet, registry, name)
    layer = Layer(simple_payload(f"sha256:{hostile}"), key_layer(KEY, pushed).annotations)
    assert json.loads(layer.payload)["critical"]["image"]["docker-manifest-digest"] == f"sha256:{hostile}"
    push_layers(registry.url, name, pushed, [layer])
    (found,) = verified(fleet)
    assert found.status is SignatureStatus.INVALID
    assert kept(fleet)["shop"].reason == found.reason
    assert hostile not in found.reason


class Slow(Keychain):
    """While the registry is asked, its trust is forgotten and given anew."""

    def __init__(self, fleet: Seeded) -> None:
        super().__init__({}, None)
        self.waiting = [fleet]

    def access(self, registry: str) -> Access:
        while self.waiting:
            fleet = self.waiting.pop()
            with fleet.database.session() as session:
                SignatureRepository(session).remove_trust("shop", actor=ANN)
            trust(fleet)
        return super().access(registry)


def test_what_was_verified_against_a_trust_that_is_gone_is_not_kept(
    fleet: Seeded, registry: Registry
) -> None:
    trust(fleet)
    pushed = offer(fleet, registry, "kept/gone")
    push_layers(registry.url, "kept/gone", pushed, [key_layer(KEY, pushed)])
    slow = Slow(fleet)
    verified(fleet, slow)
    assert not slow.waiting, "the registry was asked"
    assert kept(fleet) == {}
    assert [each.status for each in verified(fleet)] == [SignatureStatus.VERIFIED]
    assert kept(fleet)["shop"].holds


@pytest.mark.parametrize("signed", ["kept/one", "kept/two"])
def test_an_image_that_one_of_two_repositories_has_signed_is_signed(
    fleet: Seeded, registry: Registry, signed: str
) -> None:
    trust(fleet)
    fleet.policy(signed_by=["shop"])
    image = build_image(files={"a": signed})
    for container, name in (("web", "kept/one"), ("db", "kept/two")):
        pushed = push_image(registry.url, f"{name}:{signed[-3:]}", image)
        fleet.run(container)
        reference = Reference.parse(f"{registry.host}/{name}:{signed[-3:]}")
        fleet.find(container, replace(candidate("1.28", digest=pushed), reference=reference))
    push_layers(registry.url, signed, pushed, [key_layer(KEY, pushed)])
    assert sorted(each.holds for each in verified(fleet)) == [False, True]
    assert kept(fleet)["shop"].holds


def test_a_signature_over_one_platforms_image_is_none_where_it_is_not_known_which_runs(
    fleet: Seeded,
) -> None:
    trust(fleet)
    fleet.policy(signed_by=["shop"])
    fleet.run("web")
    fleet.run("db", platform=None)
    fleet.find_all(["web", "db"], "1.28")
    of_one = Verification("shop", SignatureStatus.VERIFIED, "", signed_digest=digest("of one platform"))
    with fleet.database.session() as session:
        views = ContainerRepository(session).listing()
        known = {each.view.container.key: each for each in Fleet.load(session, views)}
        for each in known.values():
            (row,) = each.candidates
            kept = replace(each, signatures={row.image_pk or 0: {"shop": of_one}})
            assert ("shop" in kept.signatures_of(row)) is (each.view.container.key == "web")
