"""A paho client as all clients of the station want it, and why a broker cannot be reached, in words."""

from __future__ import annotations

import socket
import ssl
import time
import uuid
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode

from inspector.config import Broker
from inspector.errors import BrokerError, ConfigError
from inspector.plc.certificate import complaint

CONNECT_TIMEOUT_S = 2.0
DEAD_LINK_S = 2.0
"""Longest wait for an acknowledgement by the broker before the link is given up."""
REMEDY = "Start the broker, or correct 'broker' in the configuration"
_TICK_S = 0.2


def new_client(broker: Broker, client_id: str, *, version5: bool = False) -> Client:
    """A client with a clean session that is not yet connected and does not reconnect by itself.

    Raises :class:`~inspector.errors.ConfigError` for a password or TLS file that cannot be read.
    """
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=client_id,
        clean_session=None if version5 else True,
        protocol=MQTTv5 if version5 else MQTTv311,
        reconnect_on_failure=False,
    )
    client.connect_timeout = CONNECT_TIMEOUT_S
    client.max_inflight_messages = 0  # the default of 20 would hold back the 21st, and send it late
    client.on_socket_open = _on_socket_open
    if broker.username is not None:
        password = None
        if broker.password_file is not None:
            try:
                password = broker.password_file.read_text(encoding="utf-8").strip("\r\n")
            except (OSError, UnicodeError) as error:
                # A wrong path or mode is the configuration's error.
                raise ConfigError(
                    f"the password file cannot be read: {error}",
                    "Correct 'password_file' or its permissions",
                    path=broker.password_file,
                ) from error
        client.username_pw_set(broker.username, password)
    if broker.ca_file is not None:
        try:
            client.tls_set(
                ca_certs=str(broker.ca_file),
                certfile=str(broker.cert_file) if broker.cert_file else None,
                keyfile=str(broker.key_file) if broker.key_file else None,
            )
        except (OSError, ValueError) as error:
            # ssl reports missing and malformed files alike without naming them.
            raise ConfigError(
                f"the TLS files cannot be used: {error}",
                "Check 'ca_file', 'cert_file' and 'key_file'",
                path=broker.ca_file,
            ) from error
    return client


class RenewedClient:
    """A client for each attempt to connect: the same one until a certificate, key or password changes.

    paho reads these files when a client is made, and never again.
    """

    def __init__(self, broker: Broker, client_id: str, *, version5: bool = False) -> None:
        """Raises :class:`~inspector.errors.ConfigError` as :func:`new_client` does."""
        self._broker, self._client_id, self._version5 = broker, client_id, version5
        self._seen = self._look()
        self._client = self._new()

    def __call__(self) -> Client:
        """The client to connect with now.

        Raises :class:`~inspector.errors.ConfigError` for a file that cannot be read, as one that is
        being replaced at this moment.
        """
        seen = self._look()
        if seen != self._seen:
            self._client, self._seen = self._new(), seen
        return self._client

    def _new(self) -> Client:
        return new_client(self._broker, self._client_id, version5=self._version5)

    def _look(self) -> tuple[tuple[int, int] | None, ...]:
        broker = self._broker
        files = (broker.ca_file, broker.cert_file, broker.key_file, broker.password_file)
        return tuple(_mark(path) for path in files if path is not None)


def _mark(path: Path) -> tuple[int, int] | None:
    """What tells a file from the one that it replaces; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        # Whoever makes a client of it is told.
        return None
    return found.st_mtime_ns, found.st_ino


def unreachable(broker: Broker, error: Exception) -> str:
    """Why a connection could not be made, in one sentence."""
    where = f"{broker.host}:{broker.port}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate of the MQTT broker {where} is refused: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return own_certificate(broker) or f"TLS with the MQTT broker {where} failed: {error}"
    return f"the MQTT broker {where} cannot be reached: {error}"


def own_certificate(broker: Broker) -> str:
    """What is wrong with the dates of this station's certificate; empty when nothing is."""
    return complaint(broker.cert_file) if broker.cert_file is not None else ""


def probe(broker: Broker, timeout_s: float = 3.0) -> None:
    """Connect once and leave.

    Raises :class:`~inspector.errors.BrokerError` with the reason when that cannot be done, and
    :class:`~inspector.errors.ConfigError` for a password or TLS file that cannot be read.
    """
    client = new_client(broker, f"inspector-probe-{uuid.uuid4().hex[:8]}")
    answers: list[ReasonCode] = []
    client.on_connect = lambda _client, _data, _flags, code, _props: answers.append(code)
    try:
        client.connect(broker.host, broker.port, broker.keepalive_s)
    except (OSError, UnicodeError) as error:
        # Turned into the one sentence that a user is told.
        raise BrokerError(unreachable(broker, error), REMEDY) from error
    end = time.monotonic() + timeout_s
    while not answers and time.monotonic() < end:
        if client.loop(_TICK_S) != MQTTErrorCode.MQTT_ERR_SUCCESS:
            break
    client.disconnect()
    if not answers:
        expired = own_certificate(broker)
        if expired:
            raise BrokerError(expired, "Renew it, and name the new one as 'cert_file'")
        raise BrokerError(
            f"{broker.host}:{broker.port} does not answer as an MQTT broker",
            "Check host and port, and whether the broker asks for TLS or a client certificate",
        )
    if answers[0].is_failure:
        raise BrokerError(
            f"the MQTT broker {broker.host}:{broker.port} refuses the connection: {answers[0]}",
            "Check 'username', 'password_file' and the broker's ACL",
        )


def _on_socket_open(_client: Client, _data: Any, sock: Any) -> None:
    # Nagle and the delayed ACK of the other side cost 40 ms and more a message.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux: a cut cable is noticed while data is on its way
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(DEAD_LINK_S * 1000))
