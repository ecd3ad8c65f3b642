"""USB cameras, network streams and played files through OpenCV.

USB cameras and cameras that a photo-eye fires are tested with a stand-in for the driver, RTSP against a
real server; no test has seen a real camera.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import cv2
import numpy as np
import structlog

from inspector.cameras.device import Device
from inspector.cameras.exposure import ExposureClock
from inspector.cameras.footage import Video
from inspector.cameraspecs import FileCamera, OpenCvCamera
from inspector.domain import Frame
from inspector.errors import CameraError

OPEN_TIMEOUT_MS = 5000
READ_TIMEOUT_MS = 3000
KEY_S = 15.0
"""A stream without key pictures for so long refreshes itself piece by piece."""
WAITED_S = 0.1
"""A driver that waits for a part takes longer than this to say that there is none: V4L2 10 s."""
FAILURES = 3
"""So many reads in a row that fail at once are no waiting."""
STARVED_S = 5.0
"""Pictures for so long, none of them fresh: the stream is opened anew."""

log = structlog.get_logger(__name__)


class LiveCamera(Device):
    """Implements :class:`inspector.ports.Camera` on a device or stream that does not end.

    Exposures are timed by what driver or stream tell: V4L2 the time of the buffer, RTSP that of the
    sender. The frame's number counts the pictures that were handed on.
    """

    def __init__(self, config: OpenCvCamera, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self.continuous = not config.triggered
        self._config = config
        self._clock = clock
        self._capture: cv2.VideoCapture | None = None
        self._times = ExposureClock()
        self._opened_s = self._fresh_s = 0.0
        self._decodes = False
        self._index = self._failures = 0

    def _connect(self) -> None:
        if self._capture is None:
            self._capture = self._open()
            self._failures = 0
            latency_s = self._config.latency_ms / 1000
            self._times = ExposureClock(triggered=self._config.triggered, latency_s=latency_s)
            self._opened_s = self._fresh_s = self._clock()
            self._decodes = not self._is_stream

    def _next(self) -> Frame | None:
        capture = self._capture
        assert capture is not None
        asked_s = self._clock()
        delivered, image = capture.read()
        arrived_s = self._clock()
        failed_at_once = not delivered and arrived_s - asked_s < WAITED_S
        self._failures = self._failures + 1 if failed_at_once else 0
        if not delivered:
            waits = self._config.triggered and self._is_plugged_in()
            if waits and self._failures < FAILURES:
                return None  # no part has come
            self._give_up("delivers no picture any more", "Check its cable and power")
        if not self._decodes:
            # what comes before the first key picture is decoded from nothing
            is_key = int(capture.get(cv2.CAP_PROP_FRAME_TYPE)) == ord("I")
            self._decodes = is_key or arrived_s - self._opened_s > KEY_S
            self._fresh_s = arrived_s
        told_s = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        tells = told_s > 0 or self._is_stream
        exposed_s = self._times.exposed(arrived_s, told_s if tells else None)
        if exposed_s is None or not self._decodes:
            if arrived_s - self._fresh_s > STARVED_S:
                self._give_up("sends its pictures late", "Check the network, or lower its frame rate")
            return None
        self._fresh_s = arrived_s
        index, self._index = self._index, self._index + 1
        return Frame(np.asarray(image, np.uint8), self._config.name, index, exposed_s)

    def _let_go(self) -> None:
        capture, self._capture = self._capture, None
        if capture is not None:
            capture.release()

    @property
    def _is_stream(self) -> bool:
        return isinstance(self._config.device, str) and "://" in self._config.device

    def _is_plugged_in(self) -> bool:
        device = self._config.device
        return Path(f"/dev/video{device}" if isinstance(device, int) else device).exists()

    def _give_up(self, what: str, remedy: str) -> NoReturn:
        self._let_go()
        raise CameraError(
            f"camera '{self._config.name}' ({shown(self._config.device)}) {what}",
            f"{remedy}; it is tried again",
        )

    def _open(self) -> cv2.VideoCapture:
        config = self._config
        if self._is_stream:
            bounds = [
                cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
                OPEN_TIMEOUT_MS,
                cv2.CAP_PROP_READ_TIMEOUT_MSEC,
                READ_TIMEOUT_MS,
                # each further thread of the decoder keeps back one more picture
                cv2.CAP_PROP_N_THREADS,
                1,
            ]
            capture = cv2.VideoCapture(str(config.device), cv2.CAP_FFMPEG, bounds)
        else:
            capture = cv2.VideoCapture(config.device)
        if not capture.isOpened():
            capture.release()
            raise CameraError(
                f"camera '{config.name}' ({shown(config.device)}) cannot be opened",
                "Check that it is plugged in, switched on and not used by another program",
            )
        if not self._is_stream:
            self._set_up(capture)
        return capture

    def _set_up(self, capture: cv2.VideoCapture) -> None:
        config = self._config
        # one buffered frame at most: the newest picture is wanted, not a stale one
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        for name, prop, value in (
            ("width", cv2.CAP_PROP_FRAME_WIDTH, config.width),
            ("height", cv2.CAP_PROP_FRAME_HEIGHT, config.height),
            ("fps", cv2.CAP_PROP_FPS, config.fps),
            ("auto_exposure", cv2.CAP_PROP_AUTO_EXPOSURE, config.auto_exposure),
            ("exposure", cv2.CAP_PROP_EXPOSURE, config.exposure),
            ("gain", cv2.CAP_PROP_GAIN, config.gain),
            ("triggered", cv2.CAP_PROP_TRIGGER, 1 if config.triggered else None),
        ):
            if value is not None and not capture.set(prop, value):
                log.warning("camera does not take a setting", camera=config.name, key=name, value=value)


def shown(device: int | str) -> str:
    """The device as it may be shown: without the password in a URL."""
    return re.sub(r"(?<=://)([^:/@]*):[^/]*@", r"\1:***@", str(device))


class PlayedFile:
    """Implements :class:`inspector.ports.Camera`: a video at its own speed, as if it were live."""

    continuous = True

    def __init__(self, config: FileCamera, clock: Callable[[], float] = time.monotonic) -> None:
        self._config = config
        self._clock = clock
        self._video = Video(config.path, config.name)
        self._index = 0
        self._next_s = clock()
        self._closed = False
        self._in_use = threading.Lock()
        """A video must not be closed under a running read."""

    def read(self) -> Frame | None:
        """The next frame when its time has come; None at the end unless it loops, and once closed."""
        with self._in_use:
            frame = None if self._closed else self._following()
        if frame is None:
            return None
        pause = self._next_s - self._clock()
        if pause > 0:
            time.sleep(pause)
        self._next_s = max(self._next_s, self._clock() - 1.0) + 1.0 / self._video.fps
        index, self._index = self._index, self._index + 1
        return Frame(frame.image, frame.source, index, self._clock(), recorded=True)

    def close(self) -> None:
        """Let go of the file."""
        with self._in_use:
            self._closed = True
            self._video.close()

    def _following(self) -> Frame | None:
        frame = self._video.read()
        if frame is None and self._config.loop:
            self._video.close()
            self._video = Video(self._config.path, self._config.name)
            frame = self._video.read()
        return frame
