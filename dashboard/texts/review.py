"""Texts of the Review page."""

from __future__ import annotations

from inspector.records.labels import Truth

SECTIONS = {"queue": "Queue", "agreement": "Agreement"}
SECTION = "Section"
KINDS = "Kinds of parts"
WAITING = "{kind}: {count} waiting"
KINDS_HELP = "All REVIEW parts wait here, and of FAIL and PASS a sample for audit."
SECOND = "{count} for a second opinion"
MORE = "{count}+"
EMPTY_TITLE = "Nothing waits"
EMPTY = "Every part of the chosen kinds has been decided, or another person has it before the eyes."
EMPTY_KINDS = "No kind of part is chosen. Choose one above."

ACCEPT = "✔ Accept"
REJECT = "✖ Reject"
REJECT_AS = "✖ {cause}"
CAUSES = {
    "Defect": "Defect",
    "Anomaly": "Unusual",
    "Missing": "Missing",
    "Extra": "Too many",
    "Misplaced": "Misplaced",
    "Wrong": "Wrong part",
}
"""Short, for the keys."""
UNDO = "Undo"
SKIP = "Skip"
SKIP_HELP = "Leave it to others, and go on with the next one"
KEYS = "One key decides: A accept, X reject, 1 to 6 reject for this cause, S skip, U undo."
DECIDED = {"accept": "{part} accepted", "reject": "{part} rejected: {cause}"}
UNDONE = "Taken back: the part is here again."
UNDO_NOTHING = "There is no decision of yours to take back, or somebody else has that part now."
TOO_QUICK = "That was too quick: this part has only just appeared. Look at it, then decide."
SECOND_OPINION = "Second opinion: another person has decided about this part; you do not see how."

ZOOM = "Show"
ZOOM_WHOLE = "Whole"
ZOOM_PART = "Part"
ZOOM_FINDING = "{number} {label}"
ZOOM_MORE = 4
REFERENCE = "A good part of this recipe"
NO_REFERENCE = "No good part of this recipe with a picture is recorded yet."
REASONS = "What the station says"

MARK = "Mark for training"
MARK_HELP = "Right: what is named is really there. Wrong: nothing is wrong here."
MARK_FINDING = "{number}. {sentence}"
MARK_TRUTH: dict[Truth, str] = {"faulty": "Right", "good": "Wrong"}
MARK_BOX = "A box of your own"
MARK_LABEL = "What it is"
MARK_LABEL_HELP = "Choose, or type a new one"
MARK_KIND = "It is"
MARK_KINDS: dict[Truth, str] = {"faulty": "a fault", "good": "good"}
MARK_X = "From left to right, pixels"
MARK_Y = "From top to bottom, pixels"
MARK_ADD = "Add this box"
MARK_REMOVE = "✖ Remove"
MARKED = "Marked: {name}, {truth}"
MARKED_NONE = "Nothing is marked yet."
MARK_NO_PICTURE = "There is no picture to mark anything in."
MARK_SAVED = "Marked: {name}"

SINCE = "Time"
SPANS = {7: "last 7 days", 30: "last 30 days", 90: "last 90 days", 365: "last year"}
PEOPLE = "Between reviewers"
PEOPLE_HELP = (
    "Parts that were drawn by chance and decided by two people, the second without seeing the first."
)
MACHINE = "Between reviewers and the station"
MACHINE_HELP = "FAIL and PASS parts that were drawn for audit, weighted by how many of each there were."
KAPPA = "Cohen's kappa"
KAPPA_RANGE = "95 % between {low:.2f} and {high:.2f}"
KAPPA_UNKNOWN = "not known yet"
AGREED = "Agreed"
AGREED_OF = "of {parts} parts"
KAPPA_HELP = (
    "Kappa is the agreement beyond chance: 1 is perfect, 0 is chance. AIAG calls 0.75 good; "
    "0.90 is the aim here. Few parts give wide bounds."
)
TABLE = {"accept": "accepted", "reject": "rejected"}
TABLE_FIRST = "First"
TABLE_SECOND = "second {decision}"
TABLE_STATION = "Station"
TABLE_PERSON = "person {decision}"
DIFFER = "Where they differ"
DIFFER_NONE = "Nobody has differed in this time."
DIFFER_COLUMNS = {
    "at": "Time",
    "part": "Part",
    "first": "First",
    "second": "Second",
    "who": "Who",
}
