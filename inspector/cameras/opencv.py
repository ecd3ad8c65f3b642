"""USB cameras, network streams and played files through OpenCV."""

from __future__ import annotations

import time
from collections.abc import Callable

import cv2
import numpy as np

from inspector.cameras.footage import Video
from inspector.config import FileCamera, OpenCvCamera
from inspector.domain import Frame
from inspector.errors import CameraError

OPEN_TIMEOUT_MS = 5000
READ_TIMEOUT_MS = 3000


class LiveCamera:
    """Implements :class:`inspector.ports.Camera` on a device or stream that does not end."""

    continuous = True

    def __init__(self, config: OpenCvCamera, clock: Callable[[], float] = time.monotonic) -> None:
        self._config = config
        self._clock = clock
        self._capture: cv2.VideoCapture | None = None
        self._index = 0

    def read(self) -> Frame | None:
        """The newest frame; opens the device first where it is not open.

        Raises :class:`CameraError` when it is absent or gone; the next call opens it anew.
        """
        capture = self._capture or self._open()
        delivered, image = capture.read()
        if not delivered:
            self.close()
            raise CameraError(
                f"camera '{self._config.name}' ({self._config.device}) delivers no picture any more",
                "Check its cable and power; it is tried again",
            )
        exposed = self._clock()
        frame = Frame(np.asarray(image, dtype=np.uint8), self._config.name, self._index, exposed)
        self._index += 1
        return frame

    def close(self) -> None:
        """Let go of the device."""
        capture, self._capture = self._capture, None
        if capture is not None:
            capture.release()

    def _open(self) -> cv2.VideoCapture:
        config = self._config
        is_stream = isinstance(config.device, str) and "://" in config.device
        if is_stream:
            bounds = [
                cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
                OPEN_TIMEOUT_MS,
                cv2.CAP_PROP_READ_TIMEOUT_MSEC,
                READ_TIMEOUT_MS,
            ]
            capture = cv2.VideoCapture(str(config.device), cv2.CAP_FFMPEG, bounds)
        else:
            capture = cv2.VideoCapture(config.device)
        if not capture.isOpened():
            capture.release()
            raise CameraError(
                f"camera '{config.name}' ({config.device}) cannot be opened",
                "Check that it is plugged in, switched on and not used by another program",
            )
        # one buffered frame at most: the newest picture is wanted, not a stale one
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        for prop, value in (
            (cv2.CAP_PROP_FRAME_WIDTH, config.width),
            (cv2.CAP_PROP_FRAME_HEIGHT, config.height),
            (cv2.CAP_PROP_FPS, config.fps),
            (cv2.CAP_PROP_EXPOSURE, config.exposure),
            (cv2.CAP_PROP_GAIN, config.gain),
        ):
            if value is not None:
                capture.set(prop, value)
        self._capture = capture
        return capture


class PlayedFile:
    """Implements :class:`inspector.ports.Camera`: a video at its own speed, as if it were live."""

    continuous = True

    def __init__(self, config: FileCamera, clock: Callable[[], float] = time.monotonic) -> None:
        self._config = config
        self._clock = clock
        self._video = Video(config.path, config.name)
        self._index = 0
        self._next_s = clock()

    def read(self) -> Frame | None:
        """The next frame when its time has come; None at the end unless it loops."""
        frame = self._video.read()
        if frame is None and self._config.loop:
            self._video.close()
            self._video = Video(self._config.path, self._config.name)
            frame = self._video.read()
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
        self._video.close()
