"""Good parts through the station of the line, and from their scores the thresholds of its recipe.

What is learnt goes into ``calibration.json`` beside the recipe, whose version is raised by one, so that
the new thresholds take effect as a change of recipe. Nothing here needs torch.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from inspector.bundle import mark_of
from inspector.calibration import Calibration, CheckCalibration, Promise, write_calibration
from inspector.checks.normals import Learnt
from inspector.checkspecs import AnomalySpec, check_name
from inspector.conformal import (
    Calibrated,
    PartScores,
    Thresholds,
    blocks,
    calibrate,
    upper_bound,
)
from inspector.domain import FindingKind, Verdict
from inspector.errors import DataError, InputError, StorageError
from inspector.promises import REVIEW_RATE, is_unfit, shortfall
from inspector.recipe import RECIPE_FILE, Recipe
from inspector.station import Judged, Station
from inspector.stills import part_of, read_golden, read_still, still
from inspector.training.heldout import unlike_others
from inspector.yamlfile import rewritten, value_node

LEAST_PROBABILITY = 0.05
"""No threshold of a probability is set lower: the line's detectors do not tell what is weaker."""
PROPOSED = Promise(false_reject_rate=0.01, review_rate=REVIEW_RATE)
"""What thresholds are proposed for where the recipe promises nothing."""
NAMED_MOST = 5


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """One picture, judged."""

    path: Path
    judged: Judged
    doubted: bool = False
    """Whether a gate that does not know this part refuses its picture."""


@dataclass(frozen=True)
class Result:
    """What a calibration came to."""

    calibration: Calibration
    thresholds: Mapping[str, Thresholds]
    """Of the checks that promise, or that could."""
    good: Mapping[str, PartScores]
    """By name of the part."""
    faulty: Mapping[str, PartScores]
    proposal: Calibrated | None = None
    """Where the recipe promises nothing: what would keep :data:`PROPOSED`, or the closest there is."""
    cost: float | None = None
    """Review rate at which no faulty part would pass, where some do and there is one."""
    odd: tuple[str, ...] = ()
    """Good parts that score far beyond the others."""
    shortfall: tuple[str, str] | None = None


def inspect(
    station: Station, pictures: Iterable[Path], doubted: frozenset[Path] = frozenset()
) -> Iterator[Seen]:
    """Judge every picture as the whole picture of a part; ``doubted`` ones go to REVIEW in any case.

    Raises :class:`DataError` for a picture that cannot be read, :class:`InputError` for a model that
    fails.
    """
    for index, path in enumerate(pictures):
        part = still(path, read_still(path), index, station.recipe.recipe_id, read_golden(path))
        judged = station.inspect(part)
        if judged.fault:
            raise InputError(f"{path}: {judged.fault}", "Mend the model before calibrating it")
        yield Seen(path, judged, path in doubted)


def refuse_learnt(recipe: Recipe, pictures: Iterable[Path]) -> None:
    """Raise :class:`DataError` when a model of ``recipe`` has learnt one of these very pictures."""
    marks = {mark_of(path): path.name for path in pictures}
    for name, bundle in recipe.bundles.items():
        known = sorted(marks[mark] for mark in marks.keys() & set(bundle.card.learnt))
        if known:
            raise DataError(
                f"the model '{name}' has learnt {len(known)} of these {len(marks)} pictures: "
                f"{_named(known)}. It finds them too ordinary, and thresholds set by them would reject "
                "good parts",
                "Give pictures of other good parts, which it has not seen",
            )


def parts_of(seen: Iterable[Seen], checks: Sequence[str]) -> dict[str, PartScores]:
    """The pictures of a part together, by its folder and name; ``checks``: those to be calibrated."""
    found: dict[str, PartScores] = {}
    for one in seen:
        name = str(one.path.with_name(part_of(one.path)))
        before, now = found.get(name, PartScores({})), _scores(one, checks)
        found[name] = PartScores(
            {
                check: max(scores)
                for check in {*before.scores, *now.scores}
                if (scores := [s[check] for s in (before.scores, now.scores) if check in s])
            },
            before.fails or now.fails,
            before.doubted or now.doubted,
        )
    return found


def _scores(one: Seen, checks: Sequence[str]) -> PartScores:
    """One picture's."""
    findings = one.judged.findings
    if one.doubted or any(finding.kind is FindingKind.QUALITY for finding in findings):
        # it goes to REVIEW, whatever its scores
        return PartScores({}, doubted=True)
    standing = [finding for finding in findings if finding.check not in checks]
    return PartScores(
        {score.check: score.score for score in one.judged.scores},
        any(finding.fails for finding in standing),
        any(finding.in_band for finding in standing),
    )


