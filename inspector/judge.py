"""Findings to verdict. Pure: no I/O, no clock, no state.

Precedence, as the contract has it: a fault or a picture that cannot be trusted is REVIEW; else any
failing finding is FAIL; else one in the band between the thresholds is REVIEW; else PASS. Of several
causes that would give the verdict the lowest number is named; all of them are kept.
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
    A score that is no number is a fault of the model, never a PASS.
    """
    untrusted: set[Cause] = set(faults)
    failing: set[Cause] = set()
    uncertain: set[Cause] = set()
    for finding in findings:
        if not math.isfinite(finding.score):
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
