"""What tests share: a real mosquitto, waiting, payloads."""

from __future__ import annotations

import getpass
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from inspector.build import build_station
from inspector.config import Broker, StationConfig
from inspector.contract import ResultPayload, StateName, StatePayload
from inspector.domain import Cause
from inspector.recipe import load_recipe
from inspector.station import Station

BASE = "acme/plant/packing/line1/station1/vision"
MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


_DURABLE = (
    "persistence true\npersistence_location {folder}/\nautosave_on_changes true\nautosave_interval 1\n"
)


def free_port() -> int:
    """A loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(condition: Callable[[], Any], timeout_s: float = 5.0, what: str = "") -> Any:
    """The first true value of ``condition``; ``AssertionError`` when there is none in time."""
    end = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"not within {timeout_s} s: {what or condition}"
        time.sleep(0.01)


class Mosquitto:
    """A real broker on a loopback port of its own, with the settings of ``deploy/mosquitto``.

    ``durable``: also those that keep acknowledged messages over a ``kill -9``. They write the whole
    database at every message, some milliseconds each.
    """

    def __init__(self, folder: Path, *, durable: bool = False, more: str = "") -> None:
        """``more`` is appended to its configuration."""
        self.port = free_port()
        self.broker = Broker(port=self.port)
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._config = folder / "mosquitto.conf"
        self._config.write_text(
            f"listener {self.port} 127.0.0.1\n"
            "allow_anonymous true\n"
            "set_tcp_nodelay true\n"
            # As root it would become the user 'mosquitto', who may not write here.
            f"user {getpass.getuser()}\n" + (_DURABLE.format(folder=folder) if durable else "") + more
        )

    def start(self) -> None:
        """Start and wait until it accepts connections."""
        with (self._folder / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(MOSQUITTO), "-c", str(self._config)], stdout=log, stderr=log
            )
        wait_for(self._answers, what=f"mosquitto, see {self._folder}/mosquitto.log")

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        """``kill -9``."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """End it in good order."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def restart(self) -> None:
        """``kill -9`` and start again on the same port."""
        self.kill()
        self.start()


def state_payload(name: StateName = StateName.READY, boot_id: int = 7, **changes: Any) -> StatePayload:
    """A state that a healthy station publishes."""
    fields: dict[str, Any] = {
        "state": name,
        "mode": "production",
        "online": True,
        "health": "good",
        "station_boot_id": boot_id,
        "recipe_id": "shower-gel",
        "recipe_version": 3,
    }
    return StatePayload(**(fields | changes))


def result_payload(cause: Cause = Cause.NONE, **changes: Any) -> ResultPayload:
    """A complete result of that cause."""
    fields: dict[str, Any] = {
        "plc_boot_id": 1,
        "trigger_id": 1,
        "part_id": "part-1",
        "result_id": "00000007-1",
        "result_state": 1,
        "result_evaluation": {"PASS": 1, "FAIL": 2, "REVIEW": 3}[cause.verdict.value],
        "result_evaluation_code": cause.code,
        "verdict": cause.verdict.value,
        "cause": cause.word,
        "is_partial": False,
        "is_simulated": False,
        "is_challenge": False,
        "recipe_id": "shower-gel",
        "recipe_version": 3,
        "recipe_hash": "0123456789abcdef",
        "model_hash": "fedcba9876543210",
        "station_boot_id": 7,
        "seq": 1,
        "age_ms": 12.5,
        "creation_time": "2026-03-01T06:15:00.123Z",
        "acquisition_ms": 4.0,
        "processing_ms": 8.5,
        "findings_total": 0,
        "findings": (),
    }
    return ResultPayload(**(fields | changes))


def a_station(recipe: Path, runtime: str = "openvino") -> Station:
    """The station of a recipe, one part at a time, for pictures from files."""
    config = StationConfig.model_validate(
        {"name": "test", "topic": BASE, "recipe": recipe, "runtime": runtime, "workers": 1}
    )
    return build_station(load_recipe(recipe), config, live=False)
