"""What several stations in one process mean for each other: readiness, the watchdog, failures, reloads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support import BASE, wait_for

from inspector import daemon
from inspector.config import LineConfig, StationConfig, load_config
from inspector.contract import StateName
from inspector.errors import InputError
from inspector.livestation import RELOADED, LiveStation, differences
from inspector.service import ServiceManager


@dataclass
class Station:
    """Stands for a live station, whose condition the test sets."""

    config: StationConfig
    state: StateName = StateName.INITIALIZED
    error: tuple[int, str] = (0, "")
    progressing: bool = True
    ended: bool = False
    failure: BaseException | None = None
    refusal: Exception | None = None
    late_failure: Exception | None = None
    calls: list[str] = field(default_factory=list)

    @property
    def line(self) -> Any:
        control = SimpleNamespace(
            state=self.state, error=self.error, leave=lambda: self.calls.append("leave")
        )
        return SimpleNamespace(control=control, progressing=self.progressing, ended=self.ended)

    def start(self) -> None:
        self.calls.append("start")

    def check(self) -> None:
        if self.failure is not None:
            raise self.failure

    def stop(self) -> None:
        self.calls.append("stop")
        if self.late_failure is not None:
            raise self.late_failure

    def abandon(self) -> None:
        self.calls.append("abandon")

    def reload(self, fresh: StationConfig) -> tuple[Sequence[str], Sequence[str]]:
        if self.refusal is not None:
            raise self.refusal
        self.calls.append("reload")
        return [], []


class Manager(ServiceManager):
    """Keeps what it is told."""

    def __init__(self) -> None:
        super().__init__({"WATCHDOG_USEC": "40000"})
        self.heard: list[str] = []

    def _send(self, *lines: str) -> None:
        self.heard.extend(lines)


@dataclass
class Rig:
    daemon: daemon.Daemon
    manager: Manager
    stations: dict[str, Station]
    failures: list[BaseException]
    thread: threading.Thread

    def wait(self, condition: Callable[[], object]) -> None:
        wait_for(condition, 10)

    def end(self) -> None:
        self.daemon.stopping.set()
        self.thread.join(10)
        assert not self.thread.is_alive()


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Rig]]:
    made: list[Rig] = []

    def build(refused: str = "", more: str = "", **states: StateName) -> Rig:
        text = "".join(
            f"  - {{name: {name}, topic: {BASE}/{name}, recipe: recipe}}\n" for name in states
        )
        (tmp_path / "line.yaml").write_text(f"line: several\nstations:\n{text}{more}")
        line = load_config(tmp_path / "line.yaml")
        stations = {one.name: Station(one, states[one.name]) for one in line.stations}

        def live(_: LineConfig, config: StationConfig) -> Station:
            if config.name == refused:
                raise InputError("no such recipe")
            return stations[config.name]

        monkeypatch.setattr(daemon, "build_live_station", live)
        monkeypatch.setattr(daemon, "POLL_S", 0.01)
        manager = Manager()
        running = daemon.Daemon(tmp_path / "line.yaml", line, tuple(states), manager)
        failures: list[BaseException] = []

        def run() -> None:
            try:
                running.run()
            except Exception as error:  # noqa: BLE001 - what it raises is what is tested
                failures.append(error)

        thread = threading.Thread(target=run)
        made.append(Rig(running, manager, stations, failures, thread))
        thread.start()
        return made[-1]

    yield build
    for one in made:
        one.end()


def test_it_is_ready_when_every_station_has_left_preoperational(rig: Callable[..., Rig]) -> None:
    one = rig(a=StateName.ERROR, b=StateName.PREOPERATIONAL)
    one.wait(lambda: "STATUS=a: Error; b: Preoperational" in one.manager.heard)
    assert "READY=1" not in one.manager.heard
    one.stations["b"].state = StateName.INITIALIZED
    one.wait(lambda: "READY=1" in one.manager.heard)
    one.end()
    assert one.manager.heard[-2:] == ["STOPPING=1", "STATUS=stopping"]
    assert not one.failures
    for station in one.stations.values():
        assert station.calls == ["start", "leave", "stop"]


def test_one_station_that_is_stuck_starves_the_watchdog(rig: Callable[..., Rig]) -> None:
    one = rig(a=StateName.READY, b=StateName.READY)
    one.wait(lambda: "WATCHDOG=1" in one.manager.heard)
    one.stations["b"].progressing = False
    one.wait(lambda: "STATUS=a: Ready; b: Ready, STUCK" in one.manager.heard)
    fed = one.manager.heard.count("WATCHDOG=1")
    one.stations["a"].error = (10, "camera lost: top")
    one.wait(lambda: "STATUS=a: Ready (camera lost: top); b: Ready, STUCK" in one.manager.heard)
    assert one.manager.heard.count("WATCHDOG=1") == fed
    one.stations["b"].progressing = True
    one.wait(lambda: one.manager.heard.count("WATCHDOG=1") > fed)


def test_what_nobody_foresaw_ends_the_process_and_the_others_in_good_order(
    rig: Callable[..., Rig],
) -> None:
    one = rig(a=StateName.READY, b=StateName.READY)
    one.wait(lambda: "READY=1" in one.manager.heard)
    one.stations["a"].failure = ZeroDivisionError("unforeseen")
    one.thread.join(10)
    assert [str(error) for error in one.failures] == ["unforeseen"]
    assert one.stations["b"].calls[-1] == "stop"
    assert "STOPPING=1" in one.manager.heard


class Page:
    """Stands for the metrics page."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def start(self) -> None:
        self.calls.append("start")

    def close(self) -> None:
        self.calls.append("close")


