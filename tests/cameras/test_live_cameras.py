"""Cameras that a running line reads: devices and played files."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
import pytest
from fakes import FakeClock

from inspector.cameras.footage import Video
from inspector.cameras.opencv import LiveCamera, PlayedFile
from inspector.cameraspecs import FileCamera, OpenCvCamera
from inspector.domain import Frame
from inspector.errors import CameraError, FootageError


@pytest.mark.parametrize("device", [97, "/dev/no-such-camera", "rtsp://127.0.0.1:1/none"])
def test_a_camera_that_does_not_exist_is_a_sentence_with_its_name(device: int | str) -> None:
    camera = LiveCamera(OpenCvCamera(kind="opencv", name="top", device=device))
    for _ in range(2):
        with pytest.raises(CameraError, match=r"camera 'top' \(.*\) cannot be opened") as caught:
            camera.read()
        assert "plugged in" in caught.value.remedy
        assert str(device) in str(caught.value)
    camera.close()


class FakeCapture:
    """A device that delivers two pictures and is then pulled out."""

    opened = 0

    def __init__(self, *_: object) -> None:
        type(self).opened += 1
        self._left = 2
        self.released = False

    def isOpened(self) -> bool:  # noqa: N802
        return True

    def set(self, *_: object) -> bool:
        return True

    def get(self, _: object) -> float:
        return 0.0

    def read(self) -> tuple[bool, np.ndarray | None]:
        self._left -= 1
        return (True, np.zeros((4, 4, 3), np.uint8)) if self._left >= 0 else (False, None)

    def release(self) -> None:
        self.released = True


def test_a_camera_that_goes_away_is_told_and_opened_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    clock = FakeClock()
    camera = LiveCamera(OpenCvCamera(kind="opencv", name="top", device=0, width=8), clock)
    first = camera.read()
    assert first is not None
    assert (first.exposed_s, first.recorded) == (clock(), False)
    camera.read()
    with pytest.raises(CameraError, match="delivers no picture any more"):
        camera.read()
    back = camera.read()
    assert back is not None
    assert back.index == 2
    assert FakeCapture.opened == 2


class Driver(FakeCapture):
    """A V4L2 device: it tells when its buffers were filled, and takes some settings."""

    times_ms: Sequence[float] = ()
    taken: ClassVar[dict[int, float]] = {}

    def __init__(self, *_: object) -> None:
        super().__init__()
        self._times = iter(self.times_ms)
        self._now = 0.0

    def set(self, prop: int, value: float) -> bool:
        self.taken[prop] = value
        return prop != cv2.CAP_PROP_GAIN

    def get(self, prop: int) -> float:
        assert prop == cv2.CAP_PROP_POS_MSEC
        return self._now

    def read(self) -> tuple[bool, np.ndarray | None]:
        self._now = next(self._times, 0.0)
        return (True, np.zeros((4, 4, 3), np.uint8)) if self._now else (False, None)


def usb_camera(
    monkeypatch: pytest.MonkeyPatch,
    times_ms: Sequence[float],
    clock: Callable[[], float],
    **changes: Any,
) -> LiveCamera:
    monkeypatch.setattr(Driver, "times_ms", times_ms)
    monkeypatch.setattr(Driver, "taken", {})
    monkeypatch.setattr(cv2, "VideoCapture", Driver)
    fields = {"kind": "opencv", "name": "top", "device": 0}
    return LiveCamera(OpenCvCamera.model_validate(fields | changes), clock)


def test_settings_are_passed_to_the_driver_and_one_it_refuses_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {"auto_exposure": 1, "exposure": 120, "gain": 4, "triggered": True}
    camera = usb_camera(monkeypatch, [1.0], FakeClock(), **settings)
    assert camera.read() is not None
    assert Driver.taken == {
        cv2.CAP_PROP_BUFFERSIZE: 1,
        cv2.CAP_PROP_AUTO_EXPOSURE: 1,
        cv2.CAP_PROP_EXPOSURE: 120,
        cv2.CAP_PROP_GAIN: 4,
        cv2.CAP_PROP_TRIGGER: 1,
    }
    told = capsys.readouterr().out
    assert "does not take a setting" in told
    assert "gain" in told
    assert "exposure" not in told


def test_a_usb_picture_is_timed_by_its_buffer(monkeypatch: pytest.MonkeyPatch) -> None:
    # 20 ms on its way, one of them 80 ms; our clock is at 1000 s when the driver's is at 50 s
    arrived = [1000 + 0.1 * n + (0.08 if n == 5 else 0.02) for n in range(8)]
    # the clock is asked once when it is opened, and before and after each picture
    arrivals = iter([999.0, *(at for one in arrived for at in (one, one))])
    camera = usb_camera(monkeypatch, [50_000 + 100 * n for n in range(8)], lambda: next(arrivals))
    frames = [camera.read() for _ in range(5)]
    assert [frame.exposed_s for frame in frames if frame] == pytest.approx(
        [1000.32, 1000.42, 1000.52, 1000.62, 1000.72]
    )
    assert [frame.index for frame in frames if frame] == [0, 1, 2, 3, 4]


def test_the_latency_of_a_camera_is_taken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    camera = usb_camera(monkeypatch, [5.0], FakeClock(), triggered=True, latency_ms=120)
    frame = camera.read()
    assert frame is not None
    assert frame.exposed_s == pytest.approx(999.88)


def test_a_fired_camera_that_is_silent_is_lost_when_it_is_unplugged_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    device = tmp_path / "video0"
    device.touch()
    reads, clock = itertools.count(), FakeClock()

    def read(_: object) -> tuple[bool, None]:
        if next(reads) == 3:
            device.unlink()
        clock.advance(10)  # V4L2 waits so long for a picture
        return False, None

    monkeypatch.setattr(Driver, "read", read)
    camera = usb_camera(monkeypatch, [], clock, device=str(device), triggered=True)
    assert not camera.continuous
    with pytest.raises(CameraError, match="delivers no picture any more"):
        camera.read()
    assert next(reads) == 4


def test_a_fired_camera_whose_driver_fails_at_once_is_lost(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It has hung itself up: who waits for a part takes his time to say that none has come."""
    device = tmp_path / "video0"
    device.touch()
    clock, pauses = FakeClock(), iter([10, 0, 10, 0, 0, 0])

    def read(_: object) -> tuple[bool, None]:
        clock.advance(next(pauses))
        return False, None

    monkeypatch.setattr(Driver, "read", read)
    camera = usb_camera(monkeypatch, [], clock, device=str(device), triggered=True)
    with pytest.raises(CameraError, match="delivers no picture any more"):
        camera.read()
    assert not list(pauses)


