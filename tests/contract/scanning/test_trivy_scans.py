"""The real Trivy, client and server, on a real registry and a real Docker engine."""

import io
import json
import os
import zipfile
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from tests.lab.alpine import (
    BEST_PACKAGES,
    FIXED_PACKAGES,
    OLD_PACKAGES,
    RELEASE_WITHOUT_SUPPORT,
    alpine_files,
    python_package,
)
from tests.lab.docker import DockerEngine
from tests.lab.images import build_image, load_image, make_image, push_image, push_index
from tests.lab.podman import PodmanEngine
from tests.lab.registry import Registry
from tests.lab.room import Room
from tests.lab.trivy import write_cache
from uptainer.core.enums import SbomFormat, ScanStatus, Severity
from uptainer.core.errors import InvalidInputError, UnreachableError, UnsupportedError
from uptainer.core.findings import Scan, count_by_severity
from uptainer.core.platform import Platform
from uptainer.core.reference import Reference
from uptainer.scanning.differences import compare, describe
from uptainer.scanning.server import TrivyServer
from uptainer.scanning.trivy import EngineSource, RegistrySource, Scanner, ServerAddress

AMD64 = Platform("linux", "amd64")
ARM64 = Platform("linux", "arm64")
OPEN = RegistrySource()


@pytest.fixture
async def server(room: Room, trivy_binary: Path) -> AsyncIterator[TrivyServer]:
    made = TrivyServer(
        room.directory("trivy-server"), trivy_binary, offline=True, ready_within=timedelta(seconds=60)
    )
    write_cache(made.cache_dir)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def scanner(server: TrivyServer, trivy_binary: Path) -> Scanner:
    running = server.running()
    assert running is not None
    return Scanner(running.address, server.cache_dir, trivy_binary, timedelta(seconds=60), offline=True)


def push_alpine(registry: Registry, name: str, release: str = "3.99.0", **packages: str) -> Reference:
    files = alpine_files(release, {**OLD_PACKAGES, **packages})
    login = registry.credentials
    digest = push_image(registry.url, name, build_image(files=files), login=login)
    return Reference.parse(registry.reference(name)).with_digest(digest)


async def test_every_finding_of_an_image_in_a_registry_is_kept(scanner: Scanner, registry: Registry) -> None:
    files = {**alpine_files("3.99.0", OLD_PACKAGES), **python_package("jinja2", "3.1.4")}
    digest = push_image(registry.url, "scan/all:1", build_image(files=files))
    scan = await scanner.scan(Reference.parse(f"{registry.host}/scan/all@{digest}"), AMD64, OPEN)
    assert scan.status is ScanStatus.SUCCEEDED, scan.reason
    assert scan.reason == ""
    assert (scan.digest, scan.platform) == (digest, "linux/amd64")
    assert (scan.os_family, scan.os_version, scan.end_of_life) == ("alpine", "3.99.0", False)
    assert scan.scanner_version.startswith("0.")
    assert scan.database_at is not None
    # Six of openssl in each of its three packages, three of busybox, one of jinja2.
    assert len(scan.vulnerabilities) == 6 * 3 + 3 + 1
    worst = next(v for v in scan.vulnerabilities if v.id == "CVE-2026-9001" and v.package == "libssl3")
    assert worst.severity is Severity.CRITICAL
    assert (worst.installed_version, worst.fixed_version, worst.score) == ("3.1.4-r0", "3.1.9-r0", 9.8)
    assert worst.published_at is not None
    assert "CVE-2026-9001" in worst.title
    assert worst.url.startswith("https://")
    assert worst.purl == "pkg:apk/alpine/libssl3@3.1.4-r0?arch=x86_64&distro=3.99.0"
    unfixed = next(v for v in scan.vulnerabilities if v.id == "CVE-2026-9002")
    assert unfixed.fixed_version == ""
    assert {v.target for v in scan.vulnerabilities if v.package == "jinja2"} == {"Python"}


async def test_what_an_image_is_made_of_comes_with_its_scan(scanner: Scanner, registry: Registry) -> None:
    files = {**alpine_files("3.99.0", OLD_PACKAGES), **python_package("jinja2", "3.1.4")}
    digest = push_image(registry.url, "scan/sbom:1", build_image(files=files))
    reference = Reference.parse(f"{registry.host}/scan/sbom@{digest}")
    scan = await scanner.scan(reference, AMD64, OPEN, sboms=True)
    assert (scan.reason, len(scan.vulnerabilities)) == ("", 6 * 3 + 3 + 1)
    made = {each.format: (json.loads(each.document), each.components) for each in scan.sboms}
    content, parts = made[SbomFormat.CYCLONEDX]
    purls = {each.get("purl", "").partition("?")[0] for each in content["components"]}
    assert {"pkg:apk/alpine/busybox@1.36.1-r15", "pkg:pypi/jinja2@3.1.4"} <= purls
    assert (parts, "vulnerabilities" in content) == (len(content["components"]), False)
    content, _ = made[SbomFormat.SPDX]
    assert {"busybox", "jinja2"} <= {each["name"] for each in content["packages"]}


