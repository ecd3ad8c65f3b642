"""Which frame belongs to which trigger."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from fakes import FakeClock, frame, trigger

from inspector.acquisition import HAND_OVER_S, RECENT, FrameBuffer
from inspector.cameraspecs import Acquisition
from inspector.domain import Frame

STREAM = Acquisition(mode="stream", after_ms=200)
WIRE = Acquisition(mode="wire", before_ms=50, after_ms=200)


def buffer(acquisition: Acquisition, now: float = 1000.5) -> FrameBuffer:
    """A buffer whose clock is past every window, so that nothing waits."""
    return FrameBuffer(acquisition, FakeClock(now))


def shot(offset_s: float, index: int = 0) -> Frame:
    return frame(index=index, exposed_s=1000.0 + offset_s)


@pytest.mark.parametrize("frames_first", [True, False])
@pytest.mark.parametrize(
    ("acquisition", "offsets", "chosen"),
    [
        (STREAM, [-0.01, 0.0, 0.04], 1),
        (STREAM, [-0.01, 0.04, 0.08], 1),
        (STREAM, [0.2], 0),
        (STREAM, [-0.01, 0.201], None),
        (STREAM, [], None),
        (WIRE, [-0.05], 0),
        (WIRE, [0.2], 0),
        # the first may be meant by a message that was late
        (WIRE, [-0.06, 0.1], None),
        (WIRE, [-0.051], None),
        (WIRE, [0.201], None),
        (WIRE, [], None),
        (WIRE, [-0.01, 0.01], None),
    ],
)
def test_frame_is_chosen_by_its_exposure_whether_it_or_the_trigger_comes_first(
    acquisition: Acquisition, offsets: list[float], chosen: int | None, frames_first: bool
) -> None:
    frames = buffer(acquisition)
    shots = [shot(offset, index) for index, offset in enumerate(offsets)]
    if not frames_first:
        frames.expect(trigger())
    for one in shots:
        frames.put(one)
    if frames_first:
        frames.expect(trigger())
    assert [one.index for one in frames.claim(trigger())] == ([] if chosen is None else [chosen])


def test_a_part_that_waits_is_not_judged_by_a_later_picture() -> None:
    frames = buffer(STREAM)
    frames.expect(trigger())
    for index in range(3 * RECENT):
        frames.put(shot(0.01 + index * 0.04, index))
    assert [one.index for one in frames.claim(trigger())] == [0]


@pytest.mark.parametrize("acquisition", [STREAM, WIRE])
def test_parts_in_flight_get_the_pictures_in_their_order(acquisition: Acquisition) -> None:
    frames = buffer(acquisition)
    triggers = [trigger(number, received_s=1000 + number * 0.02) for number in (1, 2, 3)]
    for one in triggers:
        frames.expect(one)
    for index in (1, 2, 3):
        frames.put(shot(0.07 + index * 0.001, index))
    claimed = [frames.claim(one) for one in reversed(triggers)]
    assert [[one.index for one in shots] for shots in claimed] == [[3], [2], [1]]


@pytest.mark.parametrize("frames_first", [True, False])
def test_a_part_has_as_many_pictures_as_the_recipe_asks_for(frames_first: bool) -> None:
    frames = buffer(STREAM)
    shots = [shot(offset, index) for index, offset in enumerate([-0.01, 0.0, 0.04, 0.08, 0.12])]
    if not frames_first:
        frames.expect(trigger(), 3)
    for one in shots:
        frames.put(one)
    if frames_first:
        frames.expect(trigger(), 3)
    assert [one.index for one in frames.claim(trigger())] == [1, 2, 3]


@pytest.mark.parametrize("offsets", [[0.0, 0.04], [0.0, 0.04, 0.201], []])
def test_a_part_with_too_few_pictures_in_its_window_has_none(offsets: list[float]) -> None:
    frames = buffer(STREAM)
    frames.expect(trigger(), 3)
    for index, offset in enumerate(offsets):
        frames.put(shot(offset, index))
    assert frames.claim(trigger()) == ()


def test_a_trigger_that_is_handled_late_gets_its_first_picture_from_a_fast_camera() -> None:
    frames = buffer(STREAM)
    for index in range(12):
        frames.put(shot(index * 0.01, index))
    frames.expect(trigger(received_s=1000.01))
    assert [one.index for one in frames.claim(trigger())] == [1]


@pytest.mark.parametrize("side", [2, 5000])
def test_a_trigger_whose_first_picture_is_kept_no_more_has_none(side: int) -> None:
    """Too long ago, or too large to be kept for long."""
    frames, count = buffer(STREAM), 61 if side == 2 else 12
    image = np.zeros((side, side, 3), np.uint8)
    for index in range(count):
        frames.put(frame(image, index, 1000.0 + index * 0.01))
    one = trigger(received_s=1000.01)
    frames.expect(one)
    frames.put(frame(image, count, 1000.0 + count * 0.01))
    assert frames.claim(one) == ()
    assert len(frames._recent) < count


def test_parts_with_several_pictures_share_none() -> None:
    frames = buffer(STREAM)
    triggers = [trigger(number, received_s=1000 + number * 0.01) for number in (1, 2)]
    for one in triggers:
        frames.expect(one, 2)
    for index in range(5):
        frames.put(shot(0.03 + index * 0.02, index))
    claimed = [[one.index for one in frames.claim(part)] for part in triggers]
    assert claimed == [[0, 1], [2, 3]]


def test_an_exposure_by_wire_serves_one_trigger_only() -> None:
    frames = buffer(WIRE)
    frames.put(shot(0.0))
    for number in (1, 2):
        frames.expect(trigger(number))
    assert frames.claim(trigger(1))
    assert not frames.claim(trigger(2))


def test_a_second_exposure_in_the_window_makes_a_waiting_part_ambiguous() -> None:
    frames = buffer(WIRE)
    frames.expect(trigger())
    frames.put(shot(0.01, 0))
    frames.put(shot(0.02, 1))
    assert not frames.claim(trigger())


def test_a_forgotten_trigger_takes_no_picture_from_the_next() -> None:
    frames = buffer(WIRE, now=1002.5)
    frames.expect(trigger(1))
    frames.expect(trigger(2, received_s=1002.0))
    frames.forget(trigger(1))
    frames.put(shot(2.01))
    assert frames.claim(trigger(2))
    frames.forget(trigger(9))


def claim_in_thread(frames: FrameBuffer) -> tuple[threading.Thread, list[tuple[Frame, ...]]]:
    claimed: list[tuple[Frame, ...]] = []
    thread = threading.Thread(target=lambda: claimed.append(frames.claim(trigger())))
    thread.start()
    return thread, claimed


def test_claim_waits_for_a_frame_that_is_still_on_its_way() -> None:
    frames = buffer(STREAM, now=1000.0)
    frames.expect(trigger())
    thread, claimed = claim_in_thread(frames)
    frames.put(shot(0.1))
    thread.join(5)
    assert [len(shots) for shots in claimed] == [1]


def test_claim_waits_no_longer_than_window_and_hand_over() -> None:
    frames = FrameBuffer(STREAM, FakeClock(1000.2 + HAND_OVER_S))
    frames.expect(trigger())
    thread, claimed = claim_in_thread(frames)
    thread.join(5)
    assert claimed == [()]


def test_closing_lets_everybody_go_without_a_frame() -> None:
    # a clock that stands still would let it wait for ever
    frames = buffer(STREAM, now=1000.0)
    frames.expect(trigger())
    thread, claimed = claim_in_thread(frames)
    frames.close()
    thread.join(5)
    assert claimed == [()]


def test_closing_gives_no_part_a_picture_of_which_it_was_not_certain() -> None:
    # by itself it would wait a moment for a picture that is still on its way
    frames = buffer(WIRE, now=1000.0)
    frames.put(shot(-0.03))
    frames.expect(trigger())
    thread, claimed = claim_in_thread(frames)
    thread.join(0.05)
    frames.close()
    thread.join(5)
    assert claimed == [()]
