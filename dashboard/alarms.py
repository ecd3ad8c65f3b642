"""What of a station's state must be told, in sentences. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from dashboard import markup, texts
from inspector.records.views import StationState

STALE = timedelta(seconds=3)
"""A station that has said nothing for longer is not shown as live."""


def silent_since(state: StationState | None, now: datetime) -> datetime | None:
    """When a station that does not respond was last heard of; None while it responds."""
    if state is None or not state.online:
        return None
    return state.updated_at if now - state.updated_at > STALE else None


def lost_cameras(state: StationState | None) -> tuple[str, ...]:
    """Names of the cameras that give no pictures."""
    return (
        () if state is None else tuple(name for name, word in state.cameras.items() if word == "lost")
    )


def sentences(state: StationState | None, station: str, zone: ZoneInfo, now: datetime) -> Iterator[str]:
    """The alarms, gravest first."""
    if state is None:
        yield texts.NEVER_REPORTED.format(station=station)
        return
    if (since := silent_since(state, now)) is not None:
        yield texts.NOT_RESPONDING.format(since=markup.clock(since, zone))
        # What it said before is no longer known to hold.
        return
    if not state.online:
        yield texts.OFFLINE
    if state.error_code:
        yield texts.ERROR_CODE.format(code=state.error_code, text=state.error_text)
    elif state.error_text:
        yield f"{texts.HEALTH.get(state.health, state.health)}. {state.error_text}"
    for camera in lost_cameras(state):
        yield texts.CAMERA_LOST.format(camera=camera)