def calibrate_recipe(
    recipe: Recipe,
    good: Sequence[Seen],
    faulty: Sequence[Seen] = (),
    *,
    learnt: Learnt,
    source: str,
    digest: str,
    command: str,
) -> Result:
    """What ``calibration.json`` will say; nothing is written. ``learnt``: what is normal of a picture.

    Raises :class:`DataError` for fewer than two parts, :class:`InputError` for fewer than there are
    checks, or a check that has seen no part.
    """
    stated = recipe.text.stated
    specs = {check_name(check): check for check in recipe.text.checks}
    checks = stated.checks if stated else tuple(name for name in specs if not is_unfit(specs[name]))
    parts, bad = parts_of(good, checks), parts_of(faulty, checks)
    if len(parts) < 2:
        raise DataError(
            f"the pictures show {len(parts)} good part: at least two are needed",
            "Add pictures of other good parts, named PART_FRAME.png",
        )
    promise = stated.promise if stated else PROPOSED
    probabilities = frozenset(name for name in checks if not isinstance(specs[name], AnomalySpec))
    known = tuple(bad.values())
    found = _thresholds(parts, checks, promise, known, probabilities) if checks else None
    thresholds = {name: recipe.thresholds(specs[name]) for name in specs}
    kept = None
    if stated and found:
        thresholds |= found.thresholds
        kept = Promise(false_reject_rate=found.false_reject_rate, review_rate=found.review_rate)
    failed = sum(part.fails for part in parts.values())
    diverted = sum(part.doubted and not part.fails for part in parts.values())
    tuned = {name: thresholds[name] for name in checks}
    calibration = Calibration(
        parts=len(parts),
        pictures=len(good),
        source=source,
        digest=digest,
        model_hash=recipe.model_hash,
        promise=promise if stated else None,
        kept=kept,
        failed=failed,
        diverted=diverted,
        checks={
            name: CheckCalibration(
                threshold=limits.fail,
                review_threshold=limits.review,
                good=_sorted(parts, name),
                faulty=_sorted(bad, name),
            )
            for name, limits in thresholds.items()
        },
        looks=learnt.looks,
        examples=learnt.examples,
        note=learnt.note,
        command=command,
    )
    escaping = any(part.verdict(tuned) is Verdict.PASS for part in known)
    return Result(
        calibration,
        tuned,
        parts,
        bad,
        None if stated else found,
        _cost(parts, checks, promise, known, probabilities) if escaping and stated else None,
        _odd(parts, [name for name in checks if name not in probabilities]),
        shortfall(promise, kept, len(parts), len(checks), failed, diverted) if kept else None,
    )


def _thresholds(
    parts: Mapping[str, PartScores],
    checks: Sequence[str],
    promise: Promise,
    faulty: Sequence[PartScores],
    probabilities: frozenset[str],
) -> Calibrated:
    for check in checks:
        if not any(check in part.scores for part in parts.values()):
            raise InputError(
                f"the check '{check}' has judged none of the good parts",
                "Look at the quality gate and at whether the pictures show what the check looks at",
            )
    try:
        found = calibrate(
            tuple(parts.values()), checks, promise.false_reject_rate, promise.review_rate, faulty
        )
    except ValueError as error:
        raise InputError(
            f"{len(parts)} good parts are too few for {len(checks)} checks: {error}",
            "Add pictures of more good parts",
        ) from error
    floors = {name: LEAST_PROBABILITY if name in probabilities else -math.inf for name in checks}
    return replace(
        found,
        thresholds={
            name: Thresholds(max(limits.fail, floors[name]), max(limits.review, floors[name]))
            for name, limits in found.thresholds.items()
        },
    )


def _cost(
    parts: Mapping[str, PartScores],
    checks: Sequence[str],
    promise: Promise,
    faulty: Sequence[PartScores],
    probabilities: frozenset[str],
) -> float | None:
    """The least review rate at which no faulty part passes; None: not even that of all good parts."""
    count = len(parts)
    for block in range(blocks(count, promise.review_rate) + 1, count + 1):
        rate = block / (count + 1)
        wider = Promise(false_reject_rate=promise.false_reject_rate, review_rate=rate)
        found = _thresholds(parts, checks, wider, faulty, probabilities)
        if not any(part.verdict(found.thresholds) is Verdict.PASS for part in faulty):
            return found.review_rate
    return None


def _sorted(parts: Mapping[str, PartScores], check: str) -> tuple[float, ...]:
    return tuple(sorted(part.scores[check] for part in parts.values() if check in part.scores))


def _odd(parts: Mapping[str, PartScores], checks: Sequence[str]) -> tuple[str, ...]:
    scored = (
        {name: part.scores[check] for name, part in parts.items() if check in part.scores}
        for check in checks
    )
    return tuple(dict.fromkeys(name for scores in scored for name in unlike_others(scores)))


