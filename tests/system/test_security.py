"""The broker as it is shipped: TLS, a certificate for each client, and what each of them may say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import BASE, wait_for

from inspector.errors import BrokerError
from inspector.plc.archive import ArchivePublisher
from inspector.plc.client import new_client, probe
from inspector.plc.link import Down, Link
from inspector.ports import ArchiveEvent
from inspector.sim.historian import Historian
from inspector.sim.mosquitto import SecuredBroker, make_pki
from inspector.sim.plc import SimPlc
from system.daemon import Daemon
from system.secured import Client5

NODE = "spBv1.0/packing/{}/station1"
STATION = ["evt/ack", "evt/result", "state", "hb", "archive/event"]
PLC = ["cmd/trigger", "cmd/resultAck", "cmd/prepareRecipe", "cmd/reset", "cmd/halt", "cmd/challenge"]
TOPICS = [
    *(f"{BASE}/{name}" for name in (*STATION, *PLC, "plc/hb")),
    *(NODE.format(verb) for verb in ("NBIRTH", "NDATA", "NDEATH", "NCMD")),
    "spBv1.0/STATE/scada",
    f"{BASE.replace('station1', 'station2')}/evt/result",
    "$SYS/broker/uptime",
]
MAY_WRITE = {
    "station1": [
        *(f"{BASE}/{name}" for name in STATION),
        *(NODE.format(verb) for verb in ("NBIRTH", "NDATA", "NDEATH")),
    ],
    "plc1": [f"{BASE}/{name}" for name in (*PLC, "plc/hb")],
    "mes": [f"{BASE}/cmd/{name}" for name in ("prepareRecipe", "reset", "halt", "challenge")],
    "historian": [],
    "scada": [NODE.format("NCMD"), "spBv1.0/STATE/scada"],
    "dashboard": [],
}
MAY_READ = {
    "station1": [
        *(f"{BASE}/{name}" for name in (*PLC, "plc/hb")),
        NODE.format("NCMD"),
        "spBv1.0/STATE/scada",
    ],
    "plc1": [f"{BASE}/{name}" for name in ("evt/ack", "evt/result", "state", "hb")],
    "mes": [f"{BASE}/state", f"{BASE}/evt/ack"],
    "historian": [f"{BASE}/{name}" for name in (*STATION, *PLC, "plc/hb")],
    "scada": [
        *(NODE.format(verb) for verb in ("NBIRTH", "NDATA", "NDEATH", "NCMD")),
        "spBv1.0/STATE/scada",
    ],
    "dashboard": [],
}


# paho leaves it to the garbage collector to close a socket whose handshake failed
sloppy = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredBroker]:
    pki = make_pki(tmp_path_factory.mktemp("pki"))
    make_pki(pki, "dashboard")
    make_pki(pki, "expired", days=-1)
    made = SecuredBroker(tmp_path_factory.mktemp("secured"), pki)
    made.start()
    yield made
    made.stop()


def test_a_client_without_a_certificate_is_refused(broker: SecuredBroker) -> None:
    with pytest.raises(BrokerError, match="client certificate"):
        probe(broker.of("station1", cert_file=None, key_file=None))


def test_a_certificate_of_another_authority_is_refused(broker: SecuredBroker, tmp_path: Path) -> None:
    other = make_pki(tmp_path, "station1")
    stranger = broker.of("station1", cert_file=other / "station1.crt", key_file=other / "station1.key")
    with pytest.raises(BrokerError):
        probe(stranger)


@sloppy
def test_a_broker_of_another_authority_is_refused(broker: SecuredBroker, tmp_path: Path) -> None:
    make_pki(tmp_path, "station1")
    deceived = broker.of("station1", ca_file=tmp_path / "plant-ca.crt")
    with pytest.raises(BrokerError, match=r"certificate of the MQTT broker .* is refused"):
        probe(deceived)


def test_a_client_without_tls_is_refused(broker: SecuredBroker) -> None:
    with pytest.raises(BrokerError, match="whether the broker asks for TLS"):
        probe(broker.of("station1", ca_file=None, cert_file=None, key_file=None))


def test_an_expired_certificate_is_named(broker: SecuredBroker) -> None:
    with pytest.raises(BrokerError, match=r"expired\.crt expired on .* UTC\. Renew it"):
        probe(broker.of("expired"))
    told: list[Down] = []
    expired = broker.of("expired")
    link = Link(expired, "expired", lambda: new_client(expired, "expired"), on_down=told.append)
    link.start()
    wait_for(lambda: told)
    link.close()
    assert "expired.crt expired on" in told[0].reason


@sloppy
def test_an_expired_certificate_of_the_broker_is_named(tmp_path: Path) -> None:
    pki = make_pki(tmp_path, "station1", days=-1)
    for name in ("station1.crt", "station1.key"):
        (pki / name).unlink()
    make_pki(pki, "station1")
    broker = SecuredBroker(tmp_path, pki)
    broker.start()
    try:
        with pytest.raises(BrokerError, match="is refused: certificate has expired"):
            probe(broker.of("station1"))
    finally:
        broker.stop()


@pytest.mark.parametrize("user", MAY_WRITE)
def test_who_may_say_what(broker: SecuredBroker, user: str) -> None:
    """The plc cannot publish a result, the station no trigger, and so on."""
    with Client5(broker.of(user)) as client:
        assert [topic for topic in TOPICS if client.publish(topic)] == MAY_WRITE[user]


def test_who_hears_what(broker: SecuredBroker) -> None:
    """What one is denied reaches nobody, and nobody hears what is not for him."""
    clients = {user: Client5(broker.of(user)) for user in MAY_READ}
    for client in clients.values():
        client.__enter__()
    try:
        for user, client in clients.items():
            for topic in TOPICS:
                client.publish(topic, user.encode())
        for user, client in clients.items():
            expected = {
                (topic, writer.encode())
                for writer, topics in MAY_WRITE.items()
                for topic in topics
                if topic in MAY_READ[user]
            }
            wait_for(lambda client=client, expected=expected: set(client.heard) >= expected)
        for user, client in clients.items():
            assert {topic for topic, _ in client.heard} <= set(MAY_READ[user]), user
    finally:
        for client in clients.values():
            client.__exit__()


def test_a_denied_archive_is_kept_and_told(broker: SecuredBroker) -> None:
    """On MQTT 3.1.1 the broker would say that it has taken it."""

    class Source:
        def __init__(self) -> None:
            self.waiting = [ArchiveEvent(1, "e", b"{}")]
            self.confirmed: list[ArchiveEvent] = []
            self.complaints: list[str] = []

        def take(self, timeout_s: float) -> ArchiveEvent | None:
            return self.waiting.pop() if self.waiting else None

        def delivered(self, event: ArchiveEvent) -> None:
            self.confirmed.append(event)

        def complain(self, text: str) -> None:
            self.complaints.append(text)

    source = Source()
    publisher = ArchivePublisher(broker.of("plc1"), BASE, "denied", source, 50)
    publisher.start()
    try:
        wait_for(lambda: any("look at its ACL" in text for text in source.complaints))
        assert not source.confirmed
    finally:
        publisher.close()


@pytest.fixture
def daemon(broker: SecuredBroker, tmp_path: Path) -> Iterator[Daemon]:
    made = Daemon(
        tmp_path,
        broker.port,
        BASE,
        broker=broker.yaml_of("station1"),
        more="    sparkplug: {group: packing, edge_node: station1}\n",
    )
    yield made
    if made.process is not None and made.process.poll() is None:
        made.kill()


def test_a_station_works_behind_tls_and_an_intruder_is_an_alarm(
    broker: SecuredBroker, daemon: Daemon
) -> None:
    """Foreign client forges a trigger or a result: the ACL denies it. Second client with the same id:
    alarm, fail-safe. Undisturbed parts are judged and archived."""
    daemon.start()
    with (
        Historian(broker.of("historian"), BASE, "historian") as historian,
        Client5(broker.of("scada")) as scada,
        SimPlc(broker.of("plc1"), BASE, accept_simulated=True, deadline_ms=3000) as plc,
    ):
        assert plc.wait_ready(60)
        assert NODE.format("NBIRTH") in {topic for topic, _ in scada.heard}
        with Client5(broker.of("mes")) as forger:
            assert not forger.publish(f"{BASE}/cmd/trigger")
            assert not forger.publish(f"{BASE}/evt/result")
        plc.trigger("P1")
        assert plc.wait_idle(10)
        assert plc.outcomes()[0].result is not None
        wait_for(lambda: [event["kind"] for event in historian.events] == ["result", "ack"])

        # anybody with a certificate can take the station's client id
        for _ in range(20):
            Client5(broker.of("historian"), "inspector-cell").__enter__().__exit__()
            if daemon.rows("select 1 from event where event = 'second-client'"):
                break
            assert plc.wait_ready(20)
        rows = daemon.rows("select level, text from event where event = 'second-client'")
        assert rows
        assert rows[0][0] == "error"
        assert "second client with the same id" in str(rows[0][1])
        assert plc.wait_ready(20), "left alone, the station is back"
        plc.trigger("P2")
        assert plc.wait_idle(10)
        assert plc.outcomes()[-1].result is not None
        code, err = daemon.stop()
    assert code == 0, err
