"""The edge node of Sparkplug B 3.0; ``test_tck_id_…`` are named after the assertions of its TCK."""

from __future__ import annotations

import importlib.util
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from plc.scada import Heard, Host
from plc.sparkplug_wire import (
    BOOLEAN,
    DOUBLE,
    INT32,
    INT64,
    REBIRTH,
    STRING,
    WirePayload,
    command,
    read,
)
from support import Mosquitto, free_port, wait_for

from inspector.config import Broker, Sparkplug
from inspector.domain import StationStatus
from inspector.errors import ConfigError
from inspector.plc import sparkplug_payload
from inspector.plc.sparkplug import SparkplugNode, next_bdseq
from inspector.sim.proxy import Proxy

LAST = {
    "resultId": "0000002a-1",
    "partId": "part-1",
    "verdict": "FAIL",
    "cause": "Missing",
    "resultEvaluationCode": 102,
    "isSimulated": False,
    "creationTime": "2026-03-01T06:15:00.123Z",
    "ageMs": 42.5,
    "acquisitionMs": 4.0,
    "processingMs": 30.25,
}


@dataclass
class Shown:
    """The station that the node shows."""

    status: StationStatus = field(
        default_factory=lambda: StationStatus(
            "cell", "Ready", 42, recipe_id="soap", recipe_version=3, deadline_ms=500.0
        )
    )
    last: dict[str, Any] = field(default_factory=dict)

    def look(self) -> StationStatus:
        return self.status

    def count(self, **counters: int) -> None:
        self.status = replace(self.status, counters=counters)


@contextmanager
def running(
    port: int, group: str, folder: Path, shown: Shown, host: str | None = None, interval_s: float = 0.02
) -> Iterator[SparkplugNode]:
    # quicker than a configuration may ask for
    config = Sparkplug(group=group, primary_host=host).model_copy(update={"interval_s": interval_s})
    broker = Broker(port=port, reconnect_s=0.1)
    node = SparkplugNode(broker, config, "cell", folder / "bdseq", shown.look, lambda: shown.last)
    node.start()
    try:
        yield node
    finally:
        node.close()


# --- one session from birth to death, looked at from many sides ----------------------------------


@dataclass
class Session:
    """Birth, data, rebirth, data, a cut link, birth, and an orderly end."""

    heard: list[Heard]
    begun_ms: int
    ended_ms: int

    def of(self, verb: str) -> list[WirePayload]:
        return [message.payload for message in self.heard if message.verb == verb]

    @property
    def births(self) -> list[WirePayload]:
        return self.of("NBIRTH")

    @property
    def data(self) -> list[WirePayload]:
        return self.of("NDATA")

    @property
    def deaths(self) -> list[WirePayload]:
        return self.of("NDEATH")


