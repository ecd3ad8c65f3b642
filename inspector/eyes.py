"""The cameras of a station: each filmed by a thread, reconnected when lost, watched for silence."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import structlog

from inspector.domain import Frame
from inspector.errors import CameraError, FootageError, PictureError
from inspector.ports import Camera, Reachable, Recorder

SILENT_S = 1.5
"""A continuous camera that delivers no picture that can be read for so long is lost."""
MAX_BACKOFF = 10
"""The pause between attempts doubles up to so many times the first."""

log = structlog.get_logger(__name__)


class Eye:
    """One camera. :meth:`film` runs in its thread, everything else is asked by others."""

    def __init__(
        self,
        name: str,
        camera: Camera,
        reconnect_s: float,
        take: Callable[[Frame], None],
        recorder: Recorder,
        clock: Callable[[], float],
    ) -> None:
        """``take`` is given every frame, in order, and must not block for long."""
        self.name = name
        self._camera, self._reconnect_s, self._take = camera, reconnect_s, take
        self._recorder, self._clock = recorder, clock
        # one that a photo-eye fires is silent until the first part: it says itself whether it is there
        self.up = not camera.continuous and not isinstance(camera, Reachable)
        self.ended = False
        """The recording is over."""
        self._problem = ""
        self._good = True
        """Whether the last picture could be read."""
        self._heard_s = clock()

    @property
    def lost(self) -> bool:
        """Whether it failed, or has fallen silent without a word."""
        if self._problem:
            return True
        silent = self._clock() - self._heard_s > SILENT_S
        return self._camera.continuous and self.up and not self.ended and silent

    def film(self, stopping: threading.Event) -> None:
        """Read frames until the source ends or ``stopping`` is set."""
        pause = self._reconnect_s
        last: Frame | None = None
        fired = not self._camera.continuous
        if fired and isinstance(self._camera, Reachable) and self._camera.reached():
            self._note_live()
        while not stopping.is_set():
            try:
                frame = self._camera.read()
            except PictureError as error:
                # its part goes to review, and a camera that was fired delivers: the station goes on
                if fired:
                    self._note_live()
                self._note_bad(str(error))
                continue
            except (CameraError, FootageError) as error:
                # the line goes on, its state says so, and the camera is tried again
                self._note_lost(str(error))
                stopping.wait(pause)
                if not fired or not isinstance(self._camera, Reachable):
                    pause = min(pause * 2, self._reconnect_s * MAX_BACKOFF)
                    continue
                # no frame will tell: the next comes with a part, for which the station must be ready
                while not self._camera.reached():
                    if stopping.wait(pause):
                        return
                self._note_live()
                continue
            if frame is None:
                self.ended = True
                return
            self._note_live()
            self._good = True
            pause = self._reconnect_s
            frame, last = _marked(frame, last), frame
            self._take(frame)

    def close(self) -> None:
        """Let go of the device."""
        self._camera.close()

    def _note_lost(self, problem: str) -> None:
        if not self._problem:
            self._recorder.event("error", "camera-lost", problem, camera=self.name)
            log.error("camera lost", camera=self.name, problem=problem)
        self.up, self._problem = False, problem

    def _note_bad(self, problem: str) -> None:
        # a camera that sends nothing else would fill the records
        if self._good:
            self._recorder.event("warning", "bad-picture", problem, camera=self.name)
            log.warning("bad picture", camera=self.name, problem=problem)
        self._good = False

    def _note_live(self) -> None:
        if self._problem:
            text = f"Camera {self.name} is back."
            self._recorder.event("info", "camera-back", text, camera=self.name)
            log.info("camera back", camera=self.name)
        self.up, self._problem, self._heard_s = True, "", self._clock()


def _marked(frame: Frame, last: Frame | None) -> Frame:
    """The frame, marked when a live camera repeats itself: noise makes real exposures differ."""
    if frame.recorded or last is None or not np.array_equal(frame.image, last.image):
        return frame
    return replace(frame, repeats=True)
