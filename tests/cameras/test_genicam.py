"""GenICam cameras: the simulated one of the ``genicam`` package, and a stand-in for what that one lacks."""

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from fakes import FakeClock

from inspector.build import build_camera
from inspector.cameras import genicam
from inspector.cameras.genicam import HarvestedCamera, set_up, to_bgr
from inspector.cameraspecs import GenICamCamera, LineTrigger
from inspector.domain import Frame
from inspector.errors import CameraError, InputError

harvesters = pytest.importorskip("harvesters.core", reason="pip install 'line-inspector[genicam]'")


@pytest.fixture(scope="module")
def producer() -> Path:
    import genicam as binding

    return Path(binding.__file__).parent / "viky.cti"


def config(producer: Path, **changes: Any) -> GenICamCamera:
    fields = {"kind": "genicam", "name": "top", "producer": producer, "serial": "0"}
    return GenICamCamera.model_validate(fields | changes)


# --- the simulated camera ----------------------------------------------------------------------------


def frames_of(camera: HarvestedCamera, count: int) -> list[Frame]:
    frames = [camera.read() for _ in range(count)]
    assert all(frames)
    return [frame for frame in frames if frame is not None]


def test_a_simulated_camera_is_filmed_with_its_numbers_and_settings(producer: Path) -> None:
    settings = {"AcquisitionFrameRate": 50.0}
    camera = build_camera(config(producer, pixel_format="Mono8", settings=settings))
    assert camera.continuous
    frames = frames_of(camera, 5)  # type: ignore[arg-type]
    camera.close()
    assert {(frame.size, frame.source, frame.recorded) for frame in frames} == {
        ((400, 400), "top", False)
    }
    numbers = [frame.index for frame in frames]
    assert numbers == sorted(set(numbers))
    # a ball bounces through grey pictures
    assert all((frame.image[..., 0] == frame.image[..., 2]).all() for frame in frames)
    assert not np.array_equal(frames[0].image, frames[-1].image)
    pace = np.diff([frame.exposed_s for frame in frames]) / np.diff(numbers)
    assert 0 < np.median(pace) < 0.045, "faster than the 20 Hz of its default"


def test_colour_becomes_bgr_and_a_picture_is_no_view_of_the_buffer(producer: Path) -> None:
    camera = HarvestedCamera(config(producer, pixel_format="RGBa8"))
    (first,) = frames_of(camera, 1)
    kept = first.image.copy()
    frames_of(camera, 5)
    camera.close()
    assert first.image.shape == (400, 400, 3)
    assert np.array_equal(first.image, kept)


def test_two_cameras_of_one_producer_run_beside_each_other(producer: Path) -> None:
    cameras = [
        HarvestedCamera(config(producer, name=name, serial=serial))
        for name, serial in (("a", "0"), ("b", "1"))
    ]
    for camera in cameras:
        frames_of(camera, 1)
    cameras[0].close()
    frames_of(cameras[1], 3)
    assert cameras[0].read() is None
    again = HarvestedCamera(config(producer))
    frames_of(again, 1)
    again.close()
    cameras[1].close()


@pytest.mark.parametrize(
    ("changes", "message", "remedy"),
    [
        ({"serial": "99"}, "camera 'top' is not there: 99; seen: 0, 1, 2", "Check 'serial'"),
        ({"serial": None}, "camera 'top' is not there: the only one; seen: 0, 1, 2", "Check 'serial'"),
        ({"exposure_us": 100}, "camera 'top' has no feature 'ExposureTime'", "Leave it out"),
        ({"trigger": {"source": "Line1"}}, "has no feature 'TriggerMode'", "Leave it out"),
        (
            {"settings": {"AcquisitionFrameRate": 1e9}},
            "does not take AcquisitionFrameRate = 10000",
            "manual",
        ),
        ({"pixel_format": "Mono99"}, "does not take PixelFormat = Mono99", "manual"),
    ],
)
def test_a_camera_that_is_absent_or_takes_no_setting_is_told(
    producer: Path, changes: dict[str, Any], message: str, remedy: str
) -> None:
    camera = HarvestedCamera(config(producer, **changes))
    for _ in range(2):
        with pytest.raises(CameraError, match=message) as caught:
            camera.read()
        assert remedy in caught.value.remedy
    camera.close()
    # and it is let go of
    other = HarvestedCamera(config(producer))
    frames_of(other, 1)
    other.close()


def test_a_producer_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no GenTL producer .*none\.cti") as caught:
        build_camera(config(tmp_path / "none.cti"))
    assert "camera maker's software" in caught.value.remedy


def test_a_package_that_is_not_there_is_told_at_once(
    producer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "harvesters.core", None)
    with pytest.raises(InputError, match="'harvesters' is not installed") as caught:
        build_camera(config(producer))
    assert "pip install" in caught.value.remedy


# --- a stand-in --------------------------------------------------------------------------------------


class GoneError(Exception):
    """What the binding raises."""