def test_what_fails_in_the_last_moments_is_raised_once_everything_is_closed(
    rig: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Page()
    monkeypatch.setattr(daemon, "MetricsServer", lambda *_: page)
    one = rig(more="metrics: {port: 9464}\n", a=StateName.READY, b=StateName.READY)
    one.wait(lambda: "READY=1" in one.manager.heard)
    one.stations["a"].late_failure = ValueError("at the end")
    one.end()
    assert [str(error) for error in one.failures] == ["at the end"]
    assert one.stations["b"].calls[-1] == "stop"
    assert page.calls == ["start", "close"]


def test_of_several_exceptions_the_first_is_raised(rig: Callable[..., Rig]) -> None:
    one = rig(a=StateName.READY, b=StateName.READY)
    one.wait(lambda: "READY=1" in one.manager.heard)
    one.stations["a"].late_failure = ValueError("at the end")
    one.stations["b"].failure = ZeroDivisionError("unforeseen")
    one.thread.join(10)
    assert [str(error) for error in one.failures] == ["unforeseen"]


def test_a_station_that_cannot_be_built_lets_go_of_the_others(rig: Callable[..., Rig]) -> None:
    one = rig(refused="b", a=StateName.READY, b=StateName.READY)
    one.thread.join(10)
    assert [str(error) for error in one.failures] == ["no such recipe"]
    assert one.stations["a"].calls == ["abandon"]


def test_it_ends_when_every_recording_is_over(rig: Callable[..., Rig]) -> None:
    one = rig(a=StateName.READY, b=StateName.READY)
    one.stations["a"].ended = True
    one.wait(lambda: "READY=1" in one.manager.heard)
    assert one.thread.is_alive()
    one.stations["b"].ended = True
    one.thread.join(10)
    assert not one.thread.is_alive()
    assert not one.failures


def test_a_refused_reload_leaves_the_stations_at_work(rig: Callable[..., Rig]) -> None:
    one = rig(a=StateName.READY)
    one.wait(lambda: "READY=1" in one.manager.heard)
    one.stations["a"].refusal = InputError("no known parts")
    one.daemon.reloading.set()
    one.wait(lambda: one.manager.heard.count("READY=1") == 2)
    one.stations["a"].refusal = None
    one.daemon.reloading.set()
    one.wait(lambda: "reload" in one.stations["a"].calls)
    assert not one.failures


def station(**changes: Any) -> StationConfig:
    fields: dict[str, Any] = {"name": "a", "topic": BASE, "recipe": "recipe"}
    return StationConfig.model_validate(fields | changes)


def test_differences_are_named_by_key() -> None:
    found = differences(
        station(),
        station(drift={"watch_psi": 0.2}, deadline_ms=400, broker={"port": 1884}),
    )
    assert sorted(found) == ["broker", "deadline_ms", "drift.watch_psi"]


def test_every_key_that_is_reloaded_exists() -> None:
    keys = {
        f"{section}.{name}"
        for section in ("evidence", "drift", "challenge", "alarms")
        for name in type(getattr(station(), section)).model_fields
    }
    assert keys >= RELOADED


def test_a_reload_reaches_those_who_ask_the_configuration() -> None:
    adjusted: dict[str, Any] = {}
    line = SimpleNamespace(
        watching=SimpleNamespace(adjust=lambda one: adjusted.update(drift=one)),
        alarms=SimpleNamespace(adjust=lambda one: adjusted.update(alarms=one)),
    )
    evidence: Any = SimpleNamespace(adjust=lambda one: adjusted.update(evidence=one))
    duty: Any = SimpleNamespace(config=station().challenge)
    none: Any = None
    live = LiveStation(station(), line, none, none, none, none, evidence, duty)  # type: ignore[arg-type]
    fresh = station(
        evidence={"pass_share": 0.5, "dir": "/elsewhere"},
        drift={"window": 100, "act_psi": 0.5},
        challenge={"every_h": 8},
        alarms={"fail_run": 5},
        review={"sample_pass": 0.9},
    )
    changed, restart = live.reload(fresh)
    assert sorted(changed) == [
        "alarms.fail_run",
        "challenge.every_h",
        "drift.act_psi",
        "evidence.pass_share",
    ]
    assert adjusted["alarms"].fail_run == 5
    assert sorted(restart) == ["drift.window", "evidence.dir"]
    assert duty.config.every_h == 8
    assert (adjusted["drift"].act_psi, adjusted["drift"].window) == (0.5, 200)
    assert (adjusted["evidence"].pass_share, adjusted["evidence"].dir) == (0.5, None)
    # what needs a restart is named again until there was one; what was taken over is not
    assert live.reload(fresh) == ([], restart)


def test_a_station_that_stops_tells_what_ended_a_thread_once_everything_is_closed() -> None:
    closed: list[str] = []

    def fail() -> None:
        raise ValueError("at the end")

    line: Any = SimpleNamespace(plc=None, stop=lambda: None, status=lambda online: None, check=fail)
    recorder: Any = SimpleNamespace(show=lambda _: None, close=lambda: closed.append("recorder"))
    journal: Any = SimpleNamespace(close=lambda: closed.append("journal"))
    lock: Any = SimpleNamespace(release=lambda: closed.append("lock"))
    none: Any = None
    live = LiveStation(station(), line, recorder, journal, lock, None, none, none)
    with pytest.raises(ValueError, match="at the end"):
        live.stop()
    assert closed == ["recorder", "journal", "lock"]
