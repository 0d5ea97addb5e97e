"""An update that its policy wants signed, on a real engine and a real registry."""

from collections.abc import Mapping, Sequence

from tests.integration.fleet.house import ANN, House
from tests.lab.signed import push_layers, unsign
from tests.lab.sigstore import PrivateKey, key_layer, new_key, public_pem
from uptainer.core.clock import utc_now
from uptainer.core.enums import SignatureStatus, UpdateStatus
from uptainer.core.signatures import Verification
from uptainer.fleet.deciding import DecisionReport, decide_fleet
from uptainer.fleet.gates import open_gate
from uptainer.fleet.readiness import readiness
from uptainer.fleet.signing import Signed, plan_updates, plan_verifications, verify_registry
from uptainer.images.credentials import Keychain
from uptainer.signatures.trusts import KeyTrust, document_of, fingerprint
from uptainer.store.repositories.signatures import SignatureRepository

NO_LOGINS = Keychain({}, None)


def trust(house: House, name: str, key: PrivateKey) -> None:
    kept = KeyTrust(keys=(public_pem(key),))
    with house.database.session() as session:
        SignatureRepository(session).put_trust(name, document_of(kept), fingerprint(kept), actor=ANN)


def sign(house: House, digest: str, key: PrivateKey) -> None:
    push_layers(house.registry.url, house.name, digest, [key_layer(key, digest)])


def verify(house: House) -> list[Verification]:
    return carried_out(house, plan_verifications(house.database))


def verify_again(house: House, *update_ids: int) -> list[Verification]:
    """As it is done before these updates begin, or before all that are approved."""
    return carried_out(house, plan_updates(house.database, update_ids or None))


def carried_out(house: House, planned: Mapping[str, Sequence[Signed]]) -> list[Verification]:
    return [found for jobs in planned.values() for found in verify_registry(house.database, jobs, NO_LOGINS)]


def look(house: House) -> DecisionReport:
    """Look again at everything, as the check does."""
    house.discover()
    house.check()
    verify(house)
    return decide_fleet(house.database, utc_now())


def finding(house: House) -> tuple[str, str]:
    check = house.view().check
    assert check is not None
    found = next(each for each in check.decision["findings"] if each["rule"] == "signature")
    return found["verdict"], found["reason"]


def test_an_update_is_held_back_until_somebody_trusted_has_signed_it(house: House) -> None:
    ours, others = new_key(), new_key()
    trust(house, "shop", ours)
    house.policy(mode="auto", signed_by=["shop"])
    before = house.run("1.0.0")
    digest = house.image("1.1.0")
    assert look(house).proposed == ()
    assert finding(house)[0] == "block"
    assert "shop: it is not signed" in finding(house)[1]
    sign(house, digest, others)
    assert look(house).proposed == ()
    assert "not made with a key that is trusted" in finding(house)[1]
    sign(house, digest, ours)
    (made,) = look(house).proposed
    assert made.approved
    assert finding(house)[0] == "allow"
    assert verify(house) == [], "what is verified is not asked for again"
    assert house.apply(made.id).status is UpdateStatus.SUCCEEDED
    assert house.view().container.runtime_id != before.id
    assert digest in house.view().image.repo_digests[0]  # type: ignore[union-attr]  # -- it runs


def test_what_was_approved_as_signed_waits_when_its_trust_is_another_one(house: House) -> None:
    first, second = new_key(), new_key()
    trust(house, "shop", first)
    house.policy(signed_by=["shop"])
    house.run("1.0.0")
    digest = house.image("1.1.0")
    sign(house, digest, first)
    (made,) = look(house).proposed
    gate = open_gate(house.database, made.id, house.opens, house.stores, utc_now())
    assert gate is not None
    assert "was signed by the key" in gate.account
    house.approve(made.id)
    assert readiness(house.database, made.id, utc_now()).go
    trust(house, "shop", second)
    assert "not verified yet" in readiness(house.database, made.id, utc_now()).reason
    (again,) = verify_again(house, made.id)
    assert again.status is SignatureStatus.INVALID
    assert not readiness(house.database, made.id, utc_now()).go
    unsign(house.registry.url, house.name, digest)
    sign(house, digest, second)
    (again,) = verify_again(house)
    assert again.holds
    assert readiness(house.database, made.id, utc_now()).go


def test_a_person_is_asked_again_about_what_is_not_signed_any_more(house: House) -> None:
    trust(house, "shop", new_key())
    house.policy(signed_by=["shop"], unsigned="ask")
    key = new_key()
    trust(house, "shop", key)
    house.run("1.0.0")
    digest = house.image("1.1.0")
    sign(house, digest, key)
    (made,) = look(house).proposed
    house.approve(made.id)
    trust(house, "shop", new_key())
    verify_again(house, made.id)
    asked = readiness(house.database, made.id, utc_now())
    assert not asked.go
    assert "the gate is open anew" in asked.reason
    assert "not made with a key that is trusted" in asked.reason


def test_a_registry_that_lost_the_image_leaves_it_unknown_and_held_back(house: House) -> None:
    trust(house, "shop", new_key())
    house.policy(signed_by=["shop"])
    house.run("1.0.0")
    digest = house.push("1.1.0", env={"NEW": "1"})
    house.discover()
    house.check()
    house.unpublish(digest)
    (found,) = verify(house)
    assert found.status is SignatureStatus.UNKNOWN
    decide_fleet(house.database, utc_now())
    assert finding(house)[0] == "block"
    assert "could not be asked for" in finding(house)[1]
