"""Network cameras that send JPEG pictures over HTTP, as ``multipart/x-mixed-replace``.

Read without OpenCV, whose demuxer keeps back the first seconds of a stream and makes its times up.
"""

from __future__ import annotations

import http.client
import select
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from typing import NoReturn

from inspector.cameras.device import Device
from inspector.cameras.exposure import ExposureClock
from inspector.cameras.footage import decode, is_cut_short
from inspector.cameras.opencv import READ_TIMEOUT_MS, STARVED_S, shown
from inspector.cameraspecs import OpenCvCamera
from inspector.domain import Frame
from inspector.errors import CameraError, PictureError

CHUNK = 1 << 16
PICTURE_LIMIT = 64 << 20
"""Bytes without a whole picture in them: this is no MJPEG."""


class Parts:
    """Cuts a multipart stream into its pictures."""

    def __init__(self, boundary: bytes) -> None:
        self._mark = b"--" + boundary.removeprefix(b"--")
        self._data = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[bytes, float | None]]:
        """The pictures that are now whole, each with the time that its header tells, in seconds.

        Raises ``ValueError`` when this is no such stream.
        """
        self._data += data
        while True:
            start = self._data.find(self._mark)
            head_end = self._data.find(b"\r\n\r\n", start) if start >= 0 else -1
            if head_end < 0:
                break
            fields = _fields(bytes(self._data[start + len(self._mark) : head_end]))
            body = head_end + 4
            if "content-length" in fields:
                length = int(fields["content-length"])
                if length < 0:
                    raise ValueError(f"a part of {length} bytes")
                end = body + length
                if len(self._data) < end:
                    break
            else:
                end = _jpeg_end(self._data, body)
                if end < 0:
                    break
            picture = bytes(self._data[body:end])
            del self._data[:end]
            if picture:
                yield picture, _told(fields)
        if len(self._data) > PICTURE_LIMIT:
            raise ValueError(f"{PICTURE_LIMIT} bytes without a picture")


class MjpegCamera(Device):
    """Implements :class:`inspector.ports.Camera` on an MJPEG stream over HTTP."""

    continuous = True

    def __init__(self, config: OpenCvCamera, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._config = config
        self._clock = clock
        self._stream: http.client.HTTPResponse | None = None
        self._parts = Parts(b"")
        self._times = ExposureClock()
        self._fresh_s = 0.0
        self._index = 0

    def _connect(self) -> None:
        if self._stream is None:
            self._stream, self._parts = self._open()
            self._times = ExposureClock(latency_s=self._config.latency_ms / 1000)
            self._fresh_s = self._clock()

    def _next(self) -> Frame | None:
        """Raises :class:`PictureError` for one picture that cannot be read."""
        assert self._stream is not None
        data, told_s = self._newest(self._stream)
        arrived_s = self._clock()
        exposed_s = self._times.exposed(arrived_s, told_s)
        if exposed_s is None:
            if arrived_s - self._fresh_s > STARVED_S:
                self._give_up("sends its pictures late", "Check the network, or lower its frame rate")
            return None
        self._fresh_s = arrived_s
        image = None if is_cut_short(data) else decode(data)
        if image is None:
            raise PictureError(f"camera '{self._config.name}' sent a picture that cannot be read")
        index, self._index = self._index, self._index + 1
        return Frame(image, self._config.name, index, exposed_s)

    def _newest(self, stream: http.client.HTTPResponse) -> tuple[bytes, float | None]:
        """The last picture of those that have arrived; waits where there is none."""
        newest: tuple[bytes, float | None] | None = None
        try:
            while newest is None or select.select([stream], [], [], 0)[0]:
                data = stream.read1(CHUNK)
                if not data and newest is not None:
                    break  # the next call finds the end
                if not data:
                    self._give_up("has ended its stream", "Check that it is switched on")
                newest = next(iter([*self._parts.feed(data)][-1:]), newest)
        except (OSError, http.client.HTTPException, ValueError) as error:
            # switched off, unplugged, silent, or talking something else by now
            self._give_up(f"delivers no picture any more: {error}", "Check its cable and power")
        return newest

    def _open(self) -> tuple[http.client.HTTPResponse, Parts]:
        try:
            url, opener = _opener(str(self._config.device))
        except ValueError:
            # whose own words may show the password
            remedy = "Write [ ] @ / : of its password as %5B %5D %40 %2F %3A"
            self._give_up("has no address that can be read", remedy)
        try:
            stream = opener.open(url, timeout=READ_TIMEOUT_MS / 1000)
        except (OSError, http.client.HTTPException, ValueError) as error:
            # absent, or it refuses: urllib's errors are OSErrors
            self._give_up(f"cannot be opened: {error}", "Check its address, power and password")
        kind = stream.headers.get_content_type()
        boundary = stream.headers.get_param("boundary")
        if kind.partition("/")[0] != "multipart" or not isinstance(boundary, str):
            stream.close()
            self._give_up(f"sends '{kind}', not MJPEG", "Name the address of its MJPEG or RTSP stream")
        return stream, Parts(boundary.encode())

    def _give_up(self, what: str, remedy: str) -> NoReturn:
        self._let_go()
        where = f"camera '{self._config.name}' ({shown(self._config.device)})"
        raise CameraError(f"{where} {what}", f"{remedy}; it is tried again")

    def _let_go(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()


def _opener(url: str) -> tuple[str, urllib.request.OpenerDirector]:
    """The URL without user and password, and what opens it with them."""
    parts = urllib.parse.urlsplit(url)
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    known = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    if parts.username is not None:
        user, password = (urllib.parse.unquote(one or "") for one in (parts.username, parts.password))
        known.add_password(None, bare, user, password)
    return bare, urllib.request.build_opener(
        # a camera is in the plant's own network
        urllib.request.ProxyHandler({}),
        urllib.request.HTTPBasicAuthHandler(known),
        urllib.request.HTTPDigestAuthHandler(known),
    )


def _jpeg_end(data: bytearray, at: int) -> int:
    """Where the JPEG ends that begins at ``at``; -1 while it is not whole.

    Raises ``ValueError`` when it is none.
    """
    at += 2
    while len(data) >= at + 4:
        if data[at] != 0xFF:
            raise ValueError("a part is no JPEG")
        scan = data[at + 1] == 0xDA
        # a thumbnail in one of the segments has an end too
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
        if scan:
            end = data.find(b"\xff\xd9", at)
            return end + 2 if end >= 0 else -1
    return -1


def _fields(head: bytes) -> dict[str, str]:
    lines = (line.partition(":") for line in head.decode("latin-1").split("\r\n"))
    return {name.strip().lower(): value.strip() for name, _, value in lines}


def _told(fields: dict[str, str]) -> float | None:
    """Seconds in ``X-Timestamp``, as ustreamer and mjpg-streamer send it."""
    try:
        return float(fields["x-timestamp"])
    except (KeyError, ValueError):
        # most cameras send none
        return None
