"""The demonstration: a simulated line, the real station, an embedded broker, a simulated PLC.

What is simulated is the world: the parts, the photo-eye, the PLC. Between them works the same station
that a real line runs, with its journal, records and evidence.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from inspector.asking import END_S, AskedChallenge
from inspector.build import build_live_station
from inspector.cameraspecs import SimulatedCamera
from inspector.config import Broker, LineConfig, StationConfig
from inspector.desk import Counters
from inspector.domain import GRAVITY, Health, HealthLevel
from inspector.errors import DefectError, InputError, OutsideError
from inspector.livestation import LiveStation
from inspector.records.database import open_engine
from inspector.records.queries import count
from inspector.sim.broker import EmbeddedBroker
from inspector.sim.camera import FiredCamera
from inspector.sim.gate import PartOutcome, PlcCounters
from inspector.sim.known import write_known_parts
from inspector.sim.lamp import Lamp
from inspector.sim.plc import SimPlc
from inspector.sim.scene import FaultKind, SceneRenderer, draw_plan

BELT_PX_PER_PART = 487.0
READY_S = 30.0
ROUND = 60
"""Parts after which the plan of an endless demonstration is drawn anew."""
LEAST_RIGHT = 0.9
"""Share of the faulty that must FAIL, and of the good that must PASS."""


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What the command line chooses."""

    parts: int | None
    """None: until it is interrupted."""
    seed: int
    interval_s: float
    """Between two parts on the belt."""
    deadline_ms: float
    lamp_loss: float = 0.0
    """Share of its light that the lamp loses with each part, once the watch for drift is at work."""
    challenge_after: int | None = None
    """Ask for a challenge with known parts after so many; None: nobody asks."""


@dataclass(frozen=True, slots=True)
class Notice:
    """When the station's health became worse, and what it said."""

    level: HealthLevel
    part: int
    """From 1."""
    light: float
    """Share of its light that the lamp still gave."""
    text: str

    def __str__(self) -> str:
        return f"{self.level} at part {self.part}, light {100 * self.light:.0f} %: {self.text}"


