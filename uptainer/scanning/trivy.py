"""Scans of images, by the Trivy program as the client of one Trivy server.

The server holds the vulnerability database and the cache, so that any number of scans run side by side: a Trivy
without one locks its cache for a whole scan.
"""

import os
import signal
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import anyio
from anyio.abc import Process

from uptainer.core.clock import utc_now
from uptainer.core.enums import SbomFormat, ScanStatus
from uptainer.core.errors import (
    InvalidInputError,
    PermanentError,
    TemporaryError,
    UnreachableError,
    UnsupportedError,
)
from uptainer.core.findings import Scan
from uptainer.core.platform import Platform
from uptainer.core.reference import Reference
from uptainer.core.sboms import Sbom
from uptainer.scanning.binary import find_trivy
from uptainer.scanning.failures import classify
from uptainer.scanning.report import read_report, scan_from
from uptainer.scanning.sboms import conversion, read_sbom
from uptainer.scanning.sources import (
    EngineSource,
    ImageSource,
    RegistrySource,
    trust,
    unheard,
    write_docker_config,
)

__all__ = [
    "EngineSource",
    "ImageSource",
    "RegistrySource",
    "Scanner",
    "ServerAddress",
    "failed",
    "tail",
    "unavailable",
]

_STDERR_BYTES = 64 * 1024
_PASSED_ON = {"TRIVY_CACERT", "TRIVY_JAVA_DB_REPOSITORY"}
_REPORT = "report.json"


