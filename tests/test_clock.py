"""Whether the time of day can be trusted."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest
from fakes import FakeClock

from inspector import clock
from inspector.clock import ClockWatch, system_synced


@pytest.fixture(autouse=True)
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands for ``/run``, of a computer without systemd whose kernel may not be asked."""
    for name in ("_SYSTEMD", "_CONTAINER", "_TIMESYNCD", "_SYNCED"):
        monkeypatch.setattr(clock, name, tmp_path / getattr(clock, name).relative_to("/run"))
    monkeypatch.setattr(clock, "_kernel", lambda: None)
    return tmp_path


@pytest.mark.parametrize("hours", [1, -1])
def test_a_clock_that_is_set_is_told(hours: int) -> None:
    wall, monotonic = FakeClock(1.7e9), FakeClock(50.0)
    watch = ClockWatch(wall, monotonic)
    wall.advance(3600)
    monotonic.advance(3600)
    assert watch.synced()
    wall.advance(0.9)
    assert watch.synced()
    wall.advance(3600 * hours)
    assert not watch.synced()


def test_the_word_of_timesyncd_counts_where_the_kernel_may_not_be_asked(run: Path) -> None:
    assert system_synced() is None
    assert ClockWatch().synced(), "of what nobody can tell nothing is said"
    (run / "systemd" / "timesync").mkdir(parents=True)
    assert system_synced() is False
    assert not ClockWatch().synced()
    (run / "systemd" / "timesync" / "synchronized").touch()
    assert system_synced() is True
    assert ClockWatch().synced()


def test_a_clock_that_is_set_right_after_the_boot_can_be_trusted_from_then_on(run: Path) -> None:
    (run / "systemd" / "timesync").mkdir(parents=True)
    wall, monotonic = FakeClock(1.6e9), FakeClock(50.0)
    watch = ClockWatch(wall, monotonic)
    assert not watch.synced()
    wall.advance(1e8)
    assert not watch.synced()
    (run / "systemd" / "timesync" / "synchronized").touch()
    assert watch.synced()
    wall.advance(3600)
    assert not watch.synced(), "somebody has set it since"


def test_a_clock_that_nobody_sets_is_not_synchronised(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """timesyncd has been stopped, and with it its folder has gone."""
    monkeypatch.setattr(clock, "_kernel", lambda: False)
    (run / "systemd" / "system").mkdir(parents=True)
    assert system_synced() is False
    assert not ClockWatch().synced()
    # chrony, ntpd, PTP: whoever sets it
    monkeypatch.setattr(clock, "_kernel", lambda: True)
    assert system_synced() is True


@pytest.mark.parametrize("started_by_systemd", [True, False])
def test_in_a_container_only_good_news_counts(
    started_by_systemd: bool, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if started_by_systemd:
        (run / "systemd" / "system").mkdir(parents=True)
        (run / "systemd" / "container").write_text("lxc")
    monkeypatch.setattr(clock, "_kernel", lambda: False)
    assert system_synced() is None
    assert ClockWatch().synced()
    monkeypatch.setattr(clock, "_kernel", lambda: True)
    assert system_synced() is True


class Libc:
    """Answers as the C library does; ``state`` -1: a filter of system calls forbids it."""

    def __init__(self, state: int, maxerror: int) -> None:
        self._state, self._maxerror = state, maxerror

    def adjtimex(self, given: object) -> int:
        timex = given._obj  # type: ignore[attr-defined]
        assert timex.modes == 0, "nothing is to be changed"
        timex.maxerror = self._maxerror
        return self._state


@pytest.mark.parametrize(
    ("libc", "told"),
    [
        (Libc(0, 1_500), True),
        (Libc(5, 1_500), True),  # the kernel is kept from the hardware clock, and that is all
        (Libc(5, 16_000_000), False),
        (Libc(-1, 0), None),
        (object(), None),
    ],
)
def test_the_kernel_s_word_is_the_largest_error_of_its_clock(
    libc: object, told: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(clock, "_libc", lambda: libc)
    assert clock._kernel() is told


def test_this_computer_s_kernel_can_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert clock._kernel() in (True, False, None)
    # as the C library has it: else the kernel would write beyond what is ours
    assert ctypes.sizeof(clock._Timex) > 208
    assert clock._Timex.maxerror.offset == 3 * ctypes.sizeof(ctypes.c_long)