async def test_the_difference_of_two_real_scans_is_told_in_a_sentence(
    scanner: Scanner, registry: Registry
) -> None:
    old = await scanner.scan(push_alpine(registry, "scan/diff:1"), AMD64, OPEN)
    new = await scanner.scan(push_alpine(registry, "scan/diff:2", **FIXED_PACKAGES), AMD64, OPEN)
    change = compare(old, new)
    assert describe(change) == "fixes 3 high, 11 medium, 3 low"
    assert count_by_severity(change.unchanged) == {Severity.CRITICAL: 3, Severity.HIGH: 1}


async def test_an_image_past_the_end_of_its_distribution_is_said_to_be_so(
    scanner: Scanner, registry: Registry
) -> None:
    scan = await scanner.scan(push_alpine(registry, "scan/eol:1", RELEASE_WITHOUT_SUPPORT), AMD64, OPEN)
    assert scan.end_of_life is True


async def test_secrets_are_told_by_rule_and_place_and_never_by_value(
    scanner: Scanner, registry: Registry
) -> None:
    token = "ghp_0123456789abcdefghijABCDEFGHIJ012345"
    image = build_image(files={"/app/.env": f"# settings\nGITHUB_PAT={token}\n"}, env={"TOKEN": token})
    digest = push_image(registry.url, "scan/secret:1", image)
    reference = Reference.parse(f"{registry.host}/scan/secret@{digest}")
    scan = await scanner.scan(reference, AMD64, OPEN)
    assert scan.secrets == 2
    assert [(each.rule, each.place, each.severity) for each in scan.found_secrets] == [
        ("github-pat", "/app/.env, line 2", Severity.CRITICAL),
        ("github-pat", "the image's own configuration", Severity.CRITICAL),
    ]
    assert "ghp_" not in repr(scan)
    unasked = await replace(scanner, secrets=False).scan(reference, AMD64, OPEN)
    assert (unasked.secrets, unasked.found_secrets) == (None, ())


async def test_the_platform_of_an_index_is_the_one_that_is_scanned(
    scanner: Scanner, registry: Registry
) -> None:
    images = [
        build_image(files=alpine_files("3.99.0", packages), platform=platform)
        for platform, packages in (("linux/amd64", OLD_PACKAGES), ("linux/arm64", BEST_PACKAGES))
    ]
    digest = push_index(registry.url, "scan/index:1", images)
    reference = Reference.parse(f"{registry.host}/scan/index@{digest}")
    on_amd64, on_arm64 = [await scanner.scan(reference, platform, OPEN) for platform in (AMD64, ARM64)]
    assert len(on_amd64.vulnerabilities) > len(on_arm64.vulnerabilities)
    assert (on_arm64.status, on_arm64.platform) == (ScanStatus.SUCCEEDED, "linux/arm64")


async def test_an_image_of_another_platform_is_not_passed_off_as_scanned(
    scanner: Scanner, registry: Registry
) -> None:
    scan = await scanner.scan(push_alpine(registry, "scan/single:1"), ARM64, OPEN)
    assert scan.status is ScanStatus.FAILED
    assert "is for linux/amd64, not for linux/arm64" in scan.reason
    assert scan.vulnerabilities == ()


async def test_a_login_opens_a_closed_registry(scanner: Scanner, basic_auth_registry: Registry) -> None:
    assert basic_auth_registry.credentials is not None
    reference = push_alpine(basic_auth_registry, "closed/app:1")
    user, password = basic_auth_registry.credentials
    opened = await scanner.scan(reference, AMD64, RegistrySource(user, password))
    assert opened.status is ScanStatus.SUCCEEDED, opened.reason
    for source in (OPEN, RegistrySource(user, f"{password},{password}")):
        refused = await scanner.scan(reference, AMD64, source)
        assert refused.status is ScanStatus.FAILED
        assert "the registry refuses the credentials" in refused.reason


async def test_a_token_server_that_trivy_will_not_ask_is_said_with_the_way_around(
    scanner: Scanner, auth_registry: Registry
) -> None:
    assert auth_registry.credentials is not None
    reference = push_alpine(auth_registry, "closed/app:1")
    scan = await scanner.scan(reference, AMD64, RegistrySource(*auth_registry.credentials))
    assert scan.status is ScanStatus.FAILED
    assert "scan it on an engine" in scan.reason


