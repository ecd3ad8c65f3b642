"""A mosquitto with the configuration of ``deploy/mosquitto``, and certificates to try it with."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

from inspector.config import Broker
from inspector.errors import OutsideError

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
BASE = "acme/plant/packing/line1/station1/vision"
"""The base topic that the shipped ACL allows."""


def make_pki(folder: Path, *names: str, days: int | None = None) -> Path:
    """Run the script that makes certificates; by default those of the shipped ACL."""
    environment = os.environ | ({} if days is None else {"DAYS": str(days)})
    script = DEPLOY / "make-test-pki.sh"
    subprocess.run(["sh", script, folder, *names], check=True, capture_output=True, env=environment)
    return folder


class SecuredBroker:
    """A mosquitto with ``deploy/mosquitto``: only paths and the port are replaced.

    Raises :class:`~inspector.errors.OutsideError` where mosquitto, or ``deploy``, is not there.
    """

    def __init__(self, folder: Path, pki: Path) -> None:
        program = shutil.which("mosquitto") or shutil.which(
            "mosquitto", path="/usr/sbin:/usr/local/sbin"
        )
        if program is None:
            raise OutsideError("mosquitto is not installed", "Run: apt-get install mosquitto")
        shipped_conf = DEPLOY / "mosquitto" / "mosquitto.conf"
        if not shipped_conf.exists():
            raise OutsideError(f"{shipped_conf} is missing", "Run it from a checkout of the project")
        self._program, self.pki, self._folder = program, pki, folder
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        text = shipped_conf.read_text(encoding="utf-8")
        for shipped, ours in {
            "/etc/mosquitto/certs/": f"{pki}/",
            "/etc/mosquitto/inspector.acl": str(DEPLOY / "mosquitto" / "inspector.acl"),
            "persistence_location /var/lib/mosquitto/": f"persistence_location {folder}/",
            "\nlistener 8883\n": f"\nlistener {self.port} 127.0.0.1\n",
        }.items():
            if shipped not in text:
                raise OutsideError(f"{shipped_conf} has no '{shipped.strip()}'", "Restore the file")
            text = text.replace(shipped, ours)
        # as root it would become the user 'mosquitto', who may not read here
        self._config = folder / "mosquitto.conf"
        self._config.write_text(f"{text}\nuser {getpass.getuser()}\n", encoding="utf-8")

    def start(self, timeout_s: float = 30.0) -> None:
        """Start it and wait until it accepts connections."""
        with (self._folder / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, "-c", str(self._config)], stdout=log, stderr=log
            )
        end = time.monotonic() + timeout_s
        while not self._answers():
            if time.monotonic() > end:
                raise OutsideError("mosquitto did not start", f"See {self._folder}/mosquitto.log")
            time.sleep(0.01)

    def _answers(self) -> bool:
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        """End it in good order."""
        self._end(kill=False)

    def kill(self) -> None:
        """``kill -9``."""
        self._end(kill=True)

    def _end(self, kill: bool) -> None:
        if self._process is None:
            return
        if kill:
            self._process.kill()
        else:
            self._process.terminate()
        self._process.wait(10)
        self._process = None

    def of(self, user: str, **changes: Any) -> Broker:
        """The broker as the client with that certificate has it in its configuration."""
        fields: dict[str, Any] = {
            "port": self.port,
            "ca_file": self.pki / "plant-ca.crt",
            "cert_file": self.pki / f"{user}.crt",
            "key_file": self.pki / f"{user}.key",
            "reconnect_s": 0.1,
        }
        return Broker(**(fields | changes))

    def yaml_of(self, user: str) -> str:
        """The same as further keys of ``broker`` in a line's file."""
        return "".join(
            f", {key}: {self.pki}/{name}"
            for key, name in {
                "ca_file": "plant-ca.crt",
                "cert_file": f"{user}.crt",
                "key_file": f"{user}.key",
            }.items()
        )
