"""Texts of the Station page."""

from __future__ import annotations

NOT_KNOWN = "not known"
HEARTBEAT = "Last sign of life"
HEARTBEAT_AGO = "{seconds} s ago"
HEARTBEAT_SINCE = "since {moment}"
HEARTBEAT_NEVER = "never"
HEARTBEAT_STOPPED = "stopped in good order"
CAMERAS = "Cameras"
NO_CAMERAS = "The station has not said anything of its cameras."
CAMERA_LOST = "gives no pictures: check cable and power"

MACHINE = "This computer"
TEMPERATURE = "Temperature"
TEMPERATURE_VALUE = "{celsius:.0f} °C"
TEMPERATURE_NOTE = "hottest sensor"
DISK = "Disk free, {what}"
DISK_VALUE = "{gigabytes:.1f} GB"
DISK_NOTE = "{share:.0f} % of {total:.0f} GB"
DISKS = {"state": "records", "evidence": "pictures"}
NO_FOLDER = "no such folder here"

DRIFT = "Picture and scores against calibration"
DRIFT_NONE = (
    "Not configured: there are no readings of drift. They come with a calibrated recipe, "
    "after some parts."
)
DRIFT_COLUMNS = {
    "measure": "Measure",
    "level": "State",
    "index": "Change (PSI)",
    "median": "Median now",
    "reference": "Median then",
    "against": "Then",
    "parts": "Parts",
    "at": "Measured",
}
DRIFT_HELP = "Change: population stability index, usual limits 0.1 (watch) and 0.25 (act now)."
DRIFT_MEASURE = "Course of"
DRIFT_AXIS = "change (PSI)"
LEVEL = {"good": "✔ as calibrated", "watch": "? has changed", "act": "✖ has changed much"}
SCORE_OF = "score of {check}"

CHALLENGES = "Challenge runs"
CHALLENGE_START = "Start a challenge run"
CHALLENGE_HELP = (
    "The station judges the stored known parts. It needs no belt; the gate stays closed meanwhile."
)
CHALLENGE_ASKED = "Asked for a challenge run. The station takes it within seconds."
CHALLENGE_NEEDS = "Log in to start a challenge run."
CHALLENGE_NO_PARTS = (
    "Not configured: the station has no stored challenge parts (challenge.parts). "
    "Only the PLC can challenge."
)
CHALLENGE_OFFLINE = "The station does not run, so no challenge can be started."
NO_CHALLENGES = "No challenge run yet."
PASSED = "✔ passed"
FAILED = "✖ failed"
CHALLENGE_COLUMNS = {
    "at": "Time",
    "passed": "Outcome",
    "text": "In words",
    "recipe": "Recipe",
    "operator": "By",
}
REQUESTS = "Requests to the station"
REQUEST_COLUMNS = {"at": "Time", "kind": "What", "user": "By", "outcome": "State", "text": "In words"}
REQUEST_KINDS = {
    "challenge": "challenge run",
    "prepareRecipe": "change of recipe",
    "reset": "reset",
    "shadow": "shadow run",
}
OUTCOMES = {
    "done": "done",
    "refused": "refused",
    "failed": "failed",
    "expired": "expired",
    "withdrawn": "taken back",
}
WAITING = "waits for the station"
TAKEN = "the station works on it"

EVENTS = "What happened"
EVENTS_LEVELS = "Show"
EVENT_LEVEL = {"error": "✖ error", "warning": "⚠ warning", "info": "· information"}
NO_EVENTS = "Nothing was recorded."
EVENT_COLUMNS = {"at": "Time", "level": "Kind", "event": "Event", "text": "In words"}
