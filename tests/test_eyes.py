"""A camera's thread: lost, found, silent, frozen."""

from __future__ import annotations

import threading

import pytest
from fakes import FakeClock, FakeRecorder, ScriptedCamera, frame, picture
from support import wait_for

from inspector.domain import Frame
from inspector.errors import CameraError, PictureError
from inspector.eyes import SILENT_S, Eye


class Rig:
    """An eye whose camera says everything at once and then ends, so that no thread is needed."""

    def __init__(self, *items: Frame | Exception, continuous: bool = True) -> None:
        self.camera = ScriptedCamera(continuous)
        self.camera.put(*items, None)
        self.recorder, self.clock = FakeRecorder(), FakeClock()
        self.taken: list[Frame] = []
        self.eye = Eye("top", self.camera, 0.001, self.take, self.recorder, self.clock)
        self.lost_when_taken: list[bool] = []

    def take(self, frame: Frame) -> None:
        self.taken.append(frame)
        self.lost_when_taken.append(self.eye.lost)

    def film(self) -> None:
        self.eye.film(threading.Event())


GONE = CameraError("camera 'top' is gone", "Plug it in")


def test_every_frame_is_handed_on_in_order_until_the_end() -> None:
    rig = Rig(*(frame(index=index) for index in range(5)))
    rig.film()
    assert [one.index for one in rig.taken] == [0, 1, 2, 3, 4]
    assert rig.eye.ended
    assert not rig.eye.lost


def test_a_camera_that_fails_is_tried_again_and_told_once_each_way() -> None:
    rig = Rig(frame(index=0), GONE, GONE, GONE, frame(index=1))
    rig.film()
    assert [one.index for one in rig.taken] == [0, 1]
    assert rig.lost_when_taken == [False, False]
    assert rig.recorder.named("camera-lost") == [str(GONE)]
    assert rig.recorder.named("camera-back") == ["Camera top is back."]


class FiredCamera(ScriptedCamera):
    """Silent between parts; it can tell that it is there again, from the look of that number on."""

    there_at = 0
    looks = 0

    def reached(self) -> bool:
        self.looks += 1
        return self.looks > self.there_at


@pytest.mark.parametrize("there_at", [0, 3])
def test_a_fired_camera_is_back_before_its_next_picture(there_at: int) -> None:
    """Nothing is read before it is there: a read would wait for a part that never comes."""
    camera, recorder = FiredCamera(), FakeRecorder()
    camera.there_at = there_at
    camera.put(GONE)
    eye = Eye("top", camera, 0.001, lambda _: None, recorder, FakeClock())
    thread = threading.Thread(target=eye.film, args=(threading.Event(),))
    thread.start()
    wait_for(lambda: recorder.named("camera-back"))
    assert not eye.lost
    eye.close()
    thread.join(5)
    assert not thread.is_alive()
    assert camera.looks == max(2, there_at + 1), "one of them before the first read"
    assert recorder.named("camera-lost") == [str(GONE)]


def test_a_continuous_camera_is_back_with_its_next_picture() -> None:
    camera, recorder = FiredCamera(continuous=True), FakeRecorder()
    camera.put(GONE, None)
    Eye("top", camera, 0.001, lambda _: None, recorder, FakeClock()).film(threading.Event())
    assert camera.looks == 0
    assert recorder.named("camera-back") == []


def test_one_bad_picture_is_told_and_the_camera_is_not_lost() -> None:
    bad = PictureError("drop/a.png is no picture that can be read", "Remove it")
    rig = Rig(frame(index=0), bad, frame(index=1))
    rig.film()
    assert [one.index for one in rig.taken] == [0, 1]
    assert not rig.eye.lost
    assert rig.recorder.named("bad-picture") == [str(bad)]
    assert rig.recorder.named("camera-lost") == []


@pytest.mark.parametrize("continuous", [True, False])
def test_of_a_fired_camera_a_bad_picture_is_the_sign_that_it_is_back(continuous: bool) -> None:
    rig = Rig(GONE, PictureError("no picture"), continuous=continuous)
    rig.film()
    assert rig.eye.lost == continuous
    assert rig.recorder.named("camera-back") == ([] if continuous else ["Camera top is back."])


