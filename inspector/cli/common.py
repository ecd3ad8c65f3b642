"""What several commands share."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from inspector.bundle import Card
from inspector.config import LineConfig, StationConfig, load_config
from inspector.errors import InputError

WEAK_MAP50 = 0.5
"""Below it half of what the detector reports is wrong, or half is missed."""
NOWHERE = "no/plant/no/line/station/vision"
"""A topic that nothing is published on."""


def load_station(path: Path, name: str | None) -> tuple[LineConfig, StationConfig]:
    """The line's configuration and the station meant by ``--station``, or the only one."""
    config = load_config(path)
    try:
        return config, config.station(name)
    except KeyError:
        names = ", ".join(station.name for station in config.stations)
        asked = f"no station '{name}'" if name else "several stations"
        raise InputError(f"{path} has {asked}", f"Give --station, one of: {names}") from None


def weakness(card: Card) -> str:
    """What a user must be told of a detector that has hardly learnt; empty: nothing."""
    reached = card.metrics.get("map50")
    if not isinstance(reached, float) or reached >= WEAK_MAP50:
        return ""
    return (
        f"reached a mAP50 of {reached:.2f} on its validation data, which is little: train it longer "
        "(--minutes), or on more pictures"
    )


def command_line() -> str:
    """The command as the user could type it again, for model cards."""
    return shlex.join(["inspector", *sys.argv[1:]])


def say(text: str) -> None:
    """A result, to stdout."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
