"""`uptainer trust` and `uptainer sbom`, on a real database."""

import json
from pathlib import Path

import pytest

from tests.lab.commands import uptainer
from tests.lab.facts import NOW, digest
from tests.lab.kept import image_of
from tests.lab.sigstore import BUILDER, ISSUER, Sigstore, new_key, public_pem
from tests.lab.stocked import Stocked
from uptainer.core.enums import SbomFormat, SignatureStatus
from uptainer.core.sboms import Sbom
from uptainer.core.signatures import Verification
from uptainer.store.database import Database
from uptainer.store.repositories.containers import ContainerRepository
from uptainer.store.repositories.sboms import SbomRepository
from uptainer.store.repositories.signatures import SignatureRepository, Verified

SIGSTORE = Sigstore()


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "cosign.pub"
    path.write_text(public_pem(new_key()))
    return path


def test_a_trust_is_added_listed_replaced_and_removed_on_record(
    empty: Database, key: Path, tmp_path: Path
) -> None:
    assert uptainer("trust", "add", "shop", "--key", str(key)).code == 0
    (first,) = uptainer("trust", "list", "--json").json
    assert (first["name"], first["kind"], first["verified"]) == ("shop", "key", 0)
    assert first["who"].startswith("the key ")
    (tmp_path / "fulcio.pem").write_text(SIGSTORE.fulcio_pem)
    (tmp_path / "rekor.pub").write_text(SIGSTORE.rekor_pem)
    root = ("--fulcio", str(tmp_path / "fulcio.pem"), "--rekor", str(tmp_path / "rekor.pub"))
    ended = uptainer("trust", "add", "shop", "--identity", BUILDER, "--issuer", ISSUER, *root)
    assert (ended.code, ended.err) == (0, "")
    (second,) = uptainer("trust", "--json").json
    assert second["who"] == f"{BUILDER} by {ISSUER}"
    assert second["fingerprint"] != first["fingerprint"]
    assert uptainer("trust", "remove", "shop").code == 0
    ended = uptainer("trust", "remove", "shop")
    assert (ended.code, "there is no trust 'shop'" in ended.err) == (1, True)
    actions = [line["action"] for line in uptainer("audit", "--json").json]
    assert [each for each in actions if each.startswith("trust")] == [
        "trust.removed",
        "trust.put",
        "trust.put",
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "give either public keys"),
        (("--key", "KEY", "--identity", "ann"), "give either public keys"),
        (("--identity", "ann", "--issuer", "login"), "proved against a root"),
        (("--identity", "ann", "--root", "KEY"), "no trusted_root.json"),
        (("--key", "/not/there"), "can't be read"),
        (("--key", "KEY", "--annotation", "stage"), "is not KEY=VALUE"),
    ],
)
def test_a_trust_that_says_too_little_is_refused(
    empty: Database, key: Path, words: tuple[str, ...], said: str
) -> None:
    ended = uptainer("trust", "add", "shop", *(str(key) if word == "KEY" else word for word in words))
    assert ended.code != 0
    assert said in ended.err
    assert uptainer("trust", "--json").json == []


def test_a_policy_that_asks_for_a_signature_says_so_until_it_is_there(stocked: Stocked, key: Path) -> None:
    for name in ("shop", "nobody"):
        uptainer("trust", "add", name, "--key", str(key))
    assert uptainer("policy", "set", "default", "signed_by=shop", "signed_by=nobody").code == 0
    uptainer("trust", "remove", "nobody")
    assert uptainer("policy", "set", "default", "level=major").code == 0

    def finding() -> dict[str, str]:
        told = uptainer("updates", "--why", str(stocked.update_id), "--json").json["findings"]
        return next(each for each in told if each["rule"] == "signature")

    assert finding()["verdict"] == "block"
    assert "shop: it was not verified yet" in finding()["reason"]
    assert "nobody: there is no trust of that name" in finding()["reason"]
    found = Verification(
        "shop", SignatureStatus.VERIFIED, "it was signed by Ann", "Ann", NOW, digest("1.28"), NOW
    )
    with stocked.database.session() as session:
        (trust,) = SignatureRepository(session).trusts()
        image = image_of(session, digest("1.28"))
        SignatureRepository(session).record([Verified(image.id, trust.id, trust.fingerprint, found)], NOW)
    assert finding()["verdict"] == "allow"
    assert "signed by Ann" in finding()["reason"]
    assert uptainer("trust", "--json").json[0]["verified"] == 1
    key.write_text(public_pem(new_key()))
    uptainer("trust", "add", "shop", "--key", str(key))
    assert finding()["verdict"] == "block"


def test_a_bill_of_materials_is_listed_and_downloaded(stocked: Stocked, tmp_path: Path) -> None:
    ended = uptainer("sbom", "alpha/web")
    assert (ended.code, "the next scan makes one" in ended.err) == (1, True)
    assert [line["components"] for line in uptainer("sbom", "--json").json] == [None]
    content = {"bomFormat": "CycloneDX", "components": [{"name": "busybox"}]}
    made = Sbom(SbomFormat.CYCLONEDX, json.dumps(content).encode(), 1, "trivy 0.76.0")
    with stocked.database.session() as session:
        view = ContainerRepository(session).by_address("alpha/web")
        assert view.container.image_pk is not None
        SbomRepository(session).put(view.container.image_pk, [made], NOW)
    (line,) = uptainer("sbom", "--json").json
    assert (line["components"], line["formats"], line["made_by"]) == (1, ["cyclonedx"], "trivy 0.76.0")
    for subject in ("alpha/web", "nginx", line["digest"][:20]):
        assert uptainer("sbom", subject).json == content
    kept = tmp_path / "web.json"
    assert uptainer("sbom", "alpha/web", "-o", str(kept)).code == 0
    assert json.loads(kept.read_text()) == content
    assert "no bill of materials" in uptainer("sbom", "alpha/web", "--format", "spdx").err
    assert "nothing that runs" in uptainer("sbom", "postgres").err
