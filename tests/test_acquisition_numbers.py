"""Which exposure belongs to which trigger where a photo-eye fires the camera: on a line that runs."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Collection, Sequence

import pytest
from fakes import FakeClock, frame, trigger

from inspector.acquisition import DELAY_LIMIT_S, HAND_OVER_S, FrameBuffer
from inspector.cameraspecs import Acquisition

PITCH_S = 0.25
"""Between two parts of the line in the tests below, whose window spans almost two of them."""
DENSE = Acquisition(mode="wire", before_ms=200, after_ms=40)
SLOW = Acquisition(mode="wire", before_ms=50, after_ms=200)


class Belt:
    """Parts every 250 ms, and nothing happens between two events."""

    def __init__(
        self,
        lags: Sequence[float | None],
        *,
        lost: Collection[int] = (),
        strays: Collection[int] = (),
        way_s: float | None = None,
    ) -> None:
        """``lags``: delays of the parts' messages in seconds, None: it never came.

        ``lost``: parts that are not exposed. ``strays``: parts before which the photo-eye fires once too
        often. ``way_s``: from an exposure until its picture is there; a part is claimed with its message.
        None: it is there at once, and a part is claimed when nothing more can arrive in its window.
        """
        self.got: list[tuple[int, int | None]] = []
        """The part of each trigger and the part whose picture it got, -1 for a stray's."""
        self.kept_s: list[float] = []
        """How long those that got a picture waited once both were there."""
        self._clock = FakeClock(1000.0)
        self._frames = FrameBuffer(DENSE, self._clock)
        self._at_once = way_s is not None
        self._way_s = way_s if way_s is not None else 0.001
        self._exposures: list[tuple[float, int]] = []
        events: list[tuple[float, str, int]] = []
        for part, lag in enumerate(lags, 1):
            at = 1000.0 + part * PITCH_S
            if part in strays:
                self._exposures.append((at - 0.12, -1))
            if part not in lost:
                self._exposures.append((at, part))
            if lag is not None:
                events.append((at + 0.002 + lag, "trigger", part))
        for index, (at, _) in enumerate(self._exposures):
            events.append((at + self._way_s, "picture", index))
        self._events = deque(sorted(events))
        if self._at_once:
            self._frames._changed.wait = self._wait  # type: ignore[method-assign]

    def run(self) -> Belt:
        while self._events:
            self._happen()
        self.got.sort(key=lambda one: one[0])
        return self

    def _happen(self) -> None:
        at, what, number = self._events.popleft()
        self._clock.now = at
        if what == "picture":
            self._frames.put(frame(index=number, exposed_s=self._exposures[number][0]))
            return
        one = trigger(number, received_s=at)
        self._frames.expect(one)
        if not self._at_once:
            self._clock.now = at + 1.0
        claimed = self._frames.claim(one)
        if not claimed:
            self.got.append((number, None))
            return
        exposed_s, part = self._exposures[claimed[0].index]
        self.got.append((number, part))
        self.kept_s.append(self._clock.now - max(at, exposed_s + self._way_s))

    def _wait(self, timeout: float) -> None:
        if self._events and self._events[0][0] <= self._clock.now + timeout:
            self._happen()
        else:
            self._clock.now += timeout + 1e-6


def wrong(got: list[tuple[int, int | None]]) -> list[tuple[int, int | None]]:
    return [(part, seen) for part, seen in got if seen is not None and seen != part]


def test_a_line_on_time_loses_nothing() -> None:
    assert Belt([0.0] * 20).run().got == [(part, part) for part in range(1, 21)]


def test_messages_that_come_late_never_get_the_next_part_s_picture() -> None:
    lags = [0.0] * 5 + [0.3] * 20 + [0.0] * 5
    got = Belt(lags).run().got
    assert wrong(got) == []
    assert all(seen is None for part, seen in got if 6 <= part <= 25), "too late for their window"
    assert got[-4:] == [(part, part) for part in range(27, 31)], "on time again, judged again"


def test_an_exposure_that_is_lost_costs_reviews_and_no_wrong_picture() -> None:
    got = Belt([0.0] * 12, lost={6}).run().got
    assert wrong(got) == []
    assert got[:5] == [(part, part) for part in range(1, 6)]


@pytest.mark.parametrize("way_s", [None, 0.001, 0.03])
def test_a_photo_eye_that_fires_twice_costs_reviews_and_no_wrong_picture(way_s: float | None) -> None:
    """The picture of the part itself may still be on its way when the part is claimed."""
    got = Belt([0.002] * 12, strays={6}, way_s=way_s).run().got
    assert wrong(got) == []
    assert got[:6] == [*((part, part) for part in range(1, 6)), (6, None)]