@dataclass(frozen=True, slots=True)
class _Job:
    target: Reference | str
    digest: str
    platform: Platform
    source: ImageSource
    sboms: bool = False


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where the Trivy server is. `notice` is what has to be said of every scan it makes."""

    url: str
    token: str = field(default="", repr=False)
    notice: str = ""


@dataclass(frozen=True, slots=True)
class Scanner:
    """One Trivy server's client. `java_cache` keeps the index that images with Java archives need.

    `offline` makes no request but those to the registry or engine and to the server. `secrets`: they are looked for too,
    which reads every file of the image.
    """

    server: ServerAddress
    java_cache: Path
    binary: Path | None = None
    time_limit: timedelta = timedelta(minutes=10)
    offline: bool = False
    secrets: bool = True

    async def scan(
        self, target: Reference | str, platform: Platform, source: ImageSource, *, sboms: bool = False
    ) -> Scan:
        """Scan an image: a reference with its digest, or an engine's image id; with `sboms`, its bills of materials too.

        UNAVAILABLE: there is no Trivy. FAILED: trying again changes nothing; the scan's reason says what was wrong.

        Raises:
            InvalidInputError: the reference has no digest, or an image id is asked of a registry.
            TemporaryError: the registry, the engine or the server did not answer, or the time limit passed.
        """
        job = _Job(target, _digest_of(target, source), platform, source, sboms)
        try:
            trivy = find_trivy(self.binary)
        except UnsupportedError as error:
            return unavailable(job.digest, platform, str(error))
        with tempfile.TemporaryDirectory(prefix="uptainer-scan-") as folder:
            try:
                return await self._scan_in(Path(folder), trivy, job)
            except PermanentError as error:
                return failed(job.digest, platform, str(error))

    async def _scan_in(self, folder: Path, trivy: Path, job: _Job) -> Scan:
        subject = str(job.target)
        write_docker_config(folder, job.target, job.source)
        command = [str(trivy), *self._arguments(job), "--output", _REPORT, subject]
        code, stderr = await self._run(command, folder, self._environment(folder, job.source), subject)
        if code != 0:
            raise classify(stderr, subject=subject)
        report = read_report(folder / _REPORT, subject=subject)
        scan = scan_from(
            report,
            digest=job.digest,
            platform=job.platform,
            now=utc_now(),
            notice=self.server.notice,
            secrets=self.secrets,
        )
        wanted = job.sboms and scan.status is ScanStatus.SUCCEEDED
        return await self._with_sboms(folder, trivy, job, scan) if wanted else scan

    async def _with_sboms(self, folder: Path, trivy: Path, job: _Job, scan: Scan) -> Scan:
        """A scan holds without them: why there are none is said with it."""
        made_by = f"trivy {scan.scanner_version}".strip()
        try:
            made = [await self._sbom(folder, trivy, job, kind, made_by) for kind in SbomFormat]
        except (PermanentError, TemporaryError) as error:
            reason = f"no bill of materials could be made: {error}"
            return replace(scan, reason="; ".join(part for part in (scan.reason, reason) if part))
        return replace(scan, sboms=tuple(made))

    async def _sbom(self, folder: Path, trivy: Path, job: _Job, kind: SbomFormat, made_by: str) -> Sbom:
        arguments, output = conversion(_REPORT, kind)
        subject = f"the bill of materials of {job.target}"
        code, stderr = await self._run(
            [str(trivy), *arguments], folder, self._environment(folder, job.source), subject
        )
        if code != 0:
            raise PermanentError(stderr.strip()[-300:] or f"Trivy ended with {code}")
        return read_sbom(folder / output, kind, made_by=made_by)

    def _arguments(self, job: _Job) -> list[str]:
        """Exactly one image source: Trivy's default tries four, and mixes four errors."""
        platform, source = job.platform, job.source
        kind = ["docker", "--docker-host", source.url] if isinstance(source, EngineSource) else ["remote"]
        offline = ["--offline-scan", "--skip-java-db-update"] if self.offline else []
        secrets = ["vuln,secret", "--image-config-scanners", "secret"]
        return [
            *("image", "--server", self.server.url, "--image-src", *kind, "--platform", str(platform)),
            *(
                "--format",
                "json",
                "--scanners",
                *(secrets if self.secrets else ["vuln"]),
                f"--list-all-pkgs={'true' if job.sboms else 'false'}",
            ),
            *("--cache-dir", str(self.java_cache), "--timeout", f"{self.time_limit.total_seconds():.0f}s"),
            *("--config", "", "--quiet", "--no-progress", "--skip-version-check", "--disable-telemetry"),
            *offline,
        ]

    def _environment(self, folder: Path, source: ImageSource) -> Mapping[str, str]:
        """Ours, without what would bend the scan (TRIVY_SEVERITY and the like), and with what must not be seen in a
        list of processes. Trivy unpacks layers below TMPDIR, which goes with the folder even when it is killed.
        """
        kept = {
            name: value
            for name, value in os.environ.items()
            if name in _PASSED_ON or not name.startswith("TRIVY_")
        }
        kept |= {"TRIVY_TOKEN": self.server.token, "DOCKER_CONFIG": str(folder), "TMPDIR": str(folder)}
        return {**kept, **trust(folder, source), **unheard(source, self.server.url, kept)}

    async def _run(
        self, command: list[str], folder: Path, environment: Mapping[str, str], subject: str
    ) -> tuple[int, str]:
        log = folder / "stderr"
        with log.open("wb") as stderr:
            process = await anyio.open_process(
                command,
                stdin=None,
                stdout=stderr,
                stderr=stderr,
                cwd=folder,
                env=environment,
                start_new_session=True,
            )
        try:
            with anyio.fail_after(self.time_limit.total_seconds()):
                code = await process.wait()
        except TimeoutError as error:
            limit = self.time_limit
            raise UnreachableError(
                f"{subject}: the scan did not end within {limit}, and was stopped"
            ) from error
        finally:
            await _end(process)
        return code, tail(log)


async def _end(process: Process) -> None:
    """Nothing of a scan outlives it, also when the scan is cancelled."""
    if process.returncode is None:
        os.killpg(process.pid, signal.SIGKILL)
    with anyio.CancelScope(shield=True):
        await process.aclose()


def unavailable(digest: str, platform: Platform, reason: str) -> Scan:
    return Scan(digest, str(platform), ScanStatus.UNAVAILABLE, reason)


def failed(digest: str, platform: Platform, reason: str) -> Scan:
    """Also for whoever has tried often enough: what was temporary is then the reason."""
    return Scan(digest, str(platform), ScanStatus.FAILED, reason, scanned_at=utc_now())


def tail(log: Path) -> str:
    """The end of a log, where a program says why it stopped."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _STDERR_BYTES))
        return file.read().decode(errors="replace")


def _digest_of(target: Reference | str, source: ImageSource) -> str:
    if isinstance(target, Reference):
        if target.digest is None:
            raise InvalidInputError(f"{target} is not pinned to a digest: what a tag stands for can change")
        return target.digest
    if isinstance(source, RegistrySource):
        raise InvalidInputError(f"{target} is an image id, which only an engine knows")
    return target
