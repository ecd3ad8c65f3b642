"""What ``inspector check`` looks at beyond configuration and recipes."""

from __future__ import annotations

import os
import shutil
from collections import namedtuple
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from fakes import ScriptedCamera
from support import BASE, Mosquitto, free_port
from system.cli import ROOT, run_here

from inspector import preflight
from inspector.config import LineConfig, StationConfig
from inspector.errors import ConfigError
from inspector.livestation import StationLock
from inspector.preflight import Outcome
from inspector.records.store import RecipeStore
from inspector.sim.mosquitto import make_pki

CAMERA: dict[str, Any] = {"kind": "sim", "name": "top", "fps": 50}


def station(folder: Path, **changes: Any) -> StationConfig:
    fields: dict[str, Any] = {"name": "cell", "topic": BASE, "recipe": folder, "cameras": [CAMERA]}
    return StationConfig.model_validate(fields | {"evidence": {"budget_mb": 1}} | changes)


def line(folder: Path, one: StationConfig) -> LineConfig:
    return LineConfig(line="line", state_dir=folder / "state", stations=(one,))


def surroundings(folder: Path, **changes: Any) -> list[Outcome]:
    one = station(folder, **changes)
    return list(preflight.surroundings(line(folder, one), one))


def about(outcomes: list[Outcome], word: str) -> Outcome:
    found = [one for one in outcomes if word in one.text]
    assert len(found) == 1, outcomes
    return found[0]


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pki(tmp_path_factory.mktemp("pki"), "station1", days=60)


def broker(pki: Path, **changes: Any) -> dict[str, Any]:
    names = {"ca_file": "plant-ca.crt", "cert_file": "station1.crt", "key_file": "station1.key"}
    return {key: pki / name for key, name in names.items()} | changes


def test_an_edge_node_without_its_library_is_told_before_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = station(tmp_path, broker={"port": 1883}, sparkplug={"group": "plant"})
    assert not [outcome for outcome in preflight.files(one) if outcome.level == "error"]

    def missing() -> None:
        raise ConfigError("protobuf is not installed", "pip install '.[sparkplug]'")

    monkeypatch.setattr(preflight.sparkplug_payload, "require", missing)
    (error,) = preflight.files(one)
    assert (error.level, error.text, error.exit_code) == ("error", "protobuf is not installed", 2)


def test_certificates_are_read_before_they_expire(pki: Path, tmp_path: Path) -> None:
    one = station(tmp_path, broker=broker(pki))
    now = datetime.now(UTC)
    assert [outcome.level for outcome in preflight.files(one)] == ["good", "good"]
    soon = list(preflight.files(one, now + timedelta(days=40)))
    assert [outcome.level for outcome in soon] == ["good", "warning"]
    assert "station1.crt is valid until" in soon[1].text
    over = list(preflight.files(one, now + timedelta(days=61)))
    assert (over[1].level, over[1].exit_code) == ("error", 2)
    assert "station1.crt expired on" in over[1].text
    assert "Renew" in over[1].remedy


