"""A TCP proxy that cuts: what a pulled cable, a dead switch or a firewall does to a connection."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from typing import Literal, Self

_RESET = struct.pack("ii", 1, 0)

Direction = Literal["up", "down"]
"""``up``: from whoever connects here to the target; ``down``: back."""


class Proxy:
    """Forwards ``port`` to ``target`` on loopback; a context manager.

    ``silence`` holds everything back while the connections look alive; ``release`` lets it flow.
    ``cut`` resets all connections; ``refuse`` then turns new ones away. ``delay_s`` holds each packet
    back for so long, in both directions.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._flowing = {"up": threading.Event(), "down": threading.Event()}
        self.release()
        self.refuse = False
        self.delay_s = 0.0
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def silence(self, *directions: Direction) -> None:
        """Hold everything back from now on; by default in both directions."""
        for direction in directions or ("up", "down"):
            self._flowing[direction].clear()

    def release(self) -> None:
        """Let what was held back, and all that follows, pass."""
        for flowing in self._flowing.values():
            flowing.set()

    def cut(self) -> None:
        """Reset all connections, both sides; what was held back is lost."""
        with self._lock:
            sockets, self._sockets = self._sockets, []
        for sock in sockets:
            with contextlib.suppress(OSError):  # already gone
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                sock.shutdown(socket.SHUT_RD)
            sock.close()

    @property
    def idle(self) -> bool:
        """Whether every connection has ended, with all of it passed on."""
        return not any(thread.is_alive() for thread in self._threads[1:])

    def close(self) -> None:
        """Cut all, and end."""
        with contextlib.suppress(OSError):  # wakes accept()
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        self.release()
        for thread in self._threads:
            thread.join(5)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                return
            if self.refuse:
                client.close()
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:  # the broker is down: as good as refused
                client.close()
                continue
            for sock in (client, server):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._sockets += [client, server]
            pairs: tuple[tuple[socket.socket, socket.socket, Direction], ...]
            pairs = ((client, server, "up"), (server, client, "down"))
            for pair in pairs:
                thread = threading.Thread(target=self._pump, args=pair, daemon=True)
                self._threads.append(thread)
                thread.start()

    def _pump(self, source: socket.socket, sink: socket.socket, direction: Direction) -> None:
        with contextlib.suppress(OSError):  # either side is gone
            while data := source.recv(65536):
                if self.delay_s:
                    time.sleep(self.delay_s)
                self._flowing[direction].wait()
                sink.sendall(data)
        for sock in (source, sink):
            with contextlib.suppress(OSError):  # closed by the other direction
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
