"""The commands that need no Prefect, on a real engine, a real registry and a real database."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.commands import uptainer
from tests.lab.docker import DockerEngine
from tests.lab.images import make_image
from tests.lab.registry import Registry
from uptainer.core.clock import utc_now
from uptainer.fleet.checking import check_registry, plan_check
from uptainer.fleet.deciding import decide_fleet
from uptainer.images.credentials import Keychain
from uptainer.store import schema
from uptainer.store.database import Database
from uptainer.store.repositories.hosts import HostRepository


@pytest.fixture
def fleet(postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """An empty database that commands use, and nothing else of Uptainer."""
    for name in [name for name in os.environ if name.startswith(("UPTAINER_", "PREFECT_API_"))]:
        monkeypatch.delenv(name)
    schema.upgrade(postgres_url)
    monkeypatch.setenv("UPTAINER_DATABASE_URL", postgres_url)
    monkeypatch.setenv("UPTAINER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")
    opened = Database(postgres_url)
    yield opened
    opened.dispose()


def look_up(database: Database) -> None:
    """As the flow `check` does, without a scanner."""
    for registry, questions in plan_check(database).registries.items():
        check_registry(database, registry, questions, Keychain())
    decide_fleet(database, utc_now())


def test_an_engine_is_added_read_and_asked_about(clean_engine: DockerEngine, fleet: Database) -> None:
    added = uptainer("host", "add", "lab", clean_engine.url)
    assert added.code == 0, added.err
    assert "Docker" in added.out
    assert "with 0 containers" in added.out
    assert "answers at" in uptainer("host", "test", "lab").out
    again = uptainer("host", "add", "twin", clean_engine.url)
    assert again.code == 1
    assert "is host 'lab' already" in again.err


def test_a_sync_says_what_is_new_changed_and_gone(
    clean_engine: DockerEngine, registry: Registry, fleet: Database
) -> None:
    reference = registry.reference("app:1.0.0")
    make_image(clean_engine, reference)
    uptainer("host", "add", "lab", clean_engine.url)
    container = clean_engine.client.containers.run(reference, name="web", detach=True)
    clean_engine.client.containers.create(reference, name="idle")
    (line,) = uptainer("host", "sync", "--json").json
    assert (line["containers"], sorted(line["added"])) == (2, ["idle", "web"])
    assert "nothing changed" in uptainer("host", "sync", "lab").out
    container.stop(timeout=1)
    clean_engine.client.containers.get("idle").remove()
    (line,) = uptainer("host", "sync", "--json").json
    assert (line["changed"], line["vanished"]) == (["web"], ["idle"])
    (host,) = uptainer("host", "list", "--json").json
    assert (host["answers"], host["containers"]) == (True, 1)


def test_from_a_container_to_an_approved_update_by_commands(
    clean_engine: DockerEngine, registry: Registry, fleet: Database
) -> None:
    running, newer = registry.reference("shop:1.0.0"), registry.reference("shop:1.0.1")
    make_image(clean_engine, running)
    make_image(clean_engine, newer, pull=False, labels={"version": "1.0.1"})
    clean_engine.client.containers.run(running, name="shop", detach=True)
    uptainer("host", "add", "lab", clean_engine.url)
    uptainer("host", "sync")
    uptainer("window", "add", "nights", "daily 02:00-04:00 UTC")
    uptainer("policy", "set", "container", "lab/shop", "windows=nights", "level=patch", "unscanned=ask")
    look_up(fleet)

    (line,) = uptainer("containers", "shop", "--json").json
    assert line["candidate"].startswith("1.0.1")
    (update,) = uptainer("updates", "--json").json
    assert update["to_reference"].endswith("shop:1.0.1")

    why = uptainer("updates", "--why", str(update["id"]))
    assert "Decision: ask" in why.out
    assert "scan" in why.out
    plan = uptainer("update", str(update["id"]), "--dry-run")
    assert plan.code == 0, plan.err
    assert plan.out.endswith("Nothing was done.\n")
    assert clean_engine.client.containers.get("shop").attrs["Config"]["Image"] == running

    approved = uptainer("approve", str(update["id"]), "--reason", "patch", "--yes")
    assert approved.code == 0, approved.err
    found = uptainer("updates", "--why", str(update["id"]), "--json").json
    assert found["stands"].startswith("approved")
    assert found["answers"][0]["typed"] is False
    policy = uptainer("policy", "show", "lab/shop", "--json").json["policy"]
    assert [each["value"] for each in policy if each["field"] == "windows"] == [
        "each day from 02:00 to 04:00, UTC"
    ]
    assert uptainer("audit", "verify").code == 0


def test_an_engine_that_is_gone_is_told_apart_from_an_empty_one(
    clean_engine: DockerEngine, fleet: Database
) -> None:
    uptainer("host", "add", "lab", clean_engine.url)
    clean_engine.stop()
    try:
        synced = uptainer("host", "sync", "--json")
        assert synced.code == 75
        assert synced.json[0]["containers"] is None
        assert uptainer("host", "test", "lab").code == 75
        (host,) = uptainer("host", "list", "--json").json
        assert host["answers"] is False
        assert host["why"]
    finally:
        clean_engine.start()


def test_a_host_whose_address_another_engine_has_is_refused_until_a_person_takes_it(
    clean_engine: DockerEngine, fleet: Database
) -> None:
    uptainer("host", "add", "lab", clean_engine.url)
    uptainer("host", "sync", "lab")
    with fleet.session() as session:
        HostRepository(session).by_name("lab").engine_id = "another nas /var/lib/docker"
    refused = uptainer("host", "test", "lab")
    assert refused.code not in {0, 75}
    assert f"uptainer host add lab {clean_engine.url}" in refused.err
    assert uptainer("host", "sync", "lab").code != 0
    assert uptainer("host", "add", "lab", clean_engine.url).code == 0
    assert uptainer("host", "test", "lab").code == 0
    assert uptainer("host", "sync", "lab").code == 0
