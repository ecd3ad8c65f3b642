"""Metal nuts that lie at any rotation: learnt from good ones, told from bent and scratched ones.

Nothing is tuned on these pictures: what the training chooses, it chooses from the good ones alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from inspector.bundle import Bundle
from inspector.domain import Image
from inspector.runtimes.load import load_anomaly
from inspector.training.anomaly import train_anomaly
from inspector.training.card import read_picture

TRAINED_ON = 160
FEW = 16
DRAWS = 5


@dataclass(frozen=True, eq=False)
class Nuts:
    """The published split: good ones below number 160 to learn from, all others to test on."""

    train: tuple[Path, ...]
    good: tuple[Image, ...]
    faulty: tuple[Image, ...]


@pytest.fixture(scope="module")
def nuts(data_dir: Path) -> Nuts:
    folder = data_dir / "metal_nut"
    good = sorted((folder / "good").iterdir(), key=_number)
    faulty = [
        path for kind in folder.iterdir() if kind.name != "good" for path in sorted(kind.iterdir())
    ]
    test = [path for path in good if _number(path) >= TRAINED_ON]
    train = tuple(path for path in good if _number(path) < TRAINED_ON)
    assert (len(train), len(test), len(faulty)) == (160, 60, 48)
    return Nuts(train, tuple(map(read_picture, test)), tuple(map(read_picture, faulty)))


@pytest.fixture(scope="module")
def bundle(nuts: Nuts, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("nuts")
    out = folder / "bundle"
    train_anomaly(_linked(nuts.train, folder / "good"), out, command="inspector train anomaly good")
    return Bundle.load(out)


def _number(path: Path) -> int:
    return int("".join(filter(str.isdigit, path.stem)))


def _linked(paths: Sequence[Path], folder: Path) -> Path:
    folder.mkdir()
    for path in paths:
        (folder / path.name).symlink_to(path)
    return folder


def auroc(good: Sequence[float], faulty: Sequence[float]) -> float:
    return float(roc_auc_score([0] * len(good) + [1] * len(faulty), [*good, *faulty]))


def test_faulty_nuts_are_told_from_good_ones(bundle: Bundle, nuts: Nuts) -> None:
    model = load_anomaly(bundle)
    good = [model.score(image).score for image in nuts.good]
    faulty = [model.score(image).score for image in nuts.faulty]
    assert auroc(good, faulty) >= 0.995
    card = bundle.card
    assert (card.input.width, card.input.height, card.input.tile) == (448, 448, None)
    # scores of the card are of parts that the model compared with had not seen, so they look like new ones
    assert len(card.good_scores) == TRAINED_ON
    assert np.median(card.good_scores) == pytest.approx(np.median(good), rel=0.05)


def test_the_light_does_not_move_the_scores(bundle: Bundle, nuts: Nuts) -> None:
    model = load_anomaly(bundle)
    for image in (*nuts.good[::12], *nuts.faulty[::12]):
        clean = model.score(image).score
        for gains in ((0.9,) * 3, (1.1,) * 3, (0.75,) * 3, (1.1, 1.0, 0.9)):
            lit = np.clip(image * np.array(gains), 0, 255).round().astype(np.uint8)
            assert model.score(lit).score == pytest.approx(clean, rel=0.04)


def test_both_runtimes_agree_on_real_pictures(bundle: Bundle, nuts: Nuts) -> None:
    openvino, torch = load_anomaly(bundle), load_anomaly(bundle, "torch")
    for image in (nuts.good[0], nuts.faulty[0], nuts.faulty[-1]):
        assert openvino.score(image).score == pytest.approx(torch.score(image).score, rel=1e-3)


def test_few_nuts_are_enough(nuts: Nuts) -> None:
    # as the command does it, but the test pictures' features only once for all draws
    import torch

    from inspector.bundle import InputSpec
    from inspector.training.backbone import INSTALLED
    from inspector.training.bar import training_bar
    from inspector.training.export import PreprocessedNetwork, Preprocessing
    from inspector.training.light import EvenLight, mean_light
    from inspector.training.patchbank import grids_of, look_at
    from inspector.training.patchcore import PatchScores, choose_bank, patch_features

    rng = np.random.default_rng(0)
    draws = [rng.choice(len(nuts.train), FEW, replace=False) for _ in range(DRAWS)]
    learnt_from = [read_picture(nuts.train[index]) for index in draws[0]]
    spec = InputSpec(width=448, height=448, fit="letterbox", resize="graph")
    features = patch_features(INSTALLED, light=EvenLight(mean_light(learnt_from)))
    before = Preprocessing(448, 448, scale=(1.0, 1.0, 1.0), resize=True)
    network = PreprocessedNetwork(features, before, ("features",)).eval()

    def grid(image: Image) -> torch.Tensor:
        (only,) = grids_of(image, network, spec)
        return only

    good, faulty = ([grid(image).half() for image in images] for images in (nuts.good, nuts.faulty))
    found = []
    for draw in draws:
        with training_bar() as bar:
            paths = [nuts.train[index] for index in draw]
            learnt = look_at(paths, network, spec, rotate=True, seed=0, bar=bar)
        bank = choose_bank(list(learnt.patches.values()), 2000, 0)
        model = PatchScores(features, bank).eval()
        with torch.inference_mode():
            scores = [
                [float(model.compare(one.float())[0]) for one in grids] for grids in (good, faulty)
            ]
        found.append(auroc(*scores))
    assert np.mean(found) >= 0.975, found
