"""Updates whose backups go to a store: an encrypted bucket they come back from, and one that is not there."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pyrage import x25519
from sqlalchemy import select

from tests.integration.updates.test_update_rules import World, reversal_with_data
from tests.lab.room import free_port
from tests.lab.s3 import S3Server
from uptainer.backups.local import local_stores
from uptainer.backups.opening import open_files
from uptainer.backups.sealing import Seal
from uptainer.backups.store import BackupStore
from uptainer.core.enums import BackupStatus, UpdateStatus
from uptainer.core.errors import UnreachableError
from uptainer.store.database import Database
from uptainer.store.models import ContainerBackup

OWN = x25519.Identity.generate()


class Offsite:
    """A bucket that can go away; what stands in it is encrypted."""

    def __init__(self, s3: S3Server) -> None:
        self.url = f"{s3.bucket}/{uuid4().hex[:8]}"
        self.options: dict[str, Any] = {**s3.options, "config_kwargs": {"retries": {"total_max_attempts": 1}}}
        self.seal = Seal(identities=(str(OWN),))

    def __call__(self, block: str) -> BackupStore:
        return BackupStore(open_files(self.url, self.options, part_size=5 << 20), block, self.seal)

    def go_away(self) -> None:
        self.options["endpoint_url"] = f"http://127.0.0.1:{free_port()}"


@pytest.fixture
def offsite(s3: S3Server) -> Offsite:
    return Offsite(s3)


@pytest.fixture
def world(database: Database, offsite: Offsite) -> World:
    made = World(database, backups=None)  # type: ignore[arg-type]  # -- it keeps none there
    made.stores = offsite
    made.options = made.options.model_copy(update={"backup_store": "offsite"})
    return made


def backup_of(world: World) -> ContainerBackup:
    with world.database.session() as session:
        return session.scalars(select(ContainerBackup).where(ContainerBackup.update_id == world.update)).one()


def at(step: str, act: Callable[[], None]) -> Callable[[str, str], None]:
    def on_step(verb: str, name: str) -> None:
        if (verb, name) == ("perform", step):
            act()

    return on_step


def test_an_undone_update_gets_its_data_back_from_the_bucket(world: World, offsite: Offsite) -> None:
    world.runtime.bad_images = {"sha256:new"}
    assert world.apply().status is UpdateStatus.ROLLED_BACK
    world.assert_as_before()
    row = backup_of(world)
    assert (row.status, row.store) == (BackupStatus.SUCCEEDED, "offsite")
    assert row.location == f"{offsite.url}/{world.host}/web/update-{world.update}"
    assert row.verified_at is not None


def test_a_store_that_is_away_is_met_before_anything_is_touched_and_tried_again(
    world: World, offsite: Offsite, s3: S3Server
) -> None:
    offsite.go_away()
    with pytest.raises(UnreachableError, match=f"the backup store {offsite.url} does not answer"):
        world.apply()
    assert world.row().status is UpdateStatus.APPROVED
    assert world.runtime.calls == []
    offsite.options["endpoint_url"] = s3.url
    assert world.apply().status is UpdateStatus.SUCCEEDED


def test_a_store_that_goes_away_in_the_downtime_keeps_the_old_one_from_nothing(
    world: World, offsite: Offsite
) -> None:
    world.runtime.on_step = at("stop", offsite.go_away)
    assert world.apply().status is UpdateStatus.ROLLED_BACK
    world.assert_as_before()
    assert backup_of(world).status is BackupStatus.FAILED


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda it: it.options.update(secret="wrong"), "does not let us in"),
        (lambda it: setattr(it, "url", "s3://no-such-bucket/x"), "bucket does not exist"),
        (
            lambda it: setattr(it, "seal", Seal(recipients=(str(OWN.to_public()),))),
            "an undo could not put the data back",
        ),
    ],
    ids=["wrong key", "no bucket", "nothing to decrypt with"],
)
def test_a_store_that_will_not_do_fails_the_update_before_anything_is_touched(
    world: World, offsite: Offsite, change: Callable[[Offsite], None], said: str
) -> None:
    change(offsite)
    outcome = world.apply()
    assert outcome.status is UpdateStatus.FAILED
    assert said in outcome.reason
    assert world.runtime.calls == []


def test_a_store_that_nobody_made_fails_the_update_before_anything_is_touched(
    world: World, tmp_path: Path
) -> None:
    world.stores = local_stores(tmp_path)
    outcome = world.apply()
    assert outcome.status is UpdateStatus.FAILED
    assert "the backup store 'offsite' is a block" in outcome.reason
    assert world.runtime.calls == []


@pytest.mark.parametrize(("first", "then"), [("", "offsite"), ("offsite", "")], ids=["local", "bucket"])
def test_data_kept_in_one_store_comes_back_although_the_policy_names_another_since(
    world: World, offsite: Offsite, tmp_path: Path, first: str, then: str
) -> None:
    local = local_stores(tmp_path)
    world.stores = lambda block: offsite(block) if block else local(block)
    world.options = world.options.model_copy(update={"backup_store": first})
    reversal_with_data(world)
    restored: list[dict[str, bytes]] = []
    world.runtime.on_step = at("start", lambda: restored.append(dict(world.runtime.data)))
    world.options = world.options.model_copy(update={"backup_store": then})
    assert world.apply().status is UpdateStatus.SUCCEEDED
    assert restored == [{"data": b"as it was"}]
    assert backup_of(world).store == then
