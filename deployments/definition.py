"""The deployments as prefect.yaml says them: what `uptainer up` serves is what `prefect deploy --all` makes."""

from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from prefect._internal.versioning import VersionType
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.objects import ConcurrencyLimitConfig
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule
from prefect.deployments.runner import RunnerDeployment
from pydantic import BaseModel, ConfigDict, Field
from ruamel.yaml import YAML


class Schedule(BaseModel):
    """The forms of a schedule that our prefect.yaml uses; another is refused rather than left out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    slug: str
    interval: int | None = None
    cron: str | None = None
    timezone: str = "UTC"

    def created(self) -> DeploymentScheduleCreate:
        if self.cron is not None:
            return DeploymentScheduleCreate(
                slug=self.slug, schedule=CronSchedule(cron=self.cron, timezone=self.timezone)
            )
        return DeploymentScheduleCreate(
            slug=self.slug, schedule=IntervalSchedule.model_validate({"interval": self.interval})
        )


class Deployment(BaseModel):
    """One entry of prefect.yaml; a field that this program would not carry over is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    entrypoint: str
    description: str
    tags: list[str]
    schedules: list[Schedule] = Field(default_factory=list)
    concurrency_limit: ConcurrencyLimitConfig | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)
    work_pool: dict[str, Any]

    def served(self) -> RunnerDeployment:
        """It, as the runner of this process serves it: without the work pool."""
        served = RunnerDeployment.from_entrypoint(
            self.entrypoint,
            name=self.name,
            description=self.description,
            tags=self.tags,
            parameters=self.parameters,
            concurrency_limit=self.concurrency_limit,
            schedules=[schedule.created() for schedule in self.schedules],
            version=version("uptainer"),
        )
        served.version_type = VersionType.SIMPLE  # else Prefect asks git several times for each deployment
        return served


@cache
def path() -> Path:
    """prefect.yaml: inside this package where Uptainer is installed, beside it in a checkout."""
    packaged = Path(str(files("deployments"))) / "prefect.yaml"
    return packaged if packaged.exists() else packaged.parents[1] / "prefect.yaml"


def read(file: Path | None = None) -> list[Deployment]:
    content = YAML(typ="safe").load(file or path())
    return [Deployment.model_validate(entry) for entry in content["deployments"]]
