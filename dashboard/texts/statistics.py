"""Texts of the Statistics page and the shift report."""

from __future__ import annotations

KIND = "Parts counted"
KINDS = {
    "production": "Production",
    "simulated": "Simulated and commissioning",
    "challenge": "Challenge parts",
}
NOT_PRODUCTION = {
    "simulated": "These parts are simulated or of commissioning. No figure below is of production.",
    "challenge": "These are challenge parts. No figure below is of production.",
}
ASIDE = "Not counted here: {others}."
ASIDE_KIND = {
    "production": "{count} production parts",
    "simulated": "{count} simulated or commissioning parts",
    "challenge": "{count} challenge parts",
}
SHIFT = "Shift"
BATCH = "Batch"
NO_BATCH = "without a batch"
STEP = "Steps of the trend"
STEP_BY_LENGTH = "by length"
STEPS = {"hour": "hours", "shift": "shifts", "day": "days", "week": "weeks"}
CHOSEN = "{since} to {until}"

NOTHING_TITLE = "No parts"
NOTHING = "No part of this kind was inspected in this time. Choose a longer time or remove a condition."

PARTS = "Parts"
YIELD = "Yield"
YIELD_NOTE = "PASS of all"
FIRST_PASS = "First-pass yield"
FIRST_PASS_NOTE = "PASS of {count} first attempts"
FAIL_SHARE = "FAIL"
REVIEW_SHARE = "REVIEW"
OF_PARTS = "{count} parts"
LATE = "Deadline missed"
LATE_NOTE = "{share} of all"
AGE_P50 = "Verdict after, p50"
AGE_P99 = "Verdict after, p99"
AGE_NOTE = "to about 10 %"

KNOWN = "Known mistakes"
ESCAPES_AUDIT = "Passed parts looked at by people"
ESCAPES_AUDIT_FOUND = "{count} of {of} were faulty{bound}"
REJECTS_AUDIT = "Failed parts looked at by people"
REJECTS_AUDIT_FOUND = "{count} of {of} were good{bound}"
REVIEWED = "Parts in REVIEW that were decided"
REVIEWED_FOUND = "{count} of {of} were good"
ESCAPES_CHALLENGE = "Faulty challenge parts"
ESCAPES_CHALLENGE_FOUND = "{count} of {of} escaped (PASS){bound}"
REJECTS_CHALLENGE = "Good challenge parts"
REJECTS_CHALLENGE_FOUND = "{count} of {of} were rejected (FAIL){bound}"
BOUND = ", at most {share} with 95 % confidence"
NO_REVIEWS = "No reviews yet"
NO_CHALLENGES = "No challenge run yet"

PARETO = "Causes"
PARETO_HELP = "Click a bar to see its parts. The line adds the bars up."
NO_CAUSES = "All parts passed."
CUMULATIVE = "added up"
SHOW_CAUSE = "Show the parts of a cause"
CHOOSE = "choose"
TREND = "Trend"
TREND_HELP = (
    "Click a point to see its parts. Dashed: control limits (p-chart, three sigma). "
    "A point beyond them, marked by a diamond, is more than chance."
)
OUT = "{count} of {of} points lie beyond the control limits."
NONE_OUT = "No point lies beyond the control limits."
MEASURE = "Share"
MEASURES = {"fail": "FAIL", "review": "REVIEW", "notpassed": "FAIL and REVIEW"}
SHARE_AXIS = "share of the parts"
PARTS_AXIS = "parts"
LATENCY = "Time to the verdict and missed deadlines"
LATENCY_AXIS = "milliseconds"
LATE_AXIS = "deadlines missed"

BREAKDOWN = "Compare by"
BREAKDOWNS = {"recipe": "recipe", "batch": "batch", "shift": "shift", "station": "station"}
BREAKDOWN_COLUMNS = {
    "parts": "Parts",
    "yield": "Yield",
    "first": "First-pass yield",
    "fail": "FAIL",
    "review": "REVIEW",
    "late": "Deadline missed",
    "p50": "p50, ms",
    "p99": "p99, ms",
}

EXPORT = "Take away"
EXPORT_TREND = "Trend as CSV"
EXPORT_PARTS = "Parts as CSV"
EXPORT_PARTS_HELP = "The newest {count} at most"
EXPORT_REPORT = "Shift report"
REPORT_SHIFT = "Shift of the report"
SHIFT_NAME = "{name}, {day}, {since} to {until}"
TREND_COLUMNS = (
    "from",
    "to",
    "shift",
    "parts",
    "pass",
    "fail",
    "review",
    "first attempts",
    "passed at first attempt",
    "deadline missed",
    "p50 ms",
    "p99 ms",
)
PART_COLUMNS = (
    "time",
    "part",
    "attempt",
    "verdict",
    "cause",
    "also",
    "recipe",
    "recipe version",
    "recipe hash",
    "model hash",
    "batch",
    "product",
    "station",
    "age ms",
    "deadline ms",
    "simulated",
    "challenge",
    "result",
)

REPORT_TITLE = "Shift report"
REPORT_OF = "{line}, station {station}"
REPORT_MADE = "Made {moment}"
REPORT_RUNNING = "The shift is still running: figures until now."
REPORT_VERDICTS = "Verdicts"
REPORT_BY_RECIPE = "By recipe"
REPORT_EVENTS = "Events"
REPORT_NO_EVENTS = "No warning and no error."
REPORT_MORE_EVENTS = "And {count} more."
REPORT_FAIL_TREND = "FAIL by hour, with control limits"
REPORT_SIGNATURES = ("Shift leader", "Quality")
REPORT_SHARE = "Share"
REPORT_VERDICT = "Verdict"
REPORT_RECIPE = "Recipe"
