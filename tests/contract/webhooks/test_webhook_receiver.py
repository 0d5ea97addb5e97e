"""The receiver as a registry meets it, over HTTP."""

import asyncio
import hashlib
import hmac
import json
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from uptainer.core.enums import WebhookKind
from uptainer.core.errors import RateLimitedError, UnreachableError, UptainerError
from uptainer.core.pushes import Push
from uptainer.webhooks import receiver
from uptainer.webhooks.proofs import Source
from uptainer.webhooks.receiver import MAX_BODY, Receiver

pytestmark = pytest.mark.anyio
SECRET = "correct-horse-battery"
RUNS = frozenset({"docker.io/library/nginx", "ghcr.io/acme/app"})
AWAY = UnreachableError("the Prefect server does not answer")
NGINX = {"reference": "nginx:1.28"}


@dataclass
class House:
    """What stands behind a receiver: its sources, what runs, and what was announced."""

    failing: UptainerError | None = None
    now: float = 0.0
    asked: list[Sequence[str]] = field(default_factory=list)
    announced: list[Push] = field(default_factory=list)

    async def sources(self) -> Mapping[str, Source]:
        return {
            "any": Source(WebhookKind.GENERIC, SECRET),
            "hub": Source(WebhookKind.DOCKER_HUB, SECRET),
            "ghcr": Source(WebhookKind.GITHUB, SECRET),
        }

    async def running(self, repositories: Sequence[str]) -> frozenset[str]:
        self.asked.append(repositories)
        return RUNS & frozenset(repositories)

    async def announce(self, pushes: Sequence[Push]) -> None:
        if self.failing:
            raise self.failing
        self.announced += pushes

    def receiver(self) -> Receiver:
        return Receiver(self.sources, self.running, self.announce, clock=lambda: self.now)


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
async def web(house: House) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(house.receiver().app())
    async with httpx.AsyncClient(transport=transport, base_url="http://receiver") as client:
        yield client


def signed(body: bytes) -> dict[str, str]:
    digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    return {"X-Hub-Signature-256": f"sha256={digest}", "X-GitHub-Event": "registry_package"}


async def test_a_push_to_what_runs_here_is_announced(web: httpx.AsyncClient, house: House) -> None:
    answer = await web.post(f"/webhooks/any/{SECRET}", json=NGINX)
    assert (answer.status_code, answer.json()) == (202, {"checked": ["docker.io/library/nginx"]})
    assert [(push.source, str(push.reference)) for push in house.announced] == [
        ("any", "docker.io/library/nginx:1.28")
    ]


async def test_a_push_that_nobody_here_runs_costs_one_query_and_announces_nothing(
    web: httpx.AsyncClient, house: House
) -> None:
    answer = await web.post(f"/webhooks/any/{SECRET}", json={"reference": "redis:8"})
    assert (answer.status_code, answer.json()) == (202, {"checked": []})
    assert house.asked == [["docker.io/library/redis"]]
    assert house.announced == []


async def test_what_tells_of_no_push_is_taken_and_asks_nothing(web: httpx.AsyncClient, house: House) -> None:
    body = b'{"zen": "Anything added dilutes everything else.", "hook_id": 1}'
    answer = await web.post("/webhooks/ghcr", content=body, headers=signed(body))
    assert (answer.status_code, house.asked) == (202, [])


async def test_github_proves_itself_by_a_signature_over_the_body_and_by_nothing_else(
    web: httpx.AsyncClient, house: House
) -> None:
    package = {
        "name": "app",
        "owner": {"login": "acme"},
        "package_type": "CONTAINER",
        "package_version": {"container_metadata": {"tag": {"name": "1.2"}}},
    }
    body = json.dumps({"action": "published", "registry_package": package}).encode()
    changed = body.replace(b"1.2", b"6.6")
    assert (await web.post("/webhooks/ghcr", content=changed, headers=signed(body))).status_code == 401
    assert (await web.post(f"/webhooks/ghcr/{SECRET}", content=body)).status_code == 401
    assert house.announced == []
    assert (await web.post("/webhooks/ghcr", content=body, headers=signed(body))).status_code == 202
    assert [push.repository for push in house.announced] == ["ghcr.io/acme/app"]


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/webhooks/any", {}),
        ("/webhooks/any/wrong", {}),
        (f"/webhooks/nobody/{SECRET}", {}),
        ("/webhooks/any", {"Authorization": "wrong"}),
        ("/webhooks/any", {"Authorization": "Basic dXNlcjpwYXNz"}),
    ],
)
async def test_who_does_not_prove_to_be_a_source_is_told_no_more_than_that(
    web: httpx.AsyncClient, house: House, path: str, headers: dict[str, str]
) -> None:
    answer = await web.post(path, json=NGINX, headers=headers)
    assert (answer.status_code, answer.json()) == (
        401,
        {"error": "there is no such source, or this does not prove to come from it"},
    )
    assert house.asked == []


