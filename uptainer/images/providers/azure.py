"""Azure Container Registry: Entra's token is exchanged for a refresh token of the registry's own.

Sources: https://github.com/Azure/acr/blob/main/docs/AAD-OAuth.md (`/oauth2/exchange`),
https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow,
https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token, and
https://learn.microsoft.com/azure/aks/workload-identity-overview.
"""

import base64
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from uptainer.core.clock import utc_now
from uptainer.core.errors import AccessDeniedError, ProtocolError, UnreachableError
from uptainer.images.access import PLAIN, Access
from uptainer.images.answers import raise_for_status
from uptainer.images.bodies import open_certified, open_http
from uptainer.images.credential import Credential
from uptainer.images.endpoints import Endpoint
from uptainer.images.issuing import Issued

USERNAME = "00000000-0000-0000-0000-000000000000"
"""What stands for a name beside a refresh token."""
DOMAINS = ("azurecr.io", "azurecr.cn", "azurecr.us")
"""All registries of Azure's are below these."""
RESOURCE = "https://containerregistry.azure.net"
_CLOUDS = {
    "azurecr.cn": "https://login.partner.microsoftonline.cn",
    "azurecr.us": "https://login.microsoftonline.us",
}
_AUTHORITY = "https://login.microsoftonline.com"
_METADATA = "http://169.254.169.254"
_FEDERATED = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_UNSAID = timedelta(minutes=30)
"""How long a refresh token is taken to hold that does not say; the registry's own say three hours."""
_TIMEOUT = httpx.Timeout(20.0, connect=10.0)


@dataclass(frozen=True, slots=True)
class AzureLogin:
    """For `NAME.azurecr.io`.

    With a secret: as the service principal `client_id` of `tenant`. Without one: as the pod's workload identity where
    the environment names one, else as the machine's managed identity (`client_id`, where it has several).
    """

    registry: str
    tenant: str = ""
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    access: Access = PLAIN

    async def issue(self) -> Issued:
        """Raises: as `Login.issue`."""
        asked_at = utc_now()
        request = self._entra(os.environ)
        async with open_http(_TIMEOUT, _nothing, direct="Metadata" in request.headers) as http:
            entra = await _send(http, request, "access_token", "Microsoft Entra")
        endpoint = Endpoint.of(self.registry, certified=self.access.certificates is not None)
        async with self._registry_http(endpoint) as http:
            refresh = await _send(http, self._exchange(endpoint, entra), "refresh_token", self.registry)
        return Issued(
            Credential(username=USERNAME, identity_token=refresh), asked_at, _end_of(refresh, asked_at)
        )

    def _entra(self, environ: Mapping[str, str]) -> httpx.Request:
        """The request for Entra's token, by whichever way there is."""
        if self.client_secret:
            return self._by_grant(
                self.tenant, {"client_id": self.client_id, "client_secret": self.client_secret}
            )
        if token_file := environ.get("AZURE_FEDERATED_TOKEN_FILE"):
            assertion = _read_token(Path(token_file))
            proof = {"client_assertion_type": _FEDERATED, "client_assertion": assertion}
            client = self.client_id or environ.get("AZURE_CLIENT_ID", "")
            return self._by_grant(
                self.tenant or environ.get("AZURE_TENANT_ID", ""), {"client_id": client, **proof}
            )
        host = environ.get("AZURE_POD_IDENTITY_AUTHORITY_HOST") or _METADATA
        asked = {"api-version": "2018-02-01", "resource": RESOURCE}
        asked |= {"client_id": self.client_id} if self.client_id else {}
        url = httpx.URL(f"{host.rstrip('/')}/metadata/identity/oauth2/token").copy_merge_params(asked)
        return httpx.Request("GET", url, headers={"Metadata": "true"})

    def _by_grant(self, tenant: str, proof: Mapping[str, str]) -> httpx.Request:
        url = f"{self._authority()}/{tenant}/oauth2/v2.0/token"
        form = {"grant_type": "client_credentials", "scope": f"{RESOURCE}/.default", **proof}
        return httpx.Request("POST", url, data=form)

    def _authority(self) -> str:
        """AZURE_AUTHORITY_HOST is what Azure's own tools go by."""
        domain = ".".join(self.registry.split(".")[-2:])
        given = os.environ.get("AZURE_AUTHORITY_HOST") or _CLOUDS.get(domain, _AUTHORITY)
        return given.rstrip("/")

    def _exchange(self, endpoint: Endpoint, entra: str) -> httpx.Request:
        form = {"grant_type": "access_token", "service": self.registry, "access_token": entra}
        form |= {"tenant": self.tenant} if self.tenant else {}
        return httpx.Request("POST", endpoint.url.join("/oauth2/exchange"), data=form)

    def _registry_http(self, endpoint: Endpoint) -> httpx.AsyncClient:
        certificates = self.access.certificates
        if certificates is None:
            return open_http(_TIMEOUT, _nothing)
        return open_certified(_TIMEOUT, _nothing, certificates, endpoint.url.host)


async def _nothing(_request: httpx.Request) -> None:
    return None


async def _send(http: httpx.AsyncClient, request: httpx.Request, wanted: str, who: str) -> str:
    try:
        answer = await http.send(request)
    except httpx.TransportError as error:
        raise UnreachableError(f"{who} cannot be reached: {error or type(error).__name__}") from error
    _raise_for_oauth(answer, who)
    try:
        token: Any = json.loads(answer.content)[wanted]
    except (ValueError, KeyError, TypeError) as error:
        raise ProtocolError(f"{who} gave an answer without a token") from error
    if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token:
        raise ProtocolError(f"{who} gave something that is no token")
    return token


def _raise_for_oauth(answer: httpx.Response, who: str) -> None:
    """OAuth refuses with 400 as well (RFC 6749 section 5.2), and says why in a word."""
    if answer.status_code == httpx.codes.BAD_REQUEST:
        try:
            said = str(json.loads(answer.content)["error"])[:60]
        except (ValueError, KeyError, TypeError):
            said = "400"
        raise AccessDeniedError(
            f"{who} gives no token ({said}): is the client's id and secret right, and its tenant?"
        )
    raise_for_status(answer, who)


def _read_token(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise AccessDeniedError(f"the pod's token in {path} cannot be read: {error}") from error


def _end_of(token: str, asked_at: datetime) -> datetime:
    """The registry's tokens say their end themselves (RFC 7519, `exp`)."""
    try:
        part = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        return datetime.fromtimestamp(float(claims["exp"]), UTC)
    except (ValueError, KeyError, IndexError, TypeError, OverflowError):
        return asked_at + _UNSAID
