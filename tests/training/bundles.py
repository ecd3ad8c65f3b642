"""Fixtures: bundles that are trained once for all tests that need one."""

from __future__ import annotations

from pathlib import Path

import pytest
from training.samples import drawn_dataset, textures

from inspector.bundle import Bundle


@pytest.fixture(scope="session")
def detector_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A YOLO26n that was stopped after the first of two epochs and then went on."""
    # the same folder from whichever test module asks first
    out = tmp_path_factory.getbasetemp() / "trained" / "detector"
    if not out.exists():
        _interrupted_training(out)
    return Bundle.load(out)


def _interrupted_training(out: Path) -> None:
    from inspector.training.detector import train_detector
    from inspector.training.plan import Wishes

    data = drawn_dataset(out.parent / "drawn")
    epochs: list[int] = []

    def stop_at_first(epoch: int, of: int, precision: float) -> None:
        epochs.append(epoch)
        assert of == 2
        if len(epochs) == 1:
            raise KeyboardInterrupt

    def run() -> None:
        train_detector(
            data,
            out,
            epochs=2,
            allow_findings=True,
            wishes=Wishes(base="yolo26n.yaml", imgsz=64),
            progress=stop_at_first,
            command="inspector train detector data.yaml --out detector --epochs 2 --imgsz 64 --base yolo26n",
        )

    with pytest.raises(KeyboardInterrupt):
        run()
    assert not out.exists()
    run()
    assert epochs == [1, 2], epochs


@pytest.fixture(scope="session")
def anomaly_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """PatchCore on ten good textures."""
    out = tmp_path_factory.getbasetemp() / "trained" / "anomaly"
    if not out.exists():
        from inspector.training.anomaly import train_anomaly
        from inspector.training.goodparts import AnomalyWishes

        good = textures(out.parent / "good", 10)
        wishes = AnomalyWishes(size=(160, 128))
        train_anomaly(good, out, bank=500, wishes=wishes, command="inspector train anomaly good")
    return Bundle.load(out)
