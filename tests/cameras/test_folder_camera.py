"""A folder into which another program drops pictures, read as a camera."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from inspector.cameras.folder import WatchedFolder
from inspector.cameraspecs import FolderCamera
from inspector.domain import Frame
from inspector.errors import CameraError, PictureError


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


def test_a_file_that_stays_empty_holds_nothing_up_and_has_its_number(tmp_path: Path) -> None:
    """What is written into it later would be taken for the picture of another part."""
    watching = Watching(tmp_path)
    time.sleep(0.05)
    (tmp_path / "a.png").touch()
    time.sleep(0.1)
    assert watching.errors == [], "nothing has overtaken it"
    drop(tmp_path, "b.png", 2)
    watching.wait_for(2)
    (tmp_path / "a.png").write_bytes(encoded(1))
    assert watching.close() == [2]
    assert [frame.index for frame in watching.frames if frame] == [1]
    (error,) = watching.errors
    assert isinstance(error, PictureError)
    assert "a.png is no picture" in str(error)


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


def test_only_new_pictures_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[str] = []
    stat = Path.stat

    def noted(path: Path, **options: Any) -> Any:
        looked_at.append(path.name)
        return stat(path, **options)

    monkeypatch.setattr(Path, "stat", noted)
    drop(tmp_path, "old.png", 1)
    watching = Watching(tmp_path)
    time.sleep(0.05)
    drop(tmp_path, "new.png", 2)
    watching.wait_for(1)
    assert watching.close() == [2]
    assert "new.png" in looked_at
    assert "old.png" not in looked_at


def test_a_folder_that_is_reached_has_begun_to_watch(tmp_path: Path) -> None:
    folder = tmp_path / "drop"
    camera = WatchedFolder(FolderCamera(kind="folder", name="drop", path=folder, poll_s=0.001))
    assert not camera.reached()
    folder.mkdir()
    drop(folder, "old.png", 1)
    assert camera.reached()
    drop(folder, "new.png", 2)
    frame = camera.read()
    assert frame is not None
    assert int(frame.image[0, 0, 0]) == 2


def test_a_folder_that_cannot_be_listed_is_not_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_: Path) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refused)
    camera = WatchedFolder(FolderCamera(kind="folder", name="drop", path=tmp_path))
    assert not camera.reached()
    with pytest.raises(CameraError, match="Permission denied"):
        camera.read()
