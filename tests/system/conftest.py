"""A station at work with everything around it, for a module's tests; each leaves it at work."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support import Mosquitto

from inspector.sim.mosquitto import SecuredBroker, make_pki
from inspector.torture.cell import Cell
from system.acceptance import assert_at_work


@pytest.fixture(scope="module")
def secured(mosquitto: Mosquitto, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredBroker]:
    """A broker as it is shipped: TLS, certificates, ACL; where there is none, ``mosquitto`` says so."""
    folder = tmp_path_factory.mktemp("secured")
    broker = SecuredBroker(folder, make_pki(folder / "pki"))
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture(scope="module")
def running(secured: SecuredBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cell]:
    with Cell(tmp_path_factory.mktemp("cell"), secured) as cell:
        yield cell
        assert cell.daemon.stop() == 0, list(cell.daemon.log)


@pytest.fixture
def cell(running: Cell) -> Iterator[Cell]:
    """At work, before the test and after it."""
    assert_at_work(running)
    yield running
    assert_at_work(running)
