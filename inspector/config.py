"""The configuration of a line: one frozen pydantic root; unknown keys are refused by file and line.

``configs/example.yaml`` shows every key with a comment. Relative paths are relative to the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
)

from inspector.expectation import Name
from inspector.yamlfile import Location, YamlFile

TopicBase = Annotated[str, StringConstraints(pattern=r"^[^/+#\s]+(/[^/+#\s]+)*$", max_length=200)]
ClockTime = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Camera(_Strict):
    name: Name
    """Names the source in every record."""


class OpenCvCamera(_Camera):
    """A USB camera, an RTSP or HTTP stream, through OpenCV."""

    kind: Literal["opencv"]
    device: int | str
    """Index of the USB camera, or the URL of the stream."""
    width: int | None = Field(default=None, gt=0)
    height: int | None = Field(default=None, gt=0)
    fps: float | None = Field(default=None, gt=0)
    exposure: float | None = None
    """Passed through to the driver, in the driver's unit."""
    gain: float | None = None
    reconnect_s: float = Field(default=1.0, gt=0)
    """First pause before a lost camera is tried again; doubles up to ten times that."""


class FileCamera(_Camera):
    """A video file, played at its own speed as if it were a camera."""

    kind: Literal["file"]
    path: Path
    loop: bool = False


class FolderCamera(_Camera):
    """A folder into which another program drops pictures; each new one is a frame."""

    kind: Literal["folder"]
    path: Path
    poll_s: float = Field(default=0.05, gt=0)


class SimulatedCamera(_Camera):
    """Rendered parts on a moving belt, with known truth."""

    kind: Literal["sim"]
    seed: int = 1
    width: int = Field(default=640, gt=0)
    height: int = Field(default=480, gt=0)
    fps: float = Field(default=5.0, gt=0)
    """A new part in every frame."""


CameraConfig = Annotated[
    OpenCvCamera | FileCamera | FolderCamera | SimulatedCamera, Field(discriminator="kind")
]


class Acquisition(_Strict):
    """Which frame belongs to a trigger."""

    mode: Literal["stream", "wire"] = "stream"
    """``stream``: the camera runs freely, the first frame exposed at or after the trigger counts.
    ``wire``: a photo-eye fires the camera; exactly one frame must lie inside the window, which must be
    shorter than the time between two parts."""
    before_ms: float = Field(default=50, ge=0)
    """How long before the receipt of the trigger the exposure may lie (``wire``)."""
    after_ms: float = Field(default=200, gt=0)
    """How long after it."""


class Broker(_Strict):
    """The MQTT broker of the line."""

    host: str = "127.0.0.1"
    port: int = Field(default=1883, gt=0, le=65535)
    username: str | None = None
    password_file: Path | None = None
    """A file that holds the password alone; never the password itself."""
    ca_file: Path | None = None
    """Turns TLS on."""
    cert_file: Path | None = None
    key_file: Path | None = None
    keepalive_s: int = Field(default=5, gt=0)
    reconnect_s: float = Field(default=1.0, gt=0)


class Records(_Strict):
    """Where inspections are recorded."""

    url: str | None = None
    """Any SQLAlchemy URL; by default SQLite in ``state_dir``."""
    queue: int = Field(default=1000, gt=0)
    """Inspections that may wait for the recorder before they go to the spill file."""
    batch: int = Field(default=200, gt=0)
    flush_ms: float = Field(default=250, gt=0)
    """How long a batch may wait to fill."""
    journal_fsync: bool = False
    """Flush the journal to the disk for each trigger and verdict. Without it a power cut can lose what
    the system had not yet written out, usually the last 30 s, and SQLite the commits since its last
    checkpoint; a killed process loses nothing."""


class Evidence(_Strict):
    """Pictures kept beside the records."""

    dir: Path | None = None
    """By default ``evidence`` in ``state_dir``."""
    pass_share: float = Field(default=0.05, ge=0, le=1)
    """Share of the PASS parts whose picture is kept; of FAIL and REVIEW every one is."""
    quality: int = Field(default=90, ge=1, le=100)
    """JPEG quality."""
    keep_days: float = Field(default=30, gt=0)
    """Age at which the picture of a PASS goes."""
    keep_days_notable: float = Field(default=365, gt=0)
    """Age at which the picture of a FAIL or REVIEW goes."""
    budget_mb: float = Field(default=10_000, gt=0)
    """Disk that pictures may take; beyond it the oldest PASS go first, then the oldest of the rest."""