def test_a_camera_is_never_closed_under_a_running_read(monkeypatch: pytest.MonkeyPatch) -> None:
    entered, go_on = threading.Event(), threading.Event()
    released: list[bool] = []

    def read(_: object) -> tuple[bool, np.ndarray]:
        entered.set()
        assert go_on.wait(10)
        return True, np.zeros((4, 4, 3), np.uint8)

    monkeypatch.setattr(Driver, "read", read)
    monkeypatch.setattr(Driver, "release", lambda _: released.append(go_on.is_set()))
    camera = usb_camera(monkeypatch, [], FakeClock())
    thread = threading.Thread(target=camera.read)
    thread.start()
    assert entered.wait(10)
    camera.close()
    assert released == []
    go_on.set()
    thread.join(10)
    assert released == [True]
    assert camera.read() is None


def write_video(path: Path, frames: int, fps: float) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), fps, (16, 16))
    for index in range(frames):
        writer.write(np.full((16, 16, 3), 20 * index, np.uint8))
    writer.release()
    return path


def test_a_played_file_loops_with_numbers_that_go_on(tmp_path: Path) -> None:
    path = write_video(tmp_path / "belt.avi", 3, 200.0)
    camera = PlayedFile(FileCamera(kind="file", name="top", path=path, loop=True))
    frames = [camera.read() for _ in range(8)]
    assert [frame.index for frame in frames if frame] == list(range(8))
    marks = [round(float(frame.image.mean()) / 20) for frame in frames if frame]
    assert marks == [0, 1, 2, 0, 1, 2, 0, 1]
    assert {frame.source for frame in frames if frame} == {"top"}
    camera.close()


def test_a_played_file_ends_once_without_loop_and_keeps_its_own_pace(tmp_path: Path) -> None:
    path = write_video(tmp_path / "belt.avi", 5, 50.0)
    started = time.monotonic()
    camera = PlayedFile(FileCamera(kind="file", name="top", path=path))
    frames = [camera.read() for _ in range(6)]
    elapsed = time.monotonic() - started
    assert [frame is None for frame in frames] == [False] * 5 + [True]
    assert elapsed >= 4 / 50
    # a played file stands for a live camera: exposures are of now
    assert all(started <= frame.exposed_s <= started + elapsed for frame in frames if frame)


def test_a_played_file_is_never_closed_under_a_running_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    camera = PlayedFile(
        FileCamera(
            kind="file", name="top", path=write_video(tmp_path / "belt.avi", 3, 200.0), loop=True
        )
    )
    entered, go_on = threading.Event(), threading.Event()
    seen: list[str] = []
    read = Video.read

    def slowly(video: Video) -> Frame | None:
        entered.set()
        assert go_on.wait(10)
        frame = read(video)
        seen.append("read")
        return frame

    monkeypatch.setattr(Video, "read", slowly)
    monkeypatch.setattr(Video, "close", lambda _: seen.append("closed"))
    reading = threading.Thread(target=camera.read)
    closing = threading.Thread(target=camera.close)
    reading.start()
    assert entered.wait(10)
    closing.start()
    closing.join(0.1)
    go_on.set()
    for thread in (reading, closing):
        thread.join(10)
    assert seen == ["read", "closed"]
    assert camera.read() is None, "it does not begin anew"


def test_a_played_file_that_is_missing_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(FootageError, match="does not exist"):
        PlayedFile(FileCamera(kind="file", name="top", path=tmp_path / "nothing.mp4"))
