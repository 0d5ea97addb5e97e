"""What every runtime promises of what it tells: complete, stable, and never a guess."""

import json
from dataclasses import replace

import pytest

from tests.contract.runtimes.ground import Ground
from tests.lab.room import wait_until
from tests.lab.stands.releases import Behaviour
from tests.lab.stands.stand import open_stand
from uptainer.core.enums import ContainerStatus
from uptainer.core.errors import NotFoundError, UnreachableError
from uptainer.runtimes.connections import connect


def test_the_engine_says_what_it_is_and_stays_the_same(ground: Ground) -> None:
    facts = ground.runtime.engine()
    assert all((facts.id, facts.name, facts.version, facts.api_version, facts.server_name))
    assert str(facts.platform).startswith("linux/")
    assert facts.cpus > 0
    assert facts.memory > 0
    with open_stand(ground.stand) as again:
        assert again.engine().id == facts.id


def test_a_workload_is_found_with_what_runs_in_it(ground: Ground) -> None:
    facts = ground.facts()
    assert facts.workload_kind == ground.stand.kind
    assert facts.status is ContainerStatus.RUNNING
    assert facts.image_reference.endswith(ground.release.reference.partition("/")[2])
    assert any(each.endswith(f"@{ground.release.digest}") for each in facts.repo_digests)
    assert facts.platform == ground.runtime.engine().platform
    assert facts.restart_count == 0
    if ground.stand.traits.keeps_data:
        assert "/data" in {mount.destination for mount in facts.mounts}


def test_every_workload_is_found_and_no_key_twice(ground: Ground) -> None:
    others = {ground.stand.deploy(name, ground.release) for name in ("api", "db")}
    keys = [each.key for each in ground.runtime.containers()]
    assert len(keys) == len(set(keys))
    assert {ground.key, *others} <= set(keys)
    ground.stand.clear()
    assert not {ground.key, *others} & {each.key for each in ground.runtime.containers()}


def test_the_state_of_a_key_is_that_of_its_container(ground: Ground) -> None:
    facts, state = ground.facts(), ground.runtime.state(ground.key)
    assert (state.runtime_id, state.image_id) == (facts.runtime_id, facts.image_id)
    assert (state.status, state.restart_count) == (ContainerStatus.RUNNING, 0)
    assert state.started_at is not None
    reference = f"{ground.release.reference}@{ground.release.digest}"
    assert ground.runtime.image(reference).image_id == state.image_id


def test_a_crashing_workload_is_not_told_to_be_well(ground: Ground) -> None:
    key = ground.stand.deploy("crashing", ground.stand.push(Behaviour.CRASHING))
    wait_until(lambda: ground.stand.has_crashed(key), what=f"{key} did not crash")
    state = ground.runtime.state(key)
    assert state.restart_count > 0 or state.status is not ContainerStatus.RUNNING


def test_an_inspection_and_a_configuration_can_be_kept_as_json(ground: Ground) -> None:
    for asked in (ground.runtime.inspect(ground.key), ground.runtime.configuration(ground.key)):
        assert json.loads(json.dumps(asked)) == asked
        assert asked


def test_what_is_not_there_is_not_found(ground: Ground) -> None:
    nobody = ground.key.replace("web", "nobody")
    runtime = ground.runtime
    for ask in (runtime.state, runtime.inspect, runtime.configuration):
        with pytest.raises(NotFoundError):
            ask(nobody)


def test_an_engine_that_does_not_answer_is_unreachable_and_not_empty(ground: Ground) -> None:
    nowhere = replace(ground.stand.nowhere, timeout=5)
    with pytest.raises(UnreachableError), connect(nowhere, ground.stand.secret) as runtime:
        runtime.containers()
