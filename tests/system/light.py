"""Other light than the one that was learnt from, and what verdicts become in it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from inspector.domain import Image, Verdict
from inspector.station import Judged, Station
from inspector.stills import still

Change = Callable[[Image], Image]


def lit(*gains: float, contrast: float = 1.0) -> Change:
    """Blue, green and red by factors, and the contrast about the picture's own mean."""

    def change(image: Image) -> Image:
        values = image.astype(np.float32) * np.array(gains, np.float32)
        mean = values.mean()
        return np.clip(mean + (values - mean) * contrast, 0, 255).astype(np.uint8)

    return change


SHIFTS = {
    "darker by 25 %": lit(0.75, 0.75, 0.75),
    "brighter by 25 %": lit(1.25, 1.25, 1.25),
    "less contrast": lit(1, 1, 1, contrast=0.75),
    "more contrast": lit(1, 1, 1, contrast=1.25),
    "warmer": lit(0.85, 1, 1.15),
    "colder": lit(1.15, 1, 0.85),
}
SLIGHT = {"darker by 10 %": lit(0.9, 0.9, 0.9), "brighter by 10 %": lit(1.1, 1.1, 1.1)}


def judged(station: Station, images: Sequence[Image], change: Change | None = None) -> list[Judged]:
    """What the station says of pictures, in other light if ``change`` is given."""
    parts = (
        still(Path(f"{index}.jpg"), image if change is None else change(image), index, "part")
        for index, image in enumerate(images)
    )
    return [station.inspect(part) for part in parts]


def counted(found: Sequence[Judged], verdict: Verdict) -> int:
    """How many of them have that verdict."""
    return sum(one.judgement.verdict is verdict for one in found)


def auroc(faulty: Sequence[Judged], good: Sequence[Judged]) -> float:
    """Of the raw scores, whatever the gate says."""
    truth = [1] * len(faulty) + [0] * len(good)
    return float(roc_auc_score(truth, [one.scores[0].score for one in (*faulty, *good)]))


def hold_in_other_light(
    station: Station, good: Sequence[Image], faulty: Sequence[Image], most_failed: int
) -> None:
    """Assert: no more faulty parts escape than clean, and of the good no more than so many FAIL."""
    clean = judged(station, faulty), judged(station, good)
    escapes = counted(clean[0], Verdict.PASS)
    assert counted(clean[1], Verdict.FAIL) <= most_failed
    for name, change in SHIFTS.items():
        bad, fine = judged(station, faulty, change), judged(station, good, change)
        sys.stdout.write(
            f"{name}: {counted(bad, Verdict.PASS)} of {len(bad)} escape (clean {escapes}), good: "
            f"{counted(fine, Verdict.FAIL)} FAIL {counted(fine, Verdict.REVIEW)} REVIEW of {len(fine)}, "
            f"AUROC {auroc(bad, fine):.3f} (clean {auroc(*clean):.3f})\n"
        )
        assert counted(bad, Verdict.PASS) <= escapes, name
        assert counted(fine, Verdict.FAIL) <= most_failed, name


def still_pass_in_slightly_other_light(station: Station, good: Sequence[Image]) -> None:
    """Assert: four of five good parts PASS clean, and nine in ten of these do in it."""
    clean = judged(station, good)
    passed = [
        image for image, one in zip(good, clean, strict=True) if one.judgement.verdict is Verdict.PASS
    ]
    assert len(passed) >= 0.8 * len(good)
    for name, change in SLIGHT.items():
        kept = counted(judged(station, passed, change), Verdict.PASS)
        sys.stdout.write(f"{name}: {kept} of {len(passed)} good parts that passed still PASS\n")
        assert kept >= 0.9 * len(passed), name
