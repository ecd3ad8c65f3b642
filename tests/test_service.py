"""What the service manager is told, by a socket that stands for it."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from inspector.service import ServiceManager


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(2)
        yield sock


def test_each_message_is_one_datagram_of_lines(manager: socket.socket) -> None:
    service = ServiceManager({"NOTIFY_SOCKET": manager.getsockname()})
    service.status("a: Initialized")
    service.status("a: Initialized")  # nothing new, nothing sent
    service.ready("a: Ready\nWATCHDOG=1")
    service.alive()
    service.reloading()
    service.stopping()
    heard = [manager.recv(1000).decode().split("\n") for _ in range(5)]
    assert heard[:3] == [
        ["STATUS=a: Initialized"],
        ["READY=1", "STATUS=a: Ready WATCHDOG=1"],  # words cannot become a command
        ["WATCHDOG=1"],
    ]
    assert heard[3][0] == "RELOADING=1"
    assert heard[3][1].startswith("MONOTONIC_USEC=")
    assert heard[4] == ["STOPPING=1", "STATUS=stopping"]


def test_the_abstract_namespace_is_reached() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        name = f"inspector-test-{os.getpid()}"
        sock.bind(f"\0{name}")
        sock.settimeout(2)
        ServiceManager({"NOTIFY_SOCKET": f"@{name}"}).alive()
        assert sock.recv(100) == b"WATCHDOG=1"


def test_without_a_manager_nothing_happens() -> None:
    ServiceManager({}).ready("all")


def test_a_manager_that_is_gone_does_not_end_the_station(tmp_path: Path) -> None:
    ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).alive()


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, 0.0),
        ({"WATCHDOG_USEC": "20000000"}, 20.0),
        ({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": str(os.getpid())}, 20.0),
        ({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": "1"}, 0.0),
        ({"WATCHDOG_USEC": "soon"}, 0.0),
        ({"WATCHDOG_USEC": "-5"}, 0.0),
    ],
)
def test_the_watchdog_s_time_is_that_of_this_process(
    environment: dict[str, str], expected: float
) -> None:
    assert ServiceManager(environment).watchdog_s == expected
