"""Scans of images, by the Trivy program as the client of one Trivy server.

The server holds the vulnerability database and the cache, so that any number of scans run side by side: a Trivy
without one locks its cache for a whole scan.
"""

import base64
import json
import os
import signal
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import anyio
from anyio.abc import Process

from uptainer.core.clock import utc_now
from uptainer.core.enums import ScanStatus
from uptainer.core.errors import InvalidInputError, PermanentError, UnreachableError, UnsupportedError
from uptainer.core.findings import Scan
from uptainer.core.platform import Platform
from uptainer.core.reference import DOCKER_HUB, Reference
from uptainer.scanning.binary import find_trivy
from uptainer.scanning.failures import classify
from uptainer.scanning.report import read_report, scan_from

_STDERR_BYTES = 64 * 1024
_PASSED_ON = {"TRIVY_CACERT", "TRIVY_JAVA_DB_REPOSITORY"}
_DOCKER_HUB_KEY = "https://index.docker.io/v1/"


@dataclass(frozen=True, slots=True)
class RegistrySource:
    """The image is read from its registry, anonymously where there is no login.

    `insecure` allows a certificate that nobody vouches for, and plain HTTP; localhost never needs it.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    insecure: bool = False


@dataclass(frozen=True, slots=True)
class EngineSource:
    """The image is read from an engine of this machine, Docker or Podman, which speak the same API for this.

    `url` is `unix:///path`.
    """

    url: str

    def __post_init__(self) -> None:
        if not self.url.startswith("unix:///"):
            raise UnsupportedError(f"Trivy reads an engine's images over a unix socket, not over {self.url}")


ImageSource = RegistrySource | EngineSource


@dataclass(frozen=True, slots=True)
class _Job:
    target: Reference | str
    digest: str
    platform: Platform
    source: ImageSource


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

    async def scan(self, target: Reference | str, platform: Platform, source: ImageSource) -> Scan:
        """Scan an image: a reference with its digest, or an engine's image id.

        UNAVAILABLE: there is no Trivy. FAILED: trying again changes nothing; the scan's reason says what was wrong.

        Raises:
            InvalidInputError: the reference has no digest, or an image id is asked of a registry.
            TemporaryError: the registry, the engine or the server did not answer, or the time limit passed.
        """
        job = _Job(target, _digest_of(target, source), platform, source)
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
        command = [str(trivy), *self._arguments(job.platform, job.source), "--output", "report.json", subject]
        code, stderr = await self._run(command, folder, self._environment(folder, job.source), subject)
        if code != 0:
            raise classify(stderr, subject=subject)
        report = read_report(folder / "report.json", subject=subject)
        return scan_from(
            report,
            digest=job.digest,
            platform=job.platform,
            now=utc_now(),
            notice=self.server.notice,
            secrets=self.secrets,
        )

    def _arguments(self, platform: Platform, source: ImageSource) -> list[str]:
        """Exactly one image source: Trivy's default tries four, and mixes four errors."""
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
                "--list-all-pkgs=false",
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
        if isinstance(source, RegistrySource) and source.insecure:
            kept |= {"TRIVY_INSECURE": "true"}
        return kept

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


def write_docker_config(folder: Path, target: Reference | str, source: ImageSource) -> None:
    """The login for this image's registry alone, readable by us alone; the user's own configuration is not consulted.

    Not TRIVY_USERNAME and TRIVY_PASSWORD: Trivy cuts those at commas, and offers them to every registry it asks.
    """
    folder.chmod(0o700)
    auths: dict[str, dict[str, str]] = {}
    if isinstance(source, RegistrySource) and isinstance(target, Reference) and source.username:
        login = base64.b64encode(f"{source.username}:{source.password}".encode()).decode()
        auths[_DOCKER_HUB_KEY if target.registry == DOCKER_HUB else target.registry] = {"auth": login}
    config = folder / "config.json"
    config.touch(mode=0o600)
    config.write_text(json.dumps({"auths": auths}))


def _digest_of(target: Reference | str, source: ImageSource) -> str:
    if isinstance(target, Reference):
        if target.digest is None:
            raise InvalidInputError(f"{target} is not pinned to a digest: what a tag stands for can change")
        return target.digest
    if isinstance(source, RegistrySource):
        raise InvalidInputError(f"{target} is an image id, which only an engine knows")
    return target
