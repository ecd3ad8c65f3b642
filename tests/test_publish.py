"""Publishing a replay: beside a live line that notices nothing of it, and nothing is lost in silence."""

from __future__ import annotations

import sqlite3
import time
from itertools import count
from pathlib import Path

import cv2
import numpy as np
import pytest
from paho.mqtt.publish import single
from paho.mqtt.subscribe import simple
from records.factory import inspection
from support import Mosquitto, state_payload, wait_for
from system.cli import ROOT, run_here

from inspector.config import StationConfig
from inspector.domain import Inspection
from inspector.publish import SimulatedPublisher
from inspector.sim.proxy import Proxy

_BASES = count(1)


@pytest.fixture
def base() -> str:
    return f"acme/plant/replay/line/st{next(_BASES)}/vision"


def station(port: int, base: str) -> StationConfig:
    broker = {"port": port, "reconnect_s": 0.05}
    return StationConfig.model_validate(
        {"name": "cell", "topic": base, "recipe": "soap", "broker": broker}
    )


def test_a_replay_that_dies_leaves_the_state_of_the_live_line_alone(
    mosquitto: Mosquitto, base: str
) -> None:
    at, live = {"hostname": "127.0.0.1", "port": mosquitto.port}, state_payload().encode()
    single(f"{base}/state", live, qos=1, retain=True, **at)
    with Proxy(mosquitto.port) as proxy, SimulatedPublisher.opened(station(proxy.port, base)) as replay:
        proxy.refuse = True
        proxy.cut()
        wait_for(lambda: replay.plc is not None and not replay.plc.connected)
        time.sleep(0.3)  # a will would be here by now
        assert simple(f"{base}/state", **at).payload == live
    single(f"{base}/state", b"", qos=1, retain=True, **at)


def test_a_result_that_nobody_confirms_is_not_published(mosquitto: Mosquitto, base: str) -> None:
    with Proxy(mosquitto.port) as proxy:
        with SimulatedPublisher.opened(station(proxy.port, base)) as replay:
            replay.publish(inspection(1))
        assert replay.unsent == 0
        with SimulatedPublisher.opened(station(proxy.port, base)) as replay:
            proxy.silence()
            replay.publish(inspection(2))
        assert replay.unsent == 1


def test_results_that_were_not_published_are_told_when_all_else_is_done(
    mosquitto: Mosquitto,
    base: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pictures, out = tmp_path / "parts", tmp_path / "out.jsonl"
    pictures.mkdir()
    for number in range(3):
        cv2.imwrite(str(pictures / f"{number}.png"), np.full((480, 640, 3), 90 + number, np.uint8))
    publish, numbers = SimulatedPublisher.publish, count(1)
    with Proxy(mosquitto.port) as proxy:
        config = tmp_path / "line.yaml"
        config.write_text(
            f"line: replay\nstate_dir: state\nstations:\n  - name: cell\n    topic: {base}\n"
            f"    recipe: {ROOT}/configs/recipes/pump-cover\n    broker: {{port: {proxy.port}}}\n"
        )

        def breaking(replay: SimulatedPublisher, part: Inspection) -> None:
            if next(numbers) == 2:
                time.sleep(0.2)  # the first one is confirmed by now
                proxy.refuse = True
                proxy.cut()
                wait_for(lambda: replay.plc is not None and not replay.plc.connected)
            publish(replay, part)

        monkeypatch.setattr(SimulatedPublisher, "publish", breaking)
        told = run_here(
            monkeypatch, capsys, "replay", pictures, "--config", config, "--publish", "--jsonl", out
        )
    assert told.code == 3, told.err
    assert "2 of 3 results were not published. Look at the broker" in told.err
    assert told.out.startswith("3 parts in 3 frames")
    assert len(out.read_text().splitlines()) == 3
    database = sqlite3.connect(tmp_path / "state" / "records.db")
    assert database.execute("select count(*) from inspection").fetchone() == (3,)
    database.close()
