"""Texts of the Train page."""

from __future__ import annotations

NEEDS = "To train, to run a candidate in shadow and to promote it, log in as an engineer."
NO_STATE_TITLE = "No recipe yet"
NO_STATE = "The station has not said yet which recipe it uses. Start it first."
NO_CHECK = "No check of this recipe learns from pictures, so there is nothing to train."

COLLECTED = "Collected from the records of {recipe}"
GOOD = "Good parts"
GOOD_NOTE = "{count} of them by people"
FAULTY = "Faulty parts"
FAULTY_NOTE = "rejected or marked"
CORRECTED = "Mistakes marked"
CORRECTED_NOTE = "will be learnt"
MARKS = "Regions marked"
COLLECTED_HELP = (
    "Parts that PASSed count as good, unless a person says otherwise. A fifth of those that nobody "
    "looked at is held out, to compare models on."
)

START_TITLE = "Train"
CHECK = "Check that is to learn"
MOST = "Good parts at most"
MOST_HELP = "Of the parts that PASSed unseen, the newest. What people have decided is always used."
MINUTES = "Minutes"
MINUTES_HELP = "How long a detector may be trained"
START = "Train from {recipe} version {version}"
STARTED = "The training has begun."
BUSY = "A training is running already; one at a time."
JOB = "Training"
JOB_NAME = "{moment}, {check}, by {user}"
NO_JOBS = "Nothing has been trained yet."
STATES = {
    "running": "Running for {time}: {step}",
    "done": "Done in {time}",
    "failed": "Failed while: {step}",
    "stopped": "Stopped while: {step}",
    "lost": "Ended without a word while: {step}",
}
STEPS = {
    "collect": "collecting the pictures",
    "audit": "auditing the data set",
    "train": "training",
    "candidate": "making the candidate recipe",
    "calibrate": "calibrating",
    "evaluate": "measuring the candidate",
    "evaluateActive": "measuring the active version",
}
NO_STEP = "starting"
STOP = "Stop the training"
STOPPED = "The training is being stopped."
NOT_RUNNING = "The training does not run any more."
LOG = "Log"

CANDIDATE = "Candidate: {recipe} version {version}"
CANDIDATE_NONE = "When the training is done, its model is compared here with the active one."
CANDIDATE_OLD = "The station uses version {version} by now."
COMPARED = {"name": "Figure", "active": "Version {version}, active", "candidate": "Candidate"}
FIGURES = {
    "escapes": "Faulty parts that PASS",
    "false_rejects": "Good parts that FAIL",
    "review_rate_good": "Good parts in REVIEW",
    "review_rate_faulty": "Faulty parts in REVIEW",
    "image_auroc": "Image AUROC",
    "map50": "mAP50",
    "map50_95": "mAP50-95",
}
"""What is measured, as people ask for it; the rest is called as in the report."""
SHARES = ("review_rate_good", "review_rate_faulty")
ALL_FIGURES = "All figures"
COMPARED_MODEL = "model: {name}"
COMPARED_MEASURED = "measured: {name}"
NO_FAULTY = (
    "Nothing was measured: it takes good parts that are held out and faulty parts. Review some parts."
)
REPORT = "Report of the {which}"
REPORTS = {"candidate": "candidate", "active": "active version"}
CHOSEN = "What the training chose"

SHADOW = "Shadow run"
SHADOW_HELP = "The candidate judges the live parts after the station has; nobody acts on it."
SHADOW_START = "Start the shadow run"
SHADOW_STOP = "End the shadow run"
SHADOW_RUNS = "It judges live parts: {judged} so far, {dropped} left out while the station was busy."
SHADOW_OTHER = "Version {version} is in a shadow run now."
SHADOW_OFF = "It does not run now."
SHADOW_PARTS = "Parts judged by both"
SHADOW_AGREED = "Same verdict"
SHADOW_DIFFERS = "Other verdict"
SHADOW_PAIR = "Station {station}, candidate {candidate}: {count}"
SHADOW_LIST = "Parts that the candidate judged otherwise"
SHADOW_NONE = "No part yet."
SHADOW_COLUMNS = {
    "at": "Time",
    "part": "Part",
    "station": "Station",
    "candidate": "Candidate",
    "scores": "Candidate's scores",
}

PROMOTE = "Promote version {version}"
PROMOTE_SURE = "Yes, version {version} is to judge from now on"
PROMOTE_HELP = "It takes effect between two parts. The version before stays in the store."
PROMOTED = "Version {version} is installed; the station is asked to change to it."
