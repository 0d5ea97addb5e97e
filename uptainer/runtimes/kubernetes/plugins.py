"""Credentials from the program that a kubeconfig names, as those of cloud providers do.

Source: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
"""

import base64
import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from uptainer.core.clock import utc_now
from uptainer.core.errors import AccessDeniedError, InvalidInputError

Json = Mapping[str, Any]

_MARGIN = timedelta(seconds=60)
"""A credential is old this long before it runs out: an answer may take a while."""


@dataclass(frozen=True, slots=True)
class Credential:
    """A bearer token, or a client certificate and its key as PEM; `expires_at` is None where that was not said."""

    token: str = field(default="", repr=False)
    certificate: str = field(default="", repr=False)
    key: str = field(default="", repr=False)
    expires_at: datetime | None = None

    def is_old(self) -> bool:
        return self.expires_at is not None and utc_now() >= self.expires_at - _MARGIN

    def as_user(self) -> dict[str, Any]:
        """As a kubeconfig's user holds it."""
        if self.token:
            return {"token": self.token}
        return {
            "client-certificate-data": base64.b64encode(self.certificate.encode()).decode(),
            "client-key-data": base64.b64encode(self.key.encode()).decode(),
        }


def ask_plugin(host: str, command: Any, cluster: Json, folder: Path | None, timeout: float) -> Credential:
    """Run it, without a shell and without a terminal, for at most `timeout` seconds.

    Raises:
        InvalidInputError: the kubeconfig does not say what to run.
        AccessDeniedError: it is not there, fails, takes too long, or gives no credentials.
    """
    if not isinstance(command, dict) or not command.get("command") or not command.get("apiVersion"):
        raise InvalidInputError(f"{host}: the exec part of its kubeconfig needs a command and an apiVersion")
    program = _program(str(command["command"]), folder)
    try:
        ended = subprocess.run(  # noqa: S603 -- to run what the kubeconfig names is what was asked for
            [program, *map(str, command.get("args") or ())],
            env=_environment(command, cluster),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError:
        hint = command.get("installHint") or "install it, or use a token"
        raise AccessDeniedError(
            f"{host}: its kubeconfig names {program}, which is not here: {hint}"
        ) from None
    except subprocess.TimeoutExpired:
        raise AccessDeniedError(f"{host}: {program} gave no credentials in {timeout:g} s") from None
    except OSError as fault:
        raise AccessDeniedError(f"{host}: {program} can't be run: {fault.strerror}") from fault
    if ended.returncode != 0:
        words = ended.stderr.decode(errors="replace").strip()[-500:]
        raise AccessDeniedError(f"{host}: {program} ended with status {ended.returncode}: {words}")
    return _read(host, program, ended.stdout)


def _program(command: str, folder: Path | None) -> str:
    """A path is relative to the kubeconfig's folder; a bare name is looked up."""
    return str(folder / command) if folder is not None and "/" in command else command


def _environment(command: Json, cluster: Json) -> dict[str, str]:
    spec: dict[str, Any] = {"interactive": False}
    if command.get("provideClusterInfo"):
        spec["cluster"] = _cluster_info(cluster)
    asked = {"apiVersion": command["apiVersion"], "kind": "ExecCredential", "spec": spec}
    added = {str(each["name"]): str(each["value"]) for each in command.get("env") or ()}
    return {**os.environ, **added, "KUBERNETES_EXEC_INFO": json.dumps(asked)}


def _cluster_info(cluster: Json) -> dict[str, Any]:
    keys = ("server", "tls-server-name", "certificate-authority-data", "proxy-url")
    info = {key: cluster[key] for key in keys if key in cluster}
    for each in cluster.get("extensions") or ():
        if each.get("name") == "client.authentication.k8s.io/exec":
            info["config"] = each.get("extension")
    return info


def _read(host: str, program: str, output: bytes) -> Credential:
    """Its output is never quoted: it may hold half a secret."""
    try:
        status = json.loads(output)["status"]
        expires = status.get("expirationTimestamp")
        found = Credential(
            str(status.get("token") or ""),
            str(status.get("clientCertificateData") or ""),
            str(status.get("clientKeyData") or ""),
            datetime.fromisoformat(expires) if expires else None,
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        raise AccessDeniedError(f"{host}: {program} gave an answer that holds no credentials") from None
    if not found.token and not (found.certificate and found.key):
        raise AccessDeniedError(f"{host}: {program} gave neither a token nor a certificate with its key")
    return found
