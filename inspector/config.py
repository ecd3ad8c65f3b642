"""The configuration of a line: one frozen pydantic root; unknown keys are refused by file and line.

``configs/example.yaml`` shows every key with a comment. Relative paths are relative to the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from inspector.cameraspecs import CAMERA_FILES, Acquisition, CameraConfig
from inspector.expectation import Name
from inspector.yamlfile import Location, YamlFile

TopicBase = Annotated[str, StringConstraints(pattern=r"^[^/+#\s]+(/[^/+#\s]+)*$", max_length=200)]
ClockTime = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Broker(_Strict):
    """The MQTT broker of the line. Files that are renewed are read again before the next connection."""

    host: str = Field(default="127.0.0.1", min_length=1)
    port: int = Field(default=1883, gt=0, le=65535)
    username: str | None = None
    password_file: Path | None = None
    """A file that holds the password alone; never the password itself."""
    ca_file: Path | None = None
    """Turns TLS on."""
    cert_file: Path | None = None
    key_file: Path | None = None
    """May be left out where the certificate's file holds the key as well."""
    keepalive_s: int = Field(default=5, gt=0, le=65535)
    reconnect_s: float = Field(default=1.0, gt=0, le=3600)

    @model_validator(mode="after")
    def _nothing_is_ignored(self) -> Self:
        if self.key_file is not None and self.cert_file is None:
            raise ValueError("'key_file' is the key of no certificate: name that as 'cert_file'")
        if self.cert_file is not None and self.ca_file is None:
            raise ValueError(
                "'cert_file' without 'ca_file' would be a connection without TLS: name the "
                "certificate of the authority as 'ca_file'"
            )
        if self.password_file is not None and self.username is None:
            raise ValueError("'password_file' is the password of nobody: state the 'username'")
        return self


class Archive(_Strict):
    """How events reach the historian, on ``archive/event``; nothing is archived without a broker."""

    rate_hz: float = Field(default=50, gt=0)
    """Most events a second, so that a backlog never delays a verdict at the broker. A part makes two:
    its result and the PLC's acknowledgement."""
    budget_mb: float = Field(default=1000, gt=0)
    """Most that waiting events may take in the database; later ones are left out of the archive,
    counted and told."""


class Sparkplug(_Strict):
    """An edge node of Sparkplug B 3.0 that shows the station to a SCADA system."""

    group: Name
    edge_node: Name | None = None
    """By default the station's name; unique within the group."""
    primary_host: Name | None = None
    """Host application without which nothing is published; None: published for whoever listens."""
    interval_s: float = Field(default=1.0, ge=0.1)
    """Changes are collected for so long and published together."""


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
    """Flush the journal to the disk for each trigger and verdict, and SQLite's for each batch. Without
    it a power cut can lose what the system had not yet written out, usually the last 30 s; a killed
    process loses nothing."""


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


