"""A page for Prometheus with what the stations of this process count, and ``/health`` for a supervisor.

The text format (version 0.0.4 of Prometheus' exposition formats) is three kinds of line; it is written
here, from one snapshot a station, rather than by a client library, whose metrics would be a second set
of counters beside those that must add up anyway. The tests read the page with that library's parser.
"""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Literal

from inspector.config import Metrics
from inspector.contract import StateName
from inspector.domain import GRAVITY, StationStatus
from inspector.errors import OutsideError
from inspector.tally import Histogram, Tallied

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Kind = Literal["counter", "gauge", "histogram"]
Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Sample:
    """One station at one moment."""

    status: StationStatus
    tallied: Tallied
    queues: Mapping[str, int]
    """What waits, by the name of the queue."""
    unpublished: int
    """Verdicts in time for which there was no link."""
    lost: int
    """Records that neither the database nor the spill file took."""
    progressing: bool
    link: Mapping[str, int] = field(default_factory=dict)
    """What happened to the connection to the broker, by kind; empty: there is none to be had."""


def page(samples: Sequence[Sample]) -> str:
    """The whole page."""
    lines: list[str] = []
    for name, kind, words, value in _FAMILIES:
        lines += [f"# HELP {name} {words}", f"# TYPE {name} {kind}"]
        for sample in samples:
            station = {"station": sample.status.station}
            for suffix, labels, number in value(sample):
                lines.append(f"{name}{suffix}{_labels(station | dict(labels))} {_number(number)}")
    return "\n".join(lines) + "\n"


class MetricsServer:
    """Serves the page from threads of its own."""

    def __init__(self, config: Metrics, read: Callable[[], Sequence[Sample]]) -> None:
        """Listen; ``read`` is called for each request, from any thread.

        Raises :class:`~inspector.errors.OutsideError` when the port cannot be had.
        """
        handler = type("Handler", (_Handler,), {"read": staticmethod(read)})
        try:
            self._server = (_Server6 if ":" in config.host else _Server)(
                (config.host, config.port), handler
            )
        except OSError as error:
            # another process has the port, or the address is not of this computer
            raise OutsideError(
                f"the metrics page cannot listen on {config.host}:{config.port}: {error.strerror}",
                "Name another port or address under 'metrics', or leave it out",
            ) from error
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)

    def start(self) -> None:
        """Answer from now on."""
        self._thread.start()

    def close(self) -> None:
        """Answer no more."""
        if self._thread.ident is not None:
            self._server.shutdown()
            self._thread.join(2.0)
        self._server.server_close()