@dataclass(slots=True)
class Tally:
    """Truth against verdict. Safe to call from several threads."""

    truth: dict[str, FaultKind] = field(default_factory=dict)
    table: Counter[tuple[FaultKind, str]] = field(default_factory=Counter)
    latencies_ms: list[float] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def expect(self, part_id: str, fault: FaultKind) -> None:
        """This part is on the belt."""
        with self._lock:
            self.truth[part_id] = fault

    def take(self, outcome: PartOutcome) -> None:
        """The PLC's gate has acted on a part."""
        with self._lock:
            fault = self.truth.pop(outcome.part_id)
            self.table[fault, outcome.verdict or "none"] += 1
            if outcome.latency_ms is not None:
                self.latencies_ms.append(outcome.latency_ms)

    def count(self, verdict: str, *, faulty: bool | None = None) -> int:
        """Parts of that verdict; of the faulty or the good ones alone if told so."""
        with self._lock:
            return sum(
                number
                for (fault, said), number in self.table.items()
                if said == verdict and (faulty is None or faulty == (fault is not FaultKind.GOOD))
            )

    def total(self, *, faulty: bool | None = None) -> int:
        """Parts on which the gate has acted."""
        return sum(self.count(said, faulty=faulty) for said in ("PASS", "FAIL", "REVIEW", "none"))

    def progress(self) -> str:
        """One line for people."""
        with self._lock:
            recent = sorted(self.latencies_ms[-200:]) or [0.0]
        median, worst = recent[len(recent) // 2], recent[-1]
        return (
            f"parts {self.total():5d}  PASS {self.count('PASS'):5d}  FAIL {self.count('FAIL'):4d}  "
            f"REVIEW {self.count('REVIEW'):4d}  latency {median:5.1f} ms, worst {worst:5.1f} ms"
        )

    def report(self) -> str:
        """The table of truth against verdict, with escapes and false rejects."""
        rows = [f"{'truth':<16}{'PASS':>6}{'FAIL':>6}{'REVIEW':>8}{'no verdict':>12}"]
        for fault in FaultKind:
            cells = [self.table[fault, said] for said in ("PASS", "FAIL", "REVIEW", "none")]
            rows.append(f"{fault.value:<16}{cells[0]:>6}{cells[1]:>6}{cells[2]:>8}{cells[3]:>12}")
        faulty, good = self.total(faulty=True), self.total(faulty=False)
        rows.append(
            f"escapes (faulty, PASS): {self.count('PASS', faulty=True)} of {faulty}; "
            f"false rejects (good, FAIL): {self.count('FAIL', faulty=False)} of {good}; "
            f"good parts in REVIEW: {self.count('REVIEW', faulty=False)}"
        )
        return "\n".join(rows)

    def shortcomings(self) -> list[str]:
        """What a demonstration that convinces must not show."""
        faulty, good = self.total(faulty=True), self.total(faulty=False)
        found = []
        if escapes := self.count("PASS", faulty=True):
            found.append(f"{escapes} faulty parts passed")
        if self.count("FAIL", faulty=True) < LEAST_RIGHT * faulty:
            found.append(f"only {self.count('FAIL', faulty=True)} of {faulty} faulty parts failed")
        if self.count("PASS", faulty=False) < LEAST_RIGHT * good:
            found.append(f"only {self.count('PASS', faulty=False)} of {good} good parts passed")
        return found


class Demonstration:
    """Runs the line; :meth:`run` returns when all parts are through or ``stopping`` is set."""

    def __init__(self, config: LineConfig, station: StationConfig, options: DemoOptions) -> None:
        self._config, self._options = config, options
        self._station = station
        self.tally = Tally()
        self.mismatches: list[str] = []
        self.notices: list[Notice] = []
        """What the watch for drift said of the lamp, in the order of the parts."""
        drift = station.drift
        self._lamp = Lamp(options.lamp_loss, steady_parts=drift.learn_parts + drift.window)
        self._recorded_before = 0
        self._challenge: AskedChallenge | None = None

    def run(self, stopping: threading.Event, say: Callable[[str], None]) -> None:
        """Feed parts, report progress, and at the end reconcile both sides of the wire."""
        options = self._options
        with EmbeddedBroker() as embedded:
            broker = Broker(host=embedded.host, port=embedded.port)
            station = self._equipped(broker)
            url, after = self._config.database_url(station), options.challenge_after
            self._challenge = AskedChallenge(url, station.name, after, say)
            camera = FiredCamera(station.cameras[0].name)
            live = build_live_station(
                self._config, station, cameras={station.cameras[0].name: camera}, simulated=True
            )
            plc = SimPlc(
                broker,
                station.topic,
                accept_simulated=True,
                deadline_ms=options.deadline_ms,
                on_outcome=self.tally.take,
            )
            try:
                self._recorded_before = self._recorded(station)
                live.start()
                if not plc.wait_ready(READY_S):
                    live.check()
                    raise OutsideError("the simulated station did not get ready", "See the log above")
                self._feed(camera, plc, live, stopping, say)
                self._challenge.tell(0.0 if stopping.is_set() else END_S)
                plc.wait_idle(options.deadline_ms / 1000 + 5)
                time.sleep(0.2)  # the last resultAck is on its way
                self._reconcile(plc.counters(), live, station)
            finally:
                plc.close()
                live.stop()

    def _feed(
        self,
        camera: FiredCamera,
        plc: SimPlc,
        live: LiveStation,
        stopping: threading.Event,
        say: Callable[[str], None],
    ) -> None:
        options = self._options
        renderer = SceneRenderer(self._world_seed())
        next_s = time.monotonic()
        next_line_s = next_s + 1.0
        for index, fault in enumerate(self._plan()):
            rng = np.random.default_rng((options.seed, index))
            light = self._lamp.light(index)
            image, _ = renderer.render(fault, rng, belt_px=BELT_PX_PER_PART * index, lamp=light)
            next_s = max(next_s + options.interval_s, time.monotonic())
            if stopping.wait(next_s - time.monotonic()):
                break
            live.check()
            part_id = f"P{index + 1:06d}"
            self.tally.expect(part_id, fault)
            camera.fire(image)
            # sent in any state: a real PLC would reject a part unseen while the station is not Ready
            plc.trigger(part_id, check=False)
            if self._challenge is not None:
                self._challenge.part(index + 1)
            self._heed(live.line.watching.health, index + 1, light, say)
            if time.monotonic() >= next_line_s:
                next_line_s = time.monotonic() + 1.0
                say(self.tally.progress())
                if self._challenge is not None:
                    self._challenge.tell()

    def _equipped(self, broker: Broker) -> StationConfig:
        """The configured station with the embedded broker, and with known parts of its line."""
        folder = self._config.station_dir(self._station) / "known"
        parts = write_known_parts(folder, self._world_seed())
        challenge = self._station.challenge.model_copy(update={"parts": parts})
        return self._station.model_copy(update={"broker": broker, "challenge": challenge})

    def _heed(self, health: Health, part: int, light: float, say: Callable[[str], None]) -> None:
        """Note when health becomes worse than it was before."""
        worst_so_far = self.notices[-1].level if self.notices else "good"
        if GRAVITY[health.level] > GRAVITY[worst_so_far]:
            notice = Notice(health.level, part, light, health.text)
            self.notices.append(notice)
            say(str(notice))

    def lamp_report(self) -> str:
        """One line that says when the decay was noticed."""
        if not self.notices:
            return "the lamp's decay was not noticed"
        return "the lamp's decay was noticed: " + "; then ".join(map(str, self.notices))

    def shortcomings(self) -> list[str]:
        """What a demonstration that convinces must not show."""
        if not self._lamp.loss:
            return self.tally.shortcomings()
        # in bad light good parts go to REVIEW, as they should; no faulty one may pass
        found = [] if self.notices else ["the lamp's decay was not noticed"]
        if escapes := self.tally.count("PASS", faulty=True):
            found.append(f"{escapes} faulty parts passed")
        return found

    def challenge_shortcomings(self) -> list[str]:
        """The same of the challenge, where one was asked for."""
        return [] if self._challenge is None else list(self._challenge.shortcomings())

    def _world_seed(self) -> int:
        """The line that is filmed: belt, light and metal are those of the configured camera."""
        camera = self._station.cameras[0]
        return camera.seed if isinstance(camera, SimulatedCamera) else self._options.seed

    def _plan(self) -> Iterator[FaultKind]:
        options = self._options
        if options.parts is not None:
            yield from draw_plan(options.parts, options.seed)
            return
        turn = 0
        while True:
            yield from draw_plan(ROUND, options.seed + turn)
            turn += 1

    def _reconcile(self, plc: PlcCounters, live: LiveStation, station: StationConfig) -> None:
        """Compare what the PLC, the station and the database have counted."""
        desk = live.line.desk.counters()
        if not live.recorder.flush(10.0):
            raise OutsideError("the records could not be stored", "See the log above")
        recorded = self._recorded(station) - self._recorded_before
        self.mismatches = list(_mismatches(plc, desk, recorded))

    def _recorded(self, station: StationConfig) -> int:
        """Inspections of this station in the database."""
        engine = open_engine(self._config.database_url(station), readonly=True)
        try:
            return count(engine, station=station.name)
        finally:
            engine.dispose()


def _mismatches(plc: PlcCounters, desk: Counters, recorded: int) -> Iterator[str]:
    if not desk.reconciled:
        yield f"the station's counters do not add up: {desk}"
    if plc.triggers != desk.received:
        yield f"the PLC sent {plc.triggers} triggers, the station received {desk.received}"
    if plc.accepted != desk.accepted:
        yield f"the station accepted {desk.accepted} triggers, the PLC knows of {plc.accepted}"
    for verdict, judged in desk.verdicts.items():
        sent = judged - (desk.late if verdict == "REVIEW" else 0)
        if plc.verdicts.get(verdict, 0) != sent:
            yield f"{verdict}: {sent} sent, {plc.verdicts.get(verdict, 0)} acted on"
    if recorded != desk.accepted - desk.in_flight:
        yield f"{desk.accepted - desk.in_flight} parts judged, {recorded} recorded"


@contextmanager
def dashboard(config: Path, port: int) -> Iterator[str]:
    """The Streamlit dashboard as a child process; yields its address.

    Raises :class:`InputError` when the dashboard is not installed.
    """
    app = Path(__file__).resolve().parent.parent / "dashboard" / "app.py"
    if not app.is_file():
        raise InputError(f"{app} is missing", "Run the demonstration from a clone of the project")
    command = [
        *(sys.executable, "-m", "streamlit", "run", str(app)),
        *("--server.port", str(port), "--server.address", "127.0.0.1"),
        *("--server.headless", "true", "--browser.gatherUsageStats", "false"),
        *("--", str(config)),
    ]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        time.sleep(1.0)
        if child.poll() is not None:
            words = child.stderr.read().strip().splitlines() if child.stderr else []
            raise OutsideError(
                f"the dashboard did not start: {words[-1] if words else 'no reason given'}",
                "Install it with pip install '.[dashboard]', or use --headless",
            )
        yield f"http://127.0.0.1:{port}"
    finally:
        child.terminate()
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            # it does not listen to the polite signal
            child.kill()


def verdict_of(demonstration: Demonstration) -> None:
    """Raise :class:`DefectError` when the demonstration did not keep its promises."""
    problems = [
        *demonstration.mismatches,
        *demonstration.shortcomings(),
        *demonstration.challenge_shortcomings(),
    ]
    if problems:
        raise DefectError("the demonstration failed: " + "; ".join(problems))
