"""Structured logging: one event a line, on whatever stderr is now."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator

import pytest
import structlog

from inspector.logs import configure_logging


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """The settings of the other tests."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def test_elsewhere_than_on_a_terminal_each_event_is_a_line_of_json(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    configure_logging("info")
    log = structlog.get_logger("test")
    log.debug("unheard")
    log.info("inspected", part="p-1", age_ms=3.5)
    log.error("broken", problem="line one\nline two")
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (first["event"], first["part"], first["age_ms"], first["level"]) == (
        "inspected",
        "p-1",
        3.5,
        "info",
    )
    assert first["timestamp"].endswith("Z")
    assert second["problem"] == "line one\nline two"


def test_an_exception_is_told_inside_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    configure_logging()
    try:
        raise ValueError("ours")
    except ValueError:
        structlog.get_logger("test").exception("failed")
    (line,) = stream.getvalue().splitlines()
    assert "ours" in json.dumps(json.loads(line)["exception"])


def test_on_a_terminal_it_is_for_people(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    configure_logging("warning")
    structlog.get_logger("test").warning("camera lost", camera="top")
    assert "camera lost" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


def test_a_stderr_that_was_exchanged_and_closed_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", first)
    configure_logging()
    log = structlog.get_logger("test")
    log.info("one")
    monkeypatch.setattr(sys, "stderr", second)
    first.close()
    log.info("two")
    assert json.loads(second.getvalue())["event"] == "two"


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(KeyError):
        configure_logging("loud")
