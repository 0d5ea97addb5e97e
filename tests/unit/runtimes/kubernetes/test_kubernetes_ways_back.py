"""An undo brings back the image that ran, and not what its tag has come to mean since."""

from dataclasses import replace

import pytest

from uptainer.core.errors import RefusedError
from uptainer.core.reference import Reference
from uptainer.runtimes.kubernetes.ways_back import way_back
from uptainer.runtimes.port import ReplacementRequest

OLD = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64
NEW = "sha256:" + "c" * 64
TAG = Reference.parse("registry.example/app:1")


def request(tag: Reference = TAG) -> ReplacementRequest:
    return ReplacementRequest(key="shop/cronjob/nightly/app", tag=tag, image=replace(tag, digest=NEW))


@pytest.mark.parametrize("kind", ["deployment", "cronjob"])
def test_behind_the_same_tag_the_old_image_is_named_by_the_digest_that_runs(kind: str) -> None:
    assert way_back(request(), str(TAG), {OLD}, kind=kind) == f"{TAG}@{OLD}"


@pytest.mark.parametrize("kind", ["deployment", "cronjob"])
def test_of_two_digests_behind_one_tag_none_is_the_way_back(kind: str) -> None:
    with pytest.raises(RefusedError, match="no one way back"):
        way_back(request(), str(TAG), {OLD, OTHER}, kind=kind)


def test_a_cron_job_whose_jobs_are_gone_has_no_way_back_behind_the_same_tag() -> None:
    with pytest.raises(RefusedError, match="no one way back"):
        way_back(request(), str(TAG), set(), kind="cronjob")


def test_a_workload_without_pods_gets_back_what_stood_there() -> None:
    assert way_back(request(), str(TAG), set(), kind="deployment") == str(TAG)


def test_a_pin_of_somebodys_own_stays() -> None:
    assert way_back(request(), f"{TAG}@{OTHER}", {OLD}, kind="deployment") == f"{TAG}@{OTHER}"
