"""Findings to verdict: the whole precedence table."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.domain import Box, Cause, Finding, FindingKind, Verdict
from inspector.judge import judge

BOX = Box(0, 0, 10, 10)
FAIL_KINDS = [kind for kind in FindingKind if kind is not FindingKind.QUALITY]


def failing(kind: FindingKind = FindingKind.DEFECT) -> Finding:
    return Finding("check", kind, "thing", 0.9, 0.5, BOX, 0.3)


def banded(kind: FindingKind = FindingKind.DEFECT) -> Finding:
    return Finding("check", kind, "thing", 0.4, 0.5, BOX, 0.3)


def quality(cause: Cause = Cause.BLUR) -> Finding:
    return Finding("quality", FindingKind.QUALITY, cause.word, 2.0, 1.0, BOX)


HARMLESS = Finding("check", FindingKind.DEFECT, "thing", 0.1, 0.5, BOX, 0.3)


def test_nothing_found_is_pass_without_causes() -> None:
    judgement = judge([])
    assert (judgement.verdict, judgement.cause, judgement.causes) == (Verdict.PASS, Cause.NONE, ())


@pytest.mark.parametrize("untrusted", [False, True])
@pytest.mark.parametrize("fault", [False, True])
@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("in_band", [False, True])
@pytest.mark.parametrize("harmless", [False, True])
def test_precedence_is_review_for_doubt_then_fail_then_band_then_pass(
    untrusted: bool, fault: bool, fails: bool, in_band: bool, harmless: bool
) -> None:
    findings = [
        finding
        for present, finding in (
            (harmless, HARMLESS),
            (in_band, banded()),
            (fails, failing()),
            (untrusted, quality()),
        )
        if present
    ]
    judgement = judge(findings, (Cause.OVERRUN,) if fault else ())
    if untrusted or fault:
        expected = Verdict.REVIEW, Cause.BLUR if untrusted else Cause.OVERRUN
    elif fails:
        expected = Verdict.FAIL, Cause.DEFECT
    elif in_band:
        expected = Verdict.REVIEW, Cause.UNCERTAIN
    else:
        expected = Verdict.PASS, Cause.NONE
    assert (judgement.verdict, judgement.cause) == expected
    kept = {
        cause
        for present, cause in (
            (untrusted, Cause.BLUR),
            (fault, Cause.OVERRUN),
            (fails, Cause.DEFECT),
            (in_band, Cause.UNCERTAIN),
        )
        if present
    }
    assert judgement.causes == tuple(sorted(kept, key=lambda cause: cause.code))


def test_order_of_findings_does_not_matter() -> None:
    findings = [failing(), banded(), quality(), failing(FindingKind.WRONG), HARMLESS]
    assert len({judge(order).causes for order in itertools.permutations(findings)}) == 1


@pytest.mark.parametrize(
    ("kind", "cause"),
    [
        (FindingKind.DEFECT, Cause.DEFECT),
        (FindingKind.ANOMALY, Cause.ANOMALY),
        (FindingKind.MISSING, Cause.MISSING),
        (FindingKind.EXTRA, Cause.EXTRA),
        (FindingKind.MISPLACED, Cause.MISPLACED),
        (FindingKind.WRONG, Cause.WRONG),
    ],
)
def test_each_kind_of_finding_fails_with_its_own_cause(kind: FindingKind, cause: Cause) -> None:
    assert judge([failing(kind)]).cause is cause
    assert judge([failing(kind)]).verdict is Verdict.FAIL


@pytest.mark.parametrize("causes", list(itertools.combinations(FAIL_KINDS, 2)))
def test_of_several_failing_causes_the_lowest_number_is_named_and_all_are_kept(
    causes: tuple[FindingKind, FindingKind],
) -> None:
    judgement = judge([failing(causes[1]), failing(causes[0])])
    codes = [cause.code for cause in judgement.causes]
    assert judgement.cause.code == min(codes)
    assert codes == sorted(codes)
    assert len(codes) == 2


def test_lowest_number_is_taken_among_the_causes_of_the_verdict_only() -> None:
    # 100 Defect is lower than 210 Blur, but it is not why the part goes to review
    judgement = judge([failing(), quality(Cause.EXPOSURE), quality(Cause.BLUR)], (Cause.HALTED,))
    assert judgement.cause is Cause.BLUR
    assert judgement.causes == (Cause.DEFECT, Cause.BLUR, Cause.EXPOSURE, Cause.HALTED)


@pytest.mark.parametrize(
    ("score", "verdict"),
    [
        (0.5, Verdict.FAIL),
        (math.nextafter(0.5, 0), Verdict.REVIEW),
        (0.3, Verdict.REVIEW),
        (math.nextafter(0.3, 0), Verdict.PASS),
    ],
)
def test_thresholds_belong_to_the_graver_side(score: float, verdict: Verdict) -> None:
    assert judge([Finding("c", FindingKind.ANOMALY, "a", score, 0.5, BOX, 0.3)]).verdict is verdict


def test_without_a_review_threshold_there_is_no_band() -> None:
    assert judge([Finding("c", FindingKind.ANOMALY, "a", 0.499, 0.5, BOX)]).verdict is Verdict.PASS


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("kind", FAIL_KINDS)
def test_score_that_is_no_number_is_a_model_fault_never_a_pass(kind: FindingKind, score: float) -> None:
    judgement = judge([Finding("c", kind, "a", score, 0.5, BOX, 0.3)])
    assert (judgement.verdict, judgement.cause) == (Verdict.REVIEW, Cause.MODEL_FAULT)


def test_a_score_that_is_no_number_outweighs_a_failing_finding() -> None:
    broken = Finding("c", FindingKind.ANOMALY, "a", math.nan, 0.5, BOX)
    assert judge([failing(), broken]).causes == (Cause.DEFECT, Cause.MODEL_FAULT)
    assert judge([failing(), broken]).verdict is Verdict.REVIEW


@pytest.mark.parametrize("cause", [cause for cause in Cause if cause.verdict is Verdict.REVIEW])
def test_every_fault_is_review_under_its_own_name(cause: Cause) -> None:
    assert judge([], (cause,)).cause is cause
    assert judge([], (cause,)).verdict is Verdict.REVIEW


# --- properties, whatever the findings ------------------------------------------------------------

GRAVITY = {Verdict.PASS: 0, Verdict.REVIEW: 1, Verdict.FAIL: 2}
NUMBERS = st.floats(-10, 10)
ANYTHING = st.floats()
FAULTS = st.sampled_from([cause for cause in Cause if cause.verdict is Verdict.REVIEW])


@st.composite
def findings_of(draw: st.DrawFn, scores: st.SearchStrategy[float] = NUMBERS) -> Finding:
    """Of any kind, its band below its threshold, or none."""
    kind = draw(st.sampled_from(FindingKind))
    if kind is FindingKind.QUALITY:
        return quality(draw(FAULTS))
    threshold = draw(st.floats(-5, 5))
    review = draw(st.none() | st.floats(-5, threshold))
    return Finding(draw(st.sampled_from("ab")), kind, "thing", draw(scores), threshold, BOX, review)


SEVERAL = st.lists(findings_of(), min_size=1, max_size=6)


@settings(derandomize=True)
@given(SEVERAL, st.data())
def test_raising_a_score_never_makes_a_verdict_milder(
    findings: list[Finding], data: st.DataObject
) -> None:
    before = judge(findings).verdict
    place = data.draw(st.integers(0, len(findings) - 1))
    raised = findings[place].score + data.draw(st.floats(0, 20))
    after = judge([*findings[:place], replace(findings[place], score=raised), *findings[place + 1 :]])
    assert GRAVITY[after.verdict] >= GRAVITY[before]


@settings(derandomize=True)
@given(SEVERAL, st.data(), st.sampled_from([math.nan, math.inf, 1e308]))
def test_no_score_however_raised_turns_a_fail_into_a_pass(
    findings: list[Finding], data: st.DataObject, score: float
) -> None:
    before = judge(findings).verdict
    place = data.draw(st.integers(0, len(findings) - 1))
    after = judge([*findings[:place], replace(findings[place], score=score), *findings[place + 1 :]])
    assert before is not Verdict.FAIL or after.verdict is not Verdict.PASS


@settings(derandomize=True)
@given(st.lists(findings_of(ANYTHING), max_size=6), st.lists(FAULTS, min_size=1, max_size=3))
def test_any_fault_among_the_checks_excludes_pass(findings: list[Finding], faults: list[Cause]) -> None:
    assert judge(findings, faults).verdict is Verdict.REVIEW
    assert judge([*findings, *map(quality, faults)]).verdict is Verdict.REVIEW


@settings(derandomize=True)
@given(st.lists(findings_of(ANYTHING), max_size=6))
def test_a_pass_means_that_no_finding_objects(findings: list[Finding]) -> None:
    objections = [
        f
        for f in findings
        if not f.score < (f.threshold if f.review_threshold is None else f.review_threshold)
    ]
    if judge(findings).verdict is Verdict.PASS:
        assert objections == []
        assert all(math.isfinite(finding.score) for finding in findings)


@settings(derandomize=True)
@given(SEVERAL, findings_of(ANYTHING))
def test_another_finding_never_turns_a_fail_into_a_pass(
    findings: list[Finding], another: Finding
) -> None:
    if judge(findings).verdict is not Verdict.PASS:
        assert judge([*findings, another]).verdict is not Verdict.PASS


@settings(derandomize=True)
@given(SEVERAL, st.data(), st.sampled_from(["score", "threshold", "review_threshold"]))
def test_nan_never_passes(findings: list[Finding], data: st.DataObject, field: str) -> None:
    place = data.draw(st.integers(0, len(findings) - 1))
    broken = replace(findings[place], **{field: math.nan})
    judgement = judge([*findings[:place], broken, *findings[place + 1 :]])
    assert judgement.verdict is Verdict.REVIEW