@pytest.fixture(scope="module")
def session(mosquitto: Mosquitto, tmp_path_factory: pytest.TempPathFactory) -> Session:
    folder = tmp_path_factory.mktemp("sparkplug")
    shown = Shown()
    begun_ms = time.time_ns() // 1_000_000
    host = Host(mosquitto.port, "session")
    with Proxy(mosquitto.port) as proxy:
        with running(proxy.port, "session", folder, shown):
            host.wait("NBIRTH", 1)
            shown.count(received=1, PASS=1)
            shown.last = {**LAST, "verdict": "PASS", "cause": "None", "resultEvaluationCode": 0}
            host.wait("NDATA", 1)
            host.order(b"\xff\xff no protobuf")
            host.order(command("Node Control/Unknown", True))
            host.order(command(REBIRTH, False))
            shown.status = replace(shown.status, state="Halted", error_code=-5)
            wait_for(
                lambda: (
                    "Halted" in [p["State/Name"] for p in host.of("NDATA") if "State/Name" in p.names]
                )
            )
            assert len(host.of("NBIRTH")) == 1, "nothing of that asks for a rebirth"
            host.order(command(REBIRTH, True))
            host.wait("NBIRTH", 2)
            shown.count(received=2, PASS=1, FAIL=1, refused_Duplicate=3, refused_Malformed=2)
            shown.last = dict(LAST)
            wait_for(lambda: any("Counters/FAIL" in p.names for p in host.of("NDATA")))
            proxy.cut()
            host.wait("NDEATH", 1)
            host.wait("NBIRTH", 3)
        wait_for(lambda: proxy.idle)  # else the proxy swallows the goodbye
    host.wait("NDEATH", 2)
    host.close()
    return Session(list(host.heard), begun_ms, time.time_ns() // 1_000_000)


def test_tck_id_topics_nbirth_topic(session: Session) -> None:
    topics = {message.topic for message in session.heard if message.verb == "NBIRTH"}
    assert topics == {"spBv1.0/session/NBIRTH/cell"}


def test_tck_id_topics_ndata_topic(session: Session) -> None:
    topics = {message.topic for message in session.heard if message.verb == "NDATA"}
    assert topics == {"spBv1.0/session/NDATA/cell"}


def test_tck_id_topics_ndeath_topic(session: Session) -> None:
    topics = {message.topic for message in session.heard if message.verb == "NDEATH"}
    assert topics == {"spBv1.0/session/NDEATH/cell"}


def test_tck_id_payloads_nbirth_qos(session: Session) -> None:
    assert {message.qos for message in session.heard if message.verb == "NBIRTH"} == {0}


def test_tck_id_payloads_nbirth_retain(session: Session) -> None:
    assert not any(message.retain for message in session.heard if message.verb == "NBIRTH")


def test_tck_id_payloads_ndata_qos(session: Session) -> None:
    assert {message.qos for message in session.heard if message.verb == "NDATA"} == {0}


def test_tck_id_payloads_ndata_retain(session: Session) -> None:
    assert not any(message.retain for message in session.heard if message.verb == "NDATA")


def test_tck_id_payloads_ndeath_will_message_qos(session: Session) -> None:
    assert {message.qos for message in session.heard if message.verb == "NDEATH"} == {1}


def test_tck_id_payloads_nbirth_timestamp(session: Session) -> None:
    """Also tck-id-payloads-timestamp-in-UTC, tck-id-payloads-ndata-timestamp."""
    for payload in (*session.births, *session.data):
        assert payload.timestamp is not None
        assert session.begun_ms <= payload.timestamp <= session.ended_ms


def test_tck_id_payloads_name_birth_data_requirement(session: Session) -> None:
    """Every metric of a birth and of data has a timestamp, and tck-id-payloads-name-requirement."""
    for payload in (*session.births, *session.data):
        assert payload.metrics
        assert all(metric.name for metric in payload.metrics)
        assert all(metric.timestamp == payload.timestamp for metric in payload.metrics)


def test_tck_id_topics_nbirth_seq_num(session: Session) -> None:
    assert [birth.seq for birth in session.births] == [0, 0, 0]


def test_tck_id_topics_ndata_seq_num(session: Session) -> None:
    """Also tck-id-payloads-sequence-num-incrementing: one more than the message before."""
    last = None
    for message in session.heard:
        if message.verb == "NDEATH":
            continue
        seq = message.payload.seq
        assert seq == (
            0 if message.verb == "NBIRTH" else (last + 1) % 256 if last is not None else None
        )
        last = seq


def test_tck_id_topics_ndeath_seq(session: Session) -> None:
    """An NDEATH has no sequence number and, tck-id-topics-ndeath-payload, bdSeq alone."""
    assert [death.seq for death in session.deaths] == [None, None]
    assert [death.names for death in session.deaths] == [["bdSeq"], ["bdSeq"]]


def test_tck_id_payloads_nbirth_bdseq(session: Session) -> None:
    """Also …-nbirth-payload-bdSeq: the datatype is INT64."""
    for birth in session.births:
        (metric,) = [one for one in birth.metrics if one.name == "bdSeq"]
        assert (metric.datatype, metric.kind) == (INT64, "long")


def test_tck_id_topics_nbirth_bdseq_increment(session: Session) -> None:
    """It starts at zero and rises with every CONNECT, not with a rebirth."""
    assert [birth["bdSeq"] for birth in session.births] == [0, 0, 1]


def test_tck_id_payloads_ndeath_bdseq(session: Session) -> None:
    """The will has the bdSeq of the birth that it ends, and so has the orderly death."""
    assert [death["bdSeq"] for death in session.deaths] == [0, 1]


def test_tck_id_payloads_nbirth_bdseq_repeat(session: Session) -> None:
    """Also tck-id-operational-behavior-data-commands-rebirth-action-3."""
    first, again, _ = session.births
    assert first["bdSeq"] == again["bdSeq"]


def test_tck_id_operational_behavior_data_commands_rebirth_action_1(session: Session) -> None:
    """No data stands between the order and the birth: the sequence begins anew with it."""
    verbs = [message.verb for message in session.heard]
    second = [at for at, verb in enumerate(verbs) if verb == "NBIRTH"][1]
    assert session.heard[second + 1].verb == "NDATA"
    assert session.heard[second + 1].payload.seq == 1


def test_tck_id_operational_behavior_data_commands_rebirth_action_2(session: Session) -> None:
    first, again, third = session.births
    assert first.names == again.names == third.names, "a birth is complete"


def test_tck_id_topics_nbirth_rebirth_metric(session: Session) -> None:
    for birth in session.births:
        (metric,) = [one for one in birth.metrics if one.name == REBIRTH]
        assert (metric.datatype, metric.kind, metric.value) == (BOOLEAN, "boolean", False)


def test_tck_id_topics_nbirth_metric_reqs(session: Session) -> None:
    """A birth names every metric that ever comes, whatever has been counted until then."""
    names = set(session.births[0].names)
    for payload in session.data:
        assert set(payload.names) <= names
    assert {name.split("/")[0] for name in names if name} == {
        "bdSeq",
        "Node Control",
        "State",
        "Recipe",
        "Counters",
        "Quality",
        "Latency",
        "Last Verdict",
    }


def test_tck_id_topics_nbirth_metrics(session: Session) -> None:
    """Also tck-id-payloads-metric-datatype-req: a name, a datatype and the current value."""
    kinds = {INT32: "int", INT64: "long", DOUBLE: "double", BOOLEAN: "boolean", STRING: "string"}
    for birth in session.births:
        for metric in birth.metrics:
            assert metric.datatype in kinds
            assert metric.kind == (None if metric.is_null else kinds[metric.datatype])
    third = session.births[2]
    assert (third["State/Name"], third["State/Error Code"]) == ("Halted", (1 << 32) - 5)
    assert (third["Recipe/Id"], third["Recipe/Version"]) == ("soap", 3)
    assert (third["Counters/Received"], third["Counters/Refused"]) == (2, 5)
    assert (third["Quality/PASS Share"], third["Quality/REVIEW Share"]) == (0.5, 0.0)
    assert (third["Last Verdict/Verdict"], third["Last Verdict/Cause Code"]) == ("FAIL", 102)
    assert (third["Last Verdict/Part Id"], third["Latency/Age ms"]) == ("part-1", 42.5)


def test_tck_id_operational_behavior_data_publish_nbirth_values(session: Session) -> None:
    """What nobody knows yet is null and has no value."""
    first = session.births[0]
    unknown = {metric.name for metric in first.metrics if metric.is_null}
    assert {"Last Verdict/Verdict", "Latency/Age ms", "Quality/PASS Share"} <= unknown
    assert "Latency/Deadline ms" not in unknown


def test_tck_id_operational_behavior_data_publish_nbirth_change(session: Session) -> None:
    """Data holds what has changed and no more; tck-id-payloads-metric-datatype-not-req."""
    shown = {metric.name: metric.value for metric in session.births[0].metrics}
    for message in session.heard:
        for metric in message.payload.metrics if message.verb == "NDATA" else ():
            assert shown[metric.name] != metric.value
            assert metric.datatype is None
        if message.verb != "NDEATH":
            shown |= {metric.name: metric.value for metric in message.payload.metrics}


def test_tck_id_payloads_ndata_order(session: Session) -> None:
    """No data before the birth, and none after the death."""
    alive = False
    for message in session.heard:
        if message.verb == "NDATA":
            assert alive
        alive = message.verb != "NDEATH"


def test_tck_id_operational_behavior_edge_node_intentional_disconnect_ndeath(session: Session) -> None:
    assert session.heard[-1].verb == "NDEATH"
    assert len(session.deaths) == 2, "the broker adds no will to an orderly end"


# --- the wire, packet by packet -------------------------------------------------------------------


def _packet(sock: socket.socket) -> tuple[int, bytes]:
    """First byte and body of an MQTT packet."""
    first, length, shift = sock.recv(1)[0], 0, 0
    while True:
        byte = sock.recv(1)[0]
        length |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            break
    body = b""
    while len(body) < length:
        body += sock.recv(length - len(body))
    return first, body


def _text(body: bytes, at: int) -> tuple[bytes, int]:
    end = at + 2 + int.from_bytes(body[at : at + 2], "big")
    return body[at + 2 : end], end


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, bytes]]:
    """The packets of a node that connects, in order."""
    folder = tmp_path_factory.mktemp("wire")
    packets = {}
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        running(server.getsockname()[1], "wire", folder, Shown(), interval_s=10),
    ):
        server.settimeout(10)
        broker, _ = server.accept()
        with broker:
            broker.settimeout(10)
            packets["CONNECT"] = _packet(broker)
            broker.sendall(b"\x20\x02\x00\x00")
            packets["SUBSCRIBE"] = _packet(broker)
            broker.sendall(b"\x90\x03" + packets["SUBSCRIBE"][1][:2] + b"\x01")
            packets["PUBLISH"] = _packet(broker)
    return packets