async def test_an_engine_is_scanned_by_digest_and_by_image_id(
    scanner: Scanner, registry: Registry, docker_engine: DockerEngine
) -> None:
    name = registry.reference("scan/engine:1")
    digest = make_image(docker_engine, name, files=alpine_files("3.99.0", OLD_PACKAGES))
    image_id = docker_engine.client.images.get(name).id
    source = EngineSource(docker_engine.url)
    by_digest = await scanner.scan(Reference.parse(name).with_digest(digest), AMD64, source)
    by_id = await scanner.scan(str(image_id), AMD64, source)
    assert by_digest.status is ScanStatus.SUCCEEDED, by_digest.reason
    assert by_id.digest == image_id
    assert len(by_id.vulnerabilities) == len(by_digest.vulnerabilities) == 21


async def test_an_image_that_only_podman_holds_is_scanned_there(
    scanner: Scanner, podman_engine: PodmanEngine
) -> None:
    name = "localhost/scan/podman:1"
    load_image(podman_engine, name, build_image(files=alpine_files("3.99.0", OLD_PACKAGES)))
    image_id = str(podman_engine.client.images.get(name).id)
    scan = await scanner.scan(image_id, AMD64, EngineSource(podman_engine.url))
    assert scan.status is ScanStatus.SUCCEEDED, scan.reason
    assert (scan.digest, len(scan.vulnerabilities)) == (image_id, 21)


async def test_what_the_engine_does_not_have_fails_for_good(
    scanner: Scanner, docker_engine: DockerEngine
) -> None:
    scan = await scanner.scan(f"sha256:{'0' * 64}", AMD64, EngineSource(docker_engine.url))
    assert scan.status is ScanStatus.FAILED
    assert "no such image" in scan.reason


async def test_what_the_registry_does_not_have_fails_for_good(scanner: Scanner, registry: Registry) -> None:
    gone = Reference.parse(f"{registry.host}/scan/all@sha256:{'0' * 64}")
    scan = await scanner.scan(gone, AMD64, OPEN)
    assert scan.status is ScanStatus.FAILED
    assert "no such image" in scan.reason


async def test_seven_scans_at_once_do_not_disturb_each_other(scanner: Scanner, registry: Registry) -> None:
    references = [
        push_alpine(registry, f"scan/many-{number}:1", musl=f"1.2.{number}-r0") for number in range(7)
    ]
    scans: list[Scan] = []

    async def scan(reference: Reference) -> None:
        scans.append(await scanner.scan(reference, AMD64, OPEN))

    async with anyio.create_task_group() as group:
        for reference in references:
            group.start_soon(scan, reference)
    assert [scan.status for scan in scans] == [ScanStatus.SUCCEEDED] * 7
    assert {scan.digest for scan in scans} == {reference.digest for reference in references}
    assert {len(scan.vulnerabilities) for scan in scans} == {21}


async def test_a_registry_that_is_away_is_worth_trying_again(scanner: Scanner) -> None:
    with pytest.raises(UnreachableError, match="no connection"):
        await scanner.scan(Reference.parse(f"localhost:1/app@sha256:{'0' * 64}"), AMD64, OPEN)


async def test_a_server_that_is_away_is_worth_trying_again(
    registry: Registry, trivy_binary: Path, tmp_path: Path
) -> None:
    scanner = Scanner(ServerAddress("http://127.0.0.1:1"), tmp_path, trivy_binary, offline=True)
    with pytest.raises(UnreachableError, match="no connection"):
        await scanner.scan(push_alpine(registry, "scan/noserver:1"), AMD64, OPEN)


async def test_a_wrong_token_is_told_from_wrong_credentials(scanner: Scanner, registry: Registry) -> None:
    stranger = Scanner(
        ServerAddress(scanner.server.url, "wrong"), scanner.java_cache, scanner.binary, offline=True
    )
    scan = await stranger.scan(push_alpine(registry, "scan/token:1"), AMD64, OPEN)
    assert scan.status is ScanStatus.FAILED
    assert "the Trivy server refuses the token" in scan.reason


async def test_the_server_s_notice_stands_in_every_scan(scanner: Scanner, registry: Registry) -> None:
    address = ServerAddress(scanner.server.url, scanner.server.token, "the database was not updated")
    told = Scanner(address, scanner.java_cache, scanner.binary, offline=True)
    scan = await told.scan(push_alpine(registry, "scan/notice:1"), AMD64, OPEN)
    assert (scan.status, scan.reason) == (ScanStatus.SUCCEEDED, "the database was not updated")


async def test_without_trivy_a_scan_is_unavailable_and_says_how_to_get_it(tmp_path: Path) -> None:
    scanner = Scanner(ServerAddress("http://127.0.0.1:1"), tmp_path, tmp_path / "missing")
    scan = await scanner.scan(Reference.parse(f"app@sha256:{'0' * 64}"), AMD64, OPEN)
    assert scan.status is ScanStatus.UNAVAILABLE
    assert "install Trivy" in scan.reason