def test_a_certificate_that_is_none_and_a_key_that_is_another_s(pki: Path, tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text("nothing")
    one = station(tmp_path, broker=broker(pki, cert_file=tmp_path / "cert.pem"))
    wrong = [outcome for outcome in preflight.files(one) if outcome.level == "error"]
    assert "is no certificate" in wrong[0].text
    assert {outcome.exit_code for outcome in wrong} == {2}
    one = station(tmp_path, broker=broker(pki, key_file=pki / "broker.key"))
    wrong = [outcome for outcome in preflight.files(one) if outcome.level == "error"]
    assert "the TLS files cannot be used" in wrong[0].text


def test_a_healthy_station_has_nothing_but_good(mosquitto: Mosquitto, tmp_path: Path) -> None:
    outcomes = surroundings(tmp_path, broker={"port": mosquitto.port}, archive={"budget_mb": 1})
    assert {outcome.level for outcome in outcomes if "clock" not in outcome.text} == {"good"}, outcomes
    assert "answers" in about(outcomes, "MQTT broker").text
    assert "640x480" in about(outcomes, "camera 'top'").text
    # asking leaves no trace
    assert not (tmp_path / "state").exists()


def test_a_broker_that_is_down_is_an_error_of_a_live_station_alone(tmp_path: Path) -> None:
    down = {"port": free_port()}
    live = about(surroundings(tmp_path, broker=down), "MQTT broker")
    assert (live.level, live.exit_code) == ("error", 3)
    assert "Start the broker" in live.remedy
    replaying = about(surroundings(tmp_path, broker=down, cameras=[]), "MQTT broker")
    assert (replaying.level, replaying.exit_code) == ("warning", 0)


def test_a_full_disk_is_an_error_and_a_small_one_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    for free_mb, level in ((100, "error"), (2_000, "warning"), (20_000, "good")):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free_mb: usage(0, 0, free * 1e6))
        outcome = about(surroundings(tmp_path, evidence={"budget_mb": 10_000}), "evidence:")
        assert outcome.level == level
        assert f"{free_mb:,} MB are free" in outcome.text
    # what the pictures take already needs no more room
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(0, 0, 600e6))
    day = tmp_path / "state" / "evidence" / "cell" / "2026-03-01"
    day.mkdir(parents=True)
    (day / "frame-0.jpg").write_bytes(bytes(2_000_000))
    assert about(surroundings(tmp_path, evidence={"budget_mb": 601}), "evidence:").level == "good"


def test_the_budgets_of_all_stations_on_one_disk_are_added_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(0, 0, 2_000e6))
    one = station(tmp_path, evidence={"budget_mb": 1_200}, broker={}, archive={"budget_mb": 100})
    other = one.model_copy(update={"name": "other"})

    def told(*stations: StationConfig) -> dict[str, Outcome]:
        config = LineConfig(line="line", state_dir=tmp_path / "state", stations=stations)
        folders = {"state_dir": config.state_dir, "evidence": config.evidence_dir(one)}
        return {key: preflight._room(key, folder, config) for key, folder in folders.items()}

    assert {outcome.level for outcome in told(one).values()} == {"good"}
    for key, outcome in told(one, other).items():
        assert outcome.level == "warning", key
        assert "may use 2,600 MB more" in outcome.text
    # what is there of one's pictures needs no more room
    day = tmp_path / "state" / "evidence" / "other" / "2026-03-01"
    day.mkdir(parents=True)
    with (day / "frame-0.jpg").open("wb") as file:
        file.truncate(700_000_000)  # a hole: it takes no room
    assert {outcome.level for outcome in told(one, other).values()} == {"good"}
    # pictures on a disk of their own are not counted with the rest
    disks = {tmp_path / "disk": 7}
    monkeypatch.setattr(preflight, "_disk_of", lambda folder: disks.get(folder, 1))
    apart = other.model_copy(
        update={"evidence": other.evidence.model_copy(update={"dir": tmp_path / "disk"})}
    )
    assert {outcome.level for outcome in told(one, apart).values()} == {"good"}