def test_of_bad_pictures_in_a_row_the_first_is_told() -> None:
    bad = [PictureError(f"number {number}") for number in range(5)]
    rig = Rig(*bad[:3], frame(), *bad[3:])
    rig.film()
    assert rig.recorder.named("bad-picture") == ["number 0", "number 3"]


@pytest.mark.parametrize("continuous", [True, False])
def test_a_continuous_camera_whose_pictures_are_all_bad_is_lost(
    continuous: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(frame(), *[PictureError("no picture")] * 4, continuous=continuous)
    lost: list[bool] = []
    read = rig.camera.read

    def slowly() -> Frame | None:
        rig.clock.advance(SILENT_S / 2)
        lost.append(rig.eye.lost)
        return read()

    monkeypatch.setattr(rig.camera, "read", slowly)
    rig.film()
    assert any(lost) == continuous


def test_a_failing_camera_is_lost_until_it_delivers() -> None:
    rig = Rig(GONE)
    rig.film()
    assert rig.eye.lost
    assert not rig.eye.up


def test_what_is_no_failure_of_a_camera_propagates() -> None:
    rig = Rig(ZeroDivisionError("ours"))
    with pytest.raises(ZeroDivisionError):
        rig.film()


@pytest.mark.parametrize("continuous", [True, False])
def test_silence_of_a_continuous_camera_alone_is_a_loss(continuous: bool) -> None:
    rig = Rig(continuous=continuous)
    rig.eye._note_live()
    rig.clock.advance(SILENT_S)
    assert not rig.eye.lost
    rig.clock.advance(0.01)
    assert rig.eye.lost == continuous


def test_a_recording_that_is_over_is_not_lost() -> None:
    rig = Rig(frame())
    rig.film()
    rig.clock.advance(10)
    assert not rig.eye.lost


def test_before_its_first_picture_only_a_camera_that_a_photo_eye_fires_is_up() -> None:
    assert not Rig(continuous=True).eye.up
    assert Rig(continuous=False).eye.up


@pytest.mark.parametrize("there_at", [0, 1000])
def test_a_fired_camera_that_can_tell_is_up_once_it_has_been_reached(there_at: int) -> None:
    camera, looking, go_on = FiredCamera(), threading.Event(), threading.Event()
    camera.there_at = there_at
    reached = camera.reached

    def slowly() -> bool:
        looking.set()
        assert go_on.wait(10)
        return reached()

    camera.reached = slowly  # type: ignore[method-assign]
    eye = Eye("top", camera, 0.001, lambda _: None, FakeRecorder(), FakeClock())
    assert not eye.up
    thread = threading.Thread(target=eye.film, args=(threading.Event(),))
    thread.start()
    assert looking.wait(10)
    assert not eye.up
    go_on.set()
    if there_at == 0:
        wait_for(lambda: eye.up)
    eye.close()
    thread.join(10)
    assert not thread.is_alive()
    assert eye.up == (there_at == 0)


def test_a_live_frame_that_repeats_the_one_before_is_marked_a_recorded_one_is_not() -> None:
    same, other = picture(seed=1), picture(seed=2)
    rig = Rig(*(frame(image) for image in (same, same, same, other, same)))
    rig.film()
    assert [one.repeats for one in rig.taken] == [False, True, True, False, False]
    recorded = Rig(*(frame(same, recorded=True) for _ in range(2)))
    recorded.film()
    assert not any(one.repeats for one in recorded.taken)


def test_a_picture_of_another_size_is_no_repetition() -> None:
    rig = Rig(frame(picture(seed=1)), frame(picture(seed=1, size=(32, 24))))
    rig.film()
    assert [one.repeats for one in rig.taken] == [False, False]


@pytest.mark.parametrize("camera", [ScriptedCamera(), FiredCamera()])
def test_stopping_ends_a_camera_that_is_gone(camera: ScriptedCamera) -> None:
    camera.put(*[GONE] * 3)
    if isinstance(camera, FiredCamera):
        camera.there_at = 1000
    eye = Eye("top", camera, 60.0, lambda _: None, FakeRecorder(), FakeClock())
    stopping = threading.Event()
    thread = threading.Thread(target=eye.film, args=(stopping,))
    thread.start()
    stopping.set()
    thread.join(5)
    assert not thread.is_alive()
    eye.close()
    assert camera.closed
