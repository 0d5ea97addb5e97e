"""How a workload proves its health beyond the image's own HEALTHCHECK: what is asked, not how it is asked."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from uptainer.policy.durations import Duration

Port = Annotated[int, Field(ge=1, le=65535)]


class _Probe(BaseModel):
    """`timeout` is for one attempt, `interval` the pause between two; a probe holds once an attempt succeeds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    timeout: Duration = timedelta(seconds=5)
    interval: Duration = timedelta(seconds=2)


class HttpProbe(_Probe):
    """A GET to the container; any status from 200 to 399 is health, or exactly `status` where it is given.

    `contains` must stand in the first MiB of the answer.
    """

    kind: Literal["http"] = "http"
    port: Port
    path: str = Field(default="/", pattern=r"^/\S*$")
    scheme: Literal["http", "https"] = "http"
    status: Annotated[int, Field(ge=100, le=599)] | None = None
    contains: str = ""


class TcpProbe(_Probe):
    """A connection to the container's port that is accepted."""

    kind: Literal["tcp"] = "tcp"
    port: Port


class ExecProbe(_Probe):
    """A command inside the container that exits with 0."""

    kind: Literal["exec"] = "exec"
    command: Annotated[tuple[str, ...], Field(min_length=1)]


Probe = Annotated[HttpProbe | TcpProbe | ExecProbe, Field(discriminator="kind")]
