"""What a recipe promises of good parts, and the thresholds that keep it.

The promise is about the part: all checks that promise share its two rates, and what the other checks
and the quality gate do to good parts counts against them. ``calibration.json`` has the thresholds;
without it those of anomaly checks come from the scores on the model's card, which is an approximation.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from inspector.bundle import Bundle
from inspector.calibration import Calibration, Promise
from inspector.checkspecs import AnomalySpec, AssemblySpec, CheckSpec, DetectSpec, check_name
from inspector.conformal import PartScores, Thresholds, calibrate, parts_needed
from inspector.errors import InputError
from inspector.yamlfile import Location

REVIEW_RATE = 0.01
"""Where a promise states none."""
RATE = "false_reject_rate"
AGAIN = "Calibrate again with 'inspector calibrate RECIPE_DIR GOOD_DIR'"
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Stated:
    """The promise of a recipe, and the checks whose thresholds it sets."""

    promise: Promise
    checks: tuple[str, ...]
    place: Location
    """Where the recipe states it."""


@dataclass(frozen=True)
class Settled:
    """What became of a promise."""

    thresholds: Mapping[str, Thresholds]
    kept: Promise
    """On average over calibrations."""
    shortfall: tuple[str, str] | None = None
    """Message and remedy, where less is kept than was promised."""
    note: str = ""
    """What the promise is worth, where it is an approximation."""


def stated(checks: Sequence[CheckSpec], whole: Promise | None) -> Stated | None:
    """The recipe's promise, ``whole`` being one for all checks; None: it states its thresholds."""
    if whole is not None:
        names = tuple(check_name(c) for c in checks if c.threshold is None and not is_unfit(c))
        return Stated(whole, names, (RATE,)) if names else None
    promising = [(i, check) for i, check in enumerate(checks) if check.false_reject_rate is not None]
    if not promising:
        return None
    index, first = promising[0]
    names = tuple(check_name(check) for _, check in promising)
    return Stated(_promise(first), names, ("checks", index, RATE))


def misfits(checks: Sequence[CheckSpec], whole: Promise | None) -> Iterator[tuple[Location, str, str]]:
    """Where a recipe's promises contradict each other: location, message, remedy."""
    if whole is not None and stated(checks, whole) is None:
        yield (
            (RATE,),
            "no check is left whose thresholds this promise could set",
            "Remove it, or a check's 'threshold'",
        )
    first: Promise | None = None
    for index, check in enumerate(checks):
        if check.false_reject_rate is None:
            continue
        place = ("checks", index, RATE)
        if whole is not None:
            yield place, "the recipe promises already, for all its checks", "State the promise once"
        elif problem := is_unfit(check):
            yield place, problem, "State 'threshold' in its place"
        elif first is not None and _promise(check) != first:
            yield (
                place,
                "a promise is about the part, and another check promises other rates",
                "State the same, or once for the whole recipe",
            )
        first = first or _promise(check)


def _promise(check: CheckSpec) -> Promise:
    review = REVIEW_RATE if check.review_rate is None else check.review_rate
    return Promise(false_reject_rate=check.false_reject_rate or 0.0, review_rate=review)


def is_unfit(check: CheckSpec) -> str:
    """Why no promise can set this check's thresholds; empty: it can."""
    if isinstance(check, AssemblySpec):
        return "what is misplaced, wrong or too much has no score that a promise could cut"
    if isinstance(check, DetectSpec) and any(c.threshold is not None for c in check.criteria.values()):
        return "its criteria state thresholds of their own"
    return ""


