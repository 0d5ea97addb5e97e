from typing import ClassVar

from pydantic import Field, HttpUrl

from blocks.engine_host import EngineHost
from uptainer.core.enums import RuntimeType


class PodmanHost(EngineHost):
    """The Podman of one user, root or not. The block's name is what `uptainer host add --block` takes."""

    _block_type_name: ClassVar[str | None] = "Podman host"
    _block_type_slug: ClassVar[str | None] = "podman-host"
    _description: ClassVar[str | None] = (
        "The Podman of one user on one machine: its address, and the SSH key for it."
    )
    _documentation_url: ClassVar[HttpUrl | None] = HttpUrl(
        "https://docs.podman.io/en/latest/markdown/podman-system-service.1.html"
    )
    runtime: ClassVar[RuntimeType] = RuntimeType.PODMAN

    url: str = Field(
        default="unix:///run/podman/podman.sock",
        title="Address",
        description=EngineHost.model_fields["url"].description,
    )
