"""Credentials for registries: those given explicitly, and those of Docker's `config.json` and its helpers.

Source: https://docs.docker.com/reference/cli/docker/login/ and github.com/docker/docker-credential-helpers.
"""

import asyncio
import base64
import binascii
import json
import os
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self
from weakref import WeakKeyDictionary

from uptainer.core.errors import AccessDeniedError, InvalidInputError
from uptainer.core.reference import DOCKER_HUB
from uptainer.images.access import NO_ACCESSES, PLAIN, Access
from uptainer.images.credential import Credential
from uptainer.images.endpoints import canonical_registry
from uptainer.images.issuing import IssuedLogins, Login

__all__ = ["Credential", "DockerConfig", "Keychain", "ask_helper", "default_config_path", "read_entry"]

HUB_KEY = "https://index.docker.io/v1/"
HELPER_TIMEOUT = 10.0
"""Seconds for one call of a credential helper."""
_HELPER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_NOT_FOUND = "credentials not found in native keychain"
EVERY = ""
"""In the place of a registry's name that is not known."""
NO_FAULTS: Mapping[str, str] = MappingProxyType({})
_IDENTITY_USER = "<token>"  # the user name by which a helper says that its secret is an identity token


@dataclass(frozen=True, slots=True)
class DockerConfig:
    """The part of Docker's `config.json` that speaks of credentials, by canonical registry name."""

    path: Path
    auths: Mapping[str, Credential] = field(default_factory=dict)
    helpers: Mapping[str, str] = field(default_factory=dict)
    store: str | None = None

    @classmethod
    def load(cls, path: Path | None = None) -> Self:
        """Read the file at `path`, by default where Docker looks for it; no file means no credentials.

        Raises:
            AccessDeniedError: the file is there and may not be read.
            InvalidInputError: it is not what Docker writes; the message never quotes its content.
        """
        path = path or default_config_path(os.environ)
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return cls(path)
        except OSError as error:
            raise AccessDeniedError(f"{path} cannot be read: {error.strerror}") from error
        except ValueError as error:
            raise InvalidInputError(f"{path} is not JSON") from error
        return cls._read(path, content)

    @classmethod
    def _read(cls, path: Path, content: Any) -> Self:
        auths, helpers = (_object(path, content, key) for key in ("auths", "credHelpers"))
        credentials = {canonical_registry(key): read_entry(path, key, value) for key, value in auths.items()}
        named = {canonical_registry(key): _helper_name(path, value) for key, value in helpers.items()}
        store = content.get("credsStore")
        return cls(
            path,
            {registry: found for registry, found in credentials.items() if found},
            named,
            _helper_name(path, store) if store else None,
        )


def default_config_path(environ: Mapping[str, str]) -> Path:
    folder = environ.get("DOCKER_CONFIG")
    return (Path(folder) if folder else Path.home() / ".docker") / "config.json"


_Asked = dict[str, asyncio.Future[Credential | None]]


class Keychain:
    """Answers for one registry at a time, with what belongs to that registry and nothing else.

    Explicit logins come first, then the registry's own helper, then the common one, then the file's entries. `issued`
    holds what providers gave. How each registry is reached stands here as well: a certificate of ours is a login too.
    `faults` says of a registry why what was configured for it can't be used; under EVERY, of whichever it was meant for.
    """

    def __init__(
        self,
        explicit: Mapping[str, Credential | Login] | None = None,
        config: DockerConfig | None = None,
        *,
        accesses: Mapping[str, Access] = NO_ACCESSES,
        issued: IssuedLogins | None = None,
        faults: Mapping[str, str] = NO_FAULTS,
    ) -> None:
        self._explicit = {canonical_registry(name): value for name, value in (explicit or {}).items()}
        self._config = config
        self._accesses = {canonical_registry(name): value for name, value in accesses.items()}
        self._issued = issued or IssuedLogins()
        self._faults = {canonical_registry(name): value for name, value in faults.items()}
        self._asked: WeakKeyDictionary[asyncio.AbstractEventLoop, _Asked] = WeakKeyDictionary()

    def preferring(self, registry: str, credential: Credential) -> "Keychain":
        """One that has this credential for this registry, whatever else it has."""
        return Keychain(
            {**self._explicit, registry: credential},
            self._config,
            accesses=self._accesses,
            issued=self._issued,
            faults=self._faults,
        )

    def access(self, registry: str) -> Access:
        """How this registry is reached.

        Raises:
            InvalidInputError: what was configured for it can't be used.
        """
        self._require_sound(canonical_registry(registry))
        return self._accesses.get(canonical_registry(registry), PLAIN)

    async def find(self, registry: str) -> Credential | None:
        """The credential for this registry, or None where there is none; a helper is asked once in a run.

        Raises:
            AccessDeniedError: a helper or a provider is configured and gave none, so that it is not known.
            InvalidInputError: what was configured for this registry can't be used.
            TemporaryError: a provider did not answer.
        """
        name = canonical_registry(registry)
        self._require_sound(name)
        given = self._explicit.get(name)
        if isinstance(given, Credential):
            return given
        if given is not None:
            return await self._issued.find(given)
        asked = self._asked.setdefault(asyncio.get_running_loop(), {})
        if name not in asked:
            asked[name] = asyncio.ensure_future(self._look(name))
        return await asyncio.shield(asked[name])

    def _require_sound(self, name: str) -> None:
        """Neither asked as nobody nor by another way than was said."""
        fault = self._faults.get(name) or self._faults.get(EVERY)
        if fault:
            raise InvalidInputError(fault)

    async def _look(self, name: str) -> Credential | None:
        if self._config is None:
            return None
        helper = self._config.helpers.get(name) or self._config.store
        found = await ask_helper(helper, _server_of(name), self._config.path) if helper else None
        return found or self._config.auths.get(name)