class Drift(_Strict):
    """When pictures and scores are no longer what they were; see :mod:`inspector.drift`."""

    window: int = Field(default=200, ge=30, le=5000)
    """The last parts, which are compared. Fewer are quicker to tell and see large changes only."""
    learn_parts: int = Field(default=200, ge=30, le=5000)
    """Without a calibration the first so many good parts after the start are the reference."""
    watch_psi: float = Field(default=0.1, gt=0)
    """Population stability index from which on health is ``watch``."""
    act_psi: float = Field(default=0.25, gt=0)
    """The same of ``act``."""
    act_leaves_ready: bool = False
    """Whether the station leaves ``Ready`` while it is ``act``."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.act_psi < self.watch_psi:
            raise ValueError("'act_psi' must not lie below 'watch_psi'")
        return self


class Alarms(_Strict):
    """When so many parts fail, or need a person, that something else is wrong; None: no alarm."""

    fail_run: int | None = Field(default=None, ge=1)
    """So many parts in a row that FAIL."""
    review_run: int | None = Field(default=None, ge=1)
    """So many in a row in REVIEW."""
    fail_rate: float | None = Field(default=None, ge=0, lt=1)
    """A larger share of the last ``window`` parts that FAIL."""
    review_rate: float | None = Field(default=None, ge=0, lt=1)
    """A larger share of them in REVIEW."""
    window: int = Field(default=100, ge=10, le=10_000)
    """Over how many parts rates are taken."""
    leaves_ready: bool = False
    """Whether the station leaves ``Ready`` for it, until somebody has seen to it and sends ``reset``;
    else the alarm is only told, and goes by itself."""


class Reviewing(_Strict):
    """What people look at after the station has judged."""

    blind_share: float = Field(default=0.05, ge=0, le=1)
    """Share of the decisions that a second person makes once more without seeing the first."""
    sample_fail: float = Field(default=0.05, ge=0, le=1)
    """Share of the FAIL parts that are offered for audit, of those whose picture was kept."""
    sample_pass: float = Field(default=0.05, ge=0, le=1)
    """The same of the PASS parts; ``evidence.pass_share`` says of how many a picture is kept."""
    sample_days: float = Field(default=7, gt=0)
    """How long such a part is offered; one in REVIEW is until somebody has decided."""
    claim_min: float = Field(default=5, gt=0)
    """How long a part stays with the person before whose eyes it is."""


class Access(_Strict):
    """Who may do what in the dashboard."""

    users: Path | None = None
    """File of the users and their hashed passwords, written by ``inspector users``; by default
    ``users.json`` in ``state_dir``."""
    login_to_view: bool = False
    """Whether even looking at the pages needs a login; acting always does."""
    idle_min: float = Field(default=30, gt=0)
    """A login ends when nothing has been done for so long."""


class Challenge(_Strict):
    """Known good and known faulty parts that prove the station, and when it must have been proven."""

    parts: Path | None = None
    """A folder with ``good`` and ``faulty``, whose entries are pictures of one part each, or folders
    with one picture a camera; with several recipes a folder of that kind for each, by its name. None:
    only the PLC can challenge, with real parts."""
    every_h: float | None = Field(default=None, gt=0)
    """Due so many hours after the last run."""
    shift_start: bool = False
    """Due at the start of each shift."""
    recipe_change: bool = False
    """Due when the active recipe is not the one that was last proven."""
    grace_min: float = Field(default=0, ge=0)
    """How long after it has become due by time it is overdue."""
    required: bool = False
    """Failed or overdue keeps the station out of ``Ready``; else it is only told."""
    good_in_review: int = Field(default=0, ge=0)
    """How many good parts of a run may go to REVIEW; more of them fail it."""


class StationConfig(_Strict):
    """One place where parts are inspected."""

    name: Name
    topic: TopicBase
    """The base topic ``enterprise/site/area/line/station/vision``."""
    recipe: Path
    """A recipe folder: the one that is active at the start."""
    recipes: tuple[Path, ...] = ()
    """Folders of further recipes, to which ``prepareRecipe`` may change."""
    cameras: tuple[CameraConfig, ...] = ()
    """May be empty in a line that only replays recordings."""
    acquisition: Acquisition = Acquisition()
    broker: Broker | None = None
    """None: verdicts are recorded and published nowhere."""
    archive: Archive = Archive()
    sparkplug: Sparkplug | None = None
    """None: no edge node. It has a connection to the broker of its own."""
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
    challenge: Challenge = Challenge()
    review: Reviewing = Reviewing()
    drift: Drift = Drift()
    alarms: Alarms = Alarms()


class Metrics(_Strict):
    """A page with counters for Prometheus, and ``/health`` for a supervisor."""

    port: int = Field(gt=0, le=65535)
    host: str = "127.0.0.1"
    """Address to listen on. The page names parts' counts and recipes and asks nobody who he is: another
    address belongs behind a firewall."""


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
    access: Access = Access()
    metrics: Metrics | None = None
    """None: no page."""
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

    @property
    def recipe_store(self) -> Path:
        """Where every recipe that has been active is kept, a folder a version."""
        return self.state_dir / "recipes"

    def database_url(self, station: StationConfig) -> str:
        """SQLAlchemy URL of the station's records."""
        return station.records.url or f"sqlite:///{self.state_dir / 'records.db'}"

    @property
    def users_file(self) -> Path:
        """Where the dashboard's users stand."""
        return self.access.users or self.state_dir / "users.json"

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
            camera.model_copy(update={key: absolute(getattr(camera, key))})
            if (key := CAMERA_FILES.get(type(camera)))
            else camera
            for camera in station.cameras
        )
        evidence = station.evidence.model_copy(update={"dir": absolute(station.evidence.dir)})
        challenge = station.challenge.model_copy(update={"parts": absolute(station.challenge.parts)})
        stations.append(
            station.model_copy(
                update={
                    "recipe": absolute(station.recipe),
                    "recipes": tuple(map(absolute, station.recipes)),
                    "challenge": challenge,
                    "broker": broker,
                    "cameras": cameras,
                    "evidence": evidence,
                }
            )
        )
    access = config.access.model_copy(update={"users": absolute(config.access.users)})
    return config.model_copy(
        update={
            "state_dir": absolute(config.state_dir),
            "stations": tuple(stations),
            "access": access,
        }
    )


def _doubles(config: LineConfig) -> Iterator[tuple[Location, str]]:
    """What two would answer to."""
    seen: set[tuple[str, ...]] = set()
    place: Location
    for number, station in enumerate(config.stations):
        for key in ("name", "topic"):
            named = (key, getattr(station, key))
            if named in seen:
                yield ("stations", number, key), f"two stations have the {key} '{named[1]}'"
            seen.add(named)
        for key, called, message in _known_to_the_broker(station):
            if called in seen:
                yield ("stations", number, key), message
            seen.add(called)
        recipes = [station.recipe.name, *(path.name for path in station.recipes)]
        for index, recipe in enumerate(recipes):
            if recipe in recipes[:index]:
                place = ("stations", number, "recipes", index - 1)
                yield place, f"two recipes of station '{station.name}' are called '{recipe}'"
        names = [camera.name for camera in station.cameras]
        for index, name in enumerate(names):
            if name in names[:index]:
                place = ("stations", number, "cameras", index, "name")
                yield place, f"two cameras of station '{station.name}' are called '{name}'"


def _known_to_the_broker(station: StationConfig) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """The keys that name a station's clients there, the names in full, and what is wrong with two."""
    broker, scada = station.broker, station.sparkplug
    if broker is None:
        return
    where = (broker.host, str(broker.port))
    for client in ("", "-archive", *(("-sparkplug",) if scada else ())):
        called = f"inspector-{station.name}{client}"
        yield "name", (*where, called), f"two clients of the broker would have the id '{called}'"
    if scada is not None:
        node = scada.edge_node or station.name
        message = f"two stations are the edge node '{node}' of the group '{scada.group}'"
        yield "sparkplug", (*where, scada.group, node), message
