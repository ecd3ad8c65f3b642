"""What streams send; real servers of them: VLC, from Debian's ``vlc-bin`` and ``vlc-plugin-base``."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

import cv2
import numpy as np
from support import free_port

VLC = shutil.which("cvlc")
FPS = 10.0
SECONDS = 40
LEVELS_A_SECOND = 5.5
VLC_BOUNDARY = "7b3cc56e5f51db803f790dad720ed50a"
"""Between the pictures of VLC's MJPEG, which names it only when it is told to."""


class Streamer:
    """A network camera whose pictures grow brighter by the second, on a loopback port of its own."""

    def __init__(self, kind: str) -> None:
        """``kind``: ``rtsp`` or ``http``."""
        self._kind, self.port = kind, free_port()
        self.url = f"{kind}://127.0.0.1:{self.port}/belt"
        # VLC refuses to run as root, and another user cannot look into pytest's folders
        self._folder = Path(tempfile.mkdtemp(prefix="streamer-"))
        self._folder.chmod(0o755)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, size: tuple[int, int] = (160, 120)) -> None:
        """Begin to send, from the film's beginning. It may take a moment until it answers."""
        film = self._film(size)
        if self._kind == "rtsp":
            out = f"#rtp{{sdp={self.url}}}"
        else:
            kind = f"multipart/x-mixed-replace;boundary={VLC_BOUNDARY}"
            out = f"#standard{{access=http{{mime={kind}}},mux=mpjpeg,dst=127.0.0.1:{self.port}/belt}}"
        home = {"HOME": str(self._folder), "PATH": os.defpath}
        user = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
        command = [str(VLC), "-I", "dummy", "--no-audio", "--sout", out, str(film)]
        with (self._folder / "vlc.log").open("ab") as log:
            self._process = subprocess.Popen(command, env=home, stdout=log, stderr=log, **user)

    def stop(self) -> None:
        """Unplug it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """Unplug it for good."""
        self.stop()
        shutil.rmtree(self._folder)

    def _film(self, size: tuple[int, int]) -> Path:
        codec, suffix = ("mp4v", "mp4") if self._kind == "rtsp" else ("MJPG", "avi")
        path = self._folder / f"{size[0]}.{suffix}"
        if not path.exists():
            writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), FPS, size)
            assert writer.isOpened()
            noise = np.random.default_rng(7)
            for number in range(int(SECONDS * FPS)):
                image = np.full((size[1], size[0], 3), shade(number / FPS), np.uint8)
                image[:, : size[0] // 4] = noise.integers(0, 256, (size[1], size[0] // 4, 3))
                writer.write(image)
            writer.release()
            path.chmod(0o644)
        return path


def enormous_picture() -> bytes:
    """The head of a picture of a million pixels a side, which no memory holds."""
    side = 1_000_000
    head = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 24, 0, 0, 0, 0, 0, 0)
    return struct.pack("<2sIHHI", b"BM", 54, 0, 0, 54) + head


def shade(second: float) -> int:
    """Grey level of the film at that second."""
    return 20 + round(LEVELS_A_SECOND * second)


def second_of(image: np.ndarray) -> float:
    """The second of the film that a picture shows, to half a second."""
    return float(image[:, image.shape[1] // 2 :].mean() - 20) / LEVELS_A_SECOND
