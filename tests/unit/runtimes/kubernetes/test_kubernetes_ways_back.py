"""An undo brings back the image that ran, and not what its tag has come to mean since; or it is said beforehand."""

from dataclasses import replace

import pytest

from uptainer.core.errors import RefusedError
from uptainer.core.reference import Reference
from uptainer.runtimes.kubernetes.ways_back import described, way_back
from uptainer.runtimes.port import ReplacementRequest

OLD = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64
NEW = "sha256:" + "c" * 64
NAME = "registry.example/app"
TAG = Reference.parse(f"{NAME}:1")
NEXT = Reference.parse(f"{NAME}:2")
RUNS = f"{NAME}@{OLD}"


def request(tag: Reference) -> ReplacementRequest:
    return ReplacementRequest(key="shop/cronjob/nightly/app", tag=tag, image=replace(tag, digest=NEW))


@pytest.mark.parametrize("kind", ["deployment", "cronjob"])
@pytest.mark.parametrize("tag", [TAG, NEXT])
def test_the_old_image_is_named_by_the_digest_that_runs(tag: Reference, kind: str) -> None:
    assert way_back(request(tag), str(TAG), {RUNS}, kind=kind) == f"{TAG}@{OLD}"


def test_its_name_keeps_its_spelling() -> None:
    asked = request(Reference.parse("nginx:2"))
    told = {f"nginx@{OLD}", f"docker.io/library/nginx@{OLD}"}
    assert way_back(asked, "nginx", told, kind="deployment") == f"nginx:latest@{OLD}"


UNNAMED: list[tuple[str, set[str], str]] = [
    ("two images", {RUNS, f"{NAME}@{OTHER}"}, "runs 2 different images, .* no one way back"),
    ("one of a registry and one of none", {RUNS, ""}, "runs 2 different images"),
    ("an image that came from no registry", {""}, "came from no registry"),
    ("a job that is gone", set(), "keeps no job"),
]


@pytest.mark.parametrize(
    ("running", "words"), [case[1:] for case in UNNAMED], ids=[case[0] for case in UNNAMED]
)
def test_where_no_one_digest_names_it_only_another_tag_leads_back(running: set[str], words: str) -> None:
    with pytest.raises(RefusedError, match=words):
        way_back(request(TAG), str(TAG), running, kind="cronjob")
    assert way_back(request(NEXT), str(TAG), running, kind="cronjob") == str(TAG)


def test_a_digest_that_another_registry_gave_is_not_taken_for_this_one_while_its_tag_leads_back() -> None:
    mirrored = {f"mirror.example/app@{OLD}"}
    assert way_back(request(NEXT), str(TAG), mirrored, kind="deployment") == str(TAG)
    assert way_back(request(TAG), str(TAG), mirrored, kind="deployment") == f"{TAG}@{OLD}"


def test_a_workload_without_pods_gets_back_what_stood_there() -> None:
    assert way_back(request(TAG), str(TAG), set(), kind="deployment") == str(TAG)


def test_a_pin_of_somebodys_own_stays() -> None:
    assert way_back(request(TAG), f"{TAG}@{OTHER}", {RUNS}, kind="deployment") == f"{TAG}@{OTHER}"


def test_what_an_undo_would_not_bring_back_for_sure_is_said() -> None:
    assert (
        described(str(TAG), f"{TAG}@{OLD}")
        == f"what an undo puts back is {TAG}@{OLD}, which is what runs now"
    )
    assert described(str(TAG), str(TAG)) == f"an undo puts {TAG} back, whatever that stands for by then"
    assert described(f"{TAG}@{OLD}", f"{TAG}@{OLD}") == ""
