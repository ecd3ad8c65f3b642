"""Other light than at the calibration: thresholds that were fixed before still keep their promise.

Metal nuts: an anomaly model of 40 good ones, thresholds from 80 others, and nuts that neither has seen,
every second one of the test's, to take seconds. Size and rotation are given, not found, for the same
reason. With ``-s`` the figures are shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from scipy.stats import betabinom
from support import a_station

from inspector.calibration import read_calibration
from inspector.domain import Image
from inspector.station import Station
from inspector.stills import read_still
from system.cli import run_here
from system.light import hold_in_other_light, still_pass_in_slightly_other_light

RECIPE = """\
product: nut
version: 1
false_reject_rate: 0.02
review_rate: 0.05
checks:
  - {kind: anomaly, model: surface}
"""


@dataclass(frozen=True)
class Nuts:
    """A calibrated station, and nuts that it has not seen."""

    station: Station
    folder: Path
    good: list[Image]
    faulty: list[Image]


@pytest.fixture(scope="module")
def nuts(tmp_path_factory: pytest.TempPathFactory, data_dir: Path) -> Nuts:
    from inspector.training.anomaly import train_anomaly
    from inspector.training.goodparts import AnomalyWishes

    root, data = tmp_path_factory.mktemp("light"), data_dir / "metal_nut"
    good = sorted((data / "good").glob("*.jpg"))
    known = [path for path in good if int(path.stem) < 160]
    for name, chosen in (("fit", known[::4]), ("rest", known[1::2])):
        (root / name).mkdir()
        for path in chosen:
            (root / name / path.name).symlink_to(path)
    folder = root / "nut"
    folder.mkdir()
    (folder / "recipe.yaml").write_text(RECIPE)
    wishes = AnomalyWishes(size=(256, 256), rotate=False)
    train_anomaly(root / "fit", folder / "surface", wishes=wishes, bank=1000, command="")
    with pytest.MonkeyPatch.context() as patch:
        ran = run_here(patch, _Quiet(), "calibrate", folder, root / "rest")
    assert ran.code == 0
    faulty = [path for kind in ("bent", "scratch") for path in sorted((data / kind).glob("*.jpg"))]
    tested = [path for path in good if int(path.stem) >= 160]
    return Nuts(
        a_station(folder),
        folder,
        [read_still(path) for path in tested[::2]],
        [read_still(path) for path in faulty[::2]],
    )


class _Quiet:
    """What the fixture does not read."""

    def readouterr(self) -> object:
        return type("Said", (), {"out": "", "err": ""})


def test_in_other_light_no_more_faulty_parts_escape_and_good_ones_do_not_fail(nuts: Nuts) -> None:
    calibration = read_calibration(nuts.folder)
    assert calibration is not None
    assert calibration.kept is not None
    blocks = round(calibration.kept.false_reject_rate * (calibration.parts + 1))
    law = betabinom(len(nuts.good), blocks, calibration.parts + 1 - blocks)
    hold_in_other_light(nuts.station, nuts.good, nuts.faulty, law.ppf(0.99))


def test_in_slightly_other_light_good_parts_still_pass(nuts: Nuts) -> None:
    still_pass_in_slightly_other_light(nuts.station, nuts.good)
