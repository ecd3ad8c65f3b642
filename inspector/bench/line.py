"""Paced triggers through a real mosquitto, up to the speed of the bare two-model loop.

How fast the bare loop is, is measured first. The station is then given triggers at fixed shares of that
speed, come what may; latency is counted from when a part was due to the receipt of its result at the
PLC, so that a station which holds the line up gains nothing by it.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from inspector.bench.broker import local_mosquitto
from inspector.bench.pipeline import fastest_loop, render_frames, simulated_camera, station_under_test
from inspector.config import Broker, LineConfig, StationConfig
from inspector.contract import ResultPayload, StateName, StatePayload
from inspector.errors import OutsideError
from inspector.plc.mqtt import MqttPlc
from inspector.ports import Inbound, LinkUp
from inspector.sim.ear import Ear
from inspector.sim.voice import Voice

SHARES = (0.5, 0.7, 0.85, 1.0)
"""Of the bare loop's speed."""
BASE = "bench/bench/bench/bench/line/vision"
WARM_UP = 50


@dataclass(frozen=True, slots=True)
class PaceFigures:
    """One pace."""

    share: float
    parts_per_s: float
    misses: int
    """Parts that were not inspected, or not before the deadline."""
    p50_ms: float
    p99_ms: float
    p999_ms: float


@dataclass(frozen=True, slots=True)
class LineFigures:
    """What the benchmark found."""

    bare_parts_per_s: float
    deadline_ms: float
    parts: int
    """A pace."""
    paces: tuple[PaceFigures, ...]
    publish_p99_ms: float
    """From the verdict to a subscriber, by the station's own client."""
    raw_p99_ms: float
    """The same message by bare paho, in turns with it."""

    @property
    def highest_without_miss(self) -> float:
        """Parts a second; 0 when every pace had a miss."""
        return max((pace.parts_per_s for pace in self.paces if not pace.misses), default=0.0)

    @property
    def flat(self) -> dict[str, float]:
        """Plain numbers, those of a pace by its share in percent."""
        flat = {
            "bare_parts_per_s": self.bare_parts_per_s,
            "deadline_ms": self.deadline_ms,
            "parts": float(self.parts),
            "highest_parts_per_s_without_miss": self.highest_without_miss,
            "publish_p99_ms": self.publish_p99_ms,
            "raw_p99_ms": self.raw_p99_ms,
            "publish_p99_ratio": self.publish_p99_ms / self.raw_p99_ms,
        }
        for pace in self.paces:
            for name in ("parts_per_s", "misses", "p50_ms", "p99_ms", "p999_ms"):
                flat[f"{name}_at_{pace.share * 100:.0f}"] = float(getattr(pace, name))
        return flat


def bench_line(config: LineConfig, station: StationConfig, *, parts: int, messages: int) -> LineFigures:
    """``parts`` at each pace, and ``messages`` by either client."""
    frames = render_frames(parts, simulated_camera(station).seed)
    _, speed = fastest_loop(station, frames)
    paces = []
    with station_under_test(config, station) as driver:
        driver.run(frames[:20])
        for share in SHARES:
            latencies_ms = np.array(driver.paced(frames, 1 / (share * speed)))
            p50, p99, p999 = np.percentile(latencies_ms, (50, 99, 99.9), method="higher")
            misses = int((latencies_ms >= station.deadline_ms).sum())
            paces.append(PaceFigures(share, share * speed, misses, float(p50), float(p99), float(p999)))
    with local_mosquitto() as broker:
        ours_ms, raw_ms = _publish_times(broker, messages)
    return LineFigures(
        bare_parts_per_s=speed,
        deadline_ms=station.deadline_ms,
        parts=parts,
        paces=tuple(paces),
        publish_p99_ms=float(np.percentile(ours_ms, 99)),
        raw_p99_ms=float(np.percentile(raw_ms, 99)),
    )


def _publish_times(broker: Broker, messages: int) -> tuple[list[float], list[float]]:
    """Milliseconds from the call to the subscriber: the station's client, and bare paho, in turns."""
    inbox: queue.SimpleQueue[Inbound] = queue.SimpleQueue()
    ours = MqttPlc(broker, BASE, "bench-station", inbox.put, _will())
    ours.start()
    try:
        while not isinstance(inbox.get(timeout=10), LinkUp):
            continue
        result = _result()
        data = result.encode()
        with Ear(broker, f"{BASE}/{result.topic}") as ear, Voice(broker, BASE) as voice:

            def by_station() -> None:
                if not ours.publish(result):
                    raise OutsideError("the broker went away", "Run it again")

            def by_paho() -> None:
                voice.say(result.topic, data)

            times: dict[Callable[[], None], list[float]] = {by_station: [], by_paho: []}
            for number in range(messages + WARM_UP):
                for publish in (by_station, by_paho) if number % 2 else (by_paho, by_station):
                    started = time.perf_counter()
                    publish()
                    times[publish].append(1000 * (ear.next() - started))
    finally:
        ours.close()
    return times[by_station][WARM_UP:], times[by_paho][WARM_UP:]


def _will() -> StatePayload:
    return StatePayload(
        state=StateName.PREOPERATIONAL,
        mode="commissioning",
        online=False,
        health="act",
        station_boot_id=1,
        recipe_id="bench",
        recipe_version=1,
    )


def _result() -> ResultPayload:
    return ResultPayload(
        plc_boot_id=1,
        trigger_id=1,
        part_id="bench",
        result_id="00000001-1",
        result_state=1,
        result_evaluation=1,
        result_evaluation_code=0,
        verdict="PASS",
        cause="None",
        is_partial=False,
        is_simulated=True,
        is_challenge=False,
        recipe_id="bench",
        recipe_version=1,
        recipe_hash="0" * 16,
        model_hash="0" * 16,
        station_boot_id=1,
        seq=1,
        age_ms=1.0,
        creation_time="2026-01-01T00:00:00.000Z",
        acquisition_ms=1.0,
        processing_ms=1.0,
        findings_total=0,
        findings=(),
    )
