"""SCADA host offline, rebirth command, station killed: births, ``seq``, ``bdSeq`` as the TCK asserts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from plc.scada import Host
from plc.sparkplug_wire import REBIRTH, command
from support import Mosquitto, wait_for

from inspector.sim.plc import SimPlc
from system.daemon import Daemon

NODE = "    sparkplug: {group: system, edge_node: cell, primary_host: scada-system, interval_s: 0.1}\n"


@pytest.fixture
def daemon(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Daemon]:
    made = Daemon(tmp_path, mosquitto.port, "sparkplug", more=NODE)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.kill()


def test_the_station_as_scada_sees_it(daemon: Daemon, mosquitto: Mosquitto) -> None:
    host = Host(mosquitto.port, "system", "scada-system")
    host.forget()
    daemon.start()
    with SimPlc(mosquitto.broker, daemon.topic, accept_simulated=True, deadline_ms=3000) as plc:
        assert plc.wait_ready(60), "SCADA may be away: the station works"
        plc.trigger("P1")
        assert plc.wait_idle(10)
        assert not host.heard, "no birth before the primary host is online"
        host.say(True, 1000)
        birth = host.wait("NBIRTH", 1)
        assert (birth.seq, birth["bdSeq"], birth["State/Name"]) == (0, 0, "Ready")
        assert (birth["Recipe/Id"], birth["Counters/Accepted"]) == ("pump-cover", 1)
        assert (birth["Last Verdict/Part Id"], birth["State/Mode"]) == ("P1", "production")
        assert birth["Latency/Age ms"] > 0
        plc.trigger("P2")
        assert plc.wait_idle(10)
        wait_for(lambda: "P2" in [metric.value for one in host.of("NDATA") for metric in one.metrics])
        host.order(command(REBIRTH, True))
        again = host.wait("NBIRTH", 2)
        assert (again.seq, again["bdSeq"], again["Last Verdict/Part Id"]) == (0, 0, "P2")
        daemon.kill()
        assert host.wait("NDEATH", 1)["bdSeq"] == 0
        daemon.start()
        assert host.wait("NBIRTH", 3, 60)["bdSeq"] == 1
        assert plc.wait_ready(60)
        host.say(False, 2000)
        assert host.wait("NDEATH", 2)["bdSeq"] == 1
        plc.trigger("P3")
        assert plc.wait_idle(10)
        assert plc.outcomes()[-1].result is not None, "SCADA is away: the station works"
        code, err = daemon.stop()
    assert code == 0, err
    host.forget()
    host.close()