class Node:
    def __init__(self, written: dict[str, object], name: str) -> None:
        super().__setattr__("_", (written, name))

    def __setattr__(self, key: str, value: object) -> None:
        written, name = self._
        written[name] = value

    @property
    def value(self) -> int:
        written, name = self._
        if name in written.get("broken", ()):
            raise GoneError("link is down")
        return 4


class Nodes:
    """A node map with the features of an area camera."""

    NAMES = (
        "PixelFormat",
        "ExposureAuto",
        "ExposureTime",
        "GainAuto",
        "Gain",
        "TriggerSelector",
        "TriggerMode",
        "TriggerSource",
        "TriggerActivation",
        "TriggerDelay",
        "Width",
        "Gamma",
    )

    def __init__(self) -> None:
        self.written: dict[str, object] = {}

    def __getattr__(self, name: str) -> Node:
        if name not in self.NAMES:
            raise AttributeError
        return Node(self.written, name)


def test_exposure_gain_and_trigger_are_passed_through_in_an_order_that_a_camera_takes() -> None:
    nodes = Nodes()
    trigger = LineTrigger(source="Line1", activation="RisingEdge", delay_us=20)
    wanted = {"exposure_us": 800, "gain": 6.0, "trigger": trigger, "settings": {"Gamma": 0.8}}
    set_up(nodes, config(Path("p"), **wanted), (GoneError,))
    assert list(nodes.written.items()) == [
        ("Gamma", 0.8),
        ("ExposureAuto", "Off"),
        ("ExposureTime", 800.0),
        ("GainAuto", "Off"),
        ("Gain", 6.0),
        ("TriggerSelector", "FrameStart"),
        ("TriggerMode", "On"),
        ("TriggerSource", "Line1"),
        ("TriggerActivation", "RisingEdge"),
        ("TriggerDelay", 20.0),
    ]


def test_a_camera_that_runs_freely_is_told_not_to_wait_for_a_trigger() -> None:
    nodes = Nodes()
    set_up(nodes, config(Path("p")), (GoneError,))
    assert nodes.written == {"TriggerSelector": "FrameStart", "TriggerMode": "Off"}


class Buffer:
    def __init__(self, number: int, timestamp_ns: int) -> None:
        self.frame_id, self.timestamp_ns = number, timestamp_ns
        pixels = np.full(16, number, np.uint8)
        self.payload = type("P", (), {"components": [self]})()
        self.data, self.width, self.height, self.data_format = pixels, 4, 4, "Mono8"
        self.queued = False

    def __enter__(self) -> Buffer:
        return self

    def __exit__(self, *_: object) -> None:
        self.queued = True


class Device:
    """An image acquirer that delivers what it is given: buffers, None for a timeout, errors."""

    def __init__(self, clock: FakeClock, items: Iterator[Any]) -> None:
        self._clock, self._items = clock, items
        self.remote_device = type("R", (), {"node_map": Nodes()})()
        self.log: list[str] = []

    def try_fetch(self, *, timeout: float) -> Any:
        item = next(self._items)
        if isinstance(item, Exception):
            raise item
        if item is None:
            self._clock.advance(timeout)
            return None
        after_s, buffer = item
        self._clock.advance(after_s)
        return buffer

    def start(self) -> None:
        self.log.append("start")

    def stop(self) -> None:
        self.log.append("stop")

    def destroy(self) -> None:
        self.log.append("destroy")


class Producer:
    errors = (GoneError,)
    serials = ("0",)

    def __init__(self, device: Device) -> None:
        self.device = device

    def open(self, _serial: str | None) -> Device:
        return self.device

    def close(self, device: Device) -> None:
        device.stop()
        device.destroy()


def stand_in(
    monkeypatch: pytest.MonkeyPatch, *items: Any, **changes: Any
) -> tuple[HarvestedCamera, Device]:
    clock = FakeClock()
    device = Device(clock, iter(items))
    monkeypatch.setattr(genicam, "_producer_of", lambda _: Producer(device))
    return HarvestedCamera(config(Path("p"), **changes), clock), device


def test_a_fired_camera_is_timed_by_its_own_clock_and_counted_by_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # its clock stands at 50 s when ours is at 1000; the way takes 10 ms, once 60 ms
    buffers = [
        (0.010, Buffer(7, 50_000_000_000)),
        None,
        (0.300 + 0.050, Buffer(8, 50_800_000_000)),
        (0.150, Buffer(9, 51_000_000_000)),
    ]
    camera, _ = stand_in(monkeypatch, *buffers, trigger={"source": "Line1"})
    assert not camera.continuous
    frames = frames_of(camera, 3)
    assert [frame.index for frame in frames] == [7, 8, 9]
    assert [frame.exposed_s for frame in frames] == pytest.approx([1000.01, 1000.81, 1001.01])
    assert all(buffer[1].queued for buffer in buffers if buffer)


