"""docker-registry's own notifications, as the receiver takes them over a real connection."""

import socket
import threading
from collections.abc import Iterator, Mapping, Sequence

import httpx
import pytest
import uvicorn

from tests.lab.environment import lab_part
from tests.lab.images import build_image, push_image
from tests.lab.registry import Registry
from tests.lab.room import Room, free_port, wait_until
from uptainer.core.enums import WebhookKind
from uptainer.core.pushes import Push
from uptainer.webhooks import connections
from uptainer.webhooks.connections import CLOSING, BriefConnection
from uptainer.webhooks.proofs import Source
from uptainer.webhooks.receiver import Receiver

SECRET = "correct-horse-battery"


class Served:
    """A receiver that takes the notifications of `lab`, whatever runs."""

    def __init__(self) -> None:
        self.port = free_port()
        self.pushes: list[Push] = []
        receiver = Receiver(self._sources, self._running, self._announce)
        config = uvicorn.Config(
            receiver.app(),
            port=self.port,
            log_config=None,
            lifespan="off",
            http=BriefConnection,
            ws="none",
            headers=[CLOSING],
            limit_concurrency=4,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        wait_until(lambda: self._server.started, what="the receiver did not start")

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join(timeout=30)

    async def _sources(self) -> Mapping[str, Source]:
        return {"lab": Source(WebhookKind.DISTRIBUTION, SECRET)}

    async def _running(self, repositories: Sequence[str]) -> frozenset[str]:
        return frozenset(repositories)

    async def _announce(self, pushes: Sequence[Push]) -> None:
        self.pushes += pushes


@pytest.fixture
def served() -> Iterator[Served]:
    receiver = Served()
    yield receiver
    receiver.close()


def test_a_registry_of_ones_own_tells_of_each_tag_that_is_pushed(room: Room, served: Served) -> None:
    with lab_part():
        registry = Registry(room, told=(f"http://127.0.0.1:{served.port}/webhooks/lab", SECRET))
    try:
        push_image(registry.url, "shop/app:1.0.0", build_image())
        push_image(registry.url, "shop/app:1.1.0", build_image(labels={"a": "b"}))
        expected = [registry.reference(f"shop/app:1.{number}.0") for number in (0, 1)]
        wait_until(
            lambda: list(dict.fromkeys(str(push.reference) for push in served.pushes)) == expected,
            what=f"it was told of {served.pushes}, and not of {expected}",
            timeout=60,
        )
    finally:
        registry.close()


def tell(served: Served) -> int:
    address = f"http://127.0.0.1:{served.port}/webhooks/lab/{SECRET}"
    return httpx.post(address, json={"events": []}, timeout=60).status_code


def test_who_connects_and_says_nothing_does_not_keep_the_places_of_others(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = []
    try:
        with monkeypatch.context() as hurried:
            hurried.setattr(connections, "HEAD_SECONDS", 0.5)
            silent += [socket.create_connection(("127.0.0.1", served.port), timeout=60) for _ in range(8)]
            for each in silent:
                each.sendall(b"POST /webhooks/lab HTTP/1.1\r\nX-Slow: ")
            for each in silent:
                assert _receive(each) == b""
        assert tell(served) == 202
    finally:
        for each in silent:
            each.close()


def test_a_connection_ends_however_slowly_its_body_drips(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "WHOLE_SECONDS", 0.5)
    assert _answer(served, SECRET) == b""


def test_a_connection_carries_one_notification(served: Served) -> None:
    answer = _answer(served, "wrong")
    assert answer.startswith(b"HTTP/1.1 401")
    assert b"connection: close" in answer.lower()


def _answer(served: Served, secret: str) -> bytes:
    """What is answered until the connection ends to one whose body never does."""
    head = f"POST /webhooks/lab/{secret} HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n{{"
    answer = b""
    with socket.create_connection(("127.0.0.1", served.port), timeout=60) as dripping:
        dripping.sendall(head.encode())
        while chunk := _receive(dripping):
            answer += chunk
    return answer


def _receive(connection: socket.socket) -> bytes:
    """Nothing also where it is cut off."""
    try:
        return connection.recv(65536)
    except ConnectionResetError:
        return b""
