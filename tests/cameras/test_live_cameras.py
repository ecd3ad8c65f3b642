"""Cameras that a running line reads: devices, played files, a watched folder."""

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

from inspector.cameras.folder import WatchedFolder
from inspector.cameras.opencv import LiveCamera, PlayedFile
from inspector.cameraspecs import FileCamera, FolderCamera, OpenCvCamera
from inspector.domain import Frame
from inspector.errors import CameraError, FootageError, PictureError


def encoded(mark: int) -> bytes:
    return cv2.imencode(".png", np.full((8, 9, 3), mark, np.uint8))[1].tobytes()


class Watching:
    """A watched folder that is read by a thread, as a line does."""

    def __init__(self, path: Path) -> None:
        self.camera = WatchedFolder(FolderCamera(kind="folder", name="drop", path=path, poll_s=0.01))
        self.frames: list[Frame | None] = []
        self.errors: list[CameraError] = []
        self._thread = threading.Thread(target=self._film)
        self._thread.start()

    def _film(self) -> None:
        while True:
            try:
                self.frames.append(self.camera.read())
            except CameraError as error:
                self.errors.append(error)
                time.sleep(0.01)
                continue
            if self.frames[-1] is None:
                return

    def wait_for(self, count: int) -> None:
        end = time.monotonic() + 5
        while len(self.frames) + len(self.errors) < count and time.monotonic() < end:
            time.sleep(0.005)

    def close(self) -> list[int]:
        """The marks of the pictures seen, after a moment in which nothing more may come."""
        time.sleep(0.1)
        self.camera.close()
        self._thread.join(5)
        assert self.frames.pop() is None
        return [int(frame.image[0, 0, 0]) for frame in self.frames if frame is not None]


def drop(folder: Path, name: str, mark: int) -> None:
    """As a careful program does: under another name until it is complete."""
    (folder / "partial.tmp").write_bytes(encoded(mark))
    (folder / "partial.tmp").rename(folder / name)


def test_what_lies_in_a_folder_that_is_back_is_not_new(tmp_path: Path) -> None:
    """An unmounted share is an empty folder meanwhile; its old pictures belong to no part of now."""
    share, away = tmp_path / "share", tmp_path / "away"
    share.mkdir()
    drop(share, "a.png", 1)
    watching = Watching(share)
    time.sleep(0.1)
    for mountpoint in (True, False):
        share.rename(away)
        if mountpoint:
            share.mkdir()
        time.sleep(0.1)
        drop(away, f"written-meanwhile-{mountpoint}.png", 2)
        if mountpoint:
            share.rmdir()
        away.rename(share)
        time.sleep(0.1)
    drop(share, "b.png", 3)
    watching.wait_for(len(watching.errors) + 1)
    assert watching.close() == [3]


def test_each_new_picture_is_a_frame_and_what_lay_there_is_not(tmp_path: Path) -> None:
    drop(tmp_path, "old.png", 1)
    watching = Watching(tmp_path)
    time.sleep(0.1)
    drop(tmp_path, "a.png", 2)
    watching.wait_for(1)
    drop(tmp_path, "b.png", 3)
    (tmp_path / "notes.txt").write_text("no picture")
    watching.wait_for(2)
    assert watching.close() == [2, 3]
    assert [(frame.source, frame.index) for frame in watching.frames if frame] == [
        ("drop", 0),
        ("drop", 1),
    ]
    assert not any(frame.recorded for frame in watching.frames if frame)


def test_a_file_that_is_still_growing_is_not_read_in_half(tmp_path: Path) -> None:
    watching = Watching(tmp_path)
    time.sleep(0.05)
    data = encoded(7)
    with (tmp_path / "a.png").open("wb", buffering=0) as stream:
        for index in range(len(data)):
            stream.write(data[index : index + 1])
            if index % 4 == 0:
                time.sleep(0.004)
    watching.wait_for(1)
    assert watching.close() == [7]
    assert watching.errors == []


def test_no_picture_overtakes_one_that_is_still_being_written(tmp_path: Path) -> None:
    watching = Watching(tmp_path)
    time.sleep(0.05)
    data = encoded(1)
    with (tmp_path / "a.png").open("wb", buffering=0) as stream:
        drop(tmp_path, "b.png", 2)
        for index in range(len(data)):
            stream.write(data[index : index + 1])
            if index % 4 == 0:
                time.sleep(0.004)
    watching.wait_for(2)
    assert watching.close() == [1, 2]


def test_a_file_that_stays_empty_holds_nothing_up(tmp_path: Path) -> None:
    watching = Watching(tmp_path)
    time.sleep(0.05)
    (tmp_path / "a.png").touch()
    drop(tmp_path, "b.png", 2)
    watching.wait_for(1)
    assert watching.close() == [2]


def test_a_name_that_was_removed_may_come_again(tmp_path: Path) -> None:
    watching = Watching(tmp_path)
    time.sleep(0.05)
    drop(tmp_path, "a.png", 1)
    watching.wait_for(1)
    (tmp_path / "a.png").unlink()
    time.sleep(0.1)
    drop(tmp_path, "a.png", 2)
    watching.wait_for(2)
    assert watching.close() == [1, 2]


def test_a_file_that_is_no_picture_is_told_once_and_the_next_is_read(tmp_path: Path) -> None:
    watching = Watching(tmp_path)
    time.sleep(0.05)
    (tmp_path / "a.png").write_bytes(b"no picture")
    watching.wait_for(1)
    drop(tmp_path, "b.png", 5)
    watching.wait_for(2)
    assert watching.close() == [5]
    (error,) = watching.errors
    assert isinstance(error, PictureError)
    assert "a.png is no picture" in str(error)


def test_a_picture_of_which_the_end_is_missing_is_no_picture(tmp_path: Path) -> None:
    watching = Watching(tmp_path)
    time.sleep(0.05)
    image = np.random.default_rng(1).integers(80, 100, (64, 64, 3)).astype(np.uint8)
    data = cv2.imencode(".jpg", image)[1].tobytes()
    (tmp_path / "a.jpg").write_bytes(data[: len(data) * 2 // 3])
    watching.wait_for(1)
    (tmp_path / "b.jpg").write_bytes(data)
    watching.wait_for(2)
    assert len(watching.close()) == 1
    (error,) = watching.errors
    assert isinstance(error, PictureError)
    assert "a.jpg is" in str(error)


def test_a_watched_folder_that_is_missing_is_a_camera_error(tmp_path: Path) -> None:
    config = FolderCamera(kind="folder", name="drop", path=tmp_path / "gone", poll_s=0.001)
    with pytest.raises(CameraError, match=r"folder camera 'drop': .*No such file") as caught:
        WatchedFolder(config).read()
    assert "Create the folder" in caught.value.remedy


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
    arrivals = iter([999.0, *(1000 + 0.1 * n + (0.08 if n == 5 else 0.02) for n in range(8))])
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
    reads = itertools.count()

    def read(_: object) -> tuple[bool, None]:
        if next(reads) == 3:
            device.unlink()
        return False, None

    monkeypatch.setattr(Driver, "read", read)
    camera = usb_camera(monkeypatch, [], FakeClock(), device=str(device), triggered=True)
    assert not camera.continuous
    with pytest.raises(CameraError, match="delivers no picture any more"):
        camera.read()
    assert next(reads) == 4


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


def test_a_played_file_that_is_missing_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(FootageError, match="does not exist"):
        PlayedFile(FileCamera(kind="file", name="top", path=tmp_path / "nothing.mp4"))
