"""Google's Artifact Registry and Container Registry: an access token for an hour is the password.

Source: https://cloud.google.com/artifact-registry/docs/docker/authentication#token. Google's own library signs the
service account's assertion (RFC 7523), and knows every place where Google's credentials may be.
"""

import asyncio
import json
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from functools import partial
from typing import Any

from uptainer.core.clock import utc_now
from uptainer.core.errors import (
    AccessDeniedError,
    InvalidInputError,
    ProtocolError,
    UnreachableError,
    UnsupportedError,
    UptainerError,
)
from uptainer.core.extras import how_to_install
from uptainer.images.credential import Credential
from uptainer.images.issuing import Issued
from uptainer.images.owners import is_loopback

USERNAME = "oauth2accesstoken"
DOMAINS = ("pkg.dev", "gcr.io")
"""All registries of Google's are below these."""
_CLOUD = "https://www.googleapis.com/auth/cloud-platform"
_TIMEOUT = 20.0
_UNSAID = timedelta(minutes=10)
"""How long a token is taken to hold whose end Google did not say."""


@dataclass(frozen=True, slots=True)
class GoogleLogin:
    """For `REGION-docker.pkg.dev` and `gcr.io`.

    `service_account` is the text of a JSON key. Without it: the credentials that Google's tools would find here
    (GOOGLE_APPLICATION_CREDENTIALS, gcloud, the metadata server of a machine, a pod or Cloud Run).
    """

    registry: str
    service_account: str = field(default="", repr=False)

    async def issue(self) -> Issued:
        """Raises: as `Login.issue`."""
        return await asyncio.to_thread(self._issue)

    def _issue(self) -> Issued:
        asked_at = utc_now()
        request = _transport()
        try:
            found = self._credentials()
            found.refresh(request)
        except UptainerError:
            raise
        except Exception as error:
            raise _translated(error, self.registry) from error
        if not found.token:
            raise ProtocolError(f"Google answered with no token for {self.registry}")
        expires_at = found.expiry.replace(tzinfo=UTC) if found.expiry else asked_at + _UNSAID
        return Issued(Credential(USERNAME, found.token), asked_at, expires_at)

    def _credentials(self) -> Any:

        import google.auth  # noqa: PLC0415 -- an extra
        from google.oauth2 import service_account  # noqa: PLC0415 -- as above

        if not self.service_account:
            return google.auth.default(scopes=[_CLOUD])[0]
        key = read_key(self.service_account)
        return service_account.Credentials.from_service_account_info(key, scopes=[_CLOUD])  # type: ignore[no-untyped-call]  # -- it is


def read_key(text: str) -> dict[str, Any]:
    """A service account's key.

    Raises:
        InvalidInputError: it is none, or would have its assertion sent unencrypted; the message quotes nothing of it.
    """
    try:
        key = json.loads(text)
    except ValueError as error:
        raise InvalidInputError("the service account's key is not JSON: paste the whole file") from error
    needed = ("client_email", "private_key", "token_uri")
    if not isinstance(key, dict) or any(not isinstance(key.get(name), str) for name in needed):
        raise InvalidInputError(
            f"this is not a service account's key, which has {', '.join(needed)} in it: make one under IAM, Service accounts, Keys"
        )
    scheme, _, rest = key["token_uri"].partition("://")
    host = rest.partition("/")[0].rpartition(":")[0] or rest.partition("/")[0]
    if scheme != "https" and not is_loopback(host):
        raise InvalidInputError("the key's token_uri is not https: refused")
    return key


def _transport() -> Any:
    try:
        from google.auth.transport.requests import Request  # noqa: PLC0415 -- an extra, and slow to import
    except ImportError as error:
        raise UnsupportedError(
            f"Artifact Registry's logins are asked for with Google's library, which is not installed: {how_to_install('google')}"
        ) from error
    return partial(Request(), timeout=_TIMEOUT)


def _translated(error: Exception, registry: str) -> UptainerError:
    """Google's errors as ours. Its messages quote the answer of its token server, and never the key."""
    from google.auth import exceptions  # noqa: PLC0415 -- it is there when it was raised

    what = f"no login for {registry} from Google: {error.args[0] if error.args else type(error).__name__}"
    if isinstance(error, exceptions.DefaultCredentialsError):
        return AccessDeniedError(
            f"{what} Give a service account's key in the block, or run Uptainer where Google's credentials are"
        )
    if isinstance(error, exceptions.TransportError) or getattr(error, "retryable", False):
        return UnreachableError(what)
    if isinstance(error, exceptions.GoogleAuthError):
        return AccessDeniedError(what)
    if isinstance(error, ValueError):
        return InvalidInputError(f"the service account's key for {registry} cannot be used")
    return ProtocolError(f"no login for {registry} from Google: {type(error).__name__}")
