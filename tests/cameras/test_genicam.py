"""GenICam cameras: the simulated one of the ``genicam`` package, and the formats of pixels."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inspector.build import build_camera
from inspector.cameras.genicam import HarvestedCamera, to_bgr
from inspector.cameraspecs import GenICamCamera
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


def test_a_camera_is_asked_for_a_sign_of_life_beside_the_cache(producer: Path) -> None:
    camera = HarvestedCamera(config(producer))
    frames_of(camera, 1)
    width = camera._device.remote_device.node_map.Width
    assert width.get_value(ignore_cache=True) == 400
    camera.close()


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


# --- pixels -------------------------------------------------------------------------------------------


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
