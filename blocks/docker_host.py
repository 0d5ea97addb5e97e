from typing import ClassVar

from pydantic import Field, HttpUrl

from blocks.engine_host import EngineHost
from uptainer.core.enums import RuntimeType


class DockerHost(EngineHost):
    """One Docker engine. The block's name is what `uptainer host add --block` takes."""

    _block_type_name: ClassVar[str | None] = "Docker host"
    _block_type_slug: ClassVar[str | None] = "docker-host"
    _description: ClassVar[str | None] = (
        "One Docker engine: its address, and the certificates or the SSH key for it."
    )
    _documentation_url: ClassVar[HttpUrl | None] = HttpUrl(
        "https://docs.docker.com/engine/security/protect-access/"
    )
    runtime: ClassVar[RuntimeType] = RuntimeType.DOCKER

    url: str = Field(
        default="unix:///var/run/docker.sock",
        title="Address",
        description=EngineHost.model_fields["url"].description,
    )
