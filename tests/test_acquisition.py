"""Which frame belongs to which trigger."""

from __future__ import annotations

import threading

import pytest
from fakes import FakeClock, frame, trigger

from inspector.acquisition import HAND_OVER_S, RECENT, FrameBuffer
from inspector.config import Acquisition
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
        (WIRE, [-0.06, 0.1], 1),
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
    claimed = frames.claim(trigger())
    assert (claimed and claimed.index) == chosen


def test_a_part_that_waits_is_not_judged_by_a_later_picture() -> None:
    frames = buffer(STREAM)
    frames.expect(trigger())
    for index in range(3 * RECENT):
        frames.put(shot(0.01 + index * 0.04, index))
    claimed = frames.claim(trigger())
    assert claimed is not None
    assert claimed.index == 0


@pytest.mark.parametrize("acquisition", [STREAM, WIRE])
def test_parts_in_flight_get_the_pictures_in_their_order(acquisition: Acquisition) -> None:
    frames = buffer(acquisition)
    triggers = [trigger(number, received_s=1000 + number * 0.02) for number in (1, 2, 3)]
    for one in triggers:
        frames.expect(one)
    for index in (1, 2, 3):
        frames.put(shot(0.07 + index * 0.001, index))
    claimed = [frames.claim(one) for one in reversed(triggers)]
    assert [one.index for one in claimed if one] == [3, 2, 1]


def test_an_exposure_by_wire_serves_one_trigger_only() -> None:
    frames = buffer(WIRE)
    frames.put(shot(0.0))
    for number in (1, 2):
        frames.expect(trigger(number))
    assert frames.claim(trigger(1)) is not None
    assert frames.claim(trigger(2)) is None


def test_a_second_exposure_in_the_window_makes_a_waiting_part_ambiguous() -> None:
    frames = buffer(WIRE)
    frames.expect(trigger())
    frames.put(shot(0.01, 0))
    frames.put(shot(0.02, 1))
    assert frames.claim(trigger()) is None


def test_exposures_that_belong_to_no_trigger_are_counted() -> None:
    frames = buffer(WIRE)
    for index in range(RECENT + 3):
        frames.put(shot(-10 + index, index))
    assert frames.unclaimed == 3
    stream = buffer(STREAM)
    for index in range(RECENT + 3):
        stream.put(shot(-10 + index, index))
    assert stream.unclaimed == 0


def test_a_forgotten_trigger_takes_no_picture_from_the_next() -> None:
    frames = buffer(WIRE)
    frames.expect(trigger(1))
    frames.expect(trigger(2))
    frames.forget(trigger(1))
    frames.put(shot(0.01))
    assert frames.claim(trigger(2)) is not None
    frames.forget(trigger(9))


def claim_in_thread(frames: FrameBuffer) -> tuple[threading.Thread, list[Frame | None]]:
    claimed: list[Frame | None] = []
    thread = threading.Thread(target=lambda: claimed.append(frames.claim(trigger())))
    thread.start()
    return thread, claimed


def test_claim_waits_for_a_frame_that_is_still_on_its_way() -> None:
    frames = buffer(STREAM, now=1000.0)
    frames.expect(trigger())
    thread, claimed = claim_in_thread(frames)
    frames.put(shot(0.1))
    thread.join(5)
    assert [one is not None for one in claimed] == [True]


def test_claim_waits_no_longer_than_window_and_hand_over() -> None:
    frames = FrameBuffer(STREAM, FakeClock(1000.2 + HAND_OVER_S))
    frames.expect(trigger())
    thread, claimed = claim_in_thread(frames)
    thread.join(5)
    assert claimed == [None]


def test_closing_lets_everybody_go_without_a_frame() -> None:
    # a clock that stands still would let it wait for ever
    frames = buffer(STREAM, now=1000.0)
    frames.expect(trigger())
    thread, claimed = claim_in_thread(frames)
    frames.close()
    thread.join(5)
    assert claimed == [None]
