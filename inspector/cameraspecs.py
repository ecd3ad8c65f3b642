"""What cameras a station may have, told apart by ``kind``, and how a trigger finds its frame."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from inspector.expectation import Name
from inspector.expectation import Strict as _Strict


class _Camera(_Strict):
    name: Name
    """Names the source in every record."""


class OpenCvCamera(_Camera):
    """A USB camera or a stream through OpenCV; HTTP MJPEG without it."""

    kind: Literal["opencv"]
    device: int | str
    """Index of the USB camera, or the URL of the stream, with user and password if it wants any."""
    width: int | None = Field(default=None, gt=0)
    height: int | None = Field(default=None, gt=0)
    fps: float | None = Field(default=None, gt=0)
    auto_exposure: float | None = None
    """Passed through to the driver first; of V4L2 1 is manual and 3 automatic."""
    exposure: float | None = None
    """Passed through to the driver, in the driver's unit."""
    gain: float | None = None
    latency_ms: float = Field(default=0, ge=0)
    """How long a picture takes at least from its exposure to here, which no stream tells: of network
    cameras often 100 and more. Film a clock to measure it."""
    triggered: bool = False
    """A photo-eye fires it: the driver is told so, and that no picture comes is no fault."""
    reconnect_s: float = Field(default=1.0, gt=0)
    """First pause before a lost camera is tried again; doubles up to ten times that."""


class LineTrigger(_Strict):
    """The input of a camera at which a photo-eye fires it."""

    source: str = "Line0"
    """Of the camera's ``TriggerSource``."""
    activation: str | None = None
    """Of its ``TriggerActivation``, such as ``RisingEdge``."""
    delay_us: float | None = Field(default=None, ge=0)


class GenICamCamera(_Camera):
    """A GenICam camera, through ``harvesters`` and its maker's GenTL producer."""

    kind: Literal["genicam"]
    producer: Path
    """The producer's file, ``….cti``."""
    serial: str | None = None
    """The camera's serial number; by default the only one that the producer sees."""
    pixel_format: str | None = None
    """8 bits of grey or colour, or unpacked Bayer and grey of up to 16."""
    exposure_us: float | None = Field(default=None, gt=0)
    """Turns the camera's automatic exposure off."""
    gain: float | None = None
    """Turns the camera's automatic gain off; in the camera's unit, as a rule dB."""
    trigger: LineTrigger | None = None
    """None: it runs freely."""
    settings: dict[str, bool | int | float | str] = Field(default_factory=dict)
    """Further features by the camera's own names, set first and in their order."""
    reconnect_s: float = Field(default=1.0, gt=0)


class FileCamera(_Camera):
    """A video file, played at its own speed as if it were a camera."""

    kind: Literal["file"]
    path: Path
    loop: bool = False


class FolderCamera(_Camera):
    """A folder into which another program drops pictures; each new one is a frame.

    That program also removes them after a while: all that lie there are listed at each look.
    """

    kind: Literal["folder"]
    path: Path
    poll_s: float = Field(default=0.05, gt=0)


class SimulatedCamera(_Camera):
    """Rendered parts on a moving belt, with known truth."""

    kind: Literal["sim"]
    seed: int = 1
    width: int = Field(default=640, gt=0)
    height: int = Field(default=480, gt=0)
    fps: float = Field(default=5.0, gt=0)
    """A new part in every frame."""


CameraConfig = Annotated[
    OpenCvCamera | GenICamCamera | FileCamera | FolderCamera | SimulatedCamera,
    Field(discriminator="kind"),
]


class Acquisition(_Strict):
    """Which frame belongs to a trigger."""

    mode: Literal["stream", "wire"] = "stream"
    """``stream``: the camera runs freely, the first frame exposed at or after the trigger counts.
    ``wire``: a photo-eye fires the camera; exactly one frame must lie inside the window, which must be
    shorter than the time between two parts. One that lies farther before its trigger than usual is
    judged only when no other can be on its way from the camera any more."""
    before_ms: float = Field(default=50, ge=0)
    """How long before the receipt of the trigger the exposure may lie (``wire``)."""
    after_ms: float = Field(default=200, gt=0)
    """How long after it."""


CAMERA_FILES: dict[type[_Camera], str] = {
    FileCamera: "path",
    FolderCamera: "path",
    GenICamCamera: "producer",
}
"""The key that names a file, of the cameras that have one."""
