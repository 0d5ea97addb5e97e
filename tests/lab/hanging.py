"""Servers on loopback that take a connection and do not say what the client waits for."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

Behaves = Callable[[socket.socket, threading.Event], None]


def never_answers(_: socket.socket, over: threading.Event) -> None:
    over.wait(60)


def trickles(connection: socket.socket, over: threading.Event) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
    for byte in head + b" " * 100_000:
        connection.sendall(bytes([byte]))
        if over.wait(0.05):
            return


def trickles_a_banner(connection: socket.socket, over: threading.Event) -> None:
    while not over.wait(0.2):
        connection.sendall(b"x\r\n")


def hangs_up(connection: socket.socket, _: threading.Event) -> None:
    connection.shutdown(socket.SHUT_RDWR)


class OddServer:
    def __init__(self, behaves: Behaves, port: int = 0) -> None:
        self._over = threading.Event()
        self._behaves = behaves
        self._socket = socket.create_server(("127.0.0.1", port))
        self.port: int = self._socket.getsockname()[1]
        self._taken: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                self._taken.append(connection)
                threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        with suppress(OSError):
            self._behaves(connection, self._over)

    def close(self) -> None:
        self._over.set()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits for the next one
        for each in (self._socket, *self._taken):
            each.close()
