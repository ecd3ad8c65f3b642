"""Certificates, keys and passwords that are renewed while the station runs."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import BASE, state_payload, wait_for

from inspector.config import Broker, Sparkplug
from inspector.domain import StationStatus
from inspector.plc.archive import ArchivePublisher
from inspector.plc.client import RenewedClient
from inspector.plc.link import Down, Link
from inspector.plc.mqtt import MqttPlc
from inspector.plc.sparkplug import SparkplugNode
from inspector.ports import ArchiveEvent
from inspector.sim.mosquitto import SecuredBroker, make_pki
from inspector.sim.proxy import Proxy

Connection = MqttPlc | ArchivePublisher | SparkplugNode


class Nothing:
    """A source of archive events that has none."""

    def take(self, timeout_s: float) -> ArchiveEvent | None:
        time.sleep(timeout_s)
        return None

    def delivered(self, event: ArchiveEvent) -> None: ...

    def complain(self, text: str) -> None: ...


def verdicts(broker: Broker, _folder: Path) -> MqttPlc:
    return MqttPlc(broker, BASE, "renewed", lambda _: None, state_payload())


def archive(broker: Broker, _folder: Path) -> ArchivePublisher:
    return ArchivePublisher(broker, BASE, "renewed-archive", Nothing(), 50)


def scada(broker: Broker, folder: Path) -> SparkplugNode:
    config, status = Sparkplug(group="packing"), StationStatus("station1", "Ready", 42)
    return SparkplugNode(broker, config, "station1", folder / "bdseq", lambda: status, dict)


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredBroker]:
    pki = make_pki(tmp_path_factory.mktemp("pki"), "station1")
    make_pki(pki, "expired", days=-1)
    made = SecuredBroker(tmp_path_factory.mktemp("secured"), pki)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def mine(secured: SecuredBroker, tmp_path: Path) -> Broker:
    """With files of its own, which are not there yet."""
    return secured.of("", cert_file=tmp_path / "my.crt", key_file=tmp_path / "my.key")


def install(secured: SecuredBroker, name: str, broker: Broker) -> None:
    assert broker.cert_file is not None
    assert broker.key_file is not None
    shutil.copyfile(secured.pki / f"{name}.crt", broker.cert_file)
    shutil.copyfile(secured.pki / f"{name}.key", broker.key_file)


@pytest.mark.parametrize("make", [verdicts, archive, scada])
def test_a_renewed_certificate_is_taken_over_without_a_restart(
    secured: SecuredBroker, mine: Broker, tmp_path: Path, make: Callable[[Broker, Path], Connection]
) -> None:
    install(secured, "expired", mine)
    connection = make(mine, tmp_path)
    connection.start()
    try:
        time.sleep(0.5)
        assert not connection.connected
        install(secured, "station1", mine)
        wait_for(lambda: connection.connected, 10)
    finally:
        connection.close()


def test_a_file_that_is_being_written_is_told_and_read_again(
    secured: SecuredBroker, mine: Broker
) -> None:
    install(secured, "station1", mine)
    assert mine.cert_file is not None
    told: list[Down] = []
    with Proxy(secured.port) as proxy:
        broker = mine.model_copy(update={"port": proxy.port})
        link = Link(broker, "half", RenewedClient(broker, "half"), on_down=told.append)
        link.start()
        try:
            wait_for(lambda: link.up)
            mine.cert_file.write_text(mine.cert_file.read_text()[:100])
            proxy.cut()
            wait_for(lambda: "the TLS files cannot be used" in told[-1].reason if told else False)
            install(secured, "station1", mine)
            wait_for(lambda: link.up, 10)
        finally:
            link.close()


def test_a_client_is_made_anew_only_when_one_of_its_files_is_another(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("old\n")
    renewed = RenewedClient(Broker(username="cell", password_file=file), "renewed")
    first = renewed()
    assert renewed() is first
    file.write_text("new\n")
    os.utime(file, (1, 1))  # two writes may be quicker than the file system's clock
    second = renewed()
    assert (first.password, second.password) == ("old", "new")
    assert renewed() is second
