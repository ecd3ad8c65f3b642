"""The real daemon as a process of its own, against a real mosquitto and a simulated PLC."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import Mosquitto, wait_for

from inspector.contract import CommandPayload
from inspector.errors import RetryableError
from inspector.sim.plc import SimPlc
from system.cli import ROOT, start
from system.daemon import Daemon


@pytest.fixture
def daemon(tmp_path: Path, mosquitto: Mosquitto, request: pytest.FixtureRequest) -> Iterator[Daemon]:
    made = Daemon(tmp_path, mosquitto.port, request.node.name[:30])
    yield made
    if made.process is not None and made.process.poll() is None:
        made.kill()


def plc_of(daemon: Daemon, mosquitto: Mosquitto) -> SimPlc:
    return SimPlc(mosquitto.broker, daemon.topic, accept_simulated=True, deadline_ms=3000)


def test_a_killed_station_loses_no_accepted_trigger(daemon: Daemon, mosquitto: Mosquitto) -> None:
    daemon.start()
    with plc_of(daemon, mosquitto) as plc:
        assert plc.wait_ready(60)
        for number in range(6):
            plc.trigger(f"before-{number}")
        assert plc.wait_idle(20)
        for number in range(8):
            plc.trigger(f"during-{number}")
        wait_for(lambda: plc.counters().accepted >= 6 + 2, 10)
        daemon.kill()
        assert plc.wait_idle(10)
        daemon.start()
        assert plc.wait_ready(60)
        plc.trigger("after")
        assert plc.wait_idle(20)
        outcomes = plc.outcomes()
        accepted = {one.part_id for one in outcomes if one.ack == "Accepted"}
        code, err = daemon.stop()
    assert code == 0, err
    rows = daemon.rows("select part_id, cause, result_state from inspection")
    recorded = [str(row[0]) for row in rows]
    assert len(recorded) == len(set(recorded))
    # a kill between journal and acknowledgement leaves a record that the PLC knows nothing of
    assert accepted <= set(recorded) <= {one.part_id for one in outcomes}
    restarted = [row for row in rows if row[1] == "StationRestarted"]
    assert all(row[2] == 3 for row in restarted)
    answered = {one.part_id for one in outcomes if one.verdict is not None}
    assert not answered & {row[0] for row in restarted}
    assert "after" in answered


@pytest.mark.parametrize("delay_s", [0.0, 0.02, 0.05, 0.1])
def test_a_kill_at_any_moment_leaves_one_record_a_trigger(
    daemon: Daemon, mosquitto: Mosquitto, delay_s: float
) -> None:
    daemon.start()
    with plc_of(daemon, mosquitto) as plc:
        assert plc.wait_ready(60)
        for number in range(4):
            plc.trigger(f"part-{number}")
        time.sleep(delay_s)
        daemon.kill()
        assert plc.wait_idle(10)
        acknowledged = {one.part_id for one in plc.outcomes() if one.ack == "Accepted"}
        daemon.start()
        assert plc.wait_ready(60)
        assert daemon.stop()[0] == 0
    recorded = [row[0] for row in daemon.rows("select part_id from inspection")]
    assert len(recorded) == len(set(recorded))
    # a kill between journal and acknowledgement leaves a record that the PLC knows nothing of
    assert acknowledged <= set(recorded) <= {f"part-{number}" for number in range(4)}


def test_a_broker_that_is_down_at_the_start_is_waited_for(
    tmp_path: Path, own_mosquitto: Mosquitto
) -> None:
    daemon = Daemon(tmp_path, own_mosquitto.port, "late-broker")
    daemon.start()
    try:
        wait_for(lambda: (tmp_path / "state" / "records.db").exists(), 60)
        wait_for(lambda: daemon.rows("select text from event where event = 'link-down'"), 30)
        own_mosquitto.start()
        with plc_of(daemon, own_mosquitto) as plc:
            assert plc.wait_ready(30)
            plc.trigger("P1")
            assert plc.wait_idle(10)
            result = plc.outcomes()[0].result
            # whatever part the camera filmed: it was judged
            assert result is not None
            assert result.result_state == 1
        assert daemon.stop()[0] == 0
    finally:
        if daemon.process is not None and daemon.process.poll() is None:
            daemon.kill()


def test_a_camera_that_is_absent_is_an_error_state_and_not_the_end(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    daemon = Daemon(tmp_path, mosquitto.port, "no-camera", "{kind: opencv, name: top, device: 97}")
    daemon.start()
    try:
        with plc_of(daemon, mosquitto) as plc:
            state = wait_for(
                lambda: plc.state if plc.state and plc.state.error_code else None, 60, "Error"
            )
            assert (state.state, state.error_code) == ("Error", 10)
            assert "camera lost: top" in state.error_text
            with pytest.raises(RetryableError):
                plc.trigger("P1")
            plc.trigger("P2", recipe_id="pump-cover", check=False)
            wait_for(lambda: plc.counters().refused.get("NotReady"), 5)
        code, err = daemon.stop()
        assert code == 0
        assert "cannot be opened" in err
    finally:
        if daemon.process is not None and daemon.process.poll() is None:
            daemon.kill()


def test_a_second_instance_is_refused(daemon: Daemon, mosquitto: Mosquitto) -> None:
    daemon.start()
    wait_for(lambda: (daemon.folder / "state" / "records.db").exists(), 60)
    other = start("run", daemon.config)
    _, err = other.communicate(timeout=60)
    assert other.returncode == 3
    assert "already run by another process" in err
    assert daemon.stop()[0] == 0


def test_a_halt_outlives_a_killed_process_until_a_reset(daemon: Daemon, mosquitto: Mosquitto) -> None:
    daemon.start()
    with plc_of(daemon, mosquitto) as plc:
        assert plc.wait_ready(60)
        assert plc.state is not None
        first = plc.state.station_boot_id
        halted = plc.command(CommandPayload(command_id="h"), "cmd/halt")
        assert halted is not None
        assert halted.accepted
        daemon.kill()
        daemon.start()
        wait_for(lambda: plc.state and plc.state.station_boot_id not in (0, first), 60)
        assert plc.state.state == "Halted"
        wait_for(lambda: daemon.rows("select text from event where event = 'halted'"), 10)
        plc.trigger("P1", recipe_id="pump-cover", check=False)
        wait_for(lambda: plc.counters().refused.get("NotReady"), 10)
        reset = plc.command(CommandPayload(command_id="r"), "cmd/reset")
        assert reset is not None
        assert reset.accepted
        assert plc.wait_ready(60)
        plc.trigger("P2")
        assert plc.wait_idle(20)
        code, err = daemon.stop()
    assert code == 0, err
    assert daemon.rows("select part_id from inspection") == [("P2",)]
    assert not (daemon.folder / "state" / "cell" / "halted").exists()


def test_sigusr2_tells_what_each_thread_is_doing(daemon: Daemon, mosquitto: Mosquitto) -> None:
    daemon.start()
    with plc_of(daemon, mosquitto) as plc:
        assert plc.wait_ready(60)
        assert daemon.process is not None
        daemon.process.send_signal(signal.SIGUSR2)
        plc.trigger("P1")
        assert plc.wait_idle(20)
        code, err = daemon.stop()
    assert code == 0, err
    assert "most recent call first" in err
    for function in ("_converse", "film", "_work"):
        assert f" in {function}\n" in err, err


def test_the_line_process_never_imports_torch(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """Imports and runs what ``inspector run`` and ``inspector replay`` run."""
    daemon = Daemon(tmp_path, mosquitto.port, "light")
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "import inspector.cli\n"
        "from inspector.build import build_live_station\n"
        "from inspector.config import load_config\n"
        f"config = load_config(Path({str(daemon.config)!r}))\n"
        "live = build_live_station(config, config.stations[0])\n"
        "live.start()\n"
        "live.stop()\n"
        "heavy = {'torch', 'ultralytics', 'anomalib', 'streamlit', 'amqtt', 'google.protobuf'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT, env=os.environ, timeout=120)
