"""Every text of the dashboard, in one place, so that a second language is a second catalogue.

What several pages say stands here; what one page says, in a module of its own.
"""

from __future__ import annotations

APP = "Line inspector"
LIVE = "Live"
PARTS = "Parts"
REVIEW = "Review"
RECIPES = "Recipes"
STATISTICS = "Statistics"
STATION_PAGE = "Station"
TRAIN = "Train"

VERDICT_SYMBOL = {"PASS": "✔", "FAIL": "✖", "REVIEW": "?"}
UNKNOWN_SYMBOL = "·"

STATE = {
    "Preoperational": "Starting",
    "Initialized": "Getting ready",
    "Ready": "Ready",
    "ContinuousExecution": "Running",
    "Halted": "Halted",
    "Error": "Error",
}
HEALTH = {"good": "Health good", "watch": "Health: watch", "act": "Health: act now"}
COMMISSIONING = "Commissioning"
COMMISSIONING_HELP = "no gate opens"
SIMULATED = "Simulated"
CHALLENGE = "Challenge part"
PARTIAL = "Partial"
OFFLINE = "The station has been stopped."
NOT_RESPONDING = "The station is not responding since {since}."
NEVER_REPORTED = "The station {station} has not reported its state yet."
CAMERA = "Camera {camera}: {state}"
CAMERA_STATE = {"live": "live", "lost": "lost"}
CAMERA_LOST = "Camera {camera} gives no pictures."
CLOCK_UNSYNCED = "Clock not synchronised"
ERROR_CODE = "Error {code}: {text}"
OLD_PICTURE = "Last picture before {since}, not live"
OLD_PICTURE_STOPPED = "Last picture before the station stopped, not live"
OLD_PICTURE_CAMERA = "Last picture before the camera was lost, not live"

ASKED = "{act}: the station has been asked …"
ANSWER = {
    "done": "{act}: the station has done it. {text}",
    "refused": "{act}: the station refused. {text}",
    "failed": "{act}: the station could not do it. {text}",
    "expired": "{act}: the station was started anew before it came to it.",
    "withdrawn": "{act}: the request was taken back.",
}

NO_PARTS_TITLE = "No part inspected yet"
NO_PARTS = "The first part will appear here as soon as it has been inspected."
NO_PICTURE = "No picture was kept of this part."
NO_PICTURE_PASS = "No picture was kept: of good parts only a sample is."
PICTURE_REMOVED = "The picture was removed on {date}, as retention demands."
PICTURE_MISSING = "The picture is missing from the evidence folder."

PART = "Part"
INSPECTED = "Inspected"
RECIPE = "Recipe"
RECIPE_VERSION = "{recipe} version {version}"
ATTEMPT = "Attempt"
BATCH = "Batch"
PRODUCT = "Product"
SOURCE = "Source"
SOURCE_FRAME = "{source}, frame {frame}"
RESULT_ID = "Result"
RECIPE_HASH = "Recipe hash"
MODEL_HASH = "Model hash"
STATION = "Station"
VERDICT_AGE = "Verdict after"
VERDICT_AGE_OF = "{age} of {deadline} allowed"
ALSO = "Also applied"

COUNTERS = "Shift {shift} since {since}"
PARTS_TOTAL = "Parts"
PER_MINUTE = "Parts a minute"
LATENCY_P50 = "Latency p50"
LATENCY_P99 = "Latency p99"
DEADLINE_OF = "deadline {deadline} ms"
MISSED = "Deadline missed"
MISSED_OF = "of the last {parts}"
LAST_PARTS = "Last {count} parts, newest first"
MILLISECONDS = "{value} ms"

OVERLAYS = "Boxes"
HEAT = "Heat map"
CHOOSE_STATION = "Station"

FIND_PART = "Part id"
FIND_PART_HELP = "Part of the id, or a pattern with *, such as A-10*"
FIND_TIME = "Time"
FIND_VERDICT = "Verdict"
FIND_CAUSE = "Cause"
FIND_RECIPE = "Recipe"
FIND_FROM_TO = "Days"
ANY = "any"
SPANS = {
    "all": "any time",
    "hour": "last hour",
    "shift": "this shift",
    "today": "today",
    "week": "last 7 days",
    "days": "choose days",
}
FOUND = "{count} parts found"
FOUND_ONE = "1 part found"
FOUND_SHOWN = "{count} parts found, the newest {shown} shown"
FOUND_NONE_TITLE = "Nothing found"
FOUND_NONE = "No part matches. Remove a condition, or search for a piece of the part id."
NO_RECORDS = "No part has been inspected yet, so there is nothing to search."
CHOOSE_PART = "Choose a part in the table to see everything that is known about it."
UNKNOWN_PART = "There is no inspection with the result id {result}."

