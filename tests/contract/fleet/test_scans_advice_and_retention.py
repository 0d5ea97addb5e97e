"""What is scanned and how, advice that is outdated, and which backups stay."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.contract.fleet.seeded import Seeded, flaw
from tests.contract.store.conftest import counted_statements
from tests.lab.facts import NOW, candidate, digest, manifest
from tests.lab.scripted import ScriptedServer, serving
from uptainer.advice.advisor import Advisor
from uptainer.advice.notes import ReleaseNotes
from uptainer.core.enums import ScanStatus
from uptainer.core.errors import UnreachableError
from uptainer.core.findings import Scan
from uptainer.core.images import Candidate
from uptainer.core.platform import Platform
from uptainer.core.reference import Reference
from uptainer.fleet.advising import advise_fleet
from uptainer.fleet.reports import REPORTS
from uptainer.fleet.scanning import (
    UNSCANNED,
    ScanJob,
    plan_scans,
    record_failure,
    record_unavailable,
    scan_image,
)
from uptainer.images.credentials import Keychain
from uptainer.images.manifests import digest_of
from uptainer.scanning.trivy import EngineSource, ImageSource, RegistrySource
from uptainer.store.models import UpdateNotification
from uptainer.store.repositories.scans import ScanRepository

DAY = timedelta(days=1)


class Asked:
    """A scanner that says it found nothing, and keeps what it was asked."""

    def __init__(self) -> None:
        self.jobs: list[tuple[str, str, ImageSource]] = []

    async def scan(
        self, target: Reference | str, platform: Platform, source: ImageSource, *, sboms: bool = False
    ) -> Scan:
        self.jobs.append((str(target), str(platform), source))
        return Scan(digest("running"), str(platform), ScanStatus.SUCCEEDED, scanned_at=NOW)


class Away:
    async def scan(
        self, target: Reference | str, platform: Platform, source: ImageSource, *, sboms: bool = False
    ) -> Scan:
        raise UnreachableError("the scanner's server does not answer")


def test_what_runs_is_read_from_its_engine_and_what_is_offered_from_its_registry(fleet: Seeded) -> None:
    image, asked = manifest("1.28"), Asked()
    with ScriptedServer(serving(image)) as registry:
        fleet.run("web", "copy")
        fleet.find_all(["web", "copy"], offered(registry, image))
        for job in plan_scans(fleet.database, older_than=UNSCANNED):
            scan_image(fleet.database, job, asked, Keychain())
    assert [(target, type(source)) for target, _, source in asked.jobs] == [
        (digest("image"), EngineSource),
        (f"{registry.host}/nginx@{digest_of(image)}", RegistrySource),
    ]
    assert plan_scans(fleet.database, older_than=UNSCANNED) == []


def offered(registry: ScriptedServer, image: bytes) -> Candidate:
    reference = Reference.parse(f"{registry.host}/nginx:1.28")
    return replace(candidate("1.28", digest=digest_of(image)), reference=reference)


def index_of(*images: bytes, platforms: Sequence[str]) -> bytes:
    entries = [
        {
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "digest": digest_of(image),
            "platform": {"os": "linux", "architecture": architecture},
        }
        for image, architecture in zip(images, platforms, strict=True)
    ]
    return json.dumps({"schemaVersion": 2, "manifests": entries}).encode()


def scan_offered(fleet: Seeded, index: bytes, asked: Asked, *images: bytes) -> Scan:
    """The scan of it that decisions go by."""
    with ScriptedServer(serving(index, *images)) as registry:
        fleet.run("web")
        fleet.find("web", offered(registry, index))
        (job,) = [each for each in plan_scans(fleet.database, older_than=UNSCANNED) if each.engine is None]
        scan_image(fleet.database, job, asked, Keychain())
    with fleet.database.session() as session:
        return ScanRepository(session).standing([job.image_pk])[job.image_pk]


def test_of_an_index_the_manifest_that_runs_is_scanned_and_the_scan_is_the_indexs(fleet: Seeded) -> None:
    ours, other, asked = manifest("ours"), manifest("other"), Asked()
    index = index_of(ours, other, platforms=("amd64", "arm64"))
    scan = scan_offered(fleet, index, asked, ours, other)
    assert (scan.status, scan.digest) == (ScanStatus.SUCCEEDED, digest_of(index))
    assert [target.rpartition("@")[2] for target, _, _ in asked.jobs] == [digest_of(ours)]


def test_an_index_from_which_engines_might_choose_differently_is_not_scanned_and_held_back(
    fleet: Seeded,
) -> None:
    """Else what is clean could be scanned, and what stands beside it run."""
    clean, other, asked = manifest("clean"), manifest("other"), Asked()
    scan = scan_offered(fleet, index_of(clean, other, platforms=("amd64", "amd64")), asked, clean, other)
    assert (scan.status, asked.jobs) == (ScanStatus.FAILED, [])
    assert "several images that an engine may take for linux/amd64" in scan.reason
    fleet.scan("running")
    fleet.policy(mode="auto", auto_level="minor", unscanned="block")
    assert fleet.decide().proposed == ()
    (finding,) = [each for each in fleet.check().decision["findings"] if each["rule"] == "vulnerabilities"]
    assert (finding["verdict"], scan.reason in finding["reason"]) == ("block", True)


def test_a_check_of_one_image_scans_what_concerns_it_and_leaves_the_rest(fleet: Seeded) -> None:
    """A push must not have the whole fleet scanned, out of what the budgets keep for it."""
    fleet.run("web")
    fleet.find_all(["web"], "1.28")
    other = digest("redis")
    fleet.run("cache", image_reference="redis:7", repo_digests=(f"redis@{other}",), image_id=other)

    def planned(**scope: str) -> set[str]:
        return {job.digest for job in plan_scans(fleet.database, older_than=UNSCANNED, **scope)}

    assert other in planned()
    assert planned(repository="docker.io/library/redis") == planned(address="alpha/cache") == {other}
    assert planned(repository="docker.io/library/nginx") == planned() - {other}
    assert planned(repository="docker.io/library/none") == set()


def test_an_image_that_nobody_can_reach_is_not_asked_of_a_stranger(fleet: Seeded) -> None:
    """A name that was made up for a local build belongs to somebody else on Docker Hub."""
    asked = Asked()
    made_here = ScanJob(
        0, digest("x"), "linux/amd64", "docker.io/library/shop", digest("x"), None, local=True
    )
    nameless = ScanJob(0, digest("x"), "linux/amd64", None, digest("x"), None)
    gone = ScanJob(0, digest("x"), "unknown", "docker.io/library/shop", digest("y"), None)
    fleet.run("web")
    (job,) = plan_scans(fleet.database, older_than=UNSCANNED)
    for each in (made_here, nameless, gone):
        given = replace(each, image_pk=job.image_pk)
        scan = scan_image(fleet.database, given, asked, Keychain())
        assert scan.status is ScanStatus.FAILED
        assert scan.reason
    assert asked.jobs == []


def test_where_the_digest_is_the_id_the_registry_is_asked_and_what_never_ran_is_left_out(
    fleet: Seeded,
) -> None:
    """A cluster knows an image by its registry's digest alone."""
    image, asked = manifest("running"), Asked()
    known = digest_of(image)
    with ScriptedServer(serving(image)) as registry:
        name = f"{registry.host}/nginx"
        fleet.run(
            "shop/deployment/web/app",
            image_reference=f"{name}:1",
            image_id=known,
            repo_digests=(f"{name}@{known}",),
        )
        fleet.run("made-here", image_id=digest("local"), repo_digests=())
        fleet.run("shop/deployment/idle/app", image_id="", repo_digests=(), platform=None)
        jobs = {job.digest: job for job in plan_scans(fleet.database, older_than=UNSCANNED)}
        assert {each: job.local for each, job in jobs.items()} == {known: False, digest("local"): True}
        scan_image(fleet.database, replace(jobs[known], engine=None), asked, Keychain())
    assert [target for target, _, _ in asked.jobs] == [f"{name}@{known}"]


