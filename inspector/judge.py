"""Findings to verdict. Pure: no I/O, no clock, no state.

What the detector, the anomaly model and every other check found is fused into one verdict. Each
finding brings its own score and thresholds, so no check can outvote another, and a part passes only
when none of them objects. From above, the first row that applies decides:

========================== ======================= ================== ======= ==========================
picture and station        detector, class,        anomaly            verdict cause
                           assembly, golden image
========================== ======================= ================== ======= ==========================
a fault, a score that is   any                     any                REVIEW  that of the fault, the
no number, or a picture                                                       picture, or ModelFault
that cannot be trusted
in order                   one fails               any                FAIL    Defect, Missing, Extra,
                                                                              Misplaced, Wrong
in order                   none fails              fails              FAIL    Anomaly
in order                   one in its band         below its          REVIEW  Uncertain
                                                   threshold
in order                   below their bands       in its band        REVIEW  Uncertain
in order                   below their bands       below its band     PASS    None
========================== ======================= ================== ======= ==========================

A finding *fails* from its threshold up; its *band* reaches from its review threshold to there. When
detector and anomaly both fail, the cause is the detector's: of several causes that would give the
verdict the lowest number is named, and all of them are kept.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from inspector.domain import Cause, Finding, FindingKind, Judgement, Verdict

_CAUSE_OF_KIND = {
    FindingKind.DEFECT: Cause.DEFECT,
    FindingKind.ANOMALY: Cause.ANOMALY,
    FindingKind.MISSING: Cause.MISSING,
    FindingKind.EXTRA: Cause.EXTRA,
    FindingKind.MISPLACED: Cause.MISPLACED,
    FindingKind.WRONG: Cause.WRONG,
}


def judge(findings: Iterable[Finding], faults: Iterable[Cause] = ()) -> Judgement:
    """Decide on one part.

    ``faults`` are causes that need no finding, such as a deadline missed or a camera that is gone.
    A score or a threshold that is no number is a fault of the model, never a PASS.
    """
    untrusted: set[Cause] = set(faults)
    failing: set[Cause] = set()
    uncertain: set[Cause] = set()
    for finding in findings:
        limits = finding.threshold, finding.review_threshold or 0.0
        if not all(map(math.isfinite, (finding.score, *limits))):
            untrusted.add(Cause.MODEL_FAULT)
        elif finding.kind is FindingKind.QUALITY:
            untrusted.add(Cause.named(finding.label))
        elif finding.fails:
            failing.add(_CAUSE_OF_KIND[finding.kind])
        elif finding.in_band:
            uncertain.add(Cause.UNCERTAIN)

    causes = tuple(sorted(untrusted | failing | uncertain, key=lambda cause: cause.code))
    if not causes:
        return Judgement(Verdict.PASS, Cause.NONE, ())
    deciding = untrusted or failing or uncertain
    cause = min(deciding, key=lambda cause: cause.code)
    return Judgement(cause.verdict, cause, causes)
