"""Texts of the Parts page alone."""

from __future__ import annotations

SCAN = "Scan"
SCAN_PLACEHOLDER = "scan a part"
TYPE_PLACEHOLDER = "type a piece of it"
MORE = "Batch and score"
SCORE_OF = "Score of check"
SCORE_FROM = "from"
SCORE_TO = "to"
LINKED = "Only these: {conditions}"
ALL_PARTS = "All parts"
FOUND_MORE = "More than {count} parts found, the newest {shown} shown"

EVIDENCE = "Evidence (zip)"
EVIDENCE_HELP = (
    "Pictures, overlay and heat map as far as they were kept, and all that was recorded, as JSON"
)
DECISIONS = "Decisions"
DECISION = {"accept": "accepted", "reject": "rejected"}
DECISION_SENTENCE = "{decision} by {user}, {moment}"
DECISION_BECAUSE = "{sentence}: {cause}"
DECISION_BLIND = "{sentence} (second look, blind)"
