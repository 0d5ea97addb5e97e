"""Where an image is read from, and what Trivy is told of that place: its login, and whose certificates to believe."""

import base64
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import certifi

from uptainer.core.errors import UnsupportedError
from uptainer.core.reference import DOCKER_HUB, Reference

_DOCKER_HUB_KEY = "https://index.docker.io/v1/"
_BUNDLE = "authorities.pem"
_NOWHERE = "http://127.0.0.1:1"
"""A proxy that is not there."""


@dataclass(frozen=True, slots=True)
class RegistrySource:
    """The image is read from its registry, anonymously where there is no login.

    `insecure` allows a certificate that nobody vouches for, and plain HTTP, the login included; localhost never needs it.
    `authorities` (PEM) are believed beside the system's.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    insecure: bool = False
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)
    authorities: str = ""

    @property
    def entry(self) -> Mapping[str, str] | None:
        """As `config.json` has it, the narrowest of what there is; None for nobody."""
        if self.registry_token:
            return {"registrytoken": self.registry_token}
        if self.identity_token:
            return {"identitytoken": self.identity_token}
        if not self.username:
            return None
        return {"auth": base64.b64encode(f"{self.username}:{self.password}".encode()).decode()}


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


def write_docker_config(folder: Path, target: Reference | str, source: ImageSource) -> None:
    """The login for this image's registry alone, readable by us alone; the user's own configuration is not consulted.

    Not TRIVY_USERNAME and TRIVY_PASSWORD: Trivy cuts those at commas, and offers them to every registry it asks.
    """
    folder.chmod(0o700)
    auths: dict[str, Mapping[str, str]] = {}
    if isinstance(source, RegistrySource) and isinstance(target, Reference) and (entry := source.entry):
        auths[_DOCKER_HUB_KEY if target.registry == DOCKER_HUB else target.registry] = entry
    config = folder / "config.json"
    config.touch(mode=0o600)
    config.write_text(json.dumps({"auths": auths}))


def trust(folder: Path, source: ImageSource) -> Mapping[str, str]:
    """The variables by which Trivy, as a Go program, believes the source's authorities beside those it knows."""
    if not isinstance(source, RegistrySource):
        return {}
    if not source.authorities:
        return {"TRIVY_INSECURE": "true"} if source.insecure else {}
    known = ssl.get_default_verify_paths().cafile
    texts = [Path(path).read_text(encoding="utf-8") for path in (certifi.where(), known) if path]
    bundle = folder / _BUNDLE
    bundle.write_text("\n".join([*texts, source.authorities, ""]), encoding="utf-8")
    return {"SSL_CERT_FILE": str(bundle)}


def unheard(source: ImageSource, server: str, environ: Mapping[str, str]) -> Mapping[str, str]:
    """The variables that keep Trivy from showing a login in plain HTTP, which it falls back to for private addresses.

    Such requests go to a proxy that is not there, except those to Trivy's own server; what is on loopback knows no proxy,
    as in any Go program. What is exempt from a proxy for TLS stays so.
    """
    if not isinstance(source, RegistrySource) or source.entry is None or source.insecure:
        return {}
    exempt = [urlsplit(server).netloc]
    if any(environ.get(name) for name in ("HTTPS_PROXY", "https_proxy")):
        exempt += filter(None, [environ.get("NO_PROXY") or environ.get("no_proxy")])
    spared = ",".join(exempt)
    return {"HTTP_PROXY": _NOWHERE, "http_proxy": _NOWHERE, "NO_PROXY": spared, "no_proxy": spared}