def test_tck_id_message_flow_edge_node_birth_publish_will_message(
    wire: dict[str, tuple[int, bytes]],
) -> None:
    """Clean session, a will with QoS 1, not retained, to NDEATH, with bdSeq as INT64."""
    _, body = wire["CONNECT"]
    protocol, at = _text(body, 0)
    assert (protocol, body[at]) == (b"MQTT", 4)
    flags = body[at + 1]
    assert flags & 0b0011_1110 == 0b0000_1110, "will, QoS 1, not retained, clean session"
    _, at = _text(body, at + 4)
    topic, at = _text(body, at)
    payload, _ = _text(body, at)
    assert topic == b"spBv1.0/wire/NDEATH/cell"
    (metric,) = read(payload).metrics
    assert (metric.name, metric.datatype, metric.value) == ("bdSeq", INT64, 0)


def test_tck_id_message_flow_edge_node_ncmd_subscribe(wire: dict[str, tuple[int, bytes]]) -> None:
    """Before the birth, with QoS 1."""
    _, body = wire["SUBSCRIBE"]
    assert body[2:] == b"\x00\x16spBv1.0/wire/NCMD/cell\x01"


def test_tck_id_message_flow_edge_node_birth_publish_connect(
    wire: dict[str, tuple[int, bytes]],
) -> None:
    """The birth is the first that is published; QoS 0, not retained."""
    first, body = wire["PUBLISH"]
    assert first == 0x30
    topic, at = _text(body, 0)
    assert topic == b"spBv1.0/wire/NBIRTH/cell"
    assert read(body[at:])["bdSeq"] == 0


