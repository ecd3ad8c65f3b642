"""The edge node whose connection is made anew while it is busy."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

from plc.scada import Host
from support import Mosquitto, wait_for

from inspector.config import Broker, Sparkplug
from inspector.domain import StationStatus
from inspector.plc.sparkplug import SparkplugNode
from inspector.sim.proxy import Proxy


class Slow:
    """A station that can be held while somebody looks at it."""

    def __init__(self) -> None:
        self.holding, self.held, self.go_on = threading.Event(), threading.Event(), threading.Event()
        self._status = StationStatus("cell", "Ready", 42)

    def look(self) -> StationStatus:
        if self.holding.is_set() and not self.held.is_set():
            self.held.set()
            assert self.go_on.wait(20)
            self._status = replace(self._status, counters={"received": 1})
        return self._status


def test_a_new_connection_begins_with_its_birth(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """What was looked at on the old one is not told on it: SCADA would take it for the new session's."""
    shown, host = Slow(), Host(mosquitto.port, "busy")
    config = Sparkplug(group="busy", interval_s=0.1)
    with Proxy(mosquitto.port) as proxy:
        broker = Broker(port=proxy.port, reconnect_s=0.1)
        node = SparkplugNode(broker, config, "cell", tmp_path / "bdseq", shown.look, dict)
        node.start()
        try:
            host.wait("NBIRTH", 1)
            shown.holding.set()
            assert shown.held.wait(5)
            proxy.cut()
            wait_for(lambda: node.counters().connects == 2)
            shown.go_on.set()
            host.wait("NBIRTH", 2)
        finally:
            shown.go_on.set()
            node.close()
    host.close()
    begun = [message for message in host.heard if message.verb != "NDEATH"]
    assert [message.verb for message in begun[:2]] == ["NBIRTH", "NBIRTH"]
    assert begun[1].payload["bdSeq"] == 1
