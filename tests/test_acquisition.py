"""Which frame belongs to which trigger."""

from __future__ import annotations

import random
import threading
from collections.abc import Collection, Sequence

import pytest
from fakes import FakeClock, frame, trigger

from inspector.acquisition import DELAY_LIMIT_S, HAND_OVER_S, RECENT, FrameBuffer
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


PITCH_S = 0.25
"""Between two parts of the line in the tests below, whose window spans almost two of them."""
DENSE = Acquisition(mode="wire", before_ms=200, after_ms=40)


def run_line(
    lags: Sequence[float | None],
    *,
    lost: Collection[int] = (),
    strays: Collection[int] = (),
    start: int = 1,
) -> list[tuple[int, int | None]]:
    """Parts every 250 ms; ``lags`` are their messages' delays in seconds, None: it never came.

    ``lost``: parts that are not exposed. ``strays``: parts before which the photo-eye fires once too
    often. Returns the part of each trigger and the part whose picture it got, -1 for a stray's.
    """
    clock = FakeClock(1000.0)
    frames = FrameBuffer(DENSE, clock)
    shown: dict[int, int] = {}
    events: list[tuple[float, int, str]] = []
    for part, lag in enumerate(lags, start):
        at = 1000.0 + part * PITCH_S
        if part in strays:
            events.append((at - 0.12, part, "stray"))
        if part not in lost:
            events.append((at, part, "expose"))
        if lag is not None:
            events.append((at + 0.002 + lag, part, "trigger"))
    got: list[tuple[int, int | None]] = []
    index = 0
    for at, part, what in sorted(events):
        clock.now = at + 0.001
        if what == "trigger":
            one = trigger(part, received_s=at)
            frames.expect(one)
            # the claim comes when nothing more can arrive in the window
            clock.now = at + 1.0
            claimed = frames.claim(one)
            got.append((part, shown[claimed[0].index] if claimed else None))
        else:
            shown[index] = part if what == "expose" else -1
            frames.put(frame(index=index, exposed_s=at))
            index += 1
    return got


def wrong(got: list[tuple[int, int | None]]) -> list[tuple[int, int | None]]:
    return [(part, seen) for part, seen in got if seen is not None and seen != part]


def test_a_line_on_time_loses_nothing() -> None:
    assert run_line([0.0] * 20) == [(part, part) for part in range(1, 21)]


def test_messages_that_come_late_never_get_the_next_part_s_picture() -> None:
    lags = [0.0] * 5 + [0.3] * 20 + [0.0] * 5
    got = run_line(lags)
    assert wrong(got) == []
    assert all(seen is None for part, seen in got if 6 <= part <= 25), "too late for their window"
    assert got[-4:] == [(part, part) for part in range(27, 31)], "on time again, judged again"


def test_an_exposure_that_is_lost_costs_reviews_and_no_wrong_picture() -> None:
    got = run_line([0.0] * 12, lost={6})
    assert wrong(got) == []
    assert got[:5] == [(part, part) for part in range(1, 6)]


def test_a_photo_eye_that_fires_twice_costs_reviews_and_no_wrong_picture() -> None:
    assert wrong(run_line([0.0] * 12, strays={6})) == []


def expose(frames: FrameBuffer, clock: FakeClock, number: int, index: int, at: float) -> bool:
    """A part passes at that second, and its message comes in time: whether it got its picture."""
    frames.put(frame(index=index, exposed_s=at))
    one = trigger(number, received_s=at + 0.002)
    frames.expect(one)
    clock.now = at + DENSE.after_ms / 1000 + HAND_OVER_S + 0.01
    got = [seen.index for seen in frames.claim(one)]
    assert got in ([], [index])
    return bool(got)


def test_an_exposure_too_many_on_a_line_without_a_pause_is_told_and_over_once_it_stands_still() -> None:
    clock = FakeClock(1000.0)
    frames = FrameBuffer(DENSE, clock)
    assert all(expose(frames, clock, part, part, 1000.0 + part * PITCH_S) for part in range(4))
    assert not frames.astray()
    frames.put(frame(index=4, exposed_s=1000.9))  # a hand in the light barrier
    at = [1000.0 + part * PITCH_S for part in range(4, 60)]
    told = []
    for part, exposed_s in enumerate(at, 4):
        assert not expose(frames, clock, part, part + 1, exposed_s)
        told.append(frames.astray())
    first = told.index(True)
    assert DELAY_LIMIT_S <= at[first] - at[0] < DELAY_LIMIT_S + 2 * PITCH_S
    assert all(told[first:])
    clock.now = at[-1] + DELAY_LIMIT_S - 0.01
    assert frames.astray()
    clock.now = at[-1] + DELAY_LIMIT_S
    assert not frames.astray()
    assert all(expose(frames, clock, part, part + 1, 2000 + part * PITCH_S) for part in range(60, 80))
    assert not frames.astray()


@pytest.mark.parametrize("twice", [True, False])
def test_a_line_on_which_nothing_can_be_certain_says_so(twice: bool) -> None:
    """An eye that fires twice a part; parts so dense that their windows overlap, from the start on."""
    clock = FakeClock(1000.0)
    frames = FrameBuffer(DENSE if twice else Acquisition(mode="wire", before_ms=0, after_ms=900), clock)
    index, told = 1, []
    frames.put(frame(index=0, exposed_s=999.8))  # the line runs already
    for part in range(60):
        at = 1000.0 + part * PITCH_S
        for offset in (0.0, 0.02) if twice else (0.001,):
            frames.put(frame(index=index, exposed_s=at + offset))
            index += 1
        one = trigger(part, received_s=at + 0.03 if twice else at)
        frames.expect(one)
        clock.now = at + 1.0
        assert not frames.claim(one)
        told.append(frames.astray())
    assert told.index(True) == pytest.approx(DELAY_LIMIT_S / PITCH_S, abs=2)


