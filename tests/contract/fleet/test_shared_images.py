"""One image on several hosts, each of which knows something else of it, or nothing any more."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from tests.contract.fleet.seeded import Seeded
from tests.contract.fleet.test_gates_and_readiness import approved
from tests.contract.fleet.test_maintenance_plans import succeed
from tests.lab.facts import NOW, address, container, digest, engine
from uptainer.cli.explaining import Explanation, of_container
from uptainer.core.enums import CheckResult, ConnectionType, ContainerStatus, RuntimeType
from uptainer.core.transitions import WAITING
from uptainer.core.workloads import HostAddress
from uptainer.fleet.checking import plan_check
from uptainer.fleet.policies import ContainerPolicy, PolicyBook
from uptainer.fleet.readiness import UNSEEN, readiness
from uptainer.fleet.scanning import UNSCANNED, plan_scans
from uptainer.fleet.scope import lookup_of, version_of
from uptainer.fleet.views import facts_of
from uptainer.store.models import UpdateCheck
from uptainer.store.repositories.checks import CheckRepository, Lookup
from uptainer.store.repositories.containers import ContainerRepository, ContainerView
from uptainer.store.repositories.hosts import HostRepository

RUNNING = digest("running")
AUTO = {"uptainer.mode": "auto"}


def elsewhere(fleet: Seeded, host: HostAddress, *, key: str = "web", **given: object) -> None:
    """Another host, discovered after the first."""
    with fleet.database.session() as session:
        hosts = HostRepository(session)
        number = hosts.add(host).id
        hosts.mark_seen(number, engine(host.name), NOW)
        ContainerRepository(session).record(number, [container(key, **given)], NOW)


def view(fleet: Seeded, name: str = "alpha/web") -> ContainerView:
    with fleet.database.session() as session:
        return ContainerRepository(session).by_address(name)


def policy(fleet: Seeded, name: str = "alpha/web") -> ContainerPolicy:
    with fleet.database.session() as session:
        return PolicyBook.load(session).policy_of(ContainerRepository(session).by_address(name))


def explained(fleet: Seeded) -> Explanation:
    with fleet.database.session() as session:
        return of_container(session, "alpha/web")


def asked_of(fleet: Seeded) -> int:
    return sum(len(each) for each in plan_check(fleet.database).registries.values())


def test_each_engine_knows_the_image_of_its_container_by_its_own_digests(fleet: Seeded) -> None:
    own = (f"nginx@{RUNNING}", f"nginx@{digest('other index')}")
    fleet.run("web", repo_digests=own)
    elsewhere(fleet, address("beta"))
    assert facts_of(view(fleet)).repo_digests == own
    assert facts_of(view(fleet, "beta/web")).repo_digests == (f"nginx@{RUNNING}",)


def test_an_image_whose_tag_moved_on_its_engine_is_still_its_registrys(fleet: Seeded) -> None:
    """An engine whose ids are digests forgets by then under which names it had it."""
    fleet.run("web", image_id=RUNNING)
    fleet.run("web", image_id=RUNNING, repo_digests=())
    assert facts_of(view(fleet)).repo_digests == (f"nginx@{RUNNING}",)
    assert asked_of(fleet) == 1
    (job,) = plan_scans(fleet.database, older_than=UNSCANNED)
    assert not job.local


@pytest.mark.parametrize(("ours", "theirs"), [(digest("image"), RUNNING), (RUNNING, digest("image"))])
def test_an_engine_is_asked_for_an_image_by_its_own_id(fleet: Seeded, ours: str, theirs: str) -> None:
    fleet.run("web", image_id=ours)
    far = HostAddress("beta", RuntimeType.DOCKER, ConnectionType.SSH, "ssh://beta.example")
    elsewhere(fleet, far, image_id=theirs)
    (job,) = plan_scans(fleet.database, older_than=UNSCANNED)
    assert (job.engine, job.image_id) == ("unix:///run/alpha.sock", ours)


def test_what_was_known_of_an_image_stays_known_when_its_engine_has_it_no_more(fleet: Seeded) -> None:
    """Its labels among it, by which those that a person gave the container are told from those of the image."""
    fleet.run("web", labels=AUTO, image_labels=AUTO)
    fleet.run("web", labels=AUTO, platform=None, repo_digests=(), image_labels={})
    assert "comes with the image" in str(policy(fleet).faults)
    assert asked_of(fleet) == 1


def test_of_an_image_that_no_engine_holds_nothing_is_said(fleet: Seeded) -> None:
    fleet.run("web", platform=None, repo_digests=())
    assert asked_of(fleet) == 0
    assert fleet.check().result is CheckResult.UNKNOWN


def test_a_label_of_a_service_is_its_own_whatever_its_image_says(fleet: Seeded) -> None:
    fleet.run("web", labels=AUTO, image_labels=AUTO)
    fleet.run("stack", labels=AUTO, image_labels=AUTO, workload_kind="service")
    cluster = HostAddress("prod", RuntimeType.KUBERNETES, ConnectionType.KUBECONFIG, "/kube/prod")
    elsewhere(fleet, cluster, key="shop/Deployment/web/app", labels=AUTO)
    assert policy(fleet).faults
    for name in ("alpha/stack", "prod/shop/Deployment/web/app"):
        assert policy(fleet, name).faults == ()
        assert policy(fleet, name).policy.mode == "auto"


def test_a_check_speaks_of_the_image_that_it_was_about(fleet: Seeded) -> None:
    """A container that was put back has its old time of creation, and a Deployment's never moves."""
    fleet.run("web", image_id=digest("new"))
    with fleet.database.session() as session:
        told = Lookup(
            fleet.ids()["web"],
            "nginx:1.27",
            CheckResult.UP_TO_DATE,
            "",
            stands_for="1.27.4",
            image_id=digest("new"),
        )
        CheckRepository(session).record([told], NOW)
    assert lookup_of(view(fleet))[0] is CheckResult.UP_TO_DATE
    assert version_of(view(fleet)) == "1.27.4"
    fleet.run("web", image_id=digest("old"))
    assert lookup_of(view(fleet)) == (
        CheckResult.UNKNOWN,
        "it runs another image since it was last checked",
    )
    assert version_of(view(fleet)) is None