def test_pictures_that_are_removed_while_they_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Retention takes a day between its listing and a look into it, and a file as well."""
    for name in ("2026-03-01", "2026-03-02"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "frame-0.jpg").write_bytes(bytes(1_000_000))
    assert preflight._size_mb(tmp_path) == 2
    real = os.walk

    def walk(top: Path) -> Iterator[Any]:
        for entry in real(top):
            if entry[1]:
                shutil.rmtree(tmp_path / "2026-03-01")
            else:
                shutil.rmtree(entry[0])
            yield entry

    monkeypatch.setattr(os, "walk", walk)
    assert preflight._size_mb(tmp_path) == 0
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_closed_to_whoever_asks_is_told_and_not_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed, real = tmp_path / "state", Path.exists

    def exists(path: Path, **options: Any) -> bool:
        if closed in path.parents:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, **options)

    closed.mkdir()
    monkeypatch.setattr(Path, "exists", exists)
    outcomes = surroundings(tmp_path)
    outcome = about(outcomes, "evidence:")
    assert (outcome.level, outcome.exit_code) == ("error", 3)
    assert outcome.text.endswith(f"{closed / 'evidence'} cannot be looked at: Permission denied")
    assert "sudo -u inspector" in outcome.remedy
    assert "640x480" in about(outcomes, "camera 'top'").text


def test_a_folder_that_cannot_be_one(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    outcome = surroundings(tmp_path)
    wrong = [one for one in outcome if one.level == "error"]
    assert {one.exit_code for one in wrong} == {3}
    assert "is no folder" in wrong[0].text
    assert "state_dir" in wrong[0].remedy


def test_a_camera_that_is_absent_or_plays_nothing(tmp_path: Path) -> None:
    absent = {"kind": "opencv", "name": "usb", "device": 97}
    (tmp_path / "drop").mkdir()
    waiting = {"kind": "folder", "name": "drop", "path": tmp_path / "drop"}
    outcomes = surroundings(tmp_path, cameras=[absent, waiting])
    usb = about(outcomes, "usb")
    assert (usb.level, usb.exit_code) == ("error", 3)
    drop = about(outcomes, "'drop'")
    assert (drop.level, "waits" in drop.text) == ("good", True)
    clip = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(clip), cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 48))
    writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
    played = about(
        surroundings(tmp_path, cameras=[{"kind": "file", "name": "clip", "path": clip}]), "clip"
    )
    assert "64x48" in played.text


def test_a_camera_whose_film_or_producer_is_absent_is_told_with_all_the_rest(tmp_path: Path) -> None:
    film = {"kind": "file", "name": "clip", "path": tmp_path / "clip.avi"}
    producer = {"kind": "genicam", "name": "gige", "producer": tmp_path / "maker.cti"}
    outcomes = surroundings(tmp_path, cameras=[film, producer, CAMERA])
    for word in ("clip.avi", "maker.cti"):
        outcome = about(outcomes, word)
        assert (outcome.level, outcome.exit_code) == ("error", 2)
        assert outcome.remedy
    assert "640x480" in about(outcomes, "'top'").text


@pytest.mark.parametrize("continuous", [True, False])
def test_whatever_a_driver_raises_is_an_error_of_that_camera(
    continuous: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a triggered camera silence is good: it must not be taken for silence."""
    broken = ScriptedCamera(continuous=continuous)
    broken.put(RuntimeError("the transport layer is gone"))
    monkeypatch.setattr(preflight, "build_camera", lambda _: broken)
    outcome = about(surroundings(tmp_path), "'top'")
    assert (outcome.level, outcome.exit_code) == ("error", 3)
    assert "RuntimeError: the transport layer is gone" in outcome.text
    assert broken.closed