@pytest.mark.parametrize("way_s", [0.001, 0.03])
def test_a_stray_before_the_first_part_is_not_its_picture(way_s: float) -> None:
    got = Belt([0.002] * 4, strays={1}, way_s=way_s).run().got
    assert wrong(got) == []
    assert got[0] == (1, None)


@pytest.mark.parametrize("way_s", [0.001, 0.03])
def test_a_line_on_time_waits_for_nothing(way_s: float) -> None:
    rng = random.Random(1)
    belt = Belt([0.008 * rng.random() for _ in range(40)], way_s=way_s).run()
    assert belt.got == [(part, part) for part in range(1, 41)]
    assert max(belt.kept_s) == 0


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
    got = Belt([0.0, 0.0, None, 0.0, 0.0]).run().got
    assert got == [(1, 1), (2, 2), (4, 4), (5, 5)]


@pytest.mark.parametrize("way_s", [None, 0.03])
@pytest.mark.parametrize("seed", range(40))
def test_however_late_messages_are_no_part_is_judged_by_another_s_picture(
    seed: int, way_s: float | None
) -> None:
    rng = random.Random(seed)
    lag, lags = 0.0, [0.0] * 4
    for _ in range(60):
        if rng.random() < 0.15:
            lag = rng.choice([0.0, 0.0, 0.1, 0.26, 0.4, 0.8])
        lags.append(lag + rng.random() * 0.02 if rng.random() < 0.97 else None)
    assert wrong(Belt(lags, way_s=way_s).run().got) == []


@pytest.mark.parametrize("way_s", [None, 0.03])
@pytest.mark.parametrize("seed", range(40))
def test_whatever_exposures_are_lost_or_too_many_no_part_is_judged_by_another_s_picture(
    seed: int, way_s: float | None
) -> None:
    rng = random.Random(seed)
    lags = [rng.random() * 0.06 for _ in range(64)]
    lost = {part for part in range(6, 64) if rng.random() < 0.04}
    strays = {part for part in range(6, 64) if rng.random() < 0.04}
    # a stray in the place of a lost exposure looks like that exposure
    belt = Belt(lags, lost=lost, strays=strays - lost, way_s=way_s)
    assert wrong(belt.run().got) == []


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


def claimed(frames: FrameBuffer, number: int, received_s: float) -> list[int]:
    one = trigger(number, received_s=received_s)
    frames.expect(one)
    return [seen.index for seen in frames.claim(one)]


def test_after_a_pause_too_a_late_message_teaches_nothing() -> None:
    """Of parts more than a second apart each follows a pause."""
    frames = FrameBuffer(SLOW, FakeClock(2000.0))
    frames.put(frame(index=0, exposed_s=1000.0))
    frames.put(frame(index=1, exposed_s=1001.2))
    assert claimed(frames, 1, 1001.22) == [], "it may mean the exposure before"
    frames.put(frame(index=2, exposed_s=1002.4))
    assert claimed(frames, 3, 1002.41) == []
    # no message is so late that it means the first exposure
    frames.put(frame(index=3, exposed_s=1005.5))
    assert claimed(frames, 4, 1005.51) == [3]


def test_a_camera_that_starts_anew_is_no_pause() -> None:
    """Parts that passed while it was away had messages too, and its numbers come a second time."""
    clock = FakeClock(1000.0)
    frames = FrameBuffer(DENSE, clock)
    assert all(expose(frames, clock, part, part - 1, 1000.0 + part * PITCH_S) for part in range(1, 5))
    clock.now = 2000.0
    frames.put(frame(index=0, exposed_s=1010.1))
    assert claimed(frames, 26, 1010.15) == []
    seen = []
    for part in range(1, 5):
        at = 1010.1 + part * PITCH_S
        frames.put(frame(index=part, exposed_s=at))
        seen.append(claimed(frames, 26 + part, at + 0.002))
    assert seen == [[], [2], [3], [4]], "sure after three parts"


@pytest.mark.parametrize("in_time", [True, False])
def test_a_part_that_was_not_inspected_leaves_no_exposure_that_waits_for_its_message(
    in_time: bool,
) -> None:
    frames = FrameBuffer(SLOW, FakeClock(2000.0))
    frames.put(frame(index=0, exposed_s=1000.0))
    assert claimed(frames, 1, 1000.01) == [0]
    if in_time:  # more parts than the station can hold
        frames.expect(trigger(2, received_s=1000.49))
        frames.forget(trigger(2))
    frames.put(frame(index=1, exposed_s=1000.5))
    if not in_time:
        assert claimed(frames, 2, 1000.9) == [], "too late for its window"
    # a trigger without a part puts the numbers off; after a pause they are learnt at once
    assert claimed(frames, 3, 1001.0) == []
    frames.put(frame(index=2, exposed_s=1002.5))
    assert claimed(frames, 4, 1002.51) == [2]
