"""A recipe that is trained, calibrated and disturbed here, on metal nuts: what its verdicts stand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from scipy.stats import binom
from support import a_station

from inspector.disturbances import DISTURBANCES
from inspector.domain import FindingKind
from inspector.evaluation.data import read_data
from inspector.evaluation.disturbed import Disturbed, chosen, inspect_disturbed, lines, report
from inspector.evaluation.parts import Share
from inspector.evaluation.run import Outcome, evaluate
from system.cli import run_here

RATE = 0.02
GATES_RATE = 0.01
"""What calibration leaves to the gate of the review rate."""
DISTURBED = 10
"""Good and faulty parts, of each so many: there are 36 pictures of every part."""
RECIPE = f"""\
product: nut
version: 1
false_reject_rate: {RATE}
review_rate: {RATE}
quality: {{min_side_px: 640}}
checks:
  - {{kind: anomaly, model: surface}}
"""
CAUSES = {
    "defocus": "Blur",
    "motion": "Blur",
    "darker": "Exposure",
    "brighter": "Exposure",
    "flatter": "Exposure",
    "noise": "Exposure",
    "hand": "Covered",
    "dirt": "Covered",
    "cut": "PartialPart",
    "sticker": "Tampered",
    "noise patch": "Tampered",
}
"""Of a severe grade. Good nuts lie at every angle, so none is unusual: ``turned`` is not among them."""


@dataclass(frozen=True)
class Trial:
    """The test pictures clean, and some of them disturbed."""

    clean: list[Outcome]
    rows: list[Disturbed]


def links(pictures: list[Path], folder: Path) -> Path:
    folder.mkdir(parents=True)
    for picture in pictures:
        (folder / picture.name).symlink_to(picture)
    return folder


@pytest.fixture(scope="module")
def trial(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Trial:
    from inspector.training.anomaly import train_anomaly

    nuts = data_dir / "metal_nut"
    good = sorted((nuts / "good").glob("*.jpg"))
    train = [path for path in good if int(path.stem) < 160]
    root = tmp_path_factory.mktemp("nuts")
    train_anomaly(links(train[::5], root / "fit"), root / "nut" / "surface", command="")
    (root / "nut" / "recipe.yaml").write_text(RECIPE)
    unseen = links([path for place, path in enumerate(train) if place % 5 in (1, 3)], root / "unseen")
    with pytest.MonkeyPatch.context() as patch:
        capture = _Quiet()
        ran = run_here(patch, capture, "calibrate", root / "nut", unseen)  # type: ignore[arg-type]
    assert ran.code == 0
    links([path for path in good if int(path.stem) >= 160], root / "set" / "test" / "good")
    for kind in ("bent", "scratch"):
        links(sorted((nuts / kind).glob("*.jpg")), root / "set" / "test" / kind)
    station = a_station(root / "nut")
    clean = list(evaluate(station, read_data(root / "set")))
    assert len(clean) == 108
    return Trial(clean, list(inspect_disturbed(station, chosen(clean, DISTURBED))))


class _Quiet:
    """A fixture of a module has no ``capsys``."""

    out = err = ""

    def readouterr(self) -> _Quiet:
        return self


def test_no_disturbance_passes_a_faulty_part(trial: Trial) -> None:
    assert len(trial.rows) == 3 * len(DISTURBANCES)
    assert all(sum(row.faulty.values()) == DISTURBED for row in trial.rows)
    assert {(row.name, row.grade): row.passed for row in trial.rows if row.passed} == {}


def test_mild_disturbances_change_few_verdicts(trial: Trial) -> None:
    """Nine of ten over all disturbances, and of none of them more than two parts of ten."""
    mild = [row for row in trial.rows if row.grade == 0]
    for kept in ([row.good_kept for row in mild], [row.faulty_kept for row in mild]):
        assert all(share.count >= share.of - 2 for share in kept), list(lines(trial.rows))
        assert (pooled(kept).rate or 0) >= 0.9, list(lines(trial.rows))
        # so that the share means something: how many FAIL clean is for other tests to say
        assert pooled(kept).of >= 40


def pooled(shares: list[Share]) -> Share:
    return Share(sum(share.count for share in shares), sum(share.of for share in shares))


def test_what_is_severe_is_refused_with_its_cause(trial: Trial) -> None:
    severe = {row.name: row for row in trial.rows if row.grade == 2}
    for name, cause in CAUSES.items():
        row = severe[name]
        assert row.good["REVIEW"] + row.faulty["REVIEW"] == 2 * DISTURBED, name
        assert max(row.causes, key=lambda word: row.causes[word]) == cause, (name, row.causes)
    assert severe["turned"].good_passed == 0


def test_undisturbed_good_parts_are_seldom_refused(trial: Trial) -> None:
    """No more than chance allows once in twenty at the rate that the gate has."""
    good = [outcome for outcome in trial.clean if outcome.faulty is False]
    refused = [outcome.sample.name for outcome in good if _refused(outcome)]
    assert len(good) == 60
    assert len(refused) <= binom.ppf(0.95, len(good), GATES_RATE), refused


def test_the_gate_does_not_take_faults_for_disturbances(trial: Trial) -> None:
    faulty = [outcome for outcome in trial.clean if outcome.faulty]
    assert len(faulty) == 48
    assert sum(map(_refused, faulty)) <= 0.05 * len(faulty)


def _refused(outcome: Outcome) -> bool:
    return any(finding.kind is FindingKind.QUALITY for finding in outcome.judged.findings)


def test_the_operating_curve_is_told(trial: Trial) -> None:
    told = list(lines(trial.rows))
    assert len(told) == len(DISTURBANCES) + 2
    assert told[-1].endswith(": 0")
    rows = report(trial.rows)
    assert [row["grade"] for row in rows[:3]] == ["mild", "strong", "severe"]
    assert all(0 <= row["goodPassed"] <= 1 and row["passedByIt"] == [] for row in rows)
