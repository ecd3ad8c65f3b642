"""A live station for tests: real threads and queues, fake models, camera and PLC."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from fakes import (
    CROSSING,
    PLC_BEAT,
    RECIPE,
    FakeDetector,
    FakeJournal,
    FakePlc,
    FakeRecorder,
    ScriptedCamera,
    SteeredClock,
    make_recipe,
    make_station,
    mark_of,
    picture,
    scratch_if_marked,
    trigger_message,
)
from support import wait_for

from inspector.cameraspecs import Acquisition, OpenCvCamera
from inspector.changeover import Recipes
from inspector.checks.detect import DetectCheck
from inspector.config import StationConfig
from inspector.contract import ResultPayload
from inspector.domain import Box, Detection, Frame, Image, Inspection
from inspector.issue import Issuer, reference
from inspector.line import StationLine
from inspector.ports import Check, LinkUp, Received

BOOT = 0xAB
SCRATCHES = DetectCheck("detect", "detector", frozenset({"scratch"}), 0.5, 0.3)
GOOD, DOUBTFUL, BAD = 10, 40, 90
"""Marks of pictures, as :func:`fakes.scratch_if_marked` reads them."""

Answer = Sequence[Detection] | Callable[[Image], Sequence[Detection]]


class Rig:
    """A station line, a camera that films what the test shows it, and a PLC whose heart beats."""

    def __init__(
        self,
        folder: Path,
        answer: Answer = scratch_if_marked,
        *,
        text: str = RECIPE,
        continuous: bool = False,
        recipes: Recipes | None = None,
        checks: Sequence[Check] = (SCRATCHES,),
        others: Sequence[str] = (),
        **config: Any,
    ) -> None:
        """``others``: the names of cameras beside ``top``, which a photo-eye fires."""
        self.clock, self.plc = SteeredClock(), FakePlc()
        self.journal, self.recorder = FakeJournal(), FakeRecorder()
        self.camera, self.detector = ScriptedCamera(continuous), FakeDetector(answer)
        self.cameras = {"top": self.camera, **{name: ScriptedCamera() for name in others}}
        self.answers: list[tuple[int, str, str]] = []
        """What requests of the records were told: number, outcome, words."""
        self._index = itertools.count()
        self._beating = threading.Event()
        self._beating.set()
        recipe = make_recipe(folder, text)
        defaults: dict[str, Any] = {
            "name": "station-1",
            "topic": "a/b/c/d/e/vision",
            "recipe": recipe.path,
            "cameras": tuple(
                OpenCvCamera(kind="opencv", name=name, device=0, reconnect_s=0.01)
                for name in self.cameras
            ),
            "acquisition": Acquisition(after_ms=3000),
            "deadline_ms": 5000,
        }
        self.line = StationLine(
            StationConfig(**(defaults | config)),
            make_station(recipe, self.detector, *checks),
            self.cameras,
            self.journal,
            self.recorder,
            Issuer("station-1", BOOT, reference(recipe), simulated=False),
            self.plc.connect,
            self.clock,
            recipes=recipes,
            tell=lambda *answer: self.answers.append(answer),
        )

    def start(self, state: str = "Ready") -> Rig:
        self.line.start()
        self.warm_up_calls = self.detector.calls
        self.plc.send(LinkUp())
        threading.Thread(target=self._beat, daemon=True).start()
        self.wait_for_state(state)
        return self

    def _beat(self) -> None:
        while self._beating.is_set():
            self.plc.send(Received("plc/hb", PLC_BEAT, self.clock()))
            time.sleep(0.1)

    def stop(self) -> None:
        self._beating.clear()
        self.line.stop(2.0)

    def wait_for_state(self, state: str) -> None:
        wait_for(lambda: self.plc.states[-1:] == [state], what=f"{state}, seen {self.plc.states}")

    def show(self, mark: int, image: Image | None = None, camera: str = "top", **changes: Any) -> Frame:
        """Expose now."""
        image = picture(mark) if image is None else image
        shot = Frame(image, camera, next(self._index), self.clock(), **changes)
        self.cameras[camera].put(shot)
        return shot

    def trigger(self, number: int, **changes: Any) -> None:
        self.plc.send(trigger_message(number, at_s=self.clock(), **changes))

    def part(self, number: int, mark: int = GOOD, **changes: Any) -> None:
        """A part passes: the PLC triggers, the camera exposes."""
        self.trigger(number, **changes)
        self.show(mark)

    def result(self, number: int) -> ResultPayload:
        def find() -> ResultPayload | None:
            return next((r for r in self.plc.results if r.trigger_id == number), None)

        return wait_for(find, what=f"result {number}")  # type: ignore[no-any-return]

    def recorded(self, count: int = 1) -> list[Inspection]:
        wait_for(lambda: len(self.recorder.inspections) >= count, what=f"{count} records")
        return list(self.recorder.inspections)

    def reconciled(self) -> bool:
        counters = self.line.desk.counters()
        assert counters.reconciled, counters
        return counters.in_flight == 0


Start = Callable[..., Rig]


def moving_bottle(image: Image) -> Sequence[Detection]:
    """A bottle whose centre the first pixel tells, in pixels of a 64 px wide picture."""
    x = mark_of(image)
    return (Detection("bottle", 0.9, Box(x - 6, 10, x + 6, 40)),) if 8 <= x <= 56 else ()


def free_running(rig: Start, answer: Answer = moving_bottle, **config: Any) -> Rig:
    station = rig(answer, text=CROSSING, continuous=True, **config)
    station.show(0)
    return station.start("ContinuousExecution")


def run_belt(station: Rig, marks: Sequence[int]) -> None:
    """One frame at a time, so that none is dropped."""
    for mark in marks:
        station.show(mark)
        wait_for(lambda: not station.line._frames.unfinished_tasks and station.camera._items.empty())
        time.sleep(0.002)
