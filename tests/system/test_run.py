"""``inspector run`` as a service: several stations in one process, a service manager, its signals."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import Mosquitto, free_port, wait_for

from inspector.sim.plc import SimPlc
from inspector.torture.product import write_recipe
from system.cli import start

TOPIC = "acme/plant/run/line1/{}/vision"
LINE = """\
line: run
state_dir: state
metrics: {{port: {metrics}}}
stations:
  - name: blind
    topic: {blind}
    recipe: {recipe}
    cameras: [{{kind: opencv, name: usb, device: 97}}]
    broker: {{port: {port}, reconnect_s: 0.2}}
  - name: seeing
    topic: {seeing}
    recipe: {recipe}
    cameras: [{{kind: folder, name: drop, path: drop}}]
    acquisition: {{mode: stream, after_ms: 1500}}
    broker: {{port: {port}, reconnect_s: 0.2}}
    drift: {{watch_psi: 0.1}}
"""


class Manager:
    """Stands for systemd: hears what a service says of itself."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self.environment = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "1000000"}
        self.heard: list[str] = []
        self._hearer = threading.Thread(target=self._hear)
        self._hearer.start()

    def _hear(self) -> None:
        while data := self._socket.recv(4096):
            self.heard.append(data.decode())

    def wait(self, text: str, after: int = 0, timeout_s: float = 60) -> str:
        """The first message since the one of number ``after`` that holds ``text``."""
        return wait_for(
            lambda: next((one for one in self.heard[after:] if text in one), ""), timeout_s, text
        )  # type: ignore[no-any-return]

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._hearer.join(10)
        self._socket.close()


class Service:
    """The daemon on two stations, one of which has no camera."""

    def __init__(self, folder: Path, mosquitto: Mosquitto) -> None:
        self.manager = Manager(folder / "notify")
        self.metrics_port = free_port()
        self.topics = {name: TOPIC.format(f"{name}-{os.getpid()}") for name in ("blind", "seeing")}
        (folder / "drop").mkdir()
        self.folder, self.config = folder, folder / "line.yaml"
        self.text = LINE.format(
            metrics=self.metrics_port,
            port=mosquitto.port,
            recipe=write_recipe(folder / "recipe", "plates"),
            **self.topics,
        )
        self.config.write_text(self.text)
        environment = os.environ | self.manager.environment
        self.process: subprocess.Popen[str] = start("run", self.config, env=environment)
        self.log: list[dict[str, object]] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def close(self) -> None:
        """After the process has ended."""
        self._reader.join(10)
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()
        self.manager.close()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for text in self.process.stderr:
            self.log.append(json.loads(text) if text.startswith("{") else {"event": text})

    def logged(self, event: str, after: int = 0) -> list[dict[str, object]]:
        return [entry for entry in self.log[after:] if entry["event"] == event]

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}{path}", timeout=5) as answer:
            return str(answer.read().decode())


@pytest.fixture(scope="module")
def service(mosquitto: Mosquitto, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    made = Service(tmp_path_factory.mktemp("run"), mosquitto)
    yield made
    if made.process.poll() is None:
        made.process.kill()
    made.process.wait()
    made.close()


@pytest.fixture(scope="module")
def plc(service: Service, mosquitto: Mosquitto) -> Iterator[SimPlc]:
    topic = service.topics["seeing"]
    with SimPlc(mosquitto.broker, topic, accept_simulated=False, deadline_ms=4000) as made:
        assert made.wait_ready(60)
        yield made


def test_ready_once_every_station_has_left_preoperational(service: Service, plc: SimPlc) -> None:
    """One is in Error, which does not stop the other."""
    ready = service.manager.wait("READY=1")
    assert "blind: Error (camera lost: usb)" in ready
    assert "Preoperational" not in ready
    service.manager.wait("seeing: Ready")
    assert len([text for text in service.manager.heard if "READY=1" in text]) == 1
    states = service.logged("state")
    assert {entry["station"] for entry in states} == {"blind", "seeing"}


def test_the_watchdog_is_fed(service: Service, plc: SimPlc) -> None:
    after = len(service.manager.heard)
    service.manager.wait("WATCHDOG=1", after, 10)


def test_the_metrics_page_shows_both_stations(service: Service, plc: SimPlc) -> None:
    text = service.get("/metrics")
    assert 'inspector_station_state{station="seeing",state="Ready"} 1\n' in text
    assert 'inspector_camera_up{station="blind",camera="usb"} 0\n' in text
    assert service.get("/health") == "ok\n"


def test_hangup_reloads_what_may_change_and_names_what_may_not(service: Service, plc: SimPlc) -> None:
    heard, logged = len(service.manager.heard), len(service.log)
    changed = service.text.replace("watch_psi: 0.1", "watch_psi: 0.2").replace(
        "after_ms: 1500", "after_ms: 900"
    )
    service.config.write_text(changed.replace("line: run", "line: other"))
    service.process.send_signal(signal.SIGHUP)
    service.manager.wait("RELOADING=1\nMONOTONIC_USEC=", heard)
    service.manager.wait("READY=1", heard)
    done = wait_for(lambda: [e for e in service.logged("reloaded", logged) if e["station"] == "seeing"])
    assert done[0]["changed"] == ["drift.watch_psi"]
    named = {
        (entry.get("station"), entry["key"]) for entry in service.logged("needs a restart", logged)
    }
    assert named == {(None, "line"), ("seeing", "acquisition.after_ms")}

    logged = len(service.log)
    service.config.write_text(service.text.replace("watch_psi: 0.1", "watch_psi: much"))
    service.process.send_signal(signal.SIGHUP)
    refused = wait_for(lambda: service.logged("not reloaded", logged))
    assert "watch_psi" in str(refused[0]["problem"])
    assert plc.wait_ready(5), "the station goes on as it was"


def test_a_second_process_on_these_stations_is_refused(service: Service, plc: SimPlc) -> None:
    text = service.text.replace(f"metrics: {{port: {service.metrics_port}}}\n", "")
    lone = service.config.with_name("lone.yaml")
    lone.write_text(text)
    second = start("run", lone, "--station", "seeing")
    _, err = second.communicate(timeout=60)
    assert second.returncode == 3
    assert "station 'seeing' is already run by another process" in err


def test_terminate_finishes_the_part_in_flight(service: Service, plc: SimPlc) -> None:
    """Its picture never comes, so that it is in flight until the acquisition window has ended."""
    before = plc.counters().accepted
    plc.trigger("P1")
    wait_for(lambda: plc.counters().accepted > before, 10)
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(30) == 0
    service.manager.wait("STOPPING=1", timeout_s=5)
    assert plc.wait_idle(10)
    result = plc.outcomes()[-1].result
    assert result is not None
    assert (result.part_id, result.cause) == ("P1", "MissedAcquisition")
    database = sqlite3.connect(service.folder / "state" / "records.db")
    try:
        rows = database.execute("select part_id, cause from inspection").fetchall()
    finally:
        database.close()
    assert rows == [("P1", "MissedAcquisition")]
