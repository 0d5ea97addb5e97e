"""A container of a systemd unit is updated by way of its unit: with a real systemd that runs a real Podman."""

import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.integration.updates.seeding import add_container, add_update
from tests.lab.environment import lab_part
from tests.lab.images import make_image
from tests.lab.podman import PodmanEngine
from tests.lab.registry import Registry
from tests.lab.replacing import perform_all, request_for, revert_all
from tests.lab.room import Room, wait_until
from tests.lab.stands.releases import FOREVER
from tests.lab.systemd import Systemd
from uptainer.backups.local import local_stores
from uptainer.core.enums import ConnectionType, ContainerStatus, RuntimeType, UpdateStatus
from uptainer.core.errors import PermanentError, RefusedError
from uptainer.core.workloads import HostAddress
from uptainer.policy.probes import ExecProbe
from uptainer.runtimes.connections import connect
from uptainer.runtimes.port import ReplacementRequest, Runtime
from uptainer.store import schema
from uptainer.store.database import Database
from uptainer.updates.engine import apply
from uptainer.updates.health import HealthPlan
from uptainer.updates.options import UpdateOptions
from uptainer.updates.run import Outcome

UNIT = """
[Unit]
Description=as podman generate systemd --new writes it
[Service]
Environment=PODMAN_SYSTEMD_UNIT=%n {environment}
Type=notify
NotifyAccess=all
TimeoutStopSec=30
ExecStart={podman} run --rm --replace --name web --sdnotify=conmon --detach --cgroups=no-conmon --volume data:/data {pull} {image}
ExecStop={podman} stop --ignore --time 5 web
ExecStopPost={podman} rm --force --ignore web
"""


@dataclass(frozen=True, slots=True)
class Ground:
    systemd: Systemd
    engine: PodmanEngine
    runtime: Runtime
    registry: Registry
    reference: str
    old: str

    def release(self, build: str, **options: Any) -> str:
        """A newer image of the same name, in the registry only."""
        return make_image(None, self.reference, labels={"build": build}, **options)

    def build(self) -> str:
        return str(self.runtime.inspect("web")["Config"]["Labels"]["build"])

    def request(self, digest: str, reference: str | None = None) -> ReplacementRequest:
        return request_for("web", reference or self.reference, digest)


