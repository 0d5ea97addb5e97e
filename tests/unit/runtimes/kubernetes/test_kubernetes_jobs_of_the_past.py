"""A job that was begun before a change is not what its CronJob would run now."""

from datetime import UTC, datetime
from typing import Any

from uptainer.runtimes.kubernetes.observation import observe
from uptainer.runtimes.kubernetes.pods import Instance, Pod

NEW = "app:2@sha256:" + "b" * 64
OLD = "sha256:" + "a" * 64


def cron_job(image: str) -> dict[str, Any]:
    template = {"spec": {"containers": [{"name": "app", "image": image}]}}
    return {"metadata": {"name": "nightly"}, "spec": {"jobTemplate": {"spec": {"template": template}}}}


def test_a_running_job_does_not_tell_the_image_of_a_cron_job_that_was_changed() -> None:
    instance = Instance("app", "app:1", f"docker-pullable://app@{OLD}", state="running")
    job = Pod(
        "shop",
        "nightly-1",
        ("job", "nightly"),
        datetime.now(UTC),
        phase="Running",
        instances={"app": instance},
    )
    assert observe("cronjob", cron_job("app:1"), "app", [job]).image_id == OLD
    assert observe("cronjob", cron_job(NEW), "app", [job]).image_id == NEW.partition("@")[2]
