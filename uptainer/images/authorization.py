"""The registry's authorization as one flow: the request, its 401, the token request, the request again.

Source: https://distribution.github.io/distribution/spec/auth/token/ and `.../spec/auth/oauth/`.
"""

import json
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import httpx

from uptainer.core.clock import utc_now
from uptainer.core.errors import AccessDeniedError, ProtocolError
from uptainer.images.answers import raise_for_status
from uptainer.images.challenges import Challenge, read_challenges
from uptainer.images.credentials import Credential, Keychain
from uptainer.images.endpoints import (
    Endpoint,
    read_address,
    require_own_token_server,
    require_safe_target,
    require_unheard,
)

CLIENT_ID = "uptainer"
DEFAULT_LIFETIME = timedelta(seconds=60)
"""How long a token holds when its server does not say: the specification's default."""
_SAFETY = timedelta(seconds=10)
_LONGEST = timedelta(hours=1)
"""A token is asked for anew after this, whatever its server promised."""


@dataclass(frozen=True, slots=True)
class Token:
    value: str = field(repr=False)
    expires_at: datetime

    def holds_at(self, now: datetime) -> bool:
        return now + _SAFETY < self.expires_at


class Tokens:
    """What was learnt in one run: how each registry wants to be asked, and the tokens it gave for each scope."""

    def __init__(self, clock: Callable[[], datetime] = utc_now) -> None:
        self._clock = clock
        self._tokens: dict[tuple[str, str], Token] = {}
        self._challenges: dict[str, Challenge] = {}

    def challenge_of(self, registry: str) -> Challenge | None:
        return self._challenges.get(registry)

    def learn(self, registry: str, challenge: Challenge) -> None:
        self._challenges[registry] = challenge

    def find(self, registry: str, scope: str) -> str | None:
        token = self._tokens.get((registry, scope))
        return token.value if token and token.holds_at(self._clock()) else None

    async def keep(self, registry: str, scope: str, answer: httpx.Response) -> None:
        await answer.aread()
        self._tokens[registry, scope] = read_token(answer, self._clock())

    def forget(self, registry: str, scope: str) -> None:
        self._tokens.pop((registry, scope), None)


class RegistryAuth(httpx.Auth):
    """For one registry and one scope, such as `repository:library/nginx:pull`.

    A registry that has once named its token server is not asked without a token again. A credential goes to the
    registry it belongs to, or to that registry's own token server, and only where nobody can listen.
    """

    def __init__(self, endpoint: Endpoint, scope: str, keychain: Keychain, tokens: Tokens) -> None:
        self._endpoint = endpoint
        self._scope = scope
        self._keychain = keychain
        self._tokens = tokens

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        registry = self._endpoint.registry
        known = self._tokens.challenge_of(registry)
        if known and self._tokens.find(registry, self._scope) is None and (asked := await self._ask(known)):
            await self._tokens.keep(registry, self._scope, (yield asked))
        await self._sign(request, known)
        refused = request.headers.get("Authorization")
        response = yield request
        if response.status_code != httpx.codes.UNAUTHORIZED:
            return
        challenge = self._choose(response)
        self._tokens.forget(registry, self._scope)
        if asked := await self._ask(challenge):
            await self._tokens.keep(registry, self._scope, (yield asked))
        if await self._sign(request, challenge) and request.headers["Authorization"] != refused:
            self._tokens.learn(registry, challenge)
            yield request

    def _choose(self, response: httpx.Response) -> Challenge:
        """Bearer before Basic: a token is narrower than a password."""
        offered = read_challenges(response.headers.get_list("WWW-Authenticate"))
        for scheme in ("bearer", "basic"):
            for challenge in offered:
                if challenge.scheme == scheme:
                    return challenge
        raise AccessDeniedError(
            f"{self._endpoint.registry} wants a sign-on, and offers no way that is known here"
        )

    async def _ask(self, challenge: Challenge) -> httpx.Request | None:
        """The request to the token server, where the challenge wants a token and the keychain holds none."""
        credential = await self._login()
        if challenge.scheme != "bearer" or (credential and credential.registry_token):
            return None
        realm = await safe_realm(challenge, self._endpoint, secret=credential is not None)
        return _token_request(realm, challenge.service, self._scope, credential)

    async def _sign(self, request: httpx.Request, challenge: Challenge | None) -> bool:
        """Put the `Authorization` header in place; False where there is nothing to put there."""
        value = await self._authorization(challenge) if challenge else None
        if value:
            request.headers["Authorization"] = value
        return value is not None

    async def _authorization(self, challenge: Challenge) -> str | None:
        credential = await self._login()
        if challenge.scheme == "basic":
            return credential.basic if credential else None
        held = credential.registry_token if credential else ""
        token = held or self._tokens.find(self._endpoint.registry, self._scope)
        return f"Bearer {token}" if token else None

    async def _login(self) -> Credential | None:
        """The registry's own, where it may be shown."""
        credential = await self._keychain.find(self._endpoint.registry)
        if credential is not None:
            require_unheard(self._endpoint)
        return credential


async def safe_realm(challenge: Challenge, endpoint: Endpoint, *, secret: bool) -> httpx.URL:
    """The token server that a registry names; `secret`: where its login may be taken.

    Raises:
        ProtocolError, RefusedError: it is not one to go to, or somebody else's.
    """
    realm = read_address(challenge.realm, f"what {endpoint.registry} names as its token server")
    await require_safe_target(endpoint.url, realm, "its token server", endpoint.allowed)
    if secret:
        require_own_token_server(endpoint, realm)
    return realm


def _token_request(
    realm: httpx.URL, service: str, scope: str, credential: Credential | None
) -> httpx.Request:
    asked = {"service": service, "scope": scope}
    if credential and credential.identity_token:
        grant = {
            "grant_type": "refresh_token",
            "refresh_token": credential.identity_token,
            "client_id": CLIENT_ID,
        }
        return httpx.Request("POST", realm, data=asked | grant)
    basic = credential.basic if credential else None
    headers = {"Authorization": basic} if basic else {}
    return httpx.Request("GET", realm.copy_merge_params(asked), headers=headers)


def read_token(answer: httpx.Response, now: datetime) -> Token:
    """The token in a token server's answer.

    Raises:
        AccessDeniedError: it does not take the credentials.
        TemporaryError: it is not well, or says "not now".
        ProtocolError: its answer holds no token.
    """
    raise_for_status(answer, f"the token server {answer.request.url.host}")
    try:
        content = json.loads(answer.content)
        value = content.get("token") or content["access_token"]
        lifetime = timedelta(seconds=float(content.get("expires_in") or DEFAULT_LIFETIME.total_seconds()))
    except (ValueError, KeyError, AttributeError, TypeError, OverflowError) as error:
        raise ProtocolError(
            f"the token server {answer.request.url.host} gave an answer without a token"
        ) from error
    if not isinstance(value, str) or not value.isascii() or not value.isprintable():
        raise ProtocolError(f"the token server {answer.request.url.host} gave something that is no token")
    return Token(value, now + min(max(lifetime, DEFAULT_LIFETIME), _LONGEST))
