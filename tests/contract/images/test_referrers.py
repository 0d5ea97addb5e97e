"""What refers to an image, by registries that keep account of it, in as many pages as they like."""

import json
from dataclasses import replace

import pytest

from tests.lab.scripted import Answer, Asked, ScriptedServer
from uptainer.core.errors import NotFoundError, ProtocolError
from uptainer.core.reference import Reference
from uptainer.images.bodies import MAX_BODY
from uptainer.images.credentials import Keychain
from uptainer.images.registry import RegistryClient
from uptainer.images.repository import Repository

DIGEST = f"sha256:{'1' * 64}"


def page(asked: Asked) -> int:
    return int(asked.path.partition("page=")[2] or 1)


def answer(number: int, *, last: bool) -> Answer:
    link = f'</v2/app/referrers/{DIGEST}?page={number + 1}>; rel="next"'
    return Answer(body=json.dumps({"manifests": [number]}).encode(), headers={} if last else {"Link": link})


async def referrers(server: ScriptedServer) -> list[bytes]:
    async with RegistryClient(Keychain()) as client:
        return await Repository(client, Reference.parse(f"{server.host}/app:1")).referrers(DIGEST)


async def test_they_are_read_over_all_their_pages() -> None:
    with ScriptedServer(lambda asked: answer(page(asked), last=page(asked) == 3)) as server:
        pages = await referrers(server)
    assert [json.loads(each)["manifests"] for each in pages] == [[1], [2], [3]]
    assert server.asked[0].path == f"/v2/app/referrers/{DIGEST}"


@pytest.mark.parametrize("status", [400, 404, 405])
async def test_a_registry_without_such_a_list_is_no_fault(status: int) -> None:
    with (
        ScriptedServer(lambda _: Answer(status)) as server,
        pytest.raises(NotFoundError, match="has no list"),
    ):
        await referrers(server)


@pytest.mark.parametrize("status", [400, 404, 405])
async def test_a_list_that_breaks_off_is_not_taken_for_a_whole_one_or_for_none(status: int) -> None:
    with (
        ScriptedServer(lambda asked: answer(1, last=False) if page(asked) == 1 else Answer(status)) as server,
        pytest.raises(ProtocolError, match="break off"),
    ):
        await referrers(server)


async def test_a_list_is_no_longer_in_all_its_pages_than_one_answer_may_be() -> None:
    def script(asked: Asked) -> Answer:
        next_page = answer(page(asked), last=page(asked) == 50)
        return replace(next_page, body=b" " * (MAX_BODY // 4) + next_page.body)

    with ScriptedServer(script) as server:
        with pytest.raises(ProtocolError, match=f"more than {MAX_BODY} bytes"):
            await referrers(server)
        assert len(server.asked) == 4


async def test_a_list_without_an_end_is_refused() -> None:
    with (
        ScriptedServer(lambda asked: answer(page(asked), last=False)) as server,
        pytest.raises(ProtocolError, match="do not end"),
    ):
        await referrers(server)
