"""GenICam cameras through ``harvesters`` and the GenTL producer of their maker.

Tested with the simulated camera of the ``genicam`` package, which has no exposure, gain, trigger or
timestamps; these are tested with a stand-in. No test has seen a real camera.
"""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from inspector.cameras.device import Device
from inspector.cameras.exposure import ExposureClock
from inspector.cameraspecs import GenICamCamera
from inspector.domain import Frame, Image
from inspector.errors import CameraError, InputError

FETCH_S = 0.5
"""A closed camera is let go of after so long."""
SILENT_S = 3.0
"""A freely running camera that delivers nothing for so long is opened anew."""
STARVED_S = 5.0
"""The same of one whose pictures are all late."""
FORMAT_REMEDY = "Set 'pixel_format' to Mono8, BGR8 or a Bayer format"
_BAYER = {
    "BayerRG": cv2.COLOR_BayerRGGB2BGR,
    "BayerGR": cv2.COLOR_BayerGRBG2BGR,
    "BayerGB": cv2.COLOR_BayerGBRG2BGR,
    "BayerBG": cv2.COLOR_BayerBGGR2BGR,
}
_COLOUR = {
    "BGR8": (3, None),
    "RGB8": (3, cv2.COLOR_RGB2BGR),
    "RGBa8": (4, cv2.COLOR_RGBA2BGR),
    "BGRa8": (4, cv2.COLOR_BGRA2BGR),
}


class HarvestedCamera(Device):
    """Implements :class:`inspector.ports.Camera` on a GenICam camera.

    The frame's number is the buffer's frame id, its exposure the buffer's timestamp, brought to our
    clock by the least delay of the last pictures; a camera without timestamps is timed by arrival.
    """

    def __init__(self, config: GenICamCamera, clock: Callable[[], float] = time.monotonic) -> None:
        """Raises :class:`InputError` when the package or the producer is not there."""
        super().__init__()
        self.continuous = config.trigger is None
        self._config = config
        self._clock = clock
        self._producer = _producer_of(config)
        self._device: Any = None
        self._times = ExposureClock()
        self._heard_s = self._fresh_s = 0.0

    def _connect(self) -> None:
        if self._device is None:
            with self._let_go_on_failure():
                self._open()

    def _next(self) -> Frame | None:
        with self._let_go_on_failure():
            try:
                return self._fetch()
            except (KeyError, IndexError) as error:
                # harvesters looks a format up in a table, and makes no component of what it cannot read
                text = f"sends pictures in a format that is not known here ({error!r})"
                raise self._failure(text, FORMAT_REMEDY) from error

    @contextmanager
    def _let_go_on_failure(self) -> Iterator[None]:
        try:
            yield
        except CameraError:
            # somebody else may want it meanwhile, and the next attempt opens it anew
            self._let_go()
            raise
        except self._producer.errors as error:
            # whatever producer, transport and camera complain of
            self._let_go()
            raise self._failure(f"fails: {str(error).strip()}", "Check its cable and power") from error

    def _open(self) -> None:
        self._device = self._producer.open(self._config.serial)
        if self._device is None:
            seen = ", ".join(self._producer.serials) or "none"
            wanted = "the only one" if self._config.serial is None else self._config.serial
            text = f"is not there: {wanted}; seen: {seen}"
            raise self._failure(text, "Check 'serial', its cable and power")
        set_up(self._device.remote_device.node_map, self._config, self._producer.errors)
        self._device.start()
        self._times = ExposureClock(triggered=not self.continuous)
        self._heard_s = self._fresh_s = self._clock()

    def _fetch(self) -> Frame | None:
        """The picture that has come, if it is whole and fresh."""
        buffer = self._device.try_fetch(timeout=FETCH_S)
        arrived_s = self._clock()
        if buffer is None:
            if self.continuous and arrived_s - self._heard_s > SILENT_S:
                raise self._failure("delivers no picture any more", "Check its cable and power")
            # a camera that waits for a part still answers
            self._device.remote_device.node_map.Width.get_value(ignore_cache=True)
            return None
        with buffer:
            self._heard_s = arrived_s
            exposed_s = self._times.exposed(arrived_s, _told(buffer, self._producer.errors))
            if exposed_s is None:
                if arrived_s - self._fresh_s > STARVED_S:
                    raise self._failure("sends its pictures late", "Check network and frame rate")
                return None
            self._fresh_s = arrived_s
            components = [one for one in buffer.payload.components if one is not None]
            component = components[0]
            try:
                # the buffer goes back to the producer: the picture is a copy
                image = to_bgr(component.data, component.width, component.height, component.data_format)
            except ValueError as error:
                raise self._failure(str(error), FORMAT_REMEDY) from error
            return Frame(image, self._config.name, int(buffer.frame_id), exposed_s)

    def _failure(self, what: str, remedy: str) -> CameraError:
        return CameraError(f"camera '{self._config.name}' {what}", f"{remedy}; it is tried again")

    def _let_go(self) -> None:
        device, self._device = self._device, None
        if device is not None:
            self._producer.close(device)


