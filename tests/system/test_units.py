"""The shipped units, started by a real systemd with their own sandbox, in namespaces of its own.

What a computer has in its own places is mounted there: the project at ``/opt/line-inspector``, the
line's file in ``/etc/inspector``, and a user ``inspector``. Targets are empty, so nothing else is started.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from support import free_port, wait_for

from system.cli import ROOT

LINE = "inspector@line-3.service"
DASHBOARD = "inspector-dashboard@line-3.service"
TARGETS = (
    "sysinit",
    "basic",
    "shutdown",
    "umount",
    "final",
    "network-online",
    "time-sync",
    "multi-user",
)
PORT = free_port()
ASK = f"""
import urllib.request
print(urllib.request.urlopen("http://127.0.0.1:{PORT}/_stcore/health").read().decode())
"""
CONFIG = """\
line: line-3
state_dir: /var/lib/inspector/line-3
stations:
  - name: cell
    topic: a/b/c/d/e/vision
    recipe: /opt/line-inspector/configs/recipes/pump-cover
    cameras: [{kind: sim, name: top, fps: 10}]
"""
BOOT = """\
set -e
mount -t tmpfs tmpfs /run
mount -t tmpfs -o mode=755 tmpfs /opt
mkdir -p /run/systemd /run/lock /opt/line-inspector /var/lib/inspector
mount --bind "$ROOT" /opt/line-inspector
mount --bind "$HERE/etc" /etc/inspector
mount --bind "$HERE/passwd" /etc/passwd
mount --bind "$HERE/group" /etc/group
mount -t tmpfs -o mode=755 tmpfs /var/lib/inspector
chown inspector:inspector /var/lib/inspector
export container=lxc SYSTEMD_UNIT_PATH="$HERE/units"
exec systemd --system --unit=trial.target --show-status=0
"""
# where this computer's Python and the project lie, should that be hidden
DROP_IN = f"""\
[Service]
ProtectHome=tmpfs
BindReadOnlyPaths={sys.base_prefix} {ROOT}
"""


class Systemd:
    """Process 1 of a PID namespace."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command in there; what it prints."""
        enter = ("nsenter", f"--target={self.pid}", "--mount", "--pid")
        done = subprocess.run(
            [*enter, *command], capture_output=True, text=True, timeout=60, check=False
        )
        assert not check or done.returncode == 0, done.stderr
        return done.stdout.strip()

    def show(self, name: str, unit: str = LINE) -> str:
        """A property of a unit."""
        return self.run("systemctl", "show", f"--property={name}", "--value", unit, check=False)

    def is_ready(self, restarts: int) -> bool:
        """Whether the line works after so many restarts."""
        shown = (self.show("ActiveState"), self.show("StatusText"), self.show("NRestarts"))
        return shown == ("active", "cell: Ready", str(restarts))


def prepare(folder: Path) -> None:
    units, etc = folder / "units", folder / "etc"
    shutil.copytree(ROOT / "deploy" / "systemd", units)
    for unit in ("inspector@", "inspector-dashboard@"):
        (units / f"{unit}.service.d").mkdir()
        (units / f"{unit}.service.d" / "python.conf").write_text(DROP_IN)
    (units / "inspector@.service.d" / "watchdog.conf").write_text("[Service]\nWatchdogSec=4\n")
    setting = f"[Service]\nEnvironment=PORT={PORT}\n"
    (units / "inspector-dashboard@.service.d" / "port.conf").write_text(setting)
    for target in TARGETS:
        (units / f"{target}.target").write_text("[Unit]\nDefaultDependencies=no\n")
    (units / "trial.target").write_text(f"[Unit]\nWants={LINE} {DASHBOARD}\n")
    etc.mkdir()
    (etc / "line-3.yaml").write_text(CONFIG)
    passwd, group = Path("/etc/passwd").read_text(), Path("/etc/group").read_text()
    home = "/var/lib/inspector:/usr/sbin/nologin"
    (folder / "passwd").write_text(f"{passwd}inspector:x:990:990::{home}\n")
    video = "" if "\nvideo:" in group else "video:x:44:\n"
    (folder / "group").write_text(f"{group}{video}inspector:x:990:\n")
    folder.chmod(0o755)


def first_process(outer: subprocess.Popen[bytes], children: Path) -> Systemd | None:
    """systemd, once it answers; None where the computer does not let it be what it is."""
    end = time.monotonic() + 20
    while outer.poll() is None and time.monotonic() < end:
        time.sleep(0.2)
        with suppress(ValueError, FileNotFoundError, subprocess.TimeoutExpired):
            found = Systemd(int(children.read_text()))
            if found.run("systemctl", "show", "--property=Version", "--value", check=False):
                return found
    return None


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    if os.geteuid() != 0 or subprocess.run(["unshare", "-mpf", "true"], check=False).returncode != 0:
        pytest.skip("namespaces are root's, and may be forbidden in a container")
    prepare(tmp_path)
    mountpoint = Path("/etc/inspector")
    made = not mountpoint.exists()
    mountpoint.mkdir(exist_ok=True)
    environment = os.environ | {"ROOT": str(ROOT), "HERE": str(tmp_path)}
    unshare = ["unshare", "--fork", "--pid", "--mount", "--mount-proc", "--propagation", "private"]
    outer = subprocess.Popen(
        [*unshare, "sh", "-c", BOOT], env=environment, stdin=subprocess.DEVNULL, start_new_session=True
    )
    children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
    try:
        first = first_process(outer, children)
        if first is None:
            pytest.skip("systemd cannot be the first process of a namespace here")
        yield first
    finally:
        with suppress(ValueError, ProcessLookupError, FileNotFoundError):
            # with the first process of a namespace all of its processes end
            os.kill(int(children.read_text()), signal.SIGKILL)
        outer.wait(10)
        if made:
            mountpoint.rmdir()


def test_the_units_start_are_watched_and_come_back(systemd: Systemd) -> None:
    wait_for(lambda: systemd.is_ready(0), 60, "a line that works")
    assert systemd.show("ActiveState", DASHBOARD) == "active"
    wait_for(lambda: "ok" in systemd.run(sys.executable, "-c", ASK, check=False), 60, "the dashboard")
    systemd.run("systemctl", "reload", LINE)
    # a process that stands still is noticed
    systemd.run("kill", "-STOP", systemd.show("MainPID"))
    wait_for(lambda: systemd.is_ready(1), 60, "a line that the watchdog has brought back")
    systemd.run("kill", "-KILL", systemd.show("MainPID"))
    wait_for(lambda: systemd.is_ready(2), 60, "a line that is back after kill -9")
    began = time.monotonic()
    systemd.run("systemctl", "stop", LINE)
    assert time.monotonic() - began < 30
    assert (systemd.show("ActiveState"), systemd.show("ExecMainStatus")) == ("inactive", "0")
    owner = systemd.run("stat", "--format=%U %a", "/var/lib/inspector/line-3/records.db")
    assert owner == "inspector 640"
    # wrong input is not tried again
    systemd.run("sh", "-c", "sed -i s/stations/statoins/ /etc/inspector/line-3.yaml")
    systemd.run("systemctl", "start", LINE, check=False)
    wait_for(lambda: systemd.show("ActiveState") == "failed", 30, "a refusal")
    assert (systemd.show("ExecMainStatus"), systemd.show("NRestarts")) == ("2", "0")