def _server_of(registry: str) -> str:
    return HUB_KEY if registry == DOCKER_HUB else registry


async def ask_helper(
    name: str, server: str, path: Path, patience: float = HELPER_TIMEOUT
) -> Credential | None:
    """Run `docker-credential-NAME get`, with no shell. None where it has nothing for this server.

    Raises:
        AccessDeniedError: it is not there, fails, answers nonsense, or takes longer than `patience` seconds.
    """
    program = shutil.which(f"docker-credential-{name}")
    if program is None:
        raise AccessDeniedError(
            f"{path} says to ask docker-credential-{name} for the credentials of {server}, and it is not installed: "
            "install it, or take it out of that file"
        )
    code, output = await _run(program, server, patience)
    if code != 0:
        if _NOT_FOUND in output:
            return None
        raise AccessDeniedError(f"docker-credential-{name} failed for {server} (exit status {code})")
    return _helper_answer(name, output)


async def _run(program: str, server: str, patience: float) -> tuple[int, str]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        program, "get", stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(patience):
            output, _ = await process.communicate(server.encode())
    except TimeoutError:
        raise AccessDeniedError(
            f"{Path(program).name} did not answer for {server} in {patience:g} seconds"
        ) from None
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    return process.returncode or 0, output.decode(errors="replace")


def _helper_answer(name: str, output: str) -> Credential:
    try:
        answer = json.loads(output)
        username, secret = answer["Username"], answer["Secret"]
    except (ValueError, KeyError, TypeError) as error:
        raise AccessDeniedError(f"docker-credential-{name} gave an answer that is no credential") from error
    if username == _IDENTITY_USER:
        return Credential(identity_token=str(secret))
    return Credential(str(username), str(secret))


def _object(path: Path, content: Any, key: str) -> Mapping[str, Any]:
    value = content.get(key) if isinstance(content, dict) else None
    if not isinstance(content, dict) or not isinstance(value or {}, dict):
        raise InvalidInputError(f"{path} is not a Docker configuration: {key!r} is not an object")
    return value or {}


def _helper_name(path: Path, value: Any) -> str:
    if not isinstance(value, str) or not _HELPER_NAME.fullmatch(value):
        raise InvalidInputError(f"{path} names a credential helper that is no plain program name")
    return value


def read_entry(source: Path | str, key: str, value: Any) -> Credential | None:
    """One of `auths`; Docker leaves an empty one where a helper holds the secret.

    Raises:
        InvalidInputError: it is not what Docker writes; the message names `source`, and never quotes its content.
    """
    if not isinstance(value, dict):
        raise InvalidInputError(f"{source}: the entry for {key!r} is not an object")
    texts = {
        name: str(value.get(name) or "")
        for name in ("username", "password", "identitytoken", "registrytoken")
    }
    username, password = texts["username"], texts["password"]
    if value.get("auth"):
        username, password = _decode(source, key, str(value["auth"]))
    if not (username or texts["identitytoken"] or texts["registrytoken"]):
        return None
    return Credential(username, password, texts["identitytoken"], texts["registrytoken"])


def _decode(source: Path | str, key: str, text: str) -> tuple[str, str]:
    try:
        username, colon, password = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        colon = ""
    if not colon:
        raise InvalidInputError(f"{source}: the entry for {key!r} does not hold a user name and a password")
    return username, password.rstrip("\0")