def settle(
    wanted: Stated,
    checks: Sequence[CheckSpec],
    bundles: Mapping[str, Bundle],
    calibration: Calibration | None,
    standing: Mapping[str, Thresholds],
) -> Settled:
    """The thresholds of the checks that promise.

    ``standing``: those of the others, as the recipe has them now. Raises :class:`InputError` where
    there is nothing to take thresholds from, or a calibration that does not fit the recipe.
    """
    if calibration is None:
        return _from_cards(wanted, checks, bundles)
    if calibration.promise != wanted.promise or calibration.kept is None:
        raise InputError("calibration.json was made for another promise", AGAIN)
    for name in wanted.checks:
        if name not in calibration.checks:
            raise InputError(f"calibration.json has no thresholds for the check '{name}'", AGAIN)
    for name, now in standing.items():
        then = calibration.checks.get(name)
        if then is not None and (then.threshold, then.review_threshold) != (now.fail, now.review):
            raise InputError(
                f"the thresholds of the check '{name}' are not those of the calibration, "
                "and its FAILs count in the promise",
                AGAIN,
            )
    found = {name: calibration.checks[name] for name in wanted.checks}
    return Settled(
        {name: Thresholds(check.threshold, check.review_threshold) for name, check in found.items()},
        calibration.kept,
        shortfall(
            wanted.promise,
            calibration.kept,
            calibration.parts,
            len(wanted.checks),
            calibration.failed,
            calibration.diverted,
        ),
    )


def _from_cards(wanted: Stated, checks: Sequence[CheckSpec], bundles: Mapping[str, Bundle]) -> Settled:
    """From the cards' scores, each check its share of the rates: the cards do not say which part."""
    count = len(wanted.checks)
    thresholds: dict[str, Thresholds] = {}
    parts: list[int] = []
    fail = review = 0.0
    for check in checks:
        name = check_name(check)
        if name not in wanted.checks:
            continue
        scores = bundles[check.model].card.good_scores if isinstance(check, AnomalySpec) else ()
        if not scores:
            raise InputError(
                f"there is no calibration.json that sets the thresholds of the check '{name}'",
                "Run 'inspector calibrate RECIPE_DIR GOOD_DIR' with good parts that no model has seen",
            )
        found = calibrate(
            [PartScores({name: score}) for score in scores],
            (name,),
            wanted.promise.false_reject_rate / count,
            wanted.promise.review_rate / count,
        )
        thresholds |= found.thresholds
        parts.append(found.parts)
        fail += found.false_reject_rate
        review += found.review_rate
    kept = Promise(false_reject_rate=min(fail, 1 - _ROUNDING), review_rate=min(review, 1 - _ROUNDING))
    return Settled(
        thresholds,
        kept,
        shortfall(wanted.promise, kept, min(parts), count),
        f"The promised rates are approximate: the thresholds of {', '.join(wanted.checks)} come from "
        f"{min(parts)} good parts of the training, each scored without it. 'inspector calibrate' with "
        "other good parts makes them exact.",
    )


def shortfall(
    promise: Promise, kept: Promise, parts: int, checks: int, failed: int = 0, diverted: int = 0
) -> tuple[str, str] | None:
    """Message and remedy where less is kept than promised: what it takes, and what can be kept."""
    fail, review = promise.false_reject_rate, promise.review_rate
    if kept.false_reject_rate > fail + _ROUNDING:
        now = f"what can be promised now is {_up(kept.false_reject_rate)}"
        if failed:
            return (
                f"a {RATE} of {fail:g} cannot be kept: {failed} of {parts} good parts FAIL by checks "
                f"whose thresholds are stated; {now}",
                "Mend those thresholds, or promise that",
            )
        needed = parts_needed(checks, fail)
        shared = f" for {checks} checks together" if checks > 1 else ""
        return (
            f"a {RATE} of {fail:g}{shared} takes {needed} good parts, and there are {parts}; {now}",
            f"Calibrate again with {needed} good parts or more, or promise that",
        )
    if kept.review_rate > review + _ROUNDING:
        return (
            f"a review_rate of {review:g} cannot be kept: {diverted} of {parts} good parts go to "
            "REVIEW whatever the thresholds, mostly by the quality gate; what can be promised now is "
            f"{_up(kept.review_rate)}",
            "Mend the pictures or the gate's limits, or promise that",
        )
    return None


def _up(rate: float) -> str:
    """Four digits, never less than the rate."""
    return f"{math.ceil(rate * 1e4 - _ROUNDING) / 1e4:g}"