@pytest.fixture
def ground(room: Room, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    """The unit `web.service` runs build 1 of an image."""
    with lab_part():
        systemd = Systemd(room)
    engine = PodmanEngine(room, enter=systemd.enter)
    try:
        monkeypatch.setenv("PATH", f"{systemd.programs}{os.pathsep}{os.environ['PATH']}")
        reference = registry.reference("podunit/app:1.0.0")
        old = make_image(engine, reference, labels={"build": "1"})
        systemd.write_unit("web.service", _unit(engine, reference))
        systemd.systemctl("start", "web.service")
        address = HostAddress("lab", RuntimeType.PODMAN, ConnectionType.UNIX, engine.url)
        with connect(address) as runtime:
            yield Ground(systemd, engine, runtime, registry, reference, old)
    finally:
        engine.close()
        systemd.close()


def _unit(engine: PodmanEngine, image: str, pull: str = "") -> str:
    environment = " ".join(f"{name}={value}" for name, value in engine.environment().items())
    podman = shlex.join(["/usr/bin/podman", *engine.options()])
    return UNIT.format(environment=environment, podman=podman, image=image, pull=pull)


def test_a_unit_is_restarted_on_the_approved_digest_and_taken_back(ground: Ground) -> None:
    before = ground.runtime.state("web").image_id
    request = ground.request(ground.release("2"))
    plan, results = perform_all(ground.runtime, request)
    assert not plan.same_identity
    assert (ground.build(), ground.runtime.state("web").status) == ("2", ContainerStatus.RUNNING)
    assert ground.systemd.systemctl("is-active", "web.service") == "active"
    revert_all(ground.runtime, request, plan, results)
    revert_all(ground.runtime, request, plan, results)
    after = ground.runtime.state("web")
    assert (ground.build(), after.image_id, after.status) == ("1", before, ContainerStatus.RUNNING)
    facts = {each.key: each for each in ground.runtime.containers()}
    assert facts["web"].details["unit"] == "web.service"


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    schema.upgrade(postgres_url)
    opened = Database(postgres_url)
    yield opened
    opened.dispose()


def update(ground: Ground, database: Database, backups: Path, digest: str) -> Outcome:
    """Carry out one that was approved; what does not write /data/well is not healthy."""
    container = add_container(database, host=digest[-8:], url=f"unix:///{digest[-8:]}")
    number = add_update(
        database,
        container,
        host=digest[-8:],
        to_digest=digest,
        to_reference=ground.reference,
        from_reference=ground.reference,
        from_digest=ground.old,
        from_image_id=ground.runtime.state("web").image_id,
    )
    probe = ExecProbe(command=("test", "-e", "/data/well"))
    health = HealthPlan(probes=(probe,), deadline=timedelta(seconds=3))
    options = UpdateOptions(back_up_volumes=True, health=health)
    return apply(number, database, ground.runtime, options, local_stores(backups))


def test_a_unit_is_updated_with_its_data_kept_which_comes_back_where_that_is_undone(
    ground: Ground, database: Database, tmp_path: Path
) -> None:
    """Its container is gone while its data is read and written: the unit removes it."""
    ground.engine.podman("exec", "web", "sh", "-c", "echo by 1 >/data/kept")
    worse = ground.release("2", cmd=("/bin/sh", "-c", f"echo by 2 >/data/kept; {FOREVER}"))
    outcome = update(ground, database, tmp_path, worse)
    assert outcome.status is UpdateStatus.ROLLED_BACK, outcome.reason
    assert (ground.build(), ground.engine.podman("exec", "web", "cat", "/data/kept")) == ("1", "by 1")
    better = ground.release("3", cmd=("/bin/sh", "-c", f"touch /data/well; {FOREVER}"))
    outcome = update(ground, database, tmp_path, better)
    assert outcome.status is UpdateStatus.SUCCEEDED, outcome.reason
    assert (ground.build(), ground.engine.podman("exec", "web", "cat", "/data/kept")) == ("3", "by 1")


def test_a_unit_that_takes_another_image_is_found_out(ground: Ground) -> None:
    """This one pulls for itself whatever its tag stands for by then."""
    ground.systemd.write_unit("web.service", _unit(ground.engine, ground.reference, "--pull always"))
    request = ground.request(ground.release("2"))
    plan = ground.runtime.plan_replacement(request)
    results: dict[str, Any] = {}
    results["pull"] = ground.runtime.perform("pull", request, plan.document, results)
    ground.release("3")
    for name in ("stop_unit", "retag"):
        results[name] = ground.runtime.perform(name, request, plan.document, results)
    with pytest.raises(PermanentError, match=r"web.service started sha256:\w+ as web, and not"):
        ground.runtime.perform("start", request, plan.document, results)


def test_another_version_is_for_the_unit_s_file_to_say(ground: Ground) -> None:
    newer = ground.registry.reference("podunit/app:1.0.1")
    digest = make_image(None, newer, labels={"build": "2"})
    with pytest.raises(RefusedError, match=r"write .*podunit/app:1\.0\.1 into the unit's file"):
        ground.runtime.plan_replacement(ground.request(digest, newer))


def test_going_back_starts_the_image_that_ran_whatever_its_tag_stood_for(ground: Ground) -> None:
    """Somebody pulled build 2 by hand, and did not restart the unit, when an update to build 3 was planned."""
    before = ground.runtime.state("web").image_id
    ground.release("2")
    ground.engine.podman("pull", "--quiet", ground.reference)
    request = ground.request(ground.release("3"))
    plan, results = perform_all(ground.runtime, request)
    revert_all(ground.runtime, request, plan, results)
    assert (ground.build(), ground.runtime.state("web").image_id) == ("1", before)


def test_a_unit_that_was_not_stopped_is_not_started_again(ground: Ground) -> None:
    request = ground.request(ground.release("2"))
    plan = ground.runtime.plan_replacement(request)
    before = ground.runtime.state("web").runtime_id
    unstartable = _unit(ground.engine, ground.reference).replace("[Unit]", "[Unit]\nRefuseManualStart=yes")
    ground.systemd.write_unit("web.service", unstartable)
    ground.runtime.revert("stop_unit", request, plan.document, {})
    assert ground.runtime.state("web").runtime_id == before


OTHER = """
[Unit]
{bond}={to}
After={to}
[Service]
ExecStart=/bin/sleep 600
"""


@pytest.mark.parametrize("bond", ["Requires", "BindsTo", "PartOf"])
def test_units_that_would_stop_with_it_are_named_before_anything_is_stopped(
    ground: Ground, bond: str
) -> None:
    request = ground.request(ground.release("2"))
    ground.systemd.write_unit("near.service", OTHER.format(bond=bond, to="web.service"))
    ground.systemd.write_unit("far.service", OTHER.format(bond=bond, to="near.service"))
    ground.runtime.plan_replacement(request)
    ground.systemd.systemctl("start", "near.service", "far.service")
    with pytest.raises(RefusedError, match=r"stops far\.service, near\.service too"):
        ground.runtime.plan_replacement(request)


def test_a_unit_that_only_wants_it_runs_on(ground: Ground) -> None:
    ground.systemd.write_unit("near.service", OTHER.format(bond="Wants", to="web.service"))
    ground.systemd.systemctl("start", "near.service")
    perform_all(ground.runtime, ground.request(ground.release("2")))
    assert ground.systemd.systemctl("is-active", "near.service") == "active"


def test_a_stopped_engine_does_not_stop_the_unit(ground: Ground) -> None:
    ground.engine.stop()
    assert ground.systemd.systemctl("is-active", "web.service") == "active"
    ground.engine.start()
    wait_until(lambda: ground.build() == "1", what="the container was not there")
