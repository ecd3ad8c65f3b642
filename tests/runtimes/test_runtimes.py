"""Real bundles on OpenVINO and torch: same findings, clear errors, no torch unless asked for."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from training.samples import drawn, spoilt, texture

from inspector.bundle import Bundle
from inspector.errors import BundleError, DefectError
from inspector.runtimes.load import load_anomaly, load_detector, load_network
from inspector.runtimes.openvino import OpenVinoNetwork
from inspector.runtimes.torch import TorchNetwork

BOX_PX = 1.0
CONFIDENCE = 0.01
SCORE = 0.01
"""Relative."""


def test_both_runtimes_detect_the_same(detector_bundle: Bundle) -> None:
    openvino = load_detector(detector_bundle, min_confidence=0.0)
    torch = load_detector(detector_bundle, "torch", min_confidence=0.0)
    rng = np.random.default_rng(8)
    for _ in range(3):
        image, _ = drawn(rng)
        mine, theirs = openvino.detect(image)[:20], torch.detect(image)
        assert mine
        for a in mine:
            # near-equal confidences may change places
            assert any(
                a.label == b.label
                and abs(a.confidence - b.confidence) < CONFIDENCE
                and np.abs(np.subtract(a.box.rounded(3), b.box.rounded(3))).max() < BOX_PX
                for b in theirs
            )


def test_both_runtimes_score_the_same(anomaly_bundle: Bundle) -> None:
    openvino, torch = load_anomaly(anomaly_bundle), load_anomaly(anomaly_bundle, "torch")
    rng = np.random.default_rng(8)
    for image in (texture(rng), spoilt(texture(rng)), spoilt(texture(rng))[:61, :90]):
        mine, theirs = openvino.score(image), torch.score(image)
        assert mine.score == pytest.approx(theirs.score, rel=SCORE)
        assert mine.heat == pytest.approx(theirs.heat, rel=3 * SCORE, abs=0.3)


def test_a_corrupt_network_is_a_sentence(detector_bundle: Bundle, tmp_path: Path) -> None:
    for name in ("openvino.xml", "torch.pt2"):
        (tmp_path / name).write_bytes(b"no network at all")
    with pytest.raises(BundleError, match="cannot be loaded by OpenVINO") as caught:
        OpenVinoNetwork(tmp_path / "openvino.xml")
    assert "Restore the bundle" in str(caught.value)
    with pytest.raises(BundleError, match="cannot be loaded by torch"):
        TorchNetwork(tmp_path / "torch.pt2")
    whole = (detector_bundle.path / "torch.pt2").read_bytes()
    (tmp_path / "torch.pt2").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BundleError, match="cannot be loaded by torch"):
        TorchNetwork(tmp_path / "torch.pt2")
    (tmp_path / "openvino.xml").write_bytes((detector_bundle.path / "openvino.xml").read_bytes())
    (tmp_path / "openvino.bin").write_bytes(b"short")
    with pytest.raises(BundleError, match="cannot be loaded by OpenVINO"):
        OpenVinoNetwork(tmp_path / "openvino.xml")
    with pytest.raises(BundleError, match="is missing"):
        OpenVinoNetwork(tmp_path / "other.xml")
    with pytest.raises(BundleError, match="is missing"):
        TorchNetwork(tmp_path / "other.pt2")


def test_a_bundle_for_another_task_is_refused(detector_bundle: Bundle, anomaly_bundle: Bundle) -> None:
    with pytest.raises(BundleError, match="cannot detect"):
        load_detector(anomaly_bundle)
    with pytest.raises(BundleError, match="cannot find anomalies"):
        load_anomaly(detector_bundle)


def test_only_uint8_pictures_of_the_right_size_go_in(detector_bundle: Bundle) -> None:
    for runtime in ("openvino", "torch"):
        network = load_network(detector_bundle, runtime)
        with pytest.raises(DefectError, match="takes uint8"):
            network(np.zeros((64, 64, 3), np.float32))  # type: ignore[arg-type]
        with pytest.raises(DefectError):
            network(np.zeros((32, 64, 3), np.uint8))


def test_threads_share_a_pool_and_get_their_own_answers(anomaly_bundle: Bundle) -> None:
    model = load_anomaly(anomaly_bundle, threads=2, requests=2)
    rng = np.random.default_rng(8)
    images = [texture(rng) for _ in range(8)] + [spoilt(texture(rng)) for _ in range(8)]
    alone = [model.score(image).score for image in images]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda image: model.score(image).score, images * 3))
    assert together == pytest.approx(alone * 3, rel=1e-5)


def test_the_line_never_imports_torch(detector_bundle: Bundle, anomaly_bundle: Bundle) -> None:
    program = f"""
import sys
from pathlib import Path
import numpy as np
from inspector.bundle import Bundle
from inspector.runtimes.load import load_anomaly, load_detector
image = np.zeros((96, 96, 3), np.uint8)
load_detector(Bundle.load(Path({str(detector_bundle.path)!r}))).detect(image)
load_anomaly(Bundle.load(Path({str(anomaly_bundle.path)!r}))).score(image)
assert 'torch' not in sys.modules and 'ultralytics' not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


def test_the_torch_runtime_needs_torch_alone(detector_bundle: Bundle) -> None:
    program = f"""
import sys
from pathlib import Path
import numpy as np
from inspector.bundle import Bundle
from inspector.runtimes.load import load_detector
bundle = Bundle.load(Path({str(detector_bundle.path)!r}))
load_detector(bundle, "torch").detect(np.zeros((96, 96, 3), np.uint8))
assert not {{'ultralytics', 'anomalib', 'timm'}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


def test_a_runtime_that_is_not_installed_is_a_sentence(
    detector_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "inspector.runtimes.torch")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(BundleError, match="not installed"):
        load_network(detector_bundle, "torch")
