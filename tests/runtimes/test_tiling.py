"""Large pictures in tiles: each object once, whatever seam it lies on, at a cost like the area's."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest

from inspector.bundle import Tile
from inspector.domain import Box, Detection, Image
from inspector.errors import DefectError
from inspector.mask import Mask
from inspector.runtimes.tiled import TiledDetector, merge, tiles

TILE = Tile(side=640, overlap=128)
BACKGROUND, PAINT = 90, 250
Spot = tuple[int, int, int, int]


class Blobs:
    """A detector without a network: connected bright pixels are a ``scratch``, with their mask."""

    def __init__(self, jitter: float = 0.0, seed: int = 0) -> None:
        self.calls = 0
        self.sizes: set[tuple[int, int]] = set()
        self._jitter = jitter
        self._rng = np.random.default_rng(seed)

    def detect(self, image: Image) -> tuple[Detection, ...]:
        self.calls += 1
        self.sizes.add(image.shape[:2])
        bright = (image[:, :, 0] > (BACKGROUND + PAINT) // 2).astype(np.uint8)
        count, marks, stats, _ = cv2.connectedComponentsWithStats(bright, connectivity=8)
        found = []
        for number in range(1, count):
            x, y, width, height, area = map(int, stats[number])
            mask = Mask.of(marks[y : y + height, x : x + width] == number, x, y)
            a, b, c, d = self._rng.uniform(-self._jitter, self._jitter, 4)
            box = Box(x + a, y + b, x + width + c, y + height + d).clipped(*image.shape[1::-1])
            if box.width <= 0 or box.height <= 0:
                continue
            found.append(Detection("scratch", min(0.99, 0.3 + area / 10_000), box, mask))
        return tuple(sorted(found, key=lambda d: -d.confidence))


def board(width: int = 4000, height: int = 4000) -> Image:
    return np.full((height, width, 3), BACKGROUND, np.uint8)


def paint(image: Image, spot: Spot) -> None:
    x1, y1, x2, y2 = spot
    image[y1:y2, x1:x2] = PAINT


def found_on(image: Image, tile: Tile = TILE) -> list[tuple[float, float, float, float]]:
    return sorted(d.box.rounded() for d in TiledDetector(Blobs(), tile).detect(image))


def seams(length: int, tile: Tile = TILE) -> list[int]:
    """Where tiles begin and end inside a picture of that length."""
    ends = {int(value) for rect in tiles(length, length, tile) for value in (rect.x1, rect.x2)}
    return sorted(ends - {0, length})


def test_tiles_cover_everything_with_no_less_than_their_overlap() -> None:
    for width, height in [(640, 640), (641, 640), (1000, 700), (4000, 4000), (1153, 5000), (100, 900)]:
        rects = tiles(width, height, TILE)
        covered = np.zeros((height, width), np.uint8)
        for rect in rects:
            assert rect.width == min(width, 640)
            assert rect.height == min(height, 640)
            covered[int(rect.y1) : int(rect.y2), int(rect.x1) : int(rect.x2)] = 1
        assert covered.all()
        for side, ends in (
            ("x", sorted({(r.x1, r.x2) for r in rects})),
            ("y", sorted({(r.y1, r.y2) for r in rects})),
        ):
            for (_, end), (start, _) in pairwise(ends):
                assert end - start >= TILE.overlap, (width, height, side)


def test_a_defect_on_every_seam_of_a_large_board_is_found_once() -> None:
    """Also on the crossings, where four tiles meet."""
    image = board()
    lines = [*seams(4000), 2000]
    spots = [(x - 7, y - 9, x + 8, y + 10) for x in lines for y in lines]
    assert len(spots) == 225
    for spot in spots:
        paint(image, spot)
    assert found_on(image) == sorted(tuple(map(float, spot)) for spot in spots)


def test_one_defect_anywhere_is_found_once_and_whole() -> None:
    """Smaller and larger than the overlap, at and beside seams, at their crossings."""
    rng = np.random.default_rng(5)
    image, tile = board(500, 500), Tile(side=160, overlap=32)
    edges = seams(500, tile)
    for number in range(300):
        width, height = map(int, rng.integers(1, 64, 2))
        near = rng.choice(edges, 2) if number % 3 else rng.integers(0, 500, 2)
        x = int(np.clip(near[0] - rng.integers(-2, width + 3), 0, 500 - width))
        y = int(np.clip(near[1] - rng.integers(-2, height + 3), 0, 500 - height))
        spot = (x, y, x + width, y + height)
        paint(image, spot)
        assert found_on(image, tile) == [spot], (number, spot)
        x1, y1, x2, y2 = spot
        image[y1:y2, x1:x2] = BACKGROUND


@pytest.mark.parametrize(
    "ends",
    [
        ((100, 1000), (3900, 1010)),
        ((1500, 60), (1512, 3950)),
        ((50, 50), (3950, 3950)),
        ((3950, 300), (80, 2900)),
        ((500, 500), (1300, 900)),
    ],
)
def test_a_scratch_across_many_tiles_is_one_with_all_its_pixels(
    ends: tuple[tuple[int, int], tuple[int, int]],
) -> None:
    image = board()
    cv2.line(image, *ends, (PAINT, PAINT, PAINT), 5)
    (found,) = TiledDetector(Blobs(), TILE).detect(image)
    ys, xs = np.nonzero(image[:, :, 0] == PAINT)
    assert found.box == Box(xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
    assert found.mask is not None
    assert found.mask.area == len(xs)
    mask = np.zeros(image.shape[:2], np.bool_)
    m = found.mask
    mask[m.y : m.y + m.height, m.x : m.x + m.width] = m.pixels
    assert (mask == (image[:, :, 0] == PAINT)).all()


def test_a_bend_that_one_tile_sees_as_two_legs_is_one() -> None:
    image = board(1152, 640)
    # two tiles, 0..640 and 512..1152: the left one sees two legs, the right one the whole bow
    for spot in ((100, 100, 900, 130), (100, 400, 900, 430), (880, 100, 900, 430)):
        paint(image, spot)
    assert found_on(image) == [(100, 100, 900, 430)]


def test_neighbours_on_a_seam_stay_two() -> None:
    for seam in seams(2000):
        for gap in (1, 3, 20):
            image = board(2000, 2000)
            left = (seam - 20 - gap, 300, seam - gap, 320)
            right = (seam, 300, seam + 20, 320)
            below = (seam - 10, 320 + gap, seam + 10, 340 + gap)
            for spot in (left, right, below):
                paint(image, spot)
            assert found_on(image) == sorted(tuple(map(float, s)) for s in (left, right, below))


def test_parallel_scratches_across_a_seam_stay_two() -> None:
    image = board(1152, 640)
    bars = [(300, 100, 900, 106), (300, 107, 900, 113)]
    for bar in bars:
        paint(image, bar)
    assert found_on(image) == [tuple(map(float, bar)) for bar in bars]


def test_a_sliver_at_an_edge_belongs_to_what_the_neighbour_sees() -> None:
    """A box that trembles by a pixel may miss the sliver altogether."""
    rects = [Box(0, 0, 640, 640), Box(512, 0, 1152, 640)]
    sliver = Detection("scratch", 0.3, Box(639, 300, 640, 340))
    for start in (638.0, 639.0, 640.0, 641.0):
        whole = Detection("scratch", 0.8, Box(start, 301, 680, 339))
        assert merge([[sliver], [whole]], rects, 6.4) == (whole,)
    apart = Detection("scratch", 0.8, Box(646, 301, 680, 339))
    assert merge([[sliver], [apart]], rects, 6.4) == (apart, sliver)


def test_boxes_that_tremble_from_tile_to_tile_are_still_one() -> None:
    rng = np.random.default_rng(9)
    image = board(2000, 2000)
    edges = seams(2000)
    for number in range(40):
        width, height = map(int, rng.integers(12, 100, 2))
        x = int(rng.choice(edges)) - int(rng.integers(0, width))
        y = int(rng.choice(edges)) - int(rng.integers(0, height))
        paint(image, (x, y, x + width, y + height))
        found = TiledDetector(Blobs(jitter=1.0, seed=number), TILE).detect(image)
        assert len(found) == 1, (number, x, y, width, height)
        truth = Box(x, y, x + width, y + height)
        assert found[0].box.iou(truth) > 0.7
        image[y : y + height, x : x + width] = BACKGROUND


def test_objects_of_two_labels_are_never_one() -> None:
    class Twice(Blobs):
        def detect(self, image: Image) -> tuple[Detection, ...]:
            seen = super().detect(image)
            return tuple(
                Detection(label, d.confidence, d.box, d.mask)
                for d in seen
                for label in ("scratch", "dent")
            )

    image = board(1152, 640)
    paint(image, (560, 100, 600, 140))
    found = TiledDetector(Twice(), TILE).detect(image)
    assert sorted(d.label for d in found) == ["dent", "scratch"]


def test_cost_grows_as_the_area_does() -> None:
    calls = {}
    for side in (1000, 2000, 4000, 8000):
        calls[side] = len(tiles(side, side, TILE))
    detector = Blobs()
    TiledDetector(detector, TILE).detect(board(2000, 2000))
    assert detector.calls == calls[2000]
    assert detector.sizes == {(640, 640)}
    # each tile adds side - overlap pixels a direction, one tile more at the edge
    for side, count in calls.items():
        assert count <= (side / (TILE.side - TILE.overlap) + 1) ** 2
    assert calls[8000] / calls[4000] <= 4.01
    assert calls[4000] / calls[2000] <= 4.01


def test_a_small_picture_keeps_its_scale_and_what_lies_beside_it_is_dropped() -> None:
    image = board(300, 200)
    paint(image, (280, 50, 300, 70))

    class Beside(Blobs):
        def detect(self, image: Image) -> tuple[Detection, ...]:
            assert (image[200:] == 114).all()
            assert (image[:, 300:] == 114).all()
            (seen,) = super().detect(image)
            grown = Box(seen.box.x1, seen.box.y1, 310, 70)
            mask = Mask.of(np.ones((20, 30), np.bool_), 280, 50)
            return (
                Detection("scratch", 0.9, grown, mask),
                Detection("scratch", 0.8, Box(400, 400, 420, 420)),
            )

    detector = Beside()
    (found,) = TiledDetector(detector, TILE).detect(image)
    assert detector.sizes == {(640, 640)}
    assert found.box == Box(280, 50, 300, 70)
    assert found.mask is not None
    assert (found.mask.width, found.mask.height, found.mask.area) == (20, 20, 400)


def test_the_surest_comes_first_and_an_empty_picture_is_a_fault() -> None:
    image = board(2000, 2000)
    paint(image, (600, 600, 610, 610))
    paint(image, (1200, 1200, 1270, 1270))
    found = TiledDetector(Blobs(), TILE).detect(image)
    assert [d.box.x1 for d in found] == [1200, 600]
    with pytest.raises(DefectError, match="empty picture"):
        TiledDetector(Blobs(), TILE).detect(np.zeros((0, 5, 3), np.uint8))


def test_an_overlap_of_more_than_half_a_tile_is_refused() -> None:
    assert Tile(side=640, overlap=320).overlap == 320
    with pytest.raises(ValueError, match="exceeds half the side"):
        Tile(side=640, overlap=321)