async def test_a_tag_is_refused_for_what_it_stands_for_can_change(scanner: Scanner) -> None:
    with pytest.raises(InvalidInputError, match="not pinned"):
        await scanner.scan(Reference.parse("nginx:1.27"), AMD64, OPEN)
    with pytest.raises(InvalidInputError, match="only an engine knows"):
        await scanner.scan(f"sha256:{'0' * 64}", AMD64, OPEN)


@pytest.fixture
def sleeper(tmp_path: Path) -> Path:
    """A program that starts another one, says who they are, and never ends."""
    program = tmp_path / "sleeper"
    program.write_text(
        f"#!/bin/sh\nsleep 300 &\necho $$ $! > {tmp_path}/pids.part\nmv {tmp_path}/pids.part {tmp_path}/pids\nwait\n"
    )
    program.chmod(0o755)
    return program


def is_gone(pid: str) -> bool:
    """Gone, or dead and waiting for whoever inherited it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


async def until(happens: Callable[[], bool]) -> None:
    with anyio.fail_after(60):
        while not happens():  # noqa: ASYNC110 -- other processes give no event
            await anyio.sleep(0.02)


async def gone(pids: list[str]) -> None:
    await until(lambda: all(is_gone(pid) for pid in pids))


async def test_a_scan_past_its_time_limit_is_ended_with_its_children(sleeper: Path, tmp_path: Path) -> None:
    scanner = Scanner(ServerAddress("http://127.0.0.1:1"), tmp_path, sleeper, timedelta(seconds=5))
    with pytest.raises(UnreachableError, match="did not end within"):
        await scanner.scan(Reference.parse(f"app@sha256:{'0' * 64}"), AMD64, OPEN)
    await gone((tmp_path / "pids").read_text().split())


async def test_a_cancelled_scan_leaves_no_process(sleeper: Path, tmp_path: Path) -> None:
    scanner = Scanner(ServerAddress("http://127.0.0.1:1"), tmp_path, sleeper)
    async with anyio.create_task_group() as group:
        group.start_soon(scanner.scan, Reference.parse(f"app@sha256:{'0' * 64}"), AMD64, OPEN)
        await until((tmp_path / "pids").exists)
        group.cancel_scope.cancel()
    await gone((tmp_path / "pids").read_text().split())


async def test_what_bends_a_scan_is_not_taken_from_the_environment(
    scanner: Scanner, registry: Registry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    reference = push_alpine(registry, "scan/bent:1")
    monkeypatch.setenv("TRIVY_SEVERITY", "CRITICAL")
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".trivyignore").write_text("CVE-2026-9001\n")
    (tmp_path / "trivy.yaml").write_text("severity: [CRITICAL]\n")
    scan = await scanner.scan(reference, AMD64, OPEN)
    assert len(scan.vulnerabilities) == 21


async def test_no_secret_stands_in_a_list_of_processes(
    scanner: Scanner, registry: Registry, tmp_path: Path
) -> None:
    spy = tmp_path / "spy"
    spy.write_text(
        f'#!/bin/sh\necho "$@" > {tmp_path}/arguments\nls -ld "$DOCKER_CONFIG" > {tmp_path}/folder\nexit 1\n'
    )
    spy.chmod(0o755)
    watched = Scanner(scanner.server, scanner.java_cache, spy)
    await watched.scan(Reference.parse(f"app@sha256:{'0' * 64}"), AMD64, RegistrySource("me", "hush"))
    arguments = (tmp_path / "arguments").read_text()
    assert "hush" not in arguments
    assert scanner.server.token not in arguments
    assert (tmp_path / "folder").read_text().startswith("drwx------")
    assert os.fspath(scanner.java_cache) in arguments


@pytest.mark.parametrize("url", ["tcp://10.0.0.1:2375", "ssh://me@host", "/var/run/docker.sock"])
def test_an_engine_that_trivy_cannot_reach_is_refused_at_once(url: str) -> None:
    with pytest.raises(UnsupportedError, match="over a unix socket"):
        EngineSource(url)


async def test_java_archives_want_an_index_which_is_said_when_it_is_missing(
    scanner: Scanner, registry: Registry
) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as jar:
        jar.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n")
    files = {**alpine_files("3.99.0", OLD_PACKAGES), "/app/app.jar": archive.getvalue()}
    digest = push_image(registry.url, "scan/java:1", build_image(files=files))
    scan = await scanner.scan(Reference.parse(f"{registry.host}/scan/java@{digest}"), AMD64, OPEN)
    assert scan.status is ScanStatus.FAILED
    assert "Java index" in scan.reason