def test_right_after_an_update_in_place_what_was_offered_is_past(fleet: Seeded) -> None:
    """What stays one object, as a Deployment, is as old as before."""
    made = approved(fleet)
    with fleet.database.session() as session:
        session.execute(update(UpdateCheck).values(image_id=digest("image")))
    assert "could run" in explained(fleet).about
    succeed(fleet, made, took=timedelta(hours=1))
    fleet.run("web", image_id=digest("new image"), repo_digests=(f"nginx@{digest('1.28')}",))
    said = explained(fleet)
    assert "could run" not in said.about
    assert said.stands == "unknown: it runs another image since it was last checked"


@pytest.mark.parametrize("unseen", ["", "unknown:nginx:1.27"])
def test_an_update_stands_while_it_is_not_known_what_runs(fleet: Seeded, unseen: str) -> None:
    """A Deployment at rest has no pod that would tell."""
    made = fleet.propose()
    fleet.run("web", image_id=unseen, repo_digests=(), platform=None, status=ContainerStatus.EXITED)
    assert asked_of(fleet) == 0
    fleet.decide()
    assert fleet.open() is not None
    assert not fleet.update(made).status_reason


@pytest.mark.parametrize("unseen", ["", "unknown:nginx:1.27"])
def test_what_is_at_rest_waits_with_its_reason_and_holds_nobody_up(fleet: Seeded, unseen: str) -> None:
    """Also where it is known for which platform it is, though not which image."""
    made = approved(fleet)
    assert readiness(fleet.database, made, NOW).go
    fleet.run("web", image_id=unseen, repo_digests=())
    assert asked_of(fleet) == 0
    assert fleet.check().result is CheckResult.UNKNOWN
    said = readiness(fleet.database, made, NOW)
    assert (said.go, said.reason) == (False, UNSEEN)
    assert fleet.update(made).status in WAITING


def test_an_engine_that_holds_an_image_no_more_is_not_asked_to_scan_it(fleet: Seeded) -> None:
    fleet.run("web")
    fleet.run("web", platform=None, repo_digests=())
    (job,) = plan_scans(fleet.database, older_than=UNSCANNED)
    assert job.engine is None