COLUMNS = {
    "verdict": "Verdict",
    "part": "Part",
    "time": "Time",
    "cause": "Cause",
    "attempt": "Attempt",
    "recipe": "Recipe",
    "age": "Verdict after, ms",
}
FINDINGS = "Findings"
NO_FINDINGS = "No check found anything."
FINDING_COLUMNS = {
    "what": "What",
    "check": "Check",
    "score": "Score",
    "threshold": "Threshold",
    "fails": "Counts",
}
COUNTS = "yes"
COUNTS_NOT = "in the band"
SCORES = "Scores against thresholds"
SCORES_HELP = "Share of the threshold: a bar that reaches 100 % fails the part"
NO_SCORES = "No check measured this part."
TIMINGS = "Time by stage"
STAGES = {"acquisition": "picture", "rest": "everything else"}
ATTEMPTS = "Attempts of this part"
DETAILS = "Recipe and origin"
PICTURE_OF = "Pictures"
PICTURE_NUMBER = "Picture {number}"
SCORE_AXIS = "score, % of the threshold"
TIME_AXIS = "milliseconds"

PROBLEM = "The dashboard cannot show this line"
USAGE = "No line was named"
USAGE_REMEDY = "Start it with: streamlit run dashboard/app.py -- CONFIG [--station S]"
NO_STATION = "the configuration has no station '{station}'"
NO_STATION_REMEDY = "Choose one of: {stations}"

CAUSE = {
    "None": "good",
    "Defect": "defect",
    "Anomaly": "looks unusual",
    "Missing": "something missing",
    "Extra": "too many",
    "Misplaced": "not in its place",
    "Wrong": "wrong component",
    "Uncertain": "not certain",
    "Blur": "picture blurred",
    "Exposure": "too dark or too bright",
    "LowResolution": "picture too small",
    "Covered": "view covered",
    "PartialPart": "part cut off",
    "UnusualPose": "unusual position",
    "Tampered": "camera moved",
    "FrozenFrame": "picture frozen",
    "CameraFault": "camera fault",
    "MissedAcquisition": "no picture in time",
    "NoPart": "no part seen",
    "ModelFault": "model fault",
    "Overrun": "too many parts at once",
    "DeadlineMissed": "too late",
    "Halted": "station halted",
    "StationRestarted": "station restarted",
}

REASON = {
    "None": "All checks passed.",
    "Defect": "A defect was found.",
    "Anomaly": "The part looks unlike a good one.",
    "Missing": "A component is missing.",
    "Extra": "There is a component too many.",
    "Misplaced": "A component is not in its place.",
    "Wrong": "A wrong component is mounted.",
    "Uncertain": "The station is not certain. Please look at this part.",
    "Blur": "The picture is too blurred to judge. Check focus and light.",
    "Exposure": "The picture is too dark or too bright. Check the light.",
    "LowResolution": "The picture has too few pixels. Check the camera's settings.",
    "Covered": "Something covers the view. Clear the camera's sight.",
    "PartialPart": "The part is cut off at the edge of the picture.",
    "UnusualPose": "The part lies in an unusual position.",
    "Tampered": "The view has changed. Check whether the camera was moved.",
    "FrozenFrame": "The camera repeats an old picture. Restart the camera.",
    "CameraFault": "The camera failed. Check its cable and power.",
    "MissedAcquisition": "There was no single picture at the right moment. Check the photo-eye.",
    "NoPart": "No part is to be seen in the picture.",
    "ModelFault": "The model failed on this picture. Tell the engineer.",
    "Overrun": "Parts came faster than they can be inspected.",
    "DeadlineMissed": "The verdict came too late for the gate.",
    "Halted": "The station was halted while this part was inspected.",
    "StationRestarted": "The station restarted while this part was inspected.",
}
UNKNOWN_REASON = "Cause: {cause}."

FINDING = {
    "defect": "{label} found {place}",
    "anomaly": "Unlike a good part {place}",
    "missing": "{label} missing {place}",
    "extra": "One {label} too many {place}",
    "misplaced": "{label} not in its place {place}",
    "wrong": "Wrong {label} {place}",
}
"""By kind of finding; ``place`` is one of those below."""
UNCERTAIN = "Not certain, please look: {finding}."
AND_MORE = "{sentence} And {count} more."
PLACE = {
    (0, 0): "at the top left",
    (1, 0): "at the top",
    (2, 0): "at the top right",
    (0, 1): "on the left",
    (1, 1): "in the middle",
    (2, 1): "on the right",
    (0, 2): "at the bottom left",
    (1, 2): "at the bottom",
    (2, 2): "at the bottom right",
}
"""By column and row of a grid of nine."""
OF_THING = "{place} of the {thing}"
THE_PART = "part"
THE_PICTURE = "picture"

TAG = {
    "defect": "{label}",
    "anomaly": "unusual",
    "missing": "{label} missing",
    "extra": "{label} too many",
    "misplaced": "{label} misplaced",
    "wrong": "wrong {label}",
    "quality": "{label}",
}
"""What is written at a box in the picture."""
TAG_EXPECTED = "expected here"
