"""How the verdicts stand up to disturbed pictures: the operating curve of recipe and quality gate.

The same parts are inspected once more under each of :data:`inspector.disturbances.DISTURBANCES` in
three grades. A disturbance may send a part to REVIEW; it must not pass a faulty one that was not passed
clean.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from inspector.disturbances import DISTURBANCES, GRADES, disturb
from inspector.domain import Verdict
from inspector.evaluation.parts import Share
from inspector.evaluation.run import Outcome
from inspector.station import Station
from inspector.stills import read_golden, read_still, still

MOST = 40
"""Good and faulty parts, of each so many, spread over all: there are 36 pictures of every part."""


@dataclass(frozen=True, slots=True)
class Disturbed:
    """What became of the parts under one disturbance of one grade."""

    name: str
    grade: int
    """0 mild, 1 strong, 2 severe."""
    good: dict[str, int]
    """Good parts by verdict."""
    faulty: dict[str, int]
    passed: tuple[str, ...]
    """Faulty parts that it passed and that were not passed clean."""
    good_kept: Share
    """Good parts that still PASS, of those that did clean."""
    faulty_kept: Share
    """Faulty parts that still FAIL, of those that did clean."""
    causes: dict[str, int]
    """Of all parts in REVIEW."""

    @property
    def grade_name(self) -> str:
        return GRADES[self.grade]

    @property
    def good_passed(self) -> float | None:
        """Share of the good parts that PASS."""
        return _share(self.good, Verdict.PASS)

    @property
    def faulty_stopped(self) -> float | None:
        """Share of the faulty parts that do not PASS."""
        passed = _share(self.faulty, Verdict.PASS)
        return None if passed is None else 1 - passed


def _share(counts: dict[str, int], verdict: Verdict) -> float | None:
    total = sum(counts.values())
    return counts[verdict.value] / total if total else None


def chosen(outcomes: Sequence[Outcome], most: int = MOST) -> list[Outcome]:
    """The parts that are disturbed: of the good and of the faulty ``most`` each, evenly spread."""
    found = []
    for faulty in (False, True):
        known = [o for o in outcomes if o.faulty is faulty and o.elapsed_ms is not None]
        places = np.linspace(0, len(known) - 1, min(most, len(known))).round().astype(int)
        found += [known[place] for place in places]
    return found


def inspect_disturbed(station: Station, parts: Sequence[Outcome]) -> Iterator[Disturbed]:
    """Each disturbance and grade, in their order. The same parts give the same pictures every time."""
    pictures = [(part, read_still(part.sample.path), read_golden(part.sample.path)) for part in parts]
    for number, name in enumerate(DISTURBANCES):
        for grade in range(len(GRADES)):
            verdicts = []
            causes: Counter[str] = Counter()
            for index, (part, image, golden) in enumerate(pictures):
                changed = disturb(image, name, grade, np.random.default_rng((index, number, grade)))
                path, recipe = part.sample.path, station.recipe.recipe_id
                judgement = station.inspect(still(path, changed, index, recipe, golden)).judgement
                verdicts.append(judgement.verdict)
                if judgement.verdict is Verdict.REVIEW:
                    causes[judgement.cause.word] += 1
            yield _told(name, grade, parts, verdicts, dict(causes.most_common()))


def _told(
    name: str, grade: int, parts: Sequence[Outcome], verdicts: Sequence[Verdict], causes: dict[str, int]
) -> Disturbed:
    pairs = list(zip(parts, verdicts, strict=True))
    good = [(part.verdict, now) for part, now in pairs if not part.faulty]
    faulty = [(part.verdict, now) for part, now in pairs if part.faulty]
    return Disturbed(
        name,
        grade,
        _counts(now for _, now in good),
        _counts(now for _, now in faulty),
        tuple(
            part.sample.name
            for part, now in pairs
            if part.faulty and now is Verdict.PASS and part.verdict is not Verdict.PASS
        ),
        _kept(good, Verdict.PASS),
        _kept(faulty, Verdict.FAIL),
        causes,
    )


def _counts(verdicts: Iterator[Verdict]) -> dict[str, int]:
    counted = Counter(verdicts)
    return {verdict.value: counted[verdict] for verdict in Verdict}


def _kept(pairs: Sequence[tuple[Verdict, Verdict]], verdict: Verdict) -> Share:
    before = [now for clean, now in pairs if clean is verdict]
    return Share(before.count(verdict), len(before))


def lines(rows: Sequence[Disturbed]) -> Iterator[str]:
    """For a terminal: a disturbance a line."""
    width = max(len(row.name) for row in rows)
    yield f"{'good passed / faulty stopped':{width}}" + "".join(f"{name:>16}" for name in GRADES)
    for name in dict.fromkeys(row.name for row in rows):
        cells = "".join(f"{_cell(row):>16}" for row in rows if row.name == name)
        yield f"{name:{max(width, 28)}}{cells}"
    passed = sum(len(row.passed) for row in rows)
    yield f"faulty parts passed by a disturbance, and not clean: {passed}"


def _cell(row: Disturbed) -> str:
    return " / ".join(
        "–" if share is None else f"{share * 100:.0f} %"
        for share in (row.good_passed, row.faulty_stopped)
    )


def report(rows: Sequence[Disturbed]) -> list[dict[str, Any]]:
    """The same for the report's JSON."""
    return [
        {
            "disturbance": row.name,
            "grade": row.grade_name,
            "good": row.good,
            "faulty": row.faulty,
            "goodPassed": row.good_passed,
            "faultyStopped": row.faulty_stopped,
            "goodStillPass": row.good_kept.rate,
            "faultyStillFail": row.faulty_kept.rate,
            "passedByIt": list(row.passed),
            "causes": row.causes,
        }
        for row in rows
    ]
