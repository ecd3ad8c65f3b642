"""An MQTT broker inside this process, for the demonstration and for tests; loopback only.

amqtt, MQTT 3.1.1, on an event loop and thread of its own. The connections are accepted here and handed
to amqtt, which by itself leaves them open when it stops; asyncio sets TCP_NODELAY on each of them.
Nothing is kept between runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from typing import Any, Self

from inspector.errors import OutsideError

HOST = "127.0.0.1"
_CONFIG = {
    "listeners": {"default": {"type": "external"}},
    "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
}
_STOP_TIMEOUT_S = 5.0


class EmbeddedBroker:
    """A broker that anybody on this computer may use; a context manager."""

    def __init__(self, port: int = 0) -> None:
        """``port`` 0: a free one, known after :meth:`start`."""
        self.host = HOST
        self.port = port
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stop: asyncio.Event | None = None
        self._started = threading.Event()
        self._error: Exception | None = None
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    def start(self) -> None:
        """Listen. Raises :class:`~inspector.errors.OutsideError` when the port is taken, or when
        amqtt is not installed."""
        try:
            from amqtt.adapters import StreamReaderAdapter, StreamWriterAdapter
            from amqtt.broker import Broker
        except ImportError as error:
            # An optional extra: a line computer has a real broker.
            raise OutsideError(
                "the embedded MQTT broker is not installed", "pip install '.[demo]'"
            ) from error
        # A client that is cut off is routine here, and amqtt reports it as an error.
        logging.getLogger("amqtt").setLevel(logging.CRITICAL)
        logging.getLogger("transitions").setLevel(logging.WARNING)
        self._started.clear()
        self._error = None
        self._thread = threading.Thread(
            target=self._run,
            args=(Broker, StreamReaderAdapter, StreamWriterAdapter),
            name="embedded-broker",
            daemon=True,
        )
        self._thread.start()
        self._started.wait()
        if self._error is not None:
            self._thread.join()
            raise OutsideError(
                f"the embedded MQTT broker cannot listen on {HOST}:{self.port}: {self._error}",
                "Stop the other program that has this port, or choose another port",
            ) from self._error

    def close(self) -> None:
        """Disconnect everybody and stop; harmless when not started."""
        thread, loop, stop = self._thread, self._loop, self._stop
        if thread is None or loop is None or stop is None or not thread.is_alive():
            return
        loop.call_soon_threadsafe(stop.set)
        thread.join(2 * _STOP_TIMEOUT_S)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, *amqtt: Any) -> None:
        try:
            asyncio.run(self._serve(*amqtt))
        except Exception as error:
            # Before the start it reaches the caller through start().
            if self._started.is_set():
                raise
            self._error = error
        finally:
            self._started.set()

    async def _serve(self, broker_class: Any, reader_class: Any, writer_class: Any) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        broker = broker_class(_CONFIG)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await broker.external_connected(reader_class(reader), writer_class(writer), "default")
            except (OSError, EOFError):
                pass  # the client has gone in the middle of something: routine
            finally:
                writer.close()
                with contextlib.suppress(OSError):  # it may have gone by itself
                    await writer.wait_closed()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.ensure_future(serve(reader, writer))
            self._connections[task] = writer
            task.add_done_callback(self._connections.pop)

        server = await asyncio.start_server(accept, HOST, self.port)
        self.port = server.sockets[0].getsockname()[1]
        await broker.start()
        self._started.set()
        await self._stop.wait()
        server.close()
        await broker.shutdown()
        for writer in list(self._connections.values()):
            writer.close()
        if self._connections:
            await asyncio.wait(list(self._connections), timeout=_STOP_TIMEOUT_S)
        await server.wait_closed()
