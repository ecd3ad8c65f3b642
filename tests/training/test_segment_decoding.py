"""Our reading of a segmentation network's raw head against Ultralytics' own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from runtimes.test_yolo_decoding import Floats, Told, card

from inspector.runtimes.yolo import YoloDetector

SIDE = 320
LABELS = ("bottle", "cap")


@pytest.fixture(scope="module")
def outputs() -> tuple[torch.Tensor, torch.Tensor]:
    """Of an untrained network whose activations and scores are spread as if it were trained."""
    from ultralytics.nn.tasks import SegmentationModel

    torch.manual_seed(3)
    model = SegmentationModel("yolo11n-seg.yaml", nc=len(LABELS), verbose=False)
    head = model.model[-1]
    coarse = torch.rand(2, 3, 20, 20)
    pictures = torch.nn.functional.interpolate(coarse, size=SIDE, mode="bilinear")
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        for branch in head.cv3:
            torch.nn.init.normal_(branch[-1].weight, 0, 0.3)
            branch[-1].bias.fill_(-1.5)
        model.train()(pictures)
        head.export = True
        detections, prototypes = model.eval()(pictures[:1])
    return detections, prototypes


# letterboxes of whole prototypes, four pixels of the input: theirs rounds any other
@pytest.mark.parametrize("size", [(320, 320), (640, 480)])
def test_the_same_objects_with_the_same_pixels(
    outputs: tuple[torch.Tensor, torch.Tensor], size: tuple[int, int]
) -> None:
    from ultralytics.utils import nms, ops

    detections, prototypes = outputs
    shape = size[::-1]
    theirs = nms.non_max_suppression(detections.clone(), 0.2, 0.6, nc=len(LABELS))[0]
    boxes = ops.scale_boxes((SIDE, SIDE), theirs[:, :4].clone(), shape)
    masks = ops.process_mask_native(prototypes[0], theirs[:, 6:], boxes, shape).numpy() > 0
    told = Told(detections=floats(detections), prototypes=floats(prototypes))
    ours = YoloDetector(told, card("raw", "segment"), 0.2).detect(np.zeros((*shape, 3), np.uint8))
    assert len(ours) > 50
    compared = []
    for row, box, mask in zip(theirs.numpy(), boxes.numpy(), masks, strict=True):
        if box[2] - box[0] < 1 or box[3] - box[1] < 1:
            continue  # outside of the picture, in the grey of the letterbox
        same = [d for d in ours if d.label == LABELS[int(row[5])] and abs(d.confidence - row[4]) < 1e-5]
        mine = min(same, key=lambda d: float(np.abs(np.subtract(d.box.rounded(3), box)).max()))
        assert np.abs(np.subtract(mine.box.rounded(3), box)).max() < 1.5
        # a pixel at the edge of a box is theirs or ours by rounding
        if mask.sum() < 400 or mine.mask is None:
            continue
        canvas = np.zeros(shape, np.bool_)
        m = mine.mask
        canvas[m.y : m.y + m.height, m.x : m.x + m.width] = m.pixels
        compared.append((canvas & mask).sum() / (canvas | mask).sum())
    assert len(compared) > 50
    assert np.mean(compared) > 0.97
    assert np.min(compared) > 0.85


def floats(tensor: torch.Tensor) -> Floats:
    return np.asarray(tensor.numpy(), np.float32)
