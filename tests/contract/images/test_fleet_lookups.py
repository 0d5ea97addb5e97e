"""The fleet's lookup against a real registry, and against ones that fail."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import httpx
import pytest

from tests.lab.images import build_image, push_artifact, push_image, push_index
from tests.lab.registry import Registry
from tests.lab.scripted import Answer, Asked, ScriptedServer
from uptainer.core.enums import ChangeLevel, CheckResult, ContainerStatus, Health
from uptainer.core.platform import Platform
from uptainer.core.reference import Reference
from uptainer.core.workloads import ContainerFacts
from uptainer.images.asking import Patience
from uptainer.images.credentials import Credential, Keychain
from uptainer.images.lookups import look_up
from uptainer.images.queries import Lookup, Query
from uptainer.images.registry import RegistryClient
from uptainer.images.search import Search
from uptainer.images.tag_policy import TagPolicy

AMD64 = Platform("linux", "amd64")
ARM64 = Platform("linux", "arm64")
OTHER = "sha256:" + "0" * 64
MAJOR = TagPolicy.compile(level="major")
VERSION_LABEL = "org.opencontainers.image.version"


@pytest.fixture
async def client() -> AsyncIterator[RegistryClient]:
    async with RegistryClient(Keychain()) as opened:
        yield opened


def query(
    reference: str, *digests: str, policy: TagPolicy | None = None, platform: Platform = AMD64
) -> Query:
    return Query(Reference.parse(reference), platform, policy or TagPolicy(), frozenset(digests))


async def one(client: RegistryClient, asked: Query) -> Lookup:
    (found,) = await look_up([asked], client)
    return found


def summary(lookup: Lookup) -> list[tuple[str, str]]:
    return [(str(found.level), found.reference.tag or "") for found in lookup.candidates]


async def test_a_tag_that_did_not_move_is_up_to_date_with_one_request(
    registry: Registry, client: RegistryClient
) -> None:
    digest = push_image(registry.url, "fleet/same:1", build_image())
    registry.forget_requests()

    found = await one(client, query(registry.reference("fleet/same:1"), digest))

    assert (found.result, found.current_digest, found.candidates) == (CheckResult.UP_TO_DATE, digest, ())
    assert found.reason.startswith("1 still stands for what runs")
    assert len(registry.requests()) == client.requests == 1


async def test_a_workload_of_several_images_is_not_up_to_date_by_one_of_them(
    registry: Registry, client: RegistryClient
) -> None:
    digest = push_image(registry.url, "fleet/mixed:1", build_image())
    asked = replace(query(registry.reference("fleet/mixed:1"), digest), mixed=frozenset({digest, OTHER}))
    found = await one(client, asked)
    assert found.result is CheckResult.UNKNOWN
    assert "2 different images run" in found.reason


async def test_a_tag_that_moved_is_a_candidate_with_its_date_and_version(
    registry: Registry, client: RegistryClient
) -> None:
    image = build_image(labels={VERSION_LABEL: "1.2.4"}, created="2026-02-03T04:05:06Z")
    digest = push_image(registry.url, "fleet/moved:1.2", image)

    found = await one(client, query(registry.reference("fleet/moved:1.2"), OTHER))

    assert found.result is CheckResult.CANDIDATES
    (candidate,) = found.candidates
    assert (candidate.digest, candidate.level, candidate.version) == (digest, ChangeLevel.DIGEST, "1.2.4")
    assert candidate.published_at == datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
    assert candidate.pinned.digest == digest


@pytest.mark.parametrize(
    ("tag", "label", "version"),
    [("1.2", "1.2.4", "1.2.4"), ("1.2", "22.04", "1.2"), ("1.2", None, "1.2"), ("edge", None, None)],
)
async def test_a_label_that_a_base_image_left_behind_is_not_the_version(
    registry: Registry, client: RegistryClient, tag: str, label: str | None, version: str | None
) -> None:
    push_image(registry.url, f"fleet/base:{tag}", build_image(labels={VERSION_LABEL: label} if label else {}))

    (candidate,) = (await one(client, query(registry.reference(f"fleet/base:{tag}"), OTHER))).candidates

    assert candidate.version == version


@pytest.mark.parametrize("label", ["1.2-\N{LATIN SMALL LETTER LONG S}napshot", "9" * 4400, "1.2.4-\x1b[2J"])
async def test_a_label_that_is_no_version_is_none_and_the_others_are_answered(
    registry: Registry, client: RegistryClient, label: str
) -> None:
    push_image(registry.url, "fleet/evil:1.2", build_image(labels={VERSION_LABEL: label}))
    digest = push_image(registry.url, "fleet/good:1", build_image())
    evil, good = await look_up(
        [
            query(registry.reference("fleet/evil:1.2"), OTHER),
            query(registry.reference("fleet/good:1"), digest),
        ],
        client,
    )
    assert (evil.candidates[0].version, good.result) == ("1.2", CheckResult.UP_TO_DATE)


async def test_a_fault_in_reading_one_lookup_is_of_that_one(
    registry: Registry, client: RegistryClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = [push_image(registry.url, f"fleet/fault:{name}", build_image()) for name in ("bad", "good")]
    run = Search.run

    async def fail_once(search: Search) -> Lookup:
        if search.query.reference.tag == "bad":
            raise KeyError("never foreseen")
        return await run(search)

    monkeypatch.setattr(Search, "run", fail_once)
    names = [query(registry.reference(f"fleet/fault:{name}"), *digests) for name in ("bad", "good")]
    bad, good = await look_up(names, client)
    assert (bad.result, good.result) == (CheckResult.UNKNOWN, CheckResult.UP_TO_DATE)
    assert "a fault of Uptainer's own" in bad.reason


async def test_the_fleet_asks_once_for_each_distinct_reference(
    registry: Registry, client: RegistryClient
) -> None:
    digests = {name: push_image(registry.url, f"fleet/many:{name}", build_image()) for name in "abc"}
    queries = [query(registry.reference(f"fleet/many:{name}"), digests[name]) for name in "abc" * 50]
    registry.forget_requests()

    found = await look_up(queries, client)

    assert [lookup.reference for lookup in found] == [asked.reference for asked in queries]
    assert {lookup.result for lookup in found} == {CheckResult.UP_TO_DATE}
    assert sorted(request.method for request in registry.requests()) == ["HEAD"] * 3


async def test_containers_of_one_tag_that_run_different_digests_share_its_questions(
    registry: Registry, client: RegistryClient
) -> None:
    digest = push_image(registry.url, "fleet/shared:1", build_image())
    reference = registry.reference("fleet/shared:1")
    registry.forget_requests()

    found = await look_up([query(reference, digest), query(reference, OTHER)], client)

    assert [lookup.result for lookup in found] == [CheckResult.UP_TO_DATE, CheckResult.CANDIDATES]
    assert [request.method for request in registry.requests()] == ["HEAD", "GET", "GET"]


@pytest.mark.parametrize("known_by", ["index", "manifest", "image id"])
async def test_an_index_is_up_to_date_by_whichever_digest_the_engine_knows(
    registry: Registry, client: RegistryClient, known_by: str
) -> None:
    ours, theirs = build_image(), build_image(platform="linux/arm64")
    manifest = push_image(registry.url, "fleet/index:ours", ours)
    index = push_index(registry.url, "fleet/index:1", [ours, theirs])
    digests = {"index": index, "manifest": manifest, "image id": OTHER}
    asked = replace(query(registry.reference("fleet/index:1"), digests[known_by]), image_id=ours.id)
    if known_by != "image id":
        asked = replace(asked, image_id="")

    found = await one(client, asked)

    assert (found.result, found.candidates) == (CheckResult.UP_TO_DATE, ())


async def test_an_index_that_changed_for_another_platform_only_is_no_candidate(
    registry: Registry, client: RegistryClient
) -> None:
    ours = build_image()
    before = push_index(registry.url, "fleet/rebuilt:1", [ours, build_image(platform="linux/arm64")])
    after = push_index(
        registry.url, "fleet/rebuilt:1", [ours, build_image(platform="linux/arm64", labels={"build": "2"})]
    )
    reference = registry.reference("fleet/rebuilt:1")

    on_amd64 = await one(client, replace(query(reference, before), image_id=ours.id))
    on_arm64 = await one(client, query(reference, before, platform=ARM64))

    assert (before != after, on_amd64.result) == (True, CheckResult.UP_TO_DATE)
    assert [candidate.digest for candidate in on_arm64.candidates] == [after]


async def test_the_newest_tag_of_each_level_is_found(registry: Registry, client: RegistryClient) -> None:
    tags = ("1.2.3", "1.2.4", "1.3.0", "1.3.1", "2.0.0", "2.0.1-rc1", "1.9.0-alpine", "latest", "20240101")
    digests = {
        tag: push_image(registry.url, f"fleet/levels:{tag}", build_image(labels={"tag": tag})) for tag in tags
    }
    registry.forget_requests()

    found = await one(client, query(registry.reference("fleet/levels:1.2.3"), digests["1.2.3"], policy=MAJOR))

    assert summary(found) == [("patch", "1.2.4"), ("minor", "1.3.1"), ("major", "2.0.0")]
    assert [candidate.digest for candidate in found.candidates] == [
        digests[tag] for tag in ("1.2.4", "1.3.1", "2.0.0")
    ]
    assert all(candidate.published_at for candidate in found.candidates)
    assert sum("/tags/list" in request.path for request in registry.requests()) == 1


async def test_a_version_without_an_image_for_the_platform_is_passed_over(
    registry: Registry, client: RegistryClient
) -> None:
    both = [build_image(labels={"v": "1.1"}), build_image(labels={"v": "1.1"}, platform="linux/arm64")]
    running = push_image(registry.url, "fleet/arch:1.0", build_image(platform="linux/arm64"))
    push_index(registry.url, "fleet/arch:1.1", both)
    push_index(registry.url, "fleet/arch:1.2", [build_image(labels={"v": "1.2"})])
    push_image(registry.url, "fleet/arch:1.3", build_image(labels={"v": "1.3"}))
    chart = {
        "config_type": "application/vnd.cncf.helm.config.v1+json",
        "layer_type": "x/y",
        "layer": b"x",
        "title": "c",
    }
    push_artifact(registry.url, "fleet/arch:2.0", **chart)  # type: ignore[arg-type]  # -- texts, and one of bytes
    asked = query(registry.reference("fleet/arch:1.0"), running, policy=MAJOR, platform=ARM64)

    found = await one(client, asked)

    assert summary(found) == [("minor", "1.1")]


async def test_a_workload_on_several_platforms_is_offered_only_what_is_there_for_all(
    registry: Registry, client: RegistryClient
) -> None:
    both = [build_image(labels={"v": "1.1"}, platform=f"linux/{each}") for each in ("amd64", "arm64")]
    everywhere = push_index(registry.url, "fleet/mixed:1.1", both)
    push_index(registry.url, "fleet/mixed:1.2", [build_image(labels={"v": "1.2"})])
    push_image(registry.url, "fleet/mixed:1.3", build_image(labels={"v": "1.3"}))
    running = push_image(registry.url, "fleet/mixed:1.0", build_image(labels={"v": "1.0"}))
    asked = replace(query(registry.reference("fleet/mixed:1.0"), running, policy=MAJOR), others=(ARM64,))

    found = await one(client, asked)

    assert [each.digest for each in found.candidates] == [everywhere]


async def test_the_reason_says_why_no_version_would_do(registry: Registry, client: RegistryClient) -> None:
    running = push_image(registry.url, "fleet/why:1.0-alpine", build_image(platform="linux/arm64"))
    push_image(registry.url, "fleet/why:1.1-alpine", build_image())
    reference = registry.reference("fleet/why:1.0-alpine")

    passed_over = await one(client, query(reference, running, policy=MAJOR, platform=ARM64))
    none = await one(client, query(registry.reference("fleet/why:1.1-alpine"), OTHER, policy=MAJOR))

    assert passed_over.result is CheckResult.UP_TO_DATE
    assert "1.1-alpine is passed over" in passed_over.reason
    assert "is for linux/amd64, not for linux/arm64" in passed_over.reason
    assert summary(none) == [("digest", "1.1-alpine")]


async def test_a_newer_name_for_what_runs_is_no_candidate(registry: Registry, client: RegistryClient) -> None:
    for tag in ("1.0.0", "1.0.1"):
        digest = push_image(registry.url, f"fleet/renamed:{tag}", build_image())

    found = await one(client, query(registry.reference("fleet/renamed:1.0.0"), digest, policy=MAJOR))

    assert (found.result, found.candidates) == (CheckResult.UP_TO_DATE, ())
    assert "1.0.1 is the image that runs" in found.reason


@pytest.mark.parametrize(
    ("tag", "label", "stands_for"),
    [
        ("latest", "1.2.4", "1.2.4"),
        ("latest", None, "1.2.4"),
        ("1.2", None, "1.2.4"),
        ("1.2", "22.04", "1.2.4"),
    ],
)
async def test_a_moving_tag_shows_the_version_it_stands_for(
    registry: Registry, client: RegistryClient, tag: str, label: str | None, stands_for: str
) -> None:
    old = push_image(registry.url, "fleet/moving:1.2.3", build_image(labels={"v": "old"}))
    new = build_image(labels={"v": "new"})
    for name in ("1.2.4", "1.2", "1", "latest"):
        digest = push_image(registry.url, f"fleet/moving:{name}", new)
    labels = {VERSION_LABEL: label} if label else {}
    policy = TagPolicy.compile(resolve_versions=True)
    asked = replace(query(registry.reference(f"fleet/moving:{tag}"), digest, policy=policy), labels=labels)

    found = await one(client, asked)

    assert old != digest
    assert (found.result, found.stands_for) == (CheckResult.UP_TO_DATE, stands_for)


async def test_a_moving_tag_that_moved_shows_both_versions(
    registry: Registry, client: RegistryClient
) -> None:
    old, new = build_image(), build_image(labels={"v": "new"})
    for name, image in (("1.2.3", old), ("1.2.4", new), ("latest", new)):
        digest = push_image(registry.url, f"fleet/both:{name}", image)
    before = push_image(registry.url, "fleet/both:1.2.3", old)
    asked = query(
        registry.reference("fleet/both:latest"), before, policy=TagPolicy.compile(resolve_versions=True)
    )

    found = await one(client, asked)

    assert found.stands_for == "1.2.3"
    assert [(candidate.digest, candidate.version) for candidate in found.candidates] == [(digest, "1.2.4")]


async def test_what_needs_no_question_is_not_asked(client: RegistryClient) -> None:
    local, pinned, bare = await look_up(
        [
            query("registry.invalid/built-here:1"),
            query(f"registry.invalid/app:1@{OTHER}", OTHER),
            query(f"registry.invalid/app@{OTHER}", OTHER, policy=TagPolicy.compile(follow_pinned=True)),
        ],
        client,
    )

    assert (local.result, pinned.result, bare.result) == ("local_only", "pinned", "pinned")
    assert "built or loaded on its host" in local.reason
    assert f"pinned to {OTHER}" in pinned.reason
    assert client.requests == 0


async def test_a_pinned_image_follows_its_tag_where_the_policy_says_so(
    registry: Registry, client: RegistryClient
) -> None:
    before = push_image(registry.url, "fleet/pinned:1", build_image())
    after = push_image(registry.url, "fleet/pinned:1", build_image(labels={"v": "2"}))
    reference = f"{registry.reference('fleet/pinned:1')}@{before}"

    found = await one(client, query(reference, before, policy=TagPolicy.compile(follow_pinned=True)))

    assert [candidate.digest for candidate in found.candidates] == [after]


async def test_one_bad_reference_leaves_the_others_alone(registry: Registry, client: RegistryClient) -> None:
    digest = push_image(registry.url, "fleet/good:1", build_image())
    queries = [
        query(registry.reference("fleet/good:1"), digest),
        query(registry.reference("fleet/gone:1"), digest),
        query("localhost:1/fleet/away:1", digest),
    ]

    good, gone, away = await look_up(queries, client, patience=Patience(attempts=1))

    assert (good.result, gone.result, away.result) == ("up_to_date", "unknown", "unknown")
    assert "answered 404" in gone.reason
    assert "localhost:1 cannot be reached" in away.reason


async def test_wrong_credentials_make_the_result_unknown_with_the_reason(
    basic_auth_registry: Registry,
) -> None:
    async with RegistryClient(Keychain({basic_auth_registry.host: Credential("who", "hunter2")})) as client:
        found = await one(client, query(basic_auth_registry.reference("fleet/secret:1"), OTHER))

    assert found.result is CheckResult.UNKNOWN
    assert "does not show" in found.reason
    assert "hunter2" not in found.reason


async def test_a_candidate_of_an_earlier_run_is_not_described_again(registry: Registry) -> None:
    running = push_image(registry.url, "fleet/again:1.0", build_image())
    push_image(registry.url, "fleet/again:1.1", build_image(labels={"v": "1.1"}))
    asked = query(registry.reference("fleet/again:1.0"), running, policy=MAJOR)
    async with RegistryClient(Keychain()) as client:
        first = await one(client, asked)
    registry.forget_requests()
    async with RegistryClient(Keychain()) as client:
        remembered = {(candidate.digest, AMD64): candidate for candidate in first.candidates}
        (second,) = await look_up([replace(asked, known=first.head)], client, remembered=remembered)

    assert second == first
    assert sorted((request.method, request.status) for request in registry.requests()) == [
        ("GET", 200),
        ("HEAD", 200),
        ("HEAD", 304),
    ]


def test_a_container_asks_for_its_own_image() -> None:
    container = ContainerFacts(
        key="web",
        runtime_id="1",
        name="web",
        image_reference="nginx:1.27",
        image_id="sha256:" + "1" * 64,
        repo_digests=(f"nginx@{OTHER}",),
        status=ContainerStatus.RUNNING,
        health=Health.NONE,
        restart_count=0,
        platform=None,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        image_labels={VERSION_LABEL: "1.27.4"},
        details={"digests": {OTHER: 2, "sha256:" + "2" * 64: 1}},
    )
    asked = Query.of(container, MAJOR, AMD64)

    assert (str(asked.reference), asked.platform) == ("docker.io/library/nginx:1.27", AMD64)
    assert asked.runs(OTHER)
    assert asked.runs(container.image_id)
    assert not asked.runs("")
    assert asked.mixed == {OTHER, "sha256:" + "2" * 64}


@dataclass
class Clock:
    """Time that passes only when somebody sleeps."""

    now: float = 0.0
    slept: list[float] = field(default_factory=list)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)

    def patience(self, **settings: float) -> Patience:
        return Patience(sleep=self.sleep, clock=lambda: self.now, **settings)  # type: ignore[arg-type]  # -- numbers


def answering(*answers: Answer) -> ScriptedServer:
    """One answer after the other; the last one again and again."""
    said = itertools.chain(answers, itertools.repeat(answers[-1]))
    return ScriptedServer(lambda _: next(said))


HEAD = Answer(headers={"Docker-Content-Digest": OTHER})


@pytest.mark.parametrize(
    ("answers", "slept"),
    [
        ([Answer(503), HEAD], [0.5]),
        ([Answer(503), Answer(500), HEAD], [0.5, 1.0]),
        ([Answer(503, headers={"Retry-After": "7"}), HEAD], [7.0]),
        ([Answer(429, headers={"Retry-After": "7"}), HEAD], [7.0]),
    ],
)
async def test_a_temporary_failure_is_waited_out(
    client: RegistryClient, answers: Sequence[Answer], slept: list[float]
) -> None:
    clock = Clock()
    with answering(*answers) as server:
        (found,) = await look_up([query(f"{server.host}/app:1", OTHER)], client, patience=clock.patience())

    assert found.result is CheckResult.UP_TO_DATE
    assert clock.slept == slept


@pytest.mark.parametrize(
    ("answer", "asked_for", "slept"),
    [
        (Answer(503), 3, [0.5, 1.0]),
        (Answer(503, headers={"Retry-After": "3600"}), 1, []),
        (Answer(429, headers={"Retry-After": "3600"}), 1, []),
        (Answer(404), 1, []),
    ],
)
async def test_patience_has_an_end(
    client: RegistryClient, answer: Answer, asked_for: int, slept: list[float]
) -> None:
    clock = Clock()
    with answering(answer) as server:
        (found,) = await look_up([query(f"{server.host}/app:1", OTHER)], client, patience=clock.patience())

    assert found.result is CheckResult.UNKNOWN
    assert (len(server.asked), clock.slept) == (asked_for, slept)


async def test_a_registry_that_says_not_now_for_long_is_not_asked_by_the_rest_of_the_fleet() -> None:
    clock = Clock()
    with answering(Answer(429, headers={"Retry-After": "3600"})) as server:
        queries = [query(f"{server.host}/app{number}:1", OTHER) for number in range(200)]
        async with RegistryClient(Keychain()) as client:
            found = await look_up(queries, client, patience=clock.patience())

    assert {lookup.result for lookup in found} == {CheckResult.UNKNOWN}
    assert all("429" in lookup.reason for lookup in found)
    assert len(server.asked) <= 8


async def test_a_registry_that_is_down_is_given_up_once_for_the_whole_fleet(client: RegistryClient) -> None:
    clock = Clock()
    queries = [query(f"localhost:1/app{number}:1", OTHER) for number in range(200)]

    found = await look_up(queries, client, patience=clock.patience())

    assert {lookup.result for lookup in found} == {CheckResult.UNKNOWN}
    assert client.requests <= 8 * 3


async def test_a_failing_repository_does_not_close_its_registry(client: RegistryClient) -> None:
    def script(asked: Asked) -> Answer:
        return Answer(503) if "/bad/" in asked.path else HEAD

    clock = Clock()
    with ScriptedServer(script) as server:
        bad, good = await look_up(
            [query(f"{server.host}/bad/app:1", OTHER), query(f"{server.host}/good/app:1", OTHER)],
            client,
            patience=clock.patience(),
        )

    assert (bad.result, good.result) == (CheckResult.UNKNOWN, CheckResult.UP_TO_DATE)


async def test_tags_that_cannot_be_listed_are_never_shown_as_up_to_date(client: RegistryClient) -> None:
    def script(asked: Asked) -> Answer:
        return Answer(500) if "/tags/" in asked.path else HEAD

    with ScriptedServer(script) as server:
        asked = query(f"{server.host}/app:1.0", OTHER, policy=MAJOR)
        (found,) = await look_up([asked], client, patience=Patience(attempts=1))

    assert (found.result, found.current_digest) == (CheckResult.UNKNOWN, OTHER)
    assert "the tags of" in found.reason
    assert found.unanswered == set(ChangeLevel) - {ChangeLevel.DIGEST}


async def test_it_is_told_of_which_levels_nothing_was_found_out(
    registry: Registry, client: RegistryClient
) -> None:
    """A tag that moved is a candidate, also where nobody knows whether a release is there."""
    moved = push_image(registry.url, "fleet/part:1.0", build_image(files={"a": "new"}))

    def script(asked: Asked) -> Answer:
        if "/tags/" in asked.path:
            return Answer(500)
        headers = {"Accept": asked.headers.get("Accept", "*/*")}
        real = httpx.request(asked.method, f"{registry.url}{asked.path}", headers=headers)
        kept = ("content-type", "docker-content-digest")
        return Answer(
            real.status_code,
            real.content,
            {name: real.headers[name] for name in kept if name in real.headers},
        )

    with ScriptedServer(script) as server:
        asked = query(f"{server.host}/fleet/part:1.0", OTHER, policy=MAJOR)
        (found,) = await look_up([asked], client, patience=Patience(attempts=1))

    assert [(each.level, each.digest) for each in found.candidates] == [(ChangeLevel.DIGEST, moved)]
    assert found.unanswered == set(ChangeLevel) - {ChangeLevel.DIGEST}
