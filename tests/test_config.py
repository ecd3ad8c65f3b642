"""The line's configuration: strict, and relative to its own file."""

from __future__ import annotations

from pathlib import Path

import pytest

from inspector.cameraspecs import FileCamera, FolderCamera, GenICamCamera, LineTrigger
from inspector.config import load_config
from inspector.errors import ConfigError

LINE = """\
line: one
timezone: Europe/Berlin
state_dir: state
stations:
  - name: first
    topic: a/b/c/d/e/vision
    recipe: recipes/soap
    cameras:
      - {kind: opencv, name: top, device: 0}
      - {kind: file, name: side, path: clip.mp4}
    broker: {host: localhost, port: 1883, username: cell, password_file: secret}
    deadline_ms: 500
    queue: 4
  - name: second
    topic: a/b/c/d/f/vision
    recipe: /recipes/soap
    cameras: [{kind: folder, name: drop, path: pictures}]
    evidence: {pass_share: 0.1}
"""


def write(tmp_path: Path, text: str = LINE) -> Path:
    path = tmp_path / "line.yaml"
    path.write_text(text)
    return path


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    config = load_config(write(tmp_path))
    first, second = config.stations
    assert first.recipe == tmp_path / "recipes" / "soap"
    assert second.recipe == Path("/recipes/soap")
    assert isinstance(first.cameras[1], FileCamera)
    assert first.cameras[1].path == tmp_path / "clip.mp4"
    assert isinstance(second.cameras[0], FolderCamera)
    assert second.cameras[0].path == tmp_path / "pictures"
    assert first.broker is not None
    assert (first.broker.password_file, first.broker.ca_file) == (tmp_path / "secret", None)
    assert config.state_dir == tmp_path / "state"
    assert config.station_dir(first) == tmp_path / "state" / "first"
    assert config.database_url(first) == f"sqlite:///{tmp_path / 'state' / 'records.db'}"
    assert config.evidence_dir(second) == tmp_path / "state" / "evidence"


@pytest.mark.parametrize(
    ("old", "new", "line", "message", "remedy"),
    [
        (
            "deadline_ms: 500",
            "deadline_s: 0.5",
            12,
            "unknown key 'stations.0.deadline_s'",
            "'deadline_ms'",
        ),
        (
            "deadline_ms: 500",
            "deadline_ms: 500 ms",
            12,
            "'stations.0.deadline_ms' is '500 ms'",
            "number",
        ),
        ("deadline_ms: 500", "deadline_ms: -1", 12, "'stations.0.deadline_ms' is -1", "greater than 0"),
        ("recipe: recipes/soap", "recipie: recipes/soap", 7, "unknown key", "Did you mean 'recipe'?"),
        ("    recipe: recipes/soap\n", "", 5, "'stations.0.recipe' is missing", "Add 'recipe: …'"),
        ("kind: file", "kind: fiel", 10, "'stations.0.cameras.1.kind' is 'fiel'", "'file'"),
        ("kind: opencv, ", "", 9, "'stations.0.cameras.0.kind' is missing", "Add 'kind: …'"),
        ("port: 1883", "port: mqtt", 11, "'stations.0.broker.port' is 'mqtt'", "integer"),
        ("port: 1883", "port: 70000", 11, "'stations.0.broker.port' is 70000", "65535"),
        ("queue: 4", "queue: 4.5", 13, "'stations.0.queue' is 4.5", "integer"),
        (
            "pass_share: 0.1",
            "pass_share: 5",
            18,
            "evidence.pass_share' is 5",
            "less than or equal to 1",
        ),
        ("Europe/Berlin", "Europe/Bonn", 2, "'timezone' is 'Europe/Bonn'", "IANA time zone"),
        (
            "topic: a/b/c/d/e/vision",
            "topic: a/#/vision",
            6,
            "'stations.0.topic' is 'a/#/vision'",
            "pattern",
        ),
        ("name: second", "name: first", 14, "two stations have the name 'first'", "its own"),
        ("d/f/vision", "d/e/vision", 15, "two stations have the topic", "its own"),
        ("name: side", "name: top", 10, "two cameras of station 'first' are called 'top'", "its own"),
        ("queue: 4", "queue: 4\n    queue: 5", 14, "'queue' is given twice", "Remove one"),
        ("line: one\n", "", 1, "'line' is missing", "Add 'line: …'"),
        ("queue: 4", "challenge: {every_h: 0}", 13, "challenge.every_h' is 0", "greater than 0"),
        ("queue: 4", "challenge: {evry_h: 8}", 13, "unknown key", "Did you mean 'every_h'?"),
        ("queue: 4", "challenge: {good_in_review: -1}", 13, "good_in_review' is -1", "equal to 0"),
        (
            "queue: 4",
            "recipes: [other/paint, other/soap]",
            13,
            "two recipes of station 'first' are called 'soap'",
            "its own",
        ),
        (
            "deadline_ms: 500",
            "deadline_ms: .inf",
            12,
            "'stations.0.deadline_ms' is inf",
            "finite number",
        ),
        (
            "deadline_ms: 500",
            "deadline_ms: .nan",
            12,
            "'stations.0.deadline_ms' is nan",
            "finite number",
        ),
        ("host: localhost", "host: ''", 11, "'stations.0.broker.host' is ''", "at least 1 character"),
        ("port: 1883", "keepalive_s: 70000", 11, "'stations.0.broker.keepalive_s' is 70000", "65535"),
        ("port: 1883", "reconnect_s: 1.0e+300", 11, "broker.reconnect_s' is 1e+300", "3600"),
        ("username: cell, ", "", 11, "'stations.0.broker' is not valid", "state the 'username'"),
        ("port: 1883", "cert_file: my.crt", 11, "'stations.0.broker' is not valid", "as 'ca_file'"),
        (
            "port: 1883",
            "ca_file: ca.crt, key_file: my.key",
            11,
            "broker' is not valid",
            "as 'cert_file'",
        ),
    ],
)
def test_what_is_wrong_is_told_with_file_line_and_remedy(
    tmp_path: Path, old: str, new: str, line: int, message: str, remedy: str
) -> None:
    assert old in LINE
    path = write(tmp_path, LINE.replace(old, new, 1))
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert (caught.value.path, caught.value.line) == (path, line), str(caught.value)
    assert message in str(caught.value)
    assert remedy in str(caught.value)


