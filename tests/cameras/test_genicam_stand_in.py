"""GenICam cameras: a stand-in for what the simulated one of the ``genicam`` package lacks."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from fakes import FakeClock

from inspector.cameras import genicam
from inspector.cameras.genicam import HarvestedCamera, set_up
from inspector.cameraspecs import GenICamCamera, LineTrigger
from inspector.domain import Frame
from inspector.errors import CameraError


def config(**changes: Any) -> GenICamCamera:
    fields = {"kind": "genicam", "name": "top", "producer": "p", "serial": "0"}
    return GenICamCamera.model_validate(fields | changes)


def frames_of(camera: HarvestedCamera, count: int) -> list[Frame]:
    frames = [camera.read() for _ in range(count)]
    assert all(frames)
    return [frame for frame in frames if frame is not None]


class GoneError(Exception):
    """What the binding raises."""


class Node:
    def __init__(self, written: dict[str, object], name: str) -> None:
        super().__setattr__("_", (written, name))

    def __setattr__(self, key: str, value: object) -> None:
        written, name = self._
        written[name] = value

    def get_value(self, *, ignore_cache: bool) -> int:
        written, name = self._
        assert ignore_cache, "what was read before says nothing of now"
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
    set_up(nodes, config(**wanted), (GoneError,))
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
    set_up(nodes, config(), (GoneError,))
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
    return HarvestedCamera(config(**changes), clock), device


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


@pytest.mark.parametrize("kind", ["not in the table", "not built", "compressed"])
def test_a_picture_of_which_harvesters_makes_nothing_is_told(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    buffer = Buffer(1, 0)
    buffer.payload.components = [None] if kind == "not built" else []
    item = KeyError(0x81080001) if kind == "not in the table" else (0.01, buffer)
    camera, device = stand_in(monkeypatch, item)
    with pytest.raises(CameraError, match="in a format that is not known here") as caught:
        camera.read()
    assert "Set 'pixel_format'" in caught.value.remedy
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


def test_a_camera_that_is_closed_while_it_is_being_opened_is_let_go_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    camera, device = stand_in(monkeypatch, trigger={"source": "Line1"})
    start = device.start

    def slowly() -> None:
        start()
        camera.close()  # by another thread, while this one opens it

    monkeypatch.setattr(device, "start", slowly)
    camera.reached()
    assert device.log == ["start", "stop", "destroy"]


def test_closing_ends_a_waiting_read(monkeypatch: pytest.MonkeyPatch) -> None:
    camera, device = stand_in(monkeypatch, *itertools.repeat(None, 0), trigger={"source": "Line1"})
    device._items = itertools.repeat(None)
    thread = threading.Thread(target=camera.read)
    thread.start()
    camera.close()
    thread.join(5)
    assert not thread.is_alive()
