"""What is shipped for a plant: units, image, compose file, documents. Nothing here needs an engine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from system.cli import ROOT

from inspector.alarm import FAIL_RATE, FAIL_RUN, REVIEW_RATE, REVIEW_RUN
from inspector.cli import app
from inspector.cli.run import run
from inspector.config import load_config
from inspector.contract import StateName
from inspector.control import ASTRAY_ERROR, CAMERA_ERROR, DRIFT_ERROR, STORAGE_ERROR
from inspector.domain import Cause
from inspector.livestation import RELOADED

DEPLOY = ROOT / "deploy"
HOME = "/opt/line-inspector"
PAGE = DEPLOY / "README.md"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
ANALYZE = shutil.which("systemd-analyze")


# --- units -----------------------------------------------------------------------------------------


def settings(unit: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for text in unit.read_text(encoding="utf-8").splitlines():
        if text and text[0] not in "#[":
            key, _, value = text.partition("=")
            found[key].append(value)
    return found


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_is_hardened(unit: Path) -> None:
    given = settings(unit)
    for key, value in {
        "User": "inspector",
        "NoNewPrivileges": "yes",
        "ProtectSystem": "strict",
        "ProtectHome": "yes",
        "PrivateTmp": "yes",
        "CapabilityBoundingSet": "",
        "ReadWritePaths": "/var/lib/inspector",
        "StateDirectory": "inspector",
    }.items():
        assert given[key] == [value], key
    allowed = [call for value in given["SystemCallFilter"] for call in value.split()]
    assert allowed[0] == "@system-service"
    # beyond it: to ask how far off the clock may be; nobody has the right to set it
    assert set(allowed[1:]) <= {"adjtimex", "clock_adjtime"}


def test_every_state_and_every_cause_is_explained_to_the_plc_programmer() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for cause in Cause:
        assert f"{cause.code} `{cause.word}`" in text
    for state in StateName:
        assert f"| `{state.value}` |" in text
    codes = re.search(r"`errorCode`: (.*?)`errorText`", text, re.DOTALL)
    assert codes is not None
    known = {CAMERA_ERROR, ASTRAY_ERROR, STORAGE_ERROR, DRIFT_ERROR}
    known |= {FAIL_RUN, REVIEW_RUN, FAIL_RATE, REVIEW_RATE}
    assert {int(code) for code in re.findall(r"\d+", codes[1])} == {0, *known}


def test_the_daemon_s_unit_knows_how_the_daemon_behaves() -> None:
    given = settings(DEPLOY / "systemd" / "inspector@.service")
    assert given["Type"] == ["notify"]
    assert float(given["WatchdogSec"][0]) > 5, "longer than a part may take before it is stuck"
    assert given["RestartPreventExitStatus"] == ["2"]
    assert given["ExecReload"] == ["/bin/kill -HUP $MAINPID"]
    assert given["ProtectClock"] == [], "it forbids to ask the kernel whether the clock is synchronised"
    command = given["ExecStart"][0].split()
    assert command[0] == f"{HOME}/.venv/bin/inspector"
    group = typer.main.get_command(app)
    assert command[1] in group.list_commands(None)  # type: ignore[attr-defined, arg-type]


def test_the_dashboard_s_unit_starts_a_file_that_is_there() -> None:
    given = settings(DEPLOY / "systemd" / "inspector-dashboard@.service")
    script = next(word for word in given["ExecStart"][0].split() if word.endswith(".py"))
    assert (ROOT / Path(script).relative_to(HOME)).is_file()
    assert (ROOT / Path(given["WorkingDirectory"][0]).relative_to(HOME)).is_dir()
    assert "--server.address=127.0.0.1" in given["ExecStart"][0]


def test_two_dashboards_on_one_computer_can_have_two_ports() -> None:
    given = settings(DEPLOY / "systemd" / "inspector-dashboard@.service")
    assert "--server.port=${PORT} " in given["ExecStart"][0]
    assert not re.search(r"port\S*\d", given["ExecStart"][0])
    assert "PORT=8501" in given["Environment"]
    assert "`Environment=PORT=8502`" in PAGE.read_text(encoding="utf-8")


def test_the_dashboard_is_there_when_the_line_is_not() -> None:
    """The daemon is ready once its broker and cameras have been there; nothing else waits for that."""
    given = settings(DEPLOY / "systemd" / "inspector-dashboard@.service")
    for key in ("After", "Requires", "Wants", "BindsTo", "PartOf", "Requisite"):
        assert not any("inspector@" in value for value in given[key]), key
    started = [
        line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("systemctl ")
    ]
    assert "systemctl enable --now --no-block inspector@line-3" in started
    assert all("--no-block" in line for line in started if "inspector@" in line)


def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    if ANALYZE is None:
        missing = "systemd-analyze is not installed: apt install systemd"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    for unit in UNITS:
        text = unit.read_text(encoding="utf-8").replace(f"{HOME}/.venv/bin/", f"{tmp_path}/")
        (tmp_path / unit.name).write_text(text.replace(HOME, str(ROOT)), encoding="utf-8")
    for program in ("inspector", "streamlit"):
        (tmp_path / program).write_text("#!/bin/sh\n")
        (tmp_path / program).chmod(0o755)
    for unit in UNITS:
        done = subprocess.run(
            [str(ANALYZE), "verify", "--man=no", str(tmp_path / unit.name)],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (0, "")
        done = subprocess.run(
            [str(ANALYZE), "security", "--offline=yes", "--threshold=20", str(tmp_path / unit.name)],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout[-300:]


# --- containers ------------------------------------------------------------------------------------


def instructions() -> list[tuple[str, str]]:
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    lines = [one for one in text.splitlines() if not one.startswith("#")]
    whole = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [
        (word, rest) for word, _, rest in (one.partition(" ") for one in whole.splitlines()) if word
    ]


def ignored() -> list[str]:
    return (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()


def test_the_image_copies_what_is_there_and_what_is_not_ignored() -> None:
    allowed = [one[1:] for one in ignored() if one.startswith("!")]
    for word, rest in instructions():
        if word == "COPY" and not rest.startswith("--from="):
            for source in rest.split()[:-1]:
                assert (ROOT / source).exists(), source
                assert any(source == one or source.startswith(f"{one}/") for one in allowed), source
    for one in allowed:
        assert (ROOT / one).exists(), one


def test_the_image_runs_as_nobody_special_and_tells_its_health() -> None:
    words = [word for word, _ in instructions()]
    assert [rest for word, rest in instructions() if word == "USER"][-1] == "inspector"
    assert "HEALTHCHECK" in words
    assert words.index("USER") < words.index("ENTRYPOINT")
    assert dict(instructions())["ENTRYPOINT"] == '["inspector"]'
    # nothing floats: a base without a tag would be another one tomorrow
    assert all(":" in rest.split()[0] for word, rest in instructions() if word == "FROM")


def test_the_image_installs_what_the_system_needs() -> None:
    listed = [
        text.split()[:2]
        for text in (DEPLOY / "system-packages.txt").read_text(encoding="utf-8").splitlines()
        if text and not text.startswith("#")
    ]
    wanted = {name for group, name in listed if group == "run"} - {"python3-venv"}  # the base has it
    runs = " ".join(rest for word, rest in instructions() if word == "RUN")
    assert wanted <= set(runs.split())


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text("utf-8"))
    return loaded


def test_every_path_and_name_in_the_compose_file_exists() -> None:
    file = compose()
    services, volumes = file["services"], file["volumes"]
    used = set()
    for name, service in services.items():
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (DEPLOY / "compose" / source).resolve().exists(), source
            else:
                used.add(source)
        for needed in service.get("depends_on", {}):
            assert needed in services, (name, needed)
        if "build" in service:
            context = (DEPLOY / "compose" / service["build"]["context"]).resolve()
            assert context == ROOT
            assert (context / service["build"]["dockerfile"]).is_file()
    assert used == set(volumes)
    images = {service["image"] for service in services.values() if "build" not in service}
    assert images == {"line-inspector", "eclipse-mosquitto:2.0"}


def test_every_service_is_hardened_and_has_a_health_check() -> None:
    for name, service in compose()["services"].items():
        if name == "prepare":
            continue  # it ends
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "healthcheck" in service or service["image"] == "line-inspector"
    # all but the broker, which wants certificates, are for this computer alone
    ports = [port for service in compose()["services"].values() for port in service.get("ports", [])]
    assert sorted(ports) == ["127.0.0.1:8501:8501", "8883:8883"]


def test_the_line_of_the_compose_file_fits_broker_image_and_acl() -> None:
    line = load_config(DEPLOY / "compose" / "line.yaml")
    station, file = line.stations[0], compose()
    assert station.broker is not None
    assert station.broker.host in file["services"]
    assert station.recipe.is_relative_to(HOME)
    assert (ROOT / station.recipe.relative_to(HOME) / "recipe.yaml").is_file()
    acl = (DEPLOY / "mosquitto" / "inspector.acl").read_text(encoding="utf-8")
    assert station.broker.cert_file is not None
    user = station.broker.cert_file.stem
    assert f"user {user}\ntopic read  {station.topic}/cmd/#" in acl
    mounts = [volume.split(":")[1] for volume in file["services"]["line"]["volumes"]]
    assert str(station.broker.cert_file.parent) in mounts
    assert any(line.state_dir.is_relative_to(mount) for mount in mounts)
    assert line.metrics is not None
    assert f":{line.metrics.port}/health" in dict(instructions())["HEALTHCHECK"]
    listener = re.search(r"^listener (\d+)", (DEPLOY / "mosquitto/mosquitto.conf").read_text(), re.M)
    assert listener is not None
    assert int(listener[1]) == station.broker.port


# --- broker ----------------------------------------------------------------------------------------


def test_the_broker_s_configuration_says_where_it_goes_and_whom_the_acl_knows() -> None:
    text = (DEPLOY / "mosquitto" / "mosquitto.conf").read_text(encoding="utf-8")
    # Debian's own file has persistence_location too, and includes what lies in conf.d
    assert "conf.d" not in text
    assert "in place of /etc/mosquitto/mosquitto.conf" in text
    assert "chown -R mosquitto: /etc/mosquitto/certs" in text
    acl = (DEPLOY / "mosquitto" / "inspector.acl").read_text(encoding="utf-8")
    users = set(re.findall(r"^user (\S+)$", acl, re.M))
    told = re.findall(r"mosquitto_passwd -c (\S+) (\w+)", text)
    assert told
    for file, user in told:
        assert user in users
        assert f"chown mosquitto: {file}" in text
        assert f"#password_file {file}\n" in text


# --- documents -------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", ["README.md", "plc/README.md"])
def test_every_link_leads_somewhere(page: str) -> None:
    path = DEPLOY / page
    text = path.read_text(encoding="utf-8")
    headings = {
        re.sub(r"[^a-z0-9 -]", "", head.lower()).replace(" ", "-")
        for head in re.findall(r"^#+ (.*)$", text, re.M)
    }
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("#"):
            assert target[1:] in headings, target
        else:
            assert (path.parent / target).exists(), target


def test_the_topics_page_names_every_schema_and_says_what_mqtt_is_not() -> None:
    text = PAGE.read_text(encoding="utf-8")
    schemas = {path.name for path in (DEPLOY / "schemas").glob("*.schema.json")}
    linked = set(re.findall(r"schemas/(\w+\.schema\.json)", text))
    assert linked == schemas
    assert "MQTT is never a safety function" in text


def test_what_is_run_by_hand_is_run_as_the_services_user() -> None:
    """What root writes below their folder they cannot: the daemon would end each second."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    commands = [line for line in lines if ".venv/bin/inspector " in line]
    assert all(line.startswith("sudo -u inspector ") for line in commands), commands
    assert any(" users add /etc/inspector/line-3.yaml " in line for line in commands), "the first login"
    made = " ".join(line for line in lines if line.startswith("install -d -o inspector -g inspector "))
    state_dir = re.search(r"`state_dir: (\S+)`", PAGE.read_text(encoding="utf-8"))
    assert state_dir is not None
    assert state_dir[1] in made.split()


def test_a_folder_elsewhere_is_opened_in_both_units() -> None:
    row = next(
        line for line in PAGE.read_text(encoding="utf-8").splitlines() if "`ReadWritePaths=" in line
    )
    assert "systemctl edit` both units" in row


def test_page_and_command_name_all_that_a_reload_takes_over() -> None:
    row = next(
        line for line in PAGE.read_text(encoding="utf-8").splitlines() if "`systemctl reload" in line
    )
    for group in {key.partition(".")[0] for key in RELOADED}:
        assert f"`{group}`" in row
        assert group in str(run.__doc__)