@pytest.mark.parametrize("moment", ["built", "closed"])
def test_whatever_a_driver_raises_at_any_moment(
    moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raises(*_: object) -> Any:
        raise OSError("libusb")

    camera = ScriptedCamera()
    camera.put(None)
    monkeypatch.setattr(camera, "close", raises)
    made = raises if moment == "built" else lambda _: camera
    monkeypatch.setattr(preflight, "build_camera", made)
    outcome = about(surroundings(tmp_path), "'top'")
    assert (outcome.level, outcome.exit_code) == ("error", 3)
    assert "OSError: libusb" in outcome.text


def test_a_camera_that_hangs_does_not_hang_the_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = ScriptedCamera(continuous=True)
    monkeypatch.setattr(preflight, "build_camera", lambda _: silent)
    monkeypatch.setattr(preflight, "CAMERA_S", 0.1)
    outcome = about(surroundings(tmp_path), "'top'")
    assert (outcome.level, outcome.exit_code) == ("error", 3)
    assert "no picture within 0.1 s" in outcome.text


def test_a_running_station_keeps_its_cameras(tmp_path: Path) -> None:
    lock = StationLock(tmp_path / "state" / "cell", "cell")
    assert "not tried" in about(surroundings(tmp_path), "camera").text
    lock.release()
    assert "640x480" in about(surroundings(tmp_path), "camera").text


def test_a_clock_that_is_not_synchronised_or_that_nobody_knows_of_is_a_warning() -> None:
    assert preflight._clock(True).level == "good"
    wrong = preflight._clock(False)
    assert wrong.level == "warning"
    assert "verdicts are not concerned" in wrong.text
    unknown = preflight._clock(None)
    assert (unknown.level, unknown.exit_code) == ("warning", 0)
    assert "nothing here says" in unknown.text
    assert "timedatectl" in unknown.remedy


def test_a_database_that_nothing_here_can_speak_to(tmp_path: Path) -> None:
    records = {"url": "nosuch://nobody@127.0.0.1/records"}
    wrong = [one for one in surroundings(tmp_path, records=records) if one.level == "error"]
    assert [one.exit_code for one in wrong] == [2]


@pytest.fixture
def line_file(tmp_path: Path) -> Path:
    path = tmp_path / "line.yaml"
    path.write_text(
        "line: checked\nstate_dir: state\nstations:\n"
        f"  - name: cell\n    topic: {BASE}\n    recipe: {ROOT}/configs/recipes/pump-cover\n"
        "    evidence: {budget_mb: 1}\n"
    )
    return path


def test_check_prints_a_line_for_each_thing_and_tells_2_from_3(
    line_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = run_here(monkeypatch, capsys, "check", line_file)
    assert outcome.code == 0, outcome.err
    assert "cell: no broker is configured" in outcome.out
    assert "cell: evidence: " in outcome.out

    down = f"    cameras: [{{kind: sim, name: top, fps: 50}}]\n    broker: {{port: {free_port()}}}\n"
    line_file.write_text(line_file.read_text() + down)
    outcome = run_here(monkeypatch, capsys, "check", line_file)
    assert outcome.code == 3
    told = [text for text in outcome.err.splitlines() if text.startswith("cell: error: ")]
    assert len(told) == 1
    assert "cannot be reached" in told[0]
    assert "Start the broker" in told[0]
    assert "cell: camera 'top' delivers pictures of 640x480 pixels" in outcome.out

    outcome = run_here(monkeypatch, capsys, "check", "--offline", line_file)
    assert outcome.code == 0
    assert "camera" not in outcome.out

    line_file.write_text(line_file.read_text().replace("broker: {", "broker: {ca_file: none.crt, "))
    outcome = run_here(monkeypatch, capsys, "check", line_file)
    assert outcome.code == 2
    assert "none.crt is no certificate" in outcome.err


def test_check_tells_the_rest_of_a_station_whose_recipes_are_closed_to_whoever_asks(
    line_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def closed(*_: object) -> bool:
        raise PermissionError(13, "Permission denied", "/var/lib/inspector/line-3")

    monkeypatch.setattr(RecipeStore, "check", closed)
    outcome = run_here(monkeypatch, capsys, "check", line_file)
    assert outcome.code == 3
    assert "cell: error: /var/lib/inspector/line-3 cannot be read by this user. Ask as" in outcome.err
    assert "cell: evidence: " in outcome.out


def test_check_has_told_what_it_saw_before_a_camera_that_cannot_be_built(
    line_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cameras = "[{kind: file, name: clip, path: clip.avi}, {kind: sim, name: top, fps: 50}]"
    line_file.write_text(f"{line_file.read_text()}    cameras: {cameras}\n")
    outcome = run_here(monkeypatch, capsys, "check", line_file)
    assert outcome.code == 2
    assert f"cell: error: {line_file.parent / 'clip.avi'} does not exist. Check the path" in outcome.err
    assert "cell: evidence: " in outcome.out
    assert "cell: camera 'top' delivers pictures of 640x480 pixels" in outcome.out