def test_parts_that_are_uncertain_now_and_then_lead_nobody_astray() -> None:
    clock = FakeClock(1000.0)
    frames = FrameBuffer(DENSE, clock)
    for hour in range(6):
        at = 1000.0 + 3600 * hour
        for number, offset in ((2 * hour, 0.0), (2 * hour + 1, 0.02)):
            frames.put(frame(index=number, exposed_s=at + offset))
        one = trigger(hour, received_s=at + 0.03)
        frames.expect(one)
        clock.now = at + 1.0
        assert not frames.claim(one), "the eye has fired twice"
        assert not frames.astray()


def test_a_line_whose_parts_are_judged_is_not_astray() -> None:
    clock = FakeClock(1000.0)
    frames = FrameBuffer(DENSE, clock)
    for part in range(100):
        # every third message is late and finds the next part's picture, or none
        index, at = 2 * part, 1000.0 + part * 2 * PITCH_S
        assert expose(frames, clock, index, index, at) or part == 0
        frames.put(frame(index=index + 1, exposed_s=at + PITCH_S))
        assert not frames.astray()


def test_pictures_that_come_later_than_windows_that_overlap_teach_no_wrong_numbers() -> None:
    """As a stalled disk delays the pictures of a folder: each lies in the windows of those after it."""
    wide = Acquisition(mode="wire", before_ms=0, after_ms=2500)
    clock = FakeClock(2000.0)
    frames = FrameBuffer(wide, clock)
    shown = 0
    for burst in range(4):
        start = 1000.0 + burst * 20
        parts = [trigger(1 + burst * 9 + part, received_s=start + part * 0.01) for part in range(9)]
        for one in parts:
            frames.expect(one)
        for part in range(9):
            # the first burst is on time; in the others the first windows end before their pictures come
            frames.put(frame(index=shown, exposed_s=start + (2.515 if burst else 1.0) + 0.01 * part))
            shown += 1
        for one in parts:
            assert [seen.index + 1 for seen in frames.claim(one)] in ([], [one.trigger_id])
    after = trigger(37, received_s=1100.0)
    frames.expect(after)
    frames.put(frame(index=shown, exposed_s=1100.2))
    assert [seen.index for seen in frames.claim(after)] == [36], "a pause, and all is well"


def test_a_message_that_is_lost_costs_no_other_part() -> None:
    got = run_line([0.0, 0.0, None, 0.0, 0.0])
    assert got == [(1, 1), (2, 2), (4, 4), (5, 5)]


@pytest.mark.parametrize("seed", range(40))
def test_however_late_messages_are_no_part_is_judged_by_another_s_picture(seed: int) -> None:
    rng = random.Random(seed)
    lag, lags = 0.0, [0.0] * 4
    for _ in range(60):
        if rng.random() < 0.15:
            lag = rng.choice([0.0, 0.0, 0.1, 0.26, 0.4, 0.8])
        lags.append(lag + rng.random() * 0.02 if rng.random() < 0.97 else None)
    assert wrong(run_line(lags)) == []


@pytest.mark.parametrize("seed", range(40))
def test_whatever_exposures_are_lost_or_too_many_no_part_is_judged_by_another_s_picture(
    seed: int,
) -> None:
    rng = random.Random(seed)
    lags = [rng.random() * 0.06 for _ in range(64)]
    lost = {part for part in range(6, 64) if rng.random() < 0.04}
    strays = {part for part in range(6, 64) if rng.random() < 0.04}
    # a stray in the place of a lost exposure looks like that exposure
    assert wrong(run_line(lags, lost=lost, strays=strays - lost)) == []


def test_numbers_are_learnt_anew_after_a_pause() -> None:
    clock = FakeClock(2000.0)
    frames = FrameBuffer(DENSE, clock)
    for number in (1, 2):
        frames.put(frame(index=number, exposed_s=1000.0 + 0.25 * number))
        one = trigger(number, received_s=1000.002 + 0.25 * number)
        frames.expect(one)
        assert frames.claim(one)
    frames.put(frame(index=3, exposed_s=1000.75))  # a hand in the light barrier
    frames.put(frame(index=4, exposed_s=1001.0))
    third = trigger(3, received_s=1001.002)
    frames.expect(third)
    assert not frames.claim(third)
    frames.put(frame(index=5, exposed_s=1007.0))
    fourth = trigger(4, received_s=1007.002)
    frames.expect(fourth)
    assert [one.index for one in frames.claim(fourth)] == [5]


def test_a_station_that_starts_on_a_running_line_is_sure_after_three_parts() -> None:
    clock = FakeClock(2000.0)
    frames = FrameBuffer(DENSE, clock)
    for index in range(4):
        frames.put(frame(index=index, exposed_s=1000.0 + 0.25 * index))
    seen = []
    for number in range(5, 11):
        at = 1000.0 + 0.25 * (number - 1)
        frames.put(frame(index=number - 1, exposed_s=at))
        one = trigger(number, received_s=at + 0.002)
        frames.expect(one)
        claimed = frames.claim(one)
        seen.append(claimed[0].index if claimed else None)
    assert seen == [None, None, 6, 7, 8, 9]
