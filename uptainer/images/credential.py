"""What a registry, or its token server, is shown."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Credential:
    """`identity_token` is exchanged for access tokens; `registry_token` is sent as it is. No secret is ever shown."""

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)

    @property
    def basic(self) -> str | None:
        """The value of a Basic `Authorization` header, where there is a user name and a password."""
        if not (self.username and self.password):
            return None
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()

    @property
    def engine_auth(self) -> Mapping[str, str]:
        """As an engine takes it for a pull, in its `X-Registry-Auth`: the narrowest of what there is."""
        if self.registry_token:
            return {"registrytoken": self.registry_token}
        if self.identity_token:
            return {"identitytoken": self.identity_token}
        return {"username": self.username, "password": self.password}
