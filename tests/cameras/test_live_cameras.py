"""Cameras that a running line reads: devices, played files, a watched folder."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from fakes import FakeClock

from inspector.cameras.folder import WatchedFolder
from inspector.cameras.opencv import LiveCamera, PlayedFile
from inspector.config import FileCamera, FolderCamera, OpenCvCamera
from inspector.domain import Frame
from inspector.errors import CameraError, FootageError


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
    assert "is no picture" in str(error)


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
    camera = PlayedFile(FileCamera(kind="file", name="top", path=path))
    started = time.monotonic()
    frames = [camera.read() for _ in range(6)]
    elapsed = time.monotonic() - started
    assert [frame is None for frame in frames] == [False] * 5 + [True]
    assert elapsed >= 4 / 50
    # a played file stands for a live camera: exposures are of now
    assert all(started <= frame.exposed_s <= started + elapsed for frame in frames if frame)


def test_a_played_file_that_is_missing_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(FootageError, match="does not exist"):
        PlayedFile(FileCamera(kind="file", name="top", path=tmp_path / "nothing.mp4"))
