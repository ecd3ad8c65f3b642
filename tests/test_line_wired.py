"""A live station whose camera a photo-eye fires, on a line that does not stop."""

from __future__ import annotations

import time
from itertools import count

from fakes import command
from line_rig import GOOD, Rig, Start

from inspector.cameraspecs import Acquisition

PITCH_S = 0.6


class Belt:
    """Parts that pass the photo-eye of a station, which counts them all."""

    def __init__(self, station: Rig) -> None:
        self._station, self._numbers = station, count(1)

    def part(self, *, sent: bool = True) -> int:
        """One part is exposed, and triggered where ``sent``; its number."""
        number = next(self._numbers)
        self._station.show(GOOD)
        if sent:
            self._station.trigger(number)
        time.sleep(PITCH_S)
        return number


def test_parts_that_pass_while_the_station_is_not_ready_cost_none_of_those_after_them(
    rig: Start,
) -> None:
    station = rig(acquisition=Acquisition(mode="wire", before_ms=250, after_ms=250)).start()
    belt = Belt(station)
    before = [belt.part() for _ in range(3)]
    station.plc.send(command("halt"))
    station.wait_for_state("Halted")
    for _ in range(4):
        belt.part(sent=False)
    station.plc.send(command("reset"))
    station.wait_for_state("Ready")
    after = [belt.part() for _ in range(3)]
    assert after[0] == before[-1] + 5
    assert [station.result(number).verdict for number in before + after] == ["PASS"] * 6
