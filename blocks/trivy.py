from typing import ClassVar

from prefect.blocks.core import Block
from pydantic import Field, HttpUrl, SecretStr

from uptainer.scanning.trivy import ServerAddress


class Trivy(Block):
    """A Trivy server of yours. Without this block, Uptainer runs one where there is a `trivy` on the machine."""

    _block_type_name: ClassVar[str | None] = "Trivy"
    _block_type_slug: ClassVar[str | None] = "trivy"
    _description: ClassVar[str | None] = "A Trivy server of yours, in place of the one that Uptainer starts."
    _documentation_url: ClassVar[HttpUrl | None] = HttpUrl(
        "https://trivy.dev/docs/latest/references/modes/client-server/"
    )

    server_url: HttpUrl = Field(
        title="Server", description="Its address, as `http://host:port`.", examples=["http://127.0.0.1:4954"]
    )
    token: SecretStr = Field(
        default=SecretStr(""), title="Token", description="What the server was started with as `--token`."
    )
    offline: bool = Field(
        default=False,
        title="Offline",
        description="Ask nothing of the internet: only the server, and the registry or engine that has the image.",
    )

    def address(self) -> ServerAddress:
        return ServerAddress(str(self.server_url).rstrip("/"), self.token.get_secret_value())