def write(recipe: Recipe, calibration: Calibration) -> tuple[int, int]:
    """Write ``calibration.json`` and raise the recipe's version; returns the old and the new one.

    Raises :class:`StorageError` when the folder cannot be written.
    """
    try:
        write_calibration(recipe.path, calibration)
        return raise_version(recipe.path / RECIPE_FILE)
    except OSError as error:
        raise StorageError(
            f"{recipe.path} cannot be written: {error.strerror}", "Make the folder writable"
        ) from error


def raise_version(path: Path) -> tuple[int, int]:
    """Add one to ``version`` in a recipe's text, every other character left as it is."""
    text = path.read_bytes().decode("utf-8")
    value = value_node(yaml.compose(text, Loader=yaml.SafeLoader), "version")
    if value is None:
        raise InputError(f"{path} states no version", "Add 'version: 1'")
    before = int(yaml.safe_load(value.value))
    changed = rewritten(text, [(value.start_mark.index, value.end_mark.index, str(before + 1))])
    scratch = path.with_suffix(".tmp")
    scratch.write_bytes(changed.encode("utf-8"))
    shutil.copymode(path, scratch)
    scratch.replace(path)
    return before, before + 1


def describe(recipe: Recipe, result: Result) -> Iterator[str]:
    """The outcome for a person, a line each."""
    calibration = result.calibration
    yield (
        f"{recipe.recipe_id}: {calibration.parts} good parts in {calibration.pictures} pictures"
        + (f", {len(result.faulty)} faulty parts" if result.faulty else "")
    )
    if result.odd:
        yield (
            f"look unlike the others: {_named(result.odd)}. Look at them: a faulty part among the good "
            "ones loosens the thresholds"
        )
    promise, kept, count = calibration.promise, calibration.kept, calibration.parts
    if promise is not None and kept is not None:
        yield (
            f"promised of good parts: at most {promise.false_reject_rate:.2%} FAIL, "
            f"{promise.review_rate:.2%} go to REVIEW"
        )
        yield (
            f"these thresholds give, on average over calibrations: {kept.false_reject_rate:.2%} FAIL, "
            f"{kept.review_rate:.2%} REVIEW"
        )
    for name in result.thresholds:
        limits = calibration.checks[name]
        scores = limits.good
        seen = (
            f"good parts score up to {scores[-1]:.5g}, half of them up to " if scores else "none seen"
        )
        middle = f"{scores[len(scores) // 2]:.5g}" if scores else ""
        yield (
            f"{name}: FAIL from {limits.threshold:.5g}, REVIEW from {limits.review_threshold:.5g} "
            f"({seen}{middle})"
        )
    verdicts = [part.verdict(result.thresholds) for part in result.good.values()]
    yield (
        f"these good parts: {verdicts.count(Verdict.FAIL)} FAIL, "
        f"{verdicts.count(Verdict.REVIEW)} REVIEW, of {count}"
    )
    if result.proposal is not None:
        yield from _proposed(result.proposal)
    if result.faulty:
        yield from _faulty(result)


def _proposed(found: Calibrated) -> Iterator[str]:
    yield (
        "the recipe promises nothing. With 'false_reject_rate: "
        f"{PROPOSED.false_reject_rate:g}' in place of thresholds {found.false_reject_rate:.2%} of good "
        f"parts would FAIL and {found.review_rate:.2%} go to REVIEW, on average over calibrations:"
    )
    for name, limits in found.thresholds.items():
        yield f"  {name}: FAIL from {limits.fail:.5g}, REVIEW from {limits.review:.5g}"


def _faulty(result: Result) -> Iterator[str]:
    verdicts = {name: part.verdict(result.thresholds) for name, part in result.faulty.items()}
    passed = [name for name, verdict in verdicts.items() if verdict is Verdict.PASS]
    bound = upper_bound(len(passed), len(verdicts)) or 0.0
    counts = list(verdicts.values())
    yield (
        f"faulty parts: {counts.count(Verdict.FAIL)} FAIL, {counts.count(Verdict.REVIEW)} REVIEW, "
        f"{len(passed)} of {len(verdicts)} escape, at most {bound:.2%} with 95 % confidence"
    )
    if passed:
        yield f"escaping: {_named(passed)}"
        if result.cost is not None:
            yield (
                f"a review_rate of {result.cost:.4f} would send them all to REVIEW: what is promised "
                "is not widened by itself"
            )


def _named(parts: Sequence[str]) -> str:
    # the folder too: kinds of faults have one each
    names = ["/".join(Path(part).parts[-2:]) for part in parts[:NAMED_MOST]]
    more = len(parts) - len(names)
    return ", ".join(names) + (f" and {more} more" if more > 0 else "")
