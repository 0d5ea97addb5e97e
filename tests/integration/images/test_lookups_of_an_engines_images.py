"""What a real engine says of an image it pulled is what the lookup needs to know it again."""

from tests.lab.docker import DockerEngine
from tests.lab.images import Image, build_image, load_image, push_index
from tests.lab.registry import Registry
from uptainer.core.enums import CheckResult
from uptainer.core.platform import Platform
from uptainer.core.reference import Reference
from uptainer.images.credentials import Keychain
from uptainer.images.lookups import look_up
from uptainer.images.queries import Lookup, Query
from uptainer.images.registry import RegistryClient
from uptainer.images.tag_policy import TagPolicy


def query(engine: DockerEngine, reference: str) -> Query:
    held = engine.client.images.get(reference).attrs
    return Query(
        reference=Reference.parse(reference),
        platform=Platform.of(held["Os"], held["Architecture"]),
        policy=TagPolicy(),
        digests=frozenset(text.rpartition("@")[2] for text in held["RepoDigests"]),
        image_id=held["Id"],
    )


async def look(asked: Query) -> Lookup:
    async with RegistryClient(Keychain()) as client:
        (found,) = await look_up([asked], client)
        return found


def both(engine: DockerEngine, **labels: str) -> list[Image]:
    """One image for the engine's own platform, and one for another; only the latter differs by `labels`."""
    version = engine.client.version()
    other = "arm64" if version["Arch"] == "amd64" else "amd64"
    ours = build_image(platform=f"linux/{version['Arch']}")
    return [ours, build_image(platform=f"linux/{other}", labels=labels)]


async def test_an_image_that_was_just_pulled_is_up_to_date(
    docker_engine: DockerEngine, registry: Registry
) -> None:
    reference = registry.reference("engine/pulled:1")
    push_index(registry.url, "engine/pulled:1", both(docker_engine))
    docker_engine.client.images.pull(reference)
    registry.forget_requests()

    found = await look(query(docker_engine, reference))

    assert (found.result, len(registry.requests())) == (CheckResult.UP_TO_DATE, 1)


async def test_a_rebuild_for_another_platform_is_not_offered_to_this_one(
    docker_engine: DockerEngine, registry: Registry
) -> None:
    reference = registry.reference("engine/rebuilt:1")
    push_index(registry.url, "engine/rebuilt:1", both(docker_engine))
    docker_engine.client.images.pull(reference)
    push_index(registry.url, "engine/rebuilt:1", both(docker_engine, build="2"))

    assert (await look(query(docker_engine, reference))).result is CheckResult.UP_TO_DATE


async def test_what_is_offered_is_what_the_engine_then_runs(
    docker_engine: DockerEngine, registry: Registry
) -> None:
    reference = registry.reference("engine/newer:1")
    ours, theirs = both(docker_engine)
    push_index(registry.url, "engine/newer:1", [ours, theirs])
    docker_engine.client.images.pull(reference)
    newer = build_image(platform=ours.platform, labels={"build": "2"})
    push_index(registry.url, "engine/newer:1", [newer, theirs])

    (candidate,) = (await look(query(docker_engine, reference))).candidates
    pulled = docker_engine.client.images.pull(str(candidate.pinned))

    assert pulled.id == newer.id
    docker_engine.client.images.pull(reference)
    assert (await look(query(docker_engine, reference))).result is CheckResult.UP_TO_DATE


async def test_an_image_that_was_loaded_is_local_only(docker_engine: DockerEngine) -> None:
    load_image(docker_engine, "built-here:1", build_image(labels={"built": "here"}))

    assert (await look(query(docker_engine, "built-here:1"))).result is CheckResult.LOCAL_ONLY
