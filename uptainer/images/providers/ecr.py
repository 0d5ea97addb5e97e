"""Amazon ECR: a password for twelve hours, asked for with a signed request.

Sources: https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetAuthorizationToken.html, and for ECR Public
https://docs.aws.amazon.com/AmazonECRPublic/latest/APIReference/API_GetAuthorizationToken.html. The request is signed
by AWS's own library, which also knows every place where AWS's credentials may be.
"""

import asyncio
import base64
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from uptainer.core.clock import utc_now
from uptainer.core.errors import (
    AccessDeniedError,
    InvalidInputError,
    ProtocolError,
    RateLimitedError,
    TemporaryError,
    UnreachableError,
    UnsupportedError,
    UptainerError,
)
from uptainer.core.extras import how_to_install
from uptainer.images.credential import Credential
from uptainer.images.issuing import Issued

PUBLIC = "public.ecr.aws"
_PUBLIC_REGION = "us-east-1"  # the only one in which ECR Public gives out logins
_PRIVATE = re.compile(
    r"\d{12}\.dkr[.-]ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.(?:amazonaws\.com(?:\.cn)?|on\.aws|on\.amazonwebservices\.com\.cn)"
)
_SESSION = "uptainer"
_SERVER_ERRORS = 500


@dataclass(frozen=True, slots=True)
class EcrLogin:
    """For `ACCOUNT.dkr.ecr.REGION.amazonaws.com` or `public.ecr.aws`.

    Without an access key: the credentials that AWS's tools would find here (environment, files, instance, pod).
    With `role_arn`, that role is taken on first.
    """

    registry: str
    access_key_id: str = ""
    secret_access_key: str = field(default="", repr=False)
    session_token: str = field(default="", repr=False)
    role_arn: str = ""
    external_id: str = field(default="", repr=False)

    @property
    def region(self) -> str:
        return region_of(self.registry)

    async def issue(self) -> Issued:
        """Raises: as `Login.issue`."""
        return await asyncio.to_thread(self._issue)

    def _issue(self) -> Issued:
        session = _session()
        asked_at = utc_now()
        try:
            answer = self._ask(session)
        except UptainerError:
            raise
        except Exception as error:
            raise _translated(error, self.registry) from error
        return _read(answer, self.registry, asked_at)

    def _ask(self, session: Any) -> Any:
        if self.access_key_id:
            session.set_credentials(self.access_key_id, self.secret_access_key, self.session_token or None)
        if self.role_arn:
            session.set_credentials(*self._assume(session))
        service = "ecr-public" if self.registry == PUBLIC else "ecr"
        return self._client(session, service).get_authorization_token()

    def _assume(self, session: Any) -> tuple[str, str, str]:
        more = {"ExternalId": self.external_id} if self.external_id else {}
        answer = self._client(session, "sts").assume_role(
            RoleArn=self.role_arn, RoleSessionName=_SESSION, **more
        )
        given = answer["Credentials"]
        return given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"]

    def _client(self, session: Any, service: str) -> Any:
        from botocore.config import Config  # type: ignore[import-untyped]  # noqa: PLC0415 -- untyped; it is there when a session is

        settings = Config(
            connect_timeout=10, read_timeout=20, retries={"total_max_attempts": 2, "mode": "standard"}
        )
        return session.create_client(service, region_name=self.region, config=settings)


def region_of(registry: str) -> str:
    """Raises: InvalidInputError, where it is none of ECR's."""
    found = _PRIVATE.fullmatch(registry)
    if registry == PUBLIC:
        return _PUBLIC_REGION
    if found is None:
        raise InvalidInputError(
            f"{registry!r} is not a registry of ECR: write it as 123456789012.dkr.ecr.eu-west-1.amazonaws.com, or {PUBLIC}"
        )
    return found["region"]


def _session() -> Any:
    try:
        from botocore.session import Session  # type: ignore[import-untyped]  # noqa: PLC0415 -- untyped; an extra, and slow to import
    except ImportError as error:
        raise UnsupportedError(
            f"ECR's logins are asked for with AWS's library, which is not installed: {how_to_install('aws')}"
        ) from error
    return Session()


def _read(answer: Any, registry: str, asked_at: datetime) -> Issued:
    """Private registries answer with a list of one, ECR Public with one; each is `AWS:password` in base64."""
    try:
        data = answer["authorizationData"]
        entry = data[0] if isinstance(data, list) else data
        username, colon, password = base64.b64decode(entry["authorizationToken"]).decode().partition(":")
        expires_at = entry["expiresAt"].astimezone(UTC)
    except (KeyError, IndexError, ValueError, AttributeError, TypeError) as error:
        raise ProtocolError(f"AWS answered with something that is no login for {registry}") from error
    if not (username and colon and password):
        raise ProtocolError(f"AWS answered with something that is no login for {registry}")
    return Issued(Credential(username, password), asked_at, expires_at)


def _translated(error: Exception, registry: str) -> UptainerError:
    """AWS's errors as ours. None of its messages holds a secret."""
    from botocore import exceptions  # type: ignore[import-untyped]  # noqa: PLC0415 -- untyped; it is there when it was raised

    what = f"no login for {registry} from AWS: {error}"
    if isinstance(error, exceptions.ClientError):
        return _refusal(error.response, what)
    if isinstance(error, exceptions.NoCredentialsError | exceptions.PartialCredentialsError):
        return AccessDeniedError(
            f"{what}: give an access key in the block, or run Uptainer where AWS's credentials are"
        )
    if isinstance(
        error, exceptions.ConnectionError | exceptions.HTTPClientError | exceptions.MetadataRetrievalError
    ):
        return UnreachableError(what)
    if isinstance(error, exceptions.BotoCoreError):
        return AccessDeniedError(what)
    return ProtocolError(f"no login for {registry} from AWS: {type(error).__name__}")


def _refusal(response: Any, what: str) -> UptainerError:
    code = str(response.get("Error", {}).get("Code", ""))
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if "Throttl" in code or "TooManyRequests" in code or "LimitExceeded" in code:
        return RateLimitedError(what)
    return TemporaryError(what) if status >= _SERVER_ERRORS else AccessDeniedError(what)