def test_a_scanner_that_is_away_records_nothing_until_it_is_given_up(fleet: Seeded) -> None:
    fleet.run("web")
    (job,) = plan_scans(fleet.database, older_than=UNSCANNED)
    with pytest.raises(UnreachableError):
        scan_image(fleet.database, job, Away(), Keychain())
    assert statuses(fleet, job) == {}
    record_failure(fleet.database, job, "the scanner's server does not answer")
    assert statuses(fleet, job) == {job.image_pk: ScanStatus.FAILED}
    assert plan_scans(fleet.database, older_than=UNSCANNED) == [job]


def test_a_missing_scanner_is_written_down_once_and_in_one_statement(fleet: Seeded) -> None:
    for number in range(20):
        fleet.run(f"c{number}", repo_digests=(f"nginx@{digest(number)}",), image_id=digest(-number))
    jobs = plan_scans(fleet.database, older_than=UNSCANNED)
    assert len(jobs) >= 20
    with counted_statements(fleet.database) as seen:
        record_unavailable(fleet.database, jobs, "there is no scanner")
    assert len(seen) == 2
    with counted_statements(fleet.database) as seen:
        record_unavailable(fleet.database, jobs, "there is no scanner")
    assert len(seen) == 1
    with fleet.database.session() as session:
        assert "there is no scanner" in REPORTS["security"](session, NOW)


def statuses(fleet: Seeded, job: ScanJob) -> Mapping[int, ScanStatus]:
    with fleet.database.session() as session:
        return ScanRepository(session).statuses([job.image_pk])


class NoNotes:
    async def notes_for(self, *_: Any, **__: Any) -> ReleaseNotes:
        raise UnreachableError("no notes can be had here")


def test_advice_is_given_once_and_anew_when_something_is_news(fleet: Seeded) -> None:
    fleet.run("web")
    fleet.find("web", "1.28")
    advisor: Any = Advisor(NoNotes())  # type: ignore[arg-type]  # -- only the call that is made of it
    assert advise_fleet(fleet.database, advisor, NOW) == 1
    assert advise_fleet(fleet.database, advisor, NOW + timedelta(hours=1)) == 0
    fleet.scan("1.28", flaw(), at=NOW + timedelta(hours=2))
    assert advise_fleet(fleet.database, advisor, NOW + timedelta(hours=3)) == 1
    assert advise_fleet(fleet.database, advisor, NOW + 2 * DAY) == 1


def test_a_container_whose_image_is_gone_stops_no_advice_for_others(fleet: Seeded) -> None:
    fleet.run("web", platform=None, repo_digests=())
    fleet.run("db")
    fleet.find_all(["web", "db"], "1.28")
    advisor: Any = Advisor(NoNotes())  # type: ignore[arg-type]  # -- as above
    assert advise_fleet(fleet.database, advisor, NOW) == 2


def test_the_pages_take_as_many_statements_for_many_as_for_few(fleet: Seeded) -> None:
    counts = []
    for size in (1, 50):
        keys = [f"p{size}-{number}" for number in range(size)]
        fleet.run(*keys)
        fleet.find_all(keys, "1.28")
        fleet.decide()
        with counted_statements(fleet.database) as seen, fleet.database.session() as session:
            for page in REPORTS.values():
                assert page(session, NOW)
            assert session.query(UpdateNotification).count() == 0
        counts.append(len(seen))
    assert counts[0] == counts[1]