class _Server(socketserver.ThreadingTCPServer):
    # not http.server.HTTPServer: that one asks the name server for this computer's name
    allow_reuse_address = True
    daemon_threads = True


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(BaseHTTPRequestHandler):
    timeout = 5
    read: Callable[[], Sequence[Sample]]

    def do_GET(self) -> None:
        """Answer ``/metrics`` and ``/health``."""
        path = self.path.partition("?")[0]
        if path == "/metrics":
            self._answer(HTTPStatus.OK, page(self.read()))
        elif path == "/health":
            stuck = [one.status.station for one in self.read() if not one.progressing]
            if stuck:
                self._answer(HTTPStatus.SERVICE_UNAVAILABLE, f"stuck: {', '.join(stuck)}\n")
            else:
                self._answer(HTTPStatus.OK, "ok\n")
        else:
            self._answer(HTTPStatus.NOT_FOUND, "there are /metrics and /health\n")

    def _answer(self, status: HTTPStatus, text: str) -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: a scrape every few seconds is no event."""


Value = tuple[str, Labels, float]
"""Suffix of the name, labels, number."""


def _one(value: Callable[[Sample], float]) -> Callable[[Sample], Iterator[Value]]:
    return lambda sample: iter([("", {}, value(sample))])


def _counted(key: str) -> Callable[[Sample], Iterator[Value]]:
    return _one(lambda sample: sample.status.counters.get(key, 0))


def _refused(sample: Sample) -> Iterator[Value]:
    for key, count in sample.status.counters.items():
        if key.startswith("refused_"):
            yield "", {"reason": key.removeprefix("refused_")}, count


def _parts(sample: Sample) -> Iterator[Value]:
    for (verdict, cause), count in sorted(sample.tallied.parts.items()):
        yield "", {"verdict": verdict, "cause": cause}, count


def _state(sample: Sample) -> Iterator[Value]:
    for state in StateName:
        yield "", {"state": state.value}, state.value == sample.status.state


def _health(sample: Sample) -> Iterator[Value]:
    for level in GRAVITY:
        yield "", {"health": level}, level == sample.status.health


def _cameras(sample: Sample) -> Iterator[Value]:
    for camera, seen in sample.status.cameras.items():
        yield "", {"camera": camera}, seen == "live"


def _queues(sample: Sample) -> Iterator[Value]:
    for queue, depth in sample.queues.items():
        yield "", {"queue": queue}, depth


def _link(sample: Sample) -> Iterator[Value]:
    for event, count in sample.link.items():
        yield "", {"event": event}, count


def _info(sample: Sample) -> Iterator[Value]:
    status = sample.status
    recipe = {"recipe": status.recipe_id, "recipe_version": str(status.recipe_version)}
    yield "", recipe | {"mode": status.mode}, 1


def _histogram(choose: Callable[[Tallied], Histogram]) -> Callable[[Sample], Iterator[Value]]:
    def values(sample: Sample) -> Iterator[Value]:
        histogram = choose(sample.tallied)
        for bound, count in zip(histogram.bounds, histogram.at_most, strict=True):
            yield "_bucket", {"le": _number(bound)}, count
        yield "_bucket", {"le": "+Inf"}, histogram.count
        yield "_sum", {}, histogram.total
        yield "_count", {}, histogram.count

    return values


_FAMILIES: tuple[tuple[str, Kind, str, Callable[[Sample], Iterator[Value]]], ...] = (
    (
        "inspector_triggers_received_total",
        "counter",
        "Triggers, own ones included.",
        _counted("received"),
    ),
    ("inspector_triggers_accepted_total", "counter", "Triggers accepted.", _counted("accepted")),
    ("inspector_triggers_refused_total", "counter", "Triggers refused, by reason.", _refused),
    ("inspector_trigger_gaps_total", "counter", "Trigger ids that never came.", _counted("gaps")),
    ("inspector_parts_total", "counter", "Production parts finished, by verdict and cause.", _parts),
    ("inspector_challenge_parts_total", "counter", "Challenge parts finished.", _counted("challenge")),
    ("inspector_parts_in_flight", "gauge", "Accepted parts without a verdict.", _counted("in_flight")),
    (
        "inspector_passes_not_taken_total",
        "counter",
        "PASS verdicts that the PLC did not take.",
        _counted("not_taken"),
    ),
    (
        "inspector_results_unpublished_total",
        "counter",
        "Verdicts in time for which there was no link to the broker.",
        _one(lambda sample: sample.unpublished),
    ),
    (
        "inspector_records_lost_total",
        "counter",
        "Records that only the journal has.",
        _one(lambda sample: sample.lost),
    ),
    (
        "inspector_frames_dropped_total",
        "counter",
        "Frames of a free-running camera that came too fast.",
        _counted("frames_dropped"),
    ),
    (
        "inspector_part_age_seconds",
        "histogram",
        "Age of production parts at their verdict, from trigger or exposure.",
        _histogram(lambda tallied: tallied.age_s),
    ),
    (
        "inspector_deadline_used_ratio",
        "histogram",
        "Age at the verdict as a share of the part's deadline; above 1 is late.",
        _histogram(lambda tallied: tallied.deadline_share),
    ),
    (
        "inspector_link_events_total",
        "counter",
        "What happened to the connection to the broker, by kind.",
        _link,
    ),
    ("inspector_queue_depth", "gauge", "What waits, by queue.", _queues),
    ("inspector_camera_up", "gauge", "1 while the camera delivers.", _cameras),
    ("inspector_station_state", "gauge", "1 for the state that the station is in.", _state),
    ("inspector_station_health", "gauge", "1 for the health that the station is in.", _health),
    (
        "inspector_error_code",
        "gauge",
        "errorCode of the state; 0 is none.",
        _one(lambda sample: sample.status.error_code),
    ),
    (
        "inspector_clock_synced",
        "gauge",
        "Whether times of day can be trusted.",
        _one(lambda sample: sample.status.clock_synced),
    ),
    (
        "inspector_progressing",
        "gauge",
        "0 while the pipeline is stuck.",
        _one(lambda sample: sample.progressing),
    ),
    ("inspector_station_info", "gauge", "Recipe and mode, as labels.", _info),
)


def _labels(labels: Labels) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    return repr(float(value)) if value != int(value) else str(int(value))
