"""The embedded broker's own life; that it speaks MQTT is tested with the clients."""

from __future__ import annotations

import sys

import pytest

from inspector.errors import OutsideError
from inspector.sim.broker import EmbeddedBroker


def test_port_taken() -> None:
    with (
        EmbeddedBroker() as first,
        pytest.raises(OutsideError, match=rf"cannot listen on 127.0.0.1:{first.port}.*another port"),
    ):
        EmbeddedBroker(first.port).start()


def test_port_is_free_again_after_close() -> None:
    with EmbeddedBroker() as first:
        pass
    first.close()
    with EmbeddedBroker(first.port) as second:
        assert second.port == first.port


def test_amqtt_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "amqtt.broker", None)
    with pytest.raises(OutsideError, match=r"pip install '\.\[demo\]'"):
        EmbeddedBroker().start()