class StationConfig(_Strict):
    """One place where parts are inspected."""

    name: Name
    topic: TopicBase
    """The base topic ``enterprise/site/area/line/station/vision``."""
    recipe: Path
    """A recipe folder."""
    cameras: tuple[CameraConfig, ...] = ()
    """May be empty in a line that only replays recordings."""
    acquisition: Acquisition = Acquisition()
    broker: Broker | None = None
    """None: verdicts are recorded and published nowhere."""
    deadline_ms: float = Field(default=500, gt=0)
    """For parts that the picture itself triggers; a PLC states its own in each trigger."""
    mode: Literal["production", "commissioning"] = "production"
    queue: int = Field(default=8, gt=0)
    """Accepted parts that may wait; one more becomes REVIEW, ``Overrun``."""
    workers: int = Field(default=3, gt=0)
    """Parts inspected at the same time: one more than two cores, so that neither waits for a thread
    that is writing down a verdict."""
    runtime: Literal["openvino", "torch"] = "openvino"
    threads: int | None = Field(default=None, gt=0)
    """Processor threads for the networks; by default all cores."""
    records: Records = Records()
    evidence: Evidence = Evidence()


class Shift(_Strict):
    """A shift begins at ``start``, local time, and ends where the next begins."""

    name: Name
    start: ClockTime


class LineConfig(_Strict):
    """The root of the configuration."""

    line: Name
    timezone: str = "UTC"
    """IANA name; times in records are UTC, shifts are local."""
    shifts: tuple[Shift, ...] = (Shift(name="day", start="00:00"),)
    state_dir: Path = Path("var")
    """Journal, recipe store, database and evidence unless placed elsewhere."""
    stations: tuple[StationConfig, ...] = Field(min_length=1)

    @field_validator("timezone")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError(f"'{value}' is no IANA time zone, such as Europe/Berlin")
        return value

    @property
    def zone(self) -> ZoneInfo:
        """The plant's time zone."""
        return ZoneInfo(self.timezone)

    def station(self, name: str | None) -> StationConfig:
        """The station of that name, or the only one. ``KeyError`` when it is not clear which."""
        if name is None and len(self.stations) == 1:
            return self.stations[0]
        return {station.name: station for station in self.stations}[name or ""]

    def station_dir(self, station: StationConfig) -> Path:
        """Where that station keeps its journal and lock."""
        return self.state_dir / station.name

    def database_url(self, station: StationConfig) -> str:
        """SQLAlchemy URL of the station's records."""
        return station.records.url or f"sqlite:///{self.state_dir / 'records.db'}"

    def evidence_dir(self, station: StationConfig) -> Path:
        """Root folder of the station's pictures."""
        return station.evidence.dir or self.state_dir / "evidence"


def load_config(path: Path) -> LineConfig:
    """Read a line file. Raises :class:`~inspector.errors.ConfigError` with file, line and remedy."""
    file = YamlFile(path)
    config = file.parse(LineConfig)
    for location, message in _doubles(config):
        raise file.error(location, message, "Give each its own")
    base = path.resolve().parent

    def absolute(value: Path | None) -> Path | None:
        return None if value is None else (base / value.expanduser()).resolve()

    stations = []
    for station in config.stations:
        broker = station.broker
        if broker is not None:
            files = ("password_file", "ca_file", "cert_file", "key_file")
            broker = broker.model_copy(update={name: absolute(getattr(broker, name)) for name in files})
        cameras = tuple(
            camera.model_copy(update={"path": absolute(camera.path)})
            if isinstance(camera, FileCamera | FolderCamera)
            else camera
            for camera in station.cameras
        )
        evidence = station.evidence.model_copy(update={"dir": absolute(station.evidence.dir)})
        stations.append(
            station.model_copy(
                update={
                    "recipe": absolute(station.recipe),
                    "broker": broker,
                    "cameras": cameras,
                    "evidence": evidence,
                }
            )
        )
    return config.model_copy(
        update={"state_dir": absolute(config.state_dir), "stations": tuple(stations)}
    )


def _doubles(config: LineConfig) -> Iterator[tuple[Location, str]]:
    """What two would answer to."""
    seen: set[tuple[str, str]] = set()
    for number, station in enumerate(config.stations):
        for key in ("name", "topic"):
            named = (key, getattr(station, key))
            if named in seen:
                yield ("stations", number, key), f"two stations have the {key} '{named[1]}'"
            seen.add(named)
        names = [camera.name for camera in station.cameras]
        for index, name in enumerate(names):
            if name in names[:index]:
                place = ("stations", number, "cameras", index, "name")
                yield place, f"two cameras of station '{station.name}' are called '{name}'"
