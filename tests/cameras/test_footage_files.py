"""Recorded footage: videos, pictures, folders of them, and what is none."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from streaming import enormous_picture

from inspector.cameras.footage import Pictures, Video, expand_footage, open_footage, read_picture
from inspector.domain import Frame
from inspector.errors import FootageError


def write_video(path: Path, frames: int = 20, fps: float = 10.0) -> Path:
    """A video whose n-th frame is n times ten bright."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), fps, (64, 48))
    assert writer.isOpened()
    for index in range(frames):
        writer.write(np.full((48, 64, 3), 10 * index % 256, np.uint8))
    writer.release()
    return path


def read_all(source: Video | Pictures) -> list[Frame]:
    frames = []
    while (frame := source.read()) is not None:
        frames.append(frame)
    return frames


def test_a_video_is_read_frame_by_frame_in_its_own_time(tmp_path: Path) -> None:
    video = Video(write_video(tmp_path / "belt.avi"))
    frames = read_all(video)
    assert [frame.index for frame in frames] == list(range(20))
    assert [round(float(frame.image.mean())) for frame in frames[:3]] == pytest.approx(
        [0, 10, 20], abs=2
    )
    assert [frame.exposed_s for frame in frames[:3]] == pytest.approx([0.0, 0.1, 0.2])
    assert {frame.source for frame in frames} == {"belt"}
    assert all(frame.recorded and not frame.repeats for frame in frames)
    assert frames[0].size == (64, 48)
    assert video.read() is None
    video.close()


def test_a_video_may_carry_the_name_of_a_camera(tmp_path: Path) -> None:
    frame = Video(write_video(tmp_path / "belt.avi"), "top").read()
    assert frame is not None
    assert frame.source == "top"


def test_a_truncated_video_gives_what_came_before_and_then_says_so(tmp_path: Path) -> None:
    path = write_video(tmp_path / "belt.avi", 100)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    video, frames = Video(path), []

    def read() -> None:
        while (frame := video.read()) is not None:
            frames.append(frame)

    with pytest.raises(FootageError, match=r"is truncated: \d+ of 100 frames can be read") as caught:
        read()
    assert 30 < len(frames) < 80
    assert f"{len(frames)} of 100" in str(caught.value)
    assert "copy the file again" in caught.value.remedy


@pytest.mark.parametrize("content", [b"", b"no video at all", b"RIFF\x00\x00\x00\x00AVI LIST"])
def test_a_file_that_is_no_video_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "belt.mp4"
    path.write_bytes(content)
    with pytest.raises(FootageError, match="cannot be opened as a video") as caught:
        open_footage(path)
    assert "copy it again, or convert it" in caught.value.remedy


@pytest.mark.parametrize("name", ["nothing.mp4", "nothing.png", "nothing"])
def test_missing_footage_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(FootageError, match=f"{name} does not exist"):
        open_footage(tmp_path / name)


def write_pictures(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    for index, name in enumerate(names):
        cv2.imwrite(str(folder / name), np.full((10 + index, 20, 3), 50, np.uint8))
    return folder


def test_a_folder_is_read_in_the_order_of_names_pictures_only(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "parts", "b.png", "a.JPG", "c.bmp")
    (folder / "notes.txt").write_text("no picture")
    source = open_footage(folder)
    frames = read_all(source)
    assert [frame.image.shape[0] for frame in frames] == [11, 10, 12]
    assert [(frame.index, frame.source) for frame in frames] == [
        (0, "parts"),
        (1, "parts"),
        (2, "parts"),
    ]
    assert frames[1].exposed_s > frames[0].exposed_s


def test_one_picture_is_footage_of_one_frame(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path, "part.png")
    (frame,) = read_all(open_footage(folder / "part.png"))
    assert (frame.source, frame.index) == ("part", 0)


def test_a_grey_picture_becomes_bgr(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((5, 6), 9, np.uint8))
    assert read_picture(tmp_path / "grey.png").shape == (5, 6, 3)


@pytest.mark.parametrize(
    "content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + b"\x00" * 20, enormous_picture()]
)
def test_a_file_that_is_no_picture_is_told_and_the_others_are_read(
    tmp_path: Path, content: bytes
) -> None:
    folder = write_pictures(tmp_path / "parts", "a.png", "c.png")
    (folder / "b.png").write_bytes(content)
    source = open_footage(folder)
    assert source.read() is not None
    with pytest.raises(FootageError, match=r"b\.png is no picture"):
        source.read()
    last = source.read()
    assert last is not None
    assert last.index == 2
    assert not source.ends_on_error


def test_an_empty_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(FootageError, match="holds no pictures") as caught:
        open_footage(tmp_path)
    assert ".png" in caught.value.remedy


def test_a_folder_of_videos_stands_for_its_videos(tmp_path: Path) -> None:
    for name in ("b.mp4", "a.AVI", "notes.txt"):
        (tmp_path / name).touch()
    pictures = write_pictures(tmp_path / "parts", "a.png")
    found = list(expand_footage([tmp_path, pictures, tmp_path / "b.mp4"]))
    assert found == [tmp_path / "a.AVI", tmp_path / "b.mp4", pictures, tmp_path / "b.mp4"]
