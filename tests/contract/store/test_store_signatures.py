"""Trusts, verifications and bills of materials in a real database."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from tests.contract.store.conftest import Fleet
from tests.lab.facts import NOW
from uptainer.core.enums import SbomFormat, SignatureStatus
from uptainer.core.errors import NotFoundError
from uptainer.core.sboms import Sbom as Document
from uptainer.core.signatures import Verification
from uptainer.store import schema
from uptainer.store.database import Database
from uptainer.store.models import Container, Image, Sbom, SignatureVerification
from uptainer.store.repositories.audit import SYSTEM
from uptainer.store.repositories.containers import ContainerRepository
from uptainer.store.repositories.retention import Retention, RetentionRepository
from uptainer.store.repositories.sboms import SbomRepository
from uptainer.store.repositories.signatures import SignatureRepository, Verified

HELD = Verification("shop", SignatureStatus.VERIFIED, "signed", "Ann", NOW, "sha256:a", NOW)
CYCLONEDX = Document(SbomFormat.CYCLONEDX, b'{"components":[]}' * 1000, 0, "trivy 1")
SPDX = Document(SbomFormat.SPDX, b'{"packages":[]}', 0, "trivy 1")


def image_of(database: Database, key: str = "web") -> int:
    with database.session() as session:
        found = ContainerRepository(session).by_address(key).container.image_pk
    assert found is not None
    return found


def keep(database: Database, image_pk: int, found: Verification = HELD, fingerprint: str = "f1") -> None:
    with database.session() as session:
        signatures = SignatureRepository(session)
        signatures.put_trust("shop", {"kind": "key"}, fingerprint, actor=SYSTEM)
        (trust,) = signatures.trusts()
        signatures.record([Verified(image_pk, trust.id, trust.fingerprint, found)], NOW)


def test_the_last_verification_of_each_image_and_trust_is_kept(database: Database, fleet: Fleet) -> None:
    image = image_of(database)
    keep(database, image, Verification("shop", SignatureStatus.MISSING, "it is not signed"))
    keep(database, image)
    with database.session() as session:
        assert SignatureRepository(session).current([image]) == {image: {"shop": HELD}}
        assert session.scalar(select(func.count()).select_from(SignatureVerification)) == 1


def test_what_was_verified_against_a_trust_that_changed_does_not_hold(
    database: Database, fleet: Fleet
) -> None:
    image = image_of(database)
    keep(database, image)
    with database.session() as session:
        signatures = SignatureRepository(session)
        signatures.put_trust("shop", {"kind": "key"}, "f2", actor=SYSTEM)
        assert signatures.current([image]) == {image: {}}
        assert signatures.verified_counts() == {}
        signatures.put_trust("shop", {"kind": "key"}, "f1", actor=SYSTEM)
        assert signatures.current([image]) == {image: {"shop": HELD}}
        signatures.remove_trust("shop", actor=SYSTEM)
        assert signatures.current([image]) == {image: {}}
        with pytest.raises(NotFoundError, match="known: none"):
            signatures.remove_trust("shop", actor=SYSTEM)


def test_documents_come_back_as_they_were_and_are_kept_compressed(database: Database, fleet: Fleet) -> None:
    image = image_of(database)
    with database.session() as session:
        sboms = SbomRepository(session)
        sboms.put(image, [Document(SbomFormat.CYCLONEDX, b"{}", 7, "trivy 0")], NOW - timedelta(days=1))
        assert sboms.fresh([image], NOW - timedelta(days=2)) == frozenset()
        sboms.put(image, [CYCLONEDX, SPDX], NOW)
        assert sboms.document(image, SbomFormat.CYCLONEDX) == CYCLONEDX.document
        assert sboms.document(image, SbomFormat.SPDX) == SPDX.document
        assert sboms.fresh([image], NOW) == {image}
        assert sboms.fresh([image], NOW + timedelta(seconds=1)) == frozenset()
        (view,) = sboms.listing()
        assert (view.containers, view.formats) == (3, (SbomFormat.CYCLONEDX, SbomFormat.SPDX))
        assert view.size is not None
        assert view.size < len(CYCLONEDX.document)
        assert sboms.listing("postgres") == []


def test_they_go_with_their_image(database: Database, fleet: Fleet) -> None:
    image = image_of(database)
    keep(database, image)
    with database.session() as session:
        SbomRepository(session).put(image, [CYCLONEDX, SPDX], NOW)
        session.execute(update(Container).values(image_pk=None))
        RetentionRepository(session).prune(Retention(), NOW + timedelta(days=1000))
        assert session.scalar(select(func.count()).select_from(Image)) == 0
        assert session.scalar(select(func.count()).select_from(Sbom)) == 0
        assert session.scalar(select(func.count()).select_from(SignatureVerification)) == 0


def test_the_tables_are_taken_back_with_what_is_in_them(database: Database, fleet: Fleet) -> None:
    image = image_of(database)
    keep(database, image)
    with database.session() as session:
        SbomRepository(session).put(image, [CYCLONEDX, SPDX], NOW)
    database.dispose()
    schema.downgrade(database.url, "0009")
    schema.upgrade(database.url)
    with database.session() as session:
        assert SignatureRepository(session).trusts() == []
        assert SbomRepository(session).document(image, SbomFormat.SPDX) is None