# --- numbers ---------------------------------------------------------------------------------------


class Changing(Shown):
    """Whenever somebody looks, one more part has come."""

    def look(self) -> StationStatus:
        self.count(received=self.status.counters.get("received", 0) + 1)
        return self.status


def test_tck_id_payloads_ndata_seq_inc(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """After 255 comes 0."""
    host = Host(mosquitto.port, "wrap")
    with running(mosquitto.port, "wrap", tmp_path, Changing(), interval_s=0.001):
        wait_for(lambda: sum("NDATA" in one.topic for one in list(host.heard)) > 300, 20)
    host.close()
    seqs = [payload.seq for payload in host.of("NDATA")]
    assert seqs == [number % 256 for number in range(1, len(seqs) + 1)]
    assert seqs[254:256] == [255, 0]


def test_tck_id_message_flow_edge_node_birth_publish_will_message_payload_bdSeq(  # noqa: N802
    tmp_path: Path,
) -> None:
    """It starts at 0, rises by one, follows 255 with 0, and survives a restart."""
    path = tmp_path / "bdseq"
    assert [next_bdseq(path) for _ in range(3)] == [0, 1, 2]
    path.write_text("254\n")
    assert [next_bdseq(path) for _ in range(3)] == [255, 0, 1]
    path.write_text("rubbish")
    assert next_bdseq(path) == 0
    assert next_bdseq(tmp_path / "no" / "folder", 7) == 8, "a full disk does not silence the station"


def test_a_restart_goes_on_counting(mosquitto: Mosquitto, tmp_path: Path) -> None:
    host = Host(mosquitto.port, "restart")
    for _ in range(2):
        with running(mosquitto.port, "restart", tmp_path, Shown()):
            number = len(host.of("NBIRTH")) + 1
            host.wait("NBIRTH", number)
    assert [birth["bdSeq"] for birth in host.of("NBIRTH")] == [0, 1]
    host.close()


def test_an_attempt_that_finds_no_broker_sends_no_connect(
    own_mosquitto: Mosquitto, tmp_path: Path
) -> None:
    with running(own_mosquitto.port, "late", tmp_path, Shown()) as node:
        wait_for(lambda: node.counters().failed_attempts >= 3)
        own_mosquitto.start()
        host = Host(own_mosquitto.port, "late")
        wait_for(lambda: node.connected)
        host.order(command(REBIRTH, True))
        wait_for(lambda: host.of("NBIRTH"))
        assert {birth["bdSeq"] for birth in host.of("NBIRTH")} == {0}
    host.close()


# --- the primary host ------------------------------------------------------------------------------


def test_tck_id_message_flow_edge_node_birth_publish_phid_wait(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    """No birth before the host is online; …-wait-id: another host does not count; nor does rubbish."""
    host = Host(mosquitto.port, "wait", "scada-wait")
    with running(mosquitto.port, "wait", tmp_path, Shown(), host="scada-wait") as node:
        wait_for(lambda: node.connected)
        host.say(True, 1000, "another")
        host.say("yes", 1000)
        host.say(True, "now")
        host.say(False, 900)
        time.sleep(0.2)
        assert not host.heard
        host.say(True, 1000)
        assert host.wait("NBIRTH", 1).seq == 0
    host.forget()
    host.close()


def test_tck_id_message_flow_edge_node_birth_publish_phid_offline(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    """NDEATH, disconnect, begin anew; …-host-offline-timestamp: an older death changes nothing."""
    host = Host(mosquitto.port, "offline", "scada-off")
    host.say(True, 5000)
    shown = Shown()
    with running(mosquitto.port, "offline", tmp_path, shown, host="scada-off") as node:
        host.wait("NBIRTH", 1)
        host.say(False, 4999)
        shown.count(received=1)
        host.wait("NDATA", 1)
        assert not host.of("NDEATH"), "the late death of an earlier session of the host"
        host.say(False, 5000)
        assert host.wait("NDEATH", 1)["bdSeq"] == 0
        wait_for(lambda: node.counters().connects == 2, what="the connection is made anew")
        time.sleep(0.2)
        assert len(host.of("NBIRTH")) == 1, "no birth before the host is back"
        host.say(True, 4000)
        time.sleep(0.2)
        assert len(host.of("NBIRTH")) == 1, "…-phid-wait-timestamp"
        host.say(True, 6000)
        assert host.wait("NBIRTH", 2)["bdSeq"] == 1
        assert len(host.of("NDEATH")) == 1, "no will: the node said goodbye"
    host.forget()
    host.close()


# --- what must not happen --------------------------------------------------------------------------


def test_an_old_order_is_not_obeyed(mosquitto: Mosquitto, tmp_path: Path) -> None:
    host = Host(mosquitto.port, "old")
    host.order(command(REBIRTH, True), retain=True)
    with running(mosquitto.port, "old", tmp_path, Shown()):
        host.wait("NBIRTH", 1)
        time.sleep(0.2)
        assert len(host.of("NBIRTH")) == 1
    host.order(b"", retain=True)
    host.close()


def test_a_fault_ends_the_node_and_nothing_else(
    mosquitto: Mosquitto, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """SCADA hears of it: what it shows is no longer the station's."""
    host, shown = Host(mosquitto.port, "fault"), Shown()
    with running(mosquitto.port, "fault", tmp_path, shown) as node:
        host.wait("NBIRTH", 1)
        shown.last = {"creationTime": object()}  # a defect
        wait_for(lambda: "the Sparkplug edge node has stopped" in capsys.readouterr().out)
        wait_for(lambda: not node.connected)
        host.wait("NDEATH", 1)
    host.close()


def test_without_protobuf_the_configuration_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.spec_from_file_location("fresh_payload", sparkplug_payload.__file__)
    assert spec is not None
    assert spec.loader is not None
    fresh = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "fresh_payload", fresh)
    spec.loader.exec_module(fresh)
    monkeypatch.setitem(sys.modules, "google.protobuf", None)
    with pytest.raises(ConfigError, match=r"pip install '\.\[sparkplug\]'"):
        fresh.require()


def test_a_node_without_a_broker_can_be_closed(tmp_path: Path) -> None:
    closed: list[Callable[[], None]] = []
    with running(free_port(), "none", tmp_path, Shown()) as node:
        closed.append(node.close)
    assert closed