TWO = """\
line: one
stations:
  - {name: cell, topic: a/b, recipe: soap, broker: {host: mqtt}, sparkplug: {group: plant}}
  - {name: press, topic: a/c, recipe: soap, broker: {host: mqtt}, sparkplug: {group: plant}}
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("name: press", "name: cell-archive", "would have the id 'inspector-cell-archive'"),
        ("name: press", "name: cell-sparkplug", "would have the id 'inspector-cell-sparkplug'"),
        (
            "topic: a/c, recipe: soap, broker: {host: mqtt}, sparkplug: {group: plant}",
            "topic: a/c, recipe: soap, broker: {host: mqtt}, sparkplug: {group: plant, edge_node: cell}",
            "two stations are the edge node 'cell' of the group 'plant'",
        ),
    ],
)
def test_no_two_stations_are_one_to_their_broker(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    load_config(write(tmp_path, TWO))
    assert old in TWO
    text = TWO.replace(old, new, 1)
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(write(tmp_path, text))
    assert (caught.value.line, caught.value.remedy) == (4, "Give each its own")
    start, end = text.rsplit("mqtt", 1)
    load_config(write(tmp_path, f"{start}another{end}"))


def test_a_producer_lies_where_the_file_says(tmp_path: Path) -> None:
    camera = "{kind: genicam, name: eye, producer: lib/p.cti, trigger: {source: Line1}}"
    folder = "{kind: folder, name: drop, path: pictures}"
    config = load_config(write(tmp_path, LINE.replace(folder, camera, 1)))
    (found,) = config.stations[1].cameras
    assert isinstance(found, GenICamCamera)
    assert found.producer == tmp_path / "lib/p.cti"
    assert found.trigger == LineTrigger(source="Line1")


def test_known_parts_and_further_recipes_lie_where_the_file_says(tmp_path: Path) -> None:
    more = "recipes: [paint, /srv/varnish]\n    challenge: {parts: known, every_h: 8, required: true}"
    config = load_config(write(tmp_path, LINE.replace("queue: 4", more, 1)))
    station = config.stations[0]
    assert station.recipes == (tmp_path / "paint", Path("/srv/varnish"))
    assert (station.challenge.parts, station.challenge.required) == (tmp_path / "known", True)
    assert config.stations[1].challenge.parts is None
    assert config.recipe_store == config.state_dir / "recipes"


def test_a_line_without_stations_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="stations"):
        load_config(write(tmp_path, "line: one\nstations: []\n"))


def test_a_station_is_found_by_name_or_by_being_the_only_one(tmp_path: Path) -> None:
    config = load_config(write(tmp_path))
    assert config.station("second").name == "second"
    for unclear in (None, "third"):
        with pytest.raises(KeyError):
            config.station(unclear)
    single = load_config(write(tmp_path, LINE[: LINE.index("  - name: second")]))
    assert single.station(None).name == "first"


@pytest.mark.parametrize("name", ["demo", "shower-gel", "hand-wash"])
def test_shipped_configurations_load(name: str) -> None:
    folder = Path(__file__).resolve().parents[1] / "configs"
    config = load_config(folder / f"{name}.yaml")
    assert all(station.recipe.is_dir() for station in config.stations)
    assert config.zone.key == config.timezone
