"""The archive of the real daemon: no gap through outages, kills and restarts; acknowledgements too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import Mosquitto, wait_for

from inspector.contract import ArchivedAckPayload, ArchivedResultPayload
from inspector.sim.historian import Historian
from inspector.sim.plc import SimPlc
from system.daemon import Daemon


@pytest.fixture
def daemon(tmp_path: Path, own_mosquitto: Mosquitto) -> Iterator[Daemon]:
    made = Daemon(tmp_path, own_mosquitto.port, "archive")
    yield made
    if made.process is not None and made.process.poll() is None:
        made.kill()


def trigger(plc: SimPlc, number: int, prefix: str) -> None:
    for n in range(number):
        plc.trigger(f"{prefix}-{n}")
    assert plc.wait_idle(20)


def test_the_archive_has_no_gap(daemon: Daemon, own_mosquitto: Mosquitto) -> None:
    """Broker killed in mid-shift, station killed and restarted: the archive has no gap."""
    own_mosquitto.start()
    daemon.start()
    with (
        Historian(own_mosquitto.broker, daemon.topic) as historian,
        SimPlc(own_mosquitto.broker, daemon.topic, accept_simulated=True, deadline_ms=3000) as plc,
    ):
        assert plc.wait_ready(60)
        trigger(plc, 5, "calm")
        wait_for(lambda: len(historian.of("ack")) == 5)
        own_mosquitto.restart()
        assert plc.wait_ready(10), "service is back within 10 s"
        trigger(plc, 5, "restarted-broker")
        wait_for(lambda: len(historian.of("ack")) == 10)
        killed = {f"killed-{n}" for n in range(4)}
        for part in sorted(killed):
            plc.trigger(part)
        daemon.kill()
        assert plc.wait_idle(10)
        own_mosquitto.kill()
        daemon.start()
        wait_for(lambda: daemon.rows("select 1 from event where event = 'archive'"), 60)
        own_mosquitto.start()
        assert plc.wait_ready(60)
        trigger(plc, 5, "after")
        wait_for(
            lambda: [one["partId"] for one in historian.events if "partId" in one][-1] == "after-4"
        )
        wait_for(lambda: historian.events[-1]["kind"] == "ack")
        code, err = daemon.stop()
        assert code == 0, err
        recorded = daemon.rows("select result_id, part_id, attempt from inspection order by id")
        assert daemon.rows("select count(*) from outbox") == [(0,)], "all of it is delivered"
        wait_for(lambda: len(historian.of("result")) >= len(recorded), 10)

        results = historian.of("result")
        assert [one["resultId"] for one in results] == [row[0] for row in recorded]
        assert [(one["partId"], one["attempt"]) for one in results] == [row[1:] for row in recorded]
        taken = [one.part_id for one in plc.outcomes() if one.verdict is not None]
        answered = {one["resultId"] for one in results if one["partId"] in taken}
        acks = historian.of("ack")
        # what the PLC says in the instant of the kill reaches nobody
        lost = answered - {one["resultId"] for one in acks}
        assert {one["partId"] for one in results if one["resultId"] in lost} <= killed
        assert {one["resultId"] for one in acks} <= answered
        assert all(one["taken"] for one in acks)

    seen: set[str] = set()
    for event in historian.events:
        data = str(event["resultId"])
        assert event["kind"] == "result" or data in seen, "no acknowledgement before its result"
        seen.add(data)
    for one in results:
        ArchivedResultPayload.model_validate_json(json.dumps(one))
    for one in acks:
        ArchivedAckPayload.model_validate_json(json.dumps(one))
    restarted = [one for one in results if one["cause"] == "StationRestarted"]
    assert all(one["resultState"] == 3 for one in restarted)
