"""Publishing the pages as artifacts: the newest of each stands under its key."""

from prefect.artifacts import acreate_markdown_artifact

from tasks.reports import write_report


async def publish(*names: str) -> None:
    for name in names:
        await acreate_markdown_artifact(await write_report(name), key=name, description=f"Uptainer: {name}")
