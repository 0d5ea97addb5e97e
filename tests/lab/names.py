"""What a host's name stands for, written by a test: the servers behind it are real, and on loopback."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest


def resolve_as(monkeypatch: pytest.MonkeyPatch, name: str, *addresses: str) -> None:
    """Have `name` stand for each of these addresses in turn, a lookup at a time, and for the last one from then on."""
    real = socket.getaddrinfo
    turns = _in_turn(addresses)

    def resolve(host: Any, *args: Any, **kwargs: Any) -> Any:
        asked = host.decode() if isinstance(host, bytes) else host
        return real(next(turns) if asked == name else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


def _in_turn(addresses: tuple[str, ...]) -> Iterator[str]:
    yield from addresses
    while True:
        yield addresses[-1]
