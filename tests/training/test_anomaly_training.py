"""An anomaly model, from good pictures to a bundle that tells the spoilt ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from training.samples import spoilt, texture, textures

from inspector.bundle import Bundle
from inspector.errors import DataError, InputError
from inspector.runtimes.load import load_anomaly


def test_a_planted_anomaly_scores_above_every_good_part(anomaly_bundle: Bundle) -> None:
    model = load_anomaly(anomaly_bundle)
    rng = np.random.default_rng(77)
    fresh = [texture(rng) for _ in range(8)]
    good = [model.score(image).score for image in fresh]
    bad = [model.score(spoilt(image)).score for image in fresh]
    threshold = float(anomaly_bundle.card.calibration["threshold"])
    assert max(good) < threshold < min(bad)


def test_the_map_points_at_the_anomaly(anomaly_bundle: Bundle) -> None:
    heat = load_anomaly(anomaly_bundle).score(spoilt(texture(np.random.default_rng(1)))).heat
    assert heat.shape == (15, 20)
    row, column = np.unravel_index(int(heat.argmax()), heat.shape)
    assert abs((column + 0.5) / 20 * 128 - 90) < 20
    assert abs((row + 0.5) / 15 * 96 - 40) < 20


def test_the_card_says_what_the_threshold_is_worth(anomaly_bundle: Bundle) -> None:
    card = anomaly_bundle.card
    assert card.task == "anomaly"
    assert card.architecture == "patchcore/tf_efficientnet_lite0"
    assert card.input.resize == "graph"
    assert card.data.split == {"train": 10}
    assert 0 < card.calibration["good_median"] <= card.calibration["good_max"]
    assert card.calibration["threshold"] == pytest.approx(
        1.3 * float(card.calibration["good_max"]), rel=1e-4
    )
    assert card.calibration["good_median"] < card.calibration["review_threshold"]
    assert card.calibration["review_threshold"] <= float(card.calibration["good_max"]) + 1e-3
    assert "no promised false-reject rate" in str(card.calibration["note"])
    assert all((anomaly_bundle.path / file.name).stat().st_size < 3_000_000 for file in card.files)


def test_pictures_of_any_size_go_in(anomaly_bundle: Bundle) -> None:
    model = load_anomaly(anomaly_bundle)
    image = texture(np.random.default_rng(1))
    # half as high: padded below to the input's aspect, and the map without the padding
    assert model.score(image[:50]).heat.shape == (8, 20)
    assert np.isfinite(model.score(np.tile(image, (3, 4, 1))).score)


def test_frames_of_one_part_stay_together() -> None:
    from inspector.stills import part_of

    assert part_of(Path("clip-f-003_0040.png")) == part_of(Path("clip-f-003_0044.png"))
    assert part_of(Path("clip-f-003_0040.png")) != part_of(Path("clip-f-004_0040.png"))
    assert part_of(Path("photo7.png")) == "photo7"


def test_what_cannot_be_learnt_from_is_a_sentence(tmp_path: Path) -> None:
    from inspector.training.anomaly import train_anomaly
    from inspector.training.goodparts import AnomalyWishes

    good = textures(tmp_path / "good", 2)
    with pytest.raises(InputError, match=r"Available: .*patchcore"):
        train_anomaly(good, tmp_path / "out", method="magic", command="")
    with pytest.raises(InputError, match="not on this computer"):
        train_anomaly(good, tmp_path / "out", backbone="resnet18", command="")
    with pytest.raises(InputError, match="No backbone"):
        train_anomaly(good, tmp_path / "out", backbone="magic", command="")
    wishes = AnomalyWishes(layers=("blocks.99",))
    with pytest.raises(InputError, match=r"has no layer 'blocks\.99'"):
        train_anomaly(good, tmp_path / "out", wishes=wishes, command="")
    (good / "part-000_0.png").unlink()
    with pytest.raises(DataError, match="at least two"):
        train_anomaly(good, tmp_path / "out", command="")
    (good / "part-002_0.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match="no picture that can be read"):
        train_anomaly(good, tmp_path / "out", command="")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataError, match="holds no picture"):
        train_anomaly(empty, tmp_path / "out", command="")
    assert not (tmp_path / "out").exists()