def test_a_fired_camera_may_be_silent_and_a_free_one_may_not(monkeypatch: pytest.MonkeyPatch) -> None:
    silence = [None] * 20
    fired, _ = stand_in(monkeypatch, *silence, (0.01, Buffer(1, 1)), trigger={"source": "Line1"})
    assert fired.read() is not None
    free, device = stand_in(monkeypatch, *silence)
    with pytest.raises(CameraError, match="delivers no picture any more"):
        free.read()
    assert device.log == ["start", "stop", "destroy"]


def test_a_fired_camera_that_is_unplugged_while_it_waits_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    camera, device = stand_in(monkeypatch, None, trigger={"source": "Line1"})
    device.remote_device.node_map.written["broken"] = ["Width"]
    with pytest.raises(CameraError, match="camera 'top' fails: link is down"):
        camera.read()
    assert device.log == ["start", "stop", "destroy"]


def test_a_camera_that_fails_is_opened_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    camera, device = stand_in(
        monkeypatch, GoneError("cable"), (0.01, Buffer(1, 0)), trigger={"source": "Line1"}
    )
    with pytest.raises(CameraError, match="fails: cable"):
        camera.read()
    frame = camera.read()
    assert frame is not None
    # without a timestamp the arrival counts
    assert frame.exposed_s == pytest.approx(1000.01)
    assert device.log == ["start", "stop", "destroy", "start"]


def test_a_picture_in_an_unknown_format_is_told_and_its_buffer_given_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    packed = Buffer(1, 0)
    packed.data_format = "Mono12p"
    camera, device = stand_in(monkeypatch, (0.01, packed))
    with pytest.raises(CameraError, match="camera 'top' sends 'Mono12p'") as caught:
        camera.read()
    assert "pixel_format" in caught.value.remedy
    assert packed.queued
    assert device.log == ["start", "stop", "destroy"]


def test_a_fired_camera_that_was_lost_can_be_reached_before_the_next_part(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    camera, device = stand_in(monkeypatch, GoneError("cable"), trigger={"source": "Line1"})
    with pytest.raises(CameraError):
        camera.read()
    start, device.start = device.start, Mock(side_effect=GoneError("still"))
    assert not camera.reached()
    device.start = start
    assert camera.reached()
    assert device.log[-1] == "start"


def test_closing_ends_a_waiting_read(monkeypatch: pytest.MonkeyPatch) -> None:
    camera, device = stand_in(monkeypatch, *itertools.repeat(None, 0), trigger={"source": "Line1"})
    device._items = itertools.repeat(None)
    thread = threading.Thread(target=camera.read)
    thread.start()
    camera.close()
    thread.join(5)
    assert not thread.is_alive()


@pytest.mark.parametrize(
    ("pixel_format", "data", "bgr"),
    [
        ("Mono8", [10, 20, 30, 40], [10, 10, 10]),
        ("Mono12", np.array([160, 320, 480, 640], np.uint16), [10, 10, 10]),
        ("Mono16", np.array([2560, 1, 2, 3], np.uint16), [10, 10, 10]),
        ("BGR8", [1, 2, 3] * 4, [1, 2, 3]),
        ("RGB8", [1, 2, 3] * 4, [3, 2, 1]),
        ("RGBa8", [1, 2, 3, 255] * 4, [3, 2, 1]),
        ("BGRa8", [1, 2, 3, 255] * 4, [1, 2, 3]),
    ],
)
def test_pixels_become_bgr(pixel_format: str, data: Any, bgr: list[int]) -> None:
    flat = data if isinstance(data, np.ndarray) else np.array(data, np.uint8)
    image = to_bgr(flat, 2, 2, pixel_format)
    assert (image.shape, image.dtype) == ((2, 2, 3), np.uint8)
    assert image[0, 0].tolist() == bgr


@pytest.mark.parametrize(
    ("pixel_format", "red_at"),
    [("BayerRG8", (0, 0)), ("BayerGR8", (0, 1)), ("BayerGB10", (1, 0)), ("BayerBG12", (1, 1))],
)
def test_a_red_scene_behind_a_bayer_mosaic_is_red(pixel_format: str, red_at: tuple[int, int]) -> None:
    bits = int(pixel_format.removeprefix("Bayer")[2:])
    mosaic = np.zeros((8, 8), np.uint8 if bits == 8 else np.uint16)
    mosaic[red_at[0] :: 2, red_at[1] :: 2] = 200 << (bits - 8)
    image = to_bgr(mosaic.ravel(), 8, 8, pixel_format)[2:6, 2:6]
    assert image.reshape(-1, 3).mean(0).round().tolist() == [0, 0, 200]


@pytest.mark.parametrize("pixel_format", ["Mono12p", "YUV422_8", "Coord3D_A8", "Mono"])
def test_a_format_that_is_not_known_is_told(pixel_format: str) -> None:
    with pytest.raises(ValueError, match="not known here"):
        to_bgr(np.zeros(16, np.uint8), 4, 4, pixel_format)