async def test_who_goes_on_guessing_is_not_listened_to_for_a_while(
    web: httpx.AsyncClient, house: House
) -> None:
    codes = [(await web.post(f"/webhooks/any/{number}", json=NGINX)).status_code for number in range(22)]
    assert codes == [401] * 20 + [429] * 2
    answer = await web.post(f"/webhooks/any/{SECRET}", json=NGINX)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "60")
    house.now = 60.0
    assert (await web.post(f"/webhooks/any/{SECRET}", json=NGINX)).status_code == 202


async def test_a_source_that_floods_is_slowed_down(web: httpx.AsyncClient, house: House) -> None:
    codes = [(await web.post(f"/webhooks/any/{SECRET}", json=NGINX)).status_code for _ in range(121)]
    assert codes == [202] * 120 + [429]
    assert (
        await web.post(f"/webhooks/hub/{SECRET}", json={})
    ).status_code == 400  # another source is not held up by it


async def test_a_body_without_end_is_not_read_to_its_end(web: httpx.AsyncClient, house: House) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 65536
            yield b" " * 65536

    answer = await web.post(f"/webhooks/any/{SECRET}", content=endless())
    assert answer.status_code == 413
    assert sent <= MAX_BODY + 2 * 65536
    refused = await web.post("/webhooks/any/wrong", content=endless())
    assert refused.status_code == 401


async def test_a_body_that_does_not_come_is_not_waited_for(
    web: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiver, "BODY_SECONDS", 0.05)

    async def slow() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    assert (await web.post(f"/webhooks/any/{SECRET}", content=slow())).status_code == 408


async def test_what_could_not_be_passed_on_is_to_be_sent_again(web: httpx.AsyncClient, house: House) -> None:
    house.failing = AWAY
    answer = await web.post(f"/webhooks/any/{SECRET}", json=NGINX)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")


async def test_what_there_is_no_room_for_is_to_be_sent_again(web: httpx.AsyncClient, house: House) -> None:
    house.failing = RateLimitedError("200 checks wait already")
    answer = await web.post(f"/webhooks/any/{SECRET}", json=NGINX)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "60")


@pytest.mark.parametrize("body", [b"nothing", b'{"reference": "a b"}', b"{}"])
async def test_a_body_that_cannot_be_read_is_refused_with_the_reason(
    web: httpx.AsyncClient, body: bytes
) -> None:
    answer = await web.post(f"/webhooks/any/{SECRET}", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]


async def test_the_log_has_what_was_pushed_and_no_secret(
    web: httpx.AsyncClient, house: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="uptainer")
    await web.post(f"/webhooks/any/{SECRET}", json=NGINX)
    house.failing = AWAY
    await web.post(f"/webhooks/any/{SECRET}", json=NGINX)
    ours: list[Any] = [each for each in caplog.records if each.name.startswith("uptainer")]
    said = " ".join(each.getMessage() for each in ours)
    assert "docker.io/library/nginx:1.28 was pushed" in said
    assert SECRET not in said


async def test_sources_that_go_away_under_a_notification_are_not_asked_for_again(house: House) -> None:
    asked = 0

    async def once() -> Mapping[str, Source]:
        nonlocal asked
        asked += 1
        if asked > 1:
            raise UnreachableError("the Prefect server does not answer")
        return await house.sources()

    app = Receiver(once, house.running, house.announce).app()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://receiver") as web:
        codes = [(await web.post(f"/webhooks/any/{SECRET}", json=NGINX)).status_code for _ in range(2)]
    assert codes == [202, 503]


async def test_only_a_post_is_taken(web: httpx.AsyncClient) -> None:
    assert (await web.get(f"/webhooks/any/{SECRET}")).status_code == 405
    assert (await web.post("/")).status_code == 404
