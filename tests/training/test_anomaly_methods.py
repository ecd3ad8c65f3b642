"""anomalib's other models, by name, to bundles that give raw scores; nothing is fetched."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from training.samples import spoilt, texture, textures

from inspector.bundle import Bundle
from inspector.errors import InputError
from inspector.runtimes.load import load_anomaly
from inspector.training.methods import method_named, methods


def test_names_are_found_however_they_are_typed() -> None:
    assert method_named("EfficientAD") == method_named("efficient-ad") == "efficientad"
    assert {"patchcore", "padim", "stfpm", "fastflow"} <= set(methods())
    with pytest.raises(InputError, match=r"Available: .*padim"):
        method_named("magic")


def _train(good: Path, out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    # in a process of its own: the library warns, and sets up logging, as it pleases
    return subprocess.run(
        [
            *(sys.executable, "-m", "inspector", "train", "anomaly", str(good)),
            *("--out", str(out), "--size", "64x64", *options),
        ],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


def test_padim_goes_all_the_way(tmp_path: Path) -> None:
    done = _train(textures(tmp_path / "good", 24), tmp_path / "out", "--method", "PaDiM")
    assert done.returncode == 0, done.stderr[-3000:]
    bundle = Bundle.load(tmp_path / "out")
    assert bundle.card.architecture == "padim/tf_efficientnet_lite0"
    assert len(bundle.card.good_scores) == 6
    rng = np.random.default_rng(7)
    model, torch = load_anomaly(bundle), load_anomaly(bundle, "torch")
    fresh = [texture(rng) for _ in range(3)]
    good = [model.score(image).score for image in fresh]
    faulty = [model.score(spoilt(image)) for image in fresh]
    # raw: a clamped score is at most 1
    assert max(good) > 1
    assert min(found.score for found in faulty) > max(good)
    for image in (fresh[0], spoilt(fresh[0])):
        assert model.score(image).score == pytest.approx(torch.score(image).score, rel=1e-3)
    heat = faulty[0].heat
    row, column = np.unravel_index(int(heat.argmax()), heat.shape)
    assert abs((column + 0.5) / heat.shape[1] * 128 - 90) < 25
    assert abs((row + 0.5) / heat.shape[0] * 96 - 40) < 25


def test_a_method_whose_weights_are_missing_says_how_to_give_them(tmp_path: Path) -> None:
    good = textures(tmp_path / "good", 6)
    done = _train(good, tmp_path / "out", "--method", "efficientad")
    assert done.returncode == 2, done.stderr[-3000:]
    assert "nothing is fetched" in done.stderr
    assert "--weights" in done.stderr
    assert not (tmp_path / "out").exists()
