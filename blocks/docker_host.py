from typing import ClassVar
from urllib.parse import urlsplit

from prefect.blocks.core import Block
from pydantic import Field, HttpUrl, field_validator

from uptainer.core.enums import ConnectionType, RuntimeType
from uptainer.core.workloads import HostAddress

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class DockerHost(Block):
    """One Docker engine. The block's name is what `uptainer host add --block` takes."""

    _block_type_name: ClassVar[str | None] = "Docker host"
    _block_type_slug: ClassVar[str | None] = "docker-host"
    _description: ClassVar[str | None] = "One Docker engine, and how long it may take to answer."
    _documentation_url: ClassVar[HttpUrl | None] = HttpUrl(
        "https://docs.docker.com/reference/cli/dockerd/#daemon-socket-option"
    )

    url: str = Field(
        default="unix:///var/run/docker.sock",
        title="Address",
        description="`unix:///path/to/docker.sock`, or `tcp://127.0.0.1:port` for an engine on this machine.",
    )
    timeout_seconds: float = Field(
        default=30.0,
        gt=0,
        le=600,
        title="Patience (seconds)",
        description="An engine that takes longer to answer counts as unreachable.",
    )

    @field_validator("url")
    @classmethod
    def _must_be_reachable_safely(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme == "unix" and parts.path.startswith("/") and not parts.netloc:
            return value
        if parts.scheme == "tcp" and parts.hostname in _LOOPBACK and parts.port:
            return value
        raise ValueError("it must be unix:///path, or tcp://127.0.0.1:port on this machine")

    def address(self, name: str, block: str | None = None) -> HostAddress:
        """As the host `name`; `block` is this block's own name, for the host to remember."""
        unix = self.url.startswith("unix:")
        connection = ConnectionType.UNIX if unix else ConnectionType.TCP
        return HostAddress(
            name, RuntimeType.DOCKER, connection, self.url, block, timeout=self.timeout_seconds
        )