def set_up(nodes: Any, config: GenICamCamera, errors: tuple[type[Exception], ...]) -> None:
    """Write the configured features to a camera's node map, by the names of GenICam's SFNC.

    ``errors``: what the node map raises where it does not take a value. Raises :class:`CameraError` for
    a feature that the camera lacks or a value that it does not take.
    """
    refusals: tuple[type[Exception], ...] = (*errors, TypeError, ValueError)
    trigger = config.trigger
    features: list[tuple[str, object]] = [*config.settings.items()]
    features += [("PixelFormat", config.pixel_format)]
    if config.exposure_us is not None:
        features += [("ExposureAuto?", "Off"), ("ExposureTime", config.exposure_us)]
    if config.gain is not None:
        features += [("GainAuto?", "Off"), ("Gain", config.gain)]
    if trigger is None:
        features += [("TriggerSelector?", "FrameStart"), ("TriggerMode?", "Off")]
    else:
        features += [
            ("TriggerSelector?", "FrameStart"),
            ("TriggerMode", "On"),
            ("TriggerSource", trigger.source),
            ("TriggerActivation", trigger.activation),
            ("TriggerDelay", trigger.delay_us),
        ]
    for feature, value in features:
        name = feature.rstrip("?")
        if value is None or (feature != name and not hasattr(nodes, name)):
            continue  # not wanted, or a camera that has no automatic, or no trigger, to be turned off
        try:
            getattr(nodes, name).value = value
        except AttributeError as error:
            raise CameraError(
                f"camera '{config.name}' has no feature '{name}'",
                "Leave it out, or set the camera's own by its name in 'settings'",
            ) from error
        except refusals as error:
            # out of its range, read-only, unknown to the camera
            raise CameraError(
                f"camera '{config.name}' does not take {name} = {value}: {str(error).strip()}",
                "Look up what it takes in its maker's manual",
            ) from error


def to_bgr(data: npt.NDArray[Any], width: int, height: int, pixel_format: str) -> Image:
    """A copy of a buffer's pixels as ``(height, width, 3)`` ``uint8`` BGR.

    ``data`` is flat, as ``pixel_format`` of GenICam's PFNC lays it out. Deeper pixels lose their lowest
    bits. Raises ``ValueError`` for a format that is not known here.
    """
    if pixel_format in _COLOUR:
        channels, code = _COLOUR[pixel_format]
        pixels = data.reshape(height, width, channels)
        image = pixels.copy() if code is None else cv2.cvtColor(pixels, code)
        return np.asarray(image, np.uint8)
    kind = pixel_format.rstrip("0123456789")
    bits = pixel_format[len(kind) :]
    if not bits or (kind != "Mono" and kind not in _BAYER):
        raise ValueError(f"sends '{pixel_format}', which is not known here")
    flat = data >> (int(bits) - 8) if int(bits) > 8 else data
    grey = flat.astype(np.uint8).reshape(height, width)
    return np.asarray(cv2.cvtColor(grey, _BAYER.get(kind, cv2.COLOR_GRAY2BGR)), np.uint8)


def _told(buffer: Any, errors: tuple[type[Exception], ...]) -> float | None:
    """Seconds on the camera's clock."""
    try:
        return float(buffer.timestamp_ns) / 1e9 or None
    except errors:
        # a producer without timestamps, or with ticks whose length it does not tell
        return None


class _Producer:
    """A GenTL producer, loaded once for all of its cameras: it serves one user in a process.

    Cameras are searched for while none of them is open, as a search closes all: one that is connected
    later than that is found when the others have been let go of.
    """

    def __init__(self, path: Path, core: Any, errors: tuple[type[Exception], ...]) -> None:
        self.errors = errors
        self._lock = threading.Lock()
        self._open = 0
        self._harvester = core.Harvester()
        self._harvester.add_file(str(path))

    @property
    def serials(self) -> list[str]:
        """Of the cameras that the last search has found."""
        return [str(info.serial_number) for info in self._harvester.device_info_list]

    def open(self, serial: str | None) -> Any:
        """The image acquirer of that camera; None when it is not there, or there are several."""
        with self._lock:
            if not self._open:
                self._harvester.update()
            wanted = [n for n, one in enumerate(self.serials) if serial is None or one == serial]
            if len(wanted) != 1:
                return None
            device = self._harvester.create(wanted[0])
            self._open += 1
            return device

    def close(self, device: Any) -> None:
        """Let go of a camera."""
        with self._lock:
            self._open -= 1
            # a camera that is gone cannot be told to stop
            with suppress(*self.errors):
                device.stop()
            with suppress(*self.errors):
                device.destroy()


_loaded: dict[Path, _Producer] = {}
_loading = threading.Lock()


def _producer_of(config: GenICamCamera) -> _Producer:
    if not config.producer.is_file():
        raise InputError(
            f"camera '{config.name}': there is no GenTL producer {config.producer}",
            "Install the camera maker's software, and name its .cti file as 'producer'",
        )
    try:
        core = importlib.import_module("harvesters.core")
        errors = tuple(
            importlib.import_module(f"genicam.{name}").GenericException for name in ("gentl", "genapi")
        )
    except ImportError as error:
        raise InputError(
            f"camera '{config.name}': the package 'harvesters' is not installed",
            "pip install 'line-inspector[genicam]'",
        ) from error
    with _loading:
        if config.producer not in _loaded:
            _loaded[config.producer] = _Producer(config.producer, core, errors)
        return _loaded[config.producer]
