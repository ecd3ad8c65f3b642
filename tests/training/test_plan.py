"""What is chosen from the statistics of a data set, and what an option overrides."""

from __future__ import annotations

from dataclasses import replace

import pytest

from inspector.training.plan import (
    BASES,
    Plan,
    Statistics,
    Wishes,
    choose,
    epoch_seconds,
    reserve_s,
    thinned,
)

HOUR_S = 3000.0
"""An hour without audit and export."""
FAST_S, SLOW_S = 0.08, 0.8
"""For a picture of 320 px; two cores, free and shared by ten."""

TEXTURES = Statistics(
    task="detect",
    labels=("crazing", "inclusion", "patches", "pitted_surface", "rolled-in_scale", "scratches"),
    pictures=1400,
    val_pictures=200,
    long_px=200,
    object_px=35,
    large_object_px=190,
    object_share=0.175,
    upside_down=0.06,
)
BOARDS = replace(
    TEXTURES,
    labels=("open", "short"),
    pictures=1000,
    long_px=640,
    object_px=22,
    large_object_px=60,
    object_share=22 / 640,
)
BELT = replace(
    TEXTURES,
    labels=("bottle", "cap"),
    pictures=400,
    long_px=640,
    object_px=60,
    object_share=0.1,
    upside_down=0.8,
)
LARGE = replace(
    BOARDS, pictures=60, long_px=4000, object_px=20, large_object_px=80, object_share=20 / 4000
)


def plan(
    statistics: Statistics,
    training_s: float | None = HOUR_S,
    picture_s: float = FAST_S,
    wishes: Wishes | None = None,
    repeat: bool = True,
) -> Plan:
    return choose(statistics, training_s=training_s, picture_s=picture_s, wishes=wishes, repeat=repeat)


def test_small_pictures_are_not_blown_up() -> None:
    chosen = plan(TEXTURES)
    assert (chosen.imgsz, chosen.tile) == (224, None)
    assert chosen.base == "yolo11n.yaml"
    assert any("200 px" in sentence for sentence in chosen.why)


def test_small_objects_get_the_pixels_that_there_are() -> None:
    assert plan(BOARDS, training_s=None).imgsz == 640
    # 24 of 640 px at an object of a tenth: large enough at the least size for large pictures
    assert plan(BELT).imgsz == 320


def test_a_short_budget_makes_the_input_smaller_but_never_too_small() -> None:
    sizes = [plan(BOARDS, HOUR_S, picture_s).imgsz for picture_s in (0.01, FAST_S, 0.15, SLOW_S)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == 640
    # 12 px of an object of 22 px in 640
    assert sizes[-1] == 352
    assert any("too long" in sentence for sentence in plan(BOARDS, HOUR_S, SLOW_S).why)
    assert all(size % 32 == 0 for size in sizes)


def test_objects_that_are_tiny_in_large_pictures_are_seen_in_tiles() -> None:
    chosen = plan(LARGE)
    assert (chosen.imgsz, chosen.tile) == (416, 416)
    # the larger objects are whole in one of two neighbours
    assert chosen.overlap >= 80
    assert 2 * chosen.overlap <= chosen.tile  # type: ignore[operator]


def test_tiles_of_large_objects_in_huge_pictures_are_made_smaller() -> None:
    chosen = plan(replace(LARGE, long_px=12000, object_px=60, large_object_px=150, object_share=0.005))
    # 60 px become 20 px: a tile is three times the input
    assert chosen.imgsz == 416
    assert chosen.tile == 1248


def test_a_picture_that_is_no_larger_than_the_input_is_not_cut() -> None:
    assert plan(replace(BOARDS, object_px=5, object_share=5 / 640)).tile is None


def test_textures_are_turned_upside_down_and_standing_parts_are_not() -> None:
    assert (plan(TEXTURES).fliplr, plan(TEXTURES).flipud) == (0.5, 0.5)
    assert (plan(BELT).fliplr, plan(BELT).flipud) == (0.5, 0.0)


@pytest.mark.parametrize(
    ("labels", "flips"),
    [
        (("leftLamp", "rightLamp"), (0.0, 0.0)),
        (("date_text",), (0.0, 0.0)),
        (("thread-cw", "thread-ccw"), (0.0, 0.0)),
        (("top", "bottom"), (0.5, 0.0)),
        (("A", "B", "C", "D", "1", "2", "3", "4"), (0.0, 0.0)),
        (("A", "B"), (0.5, 0.5)),
        # a word is not found inside another
        (("upset", "leftover", "context"), (0.5, 0.5)),
    ],
)
def test_what_must_not_be_flipped_is_not(labels: tuple[str, ...], flips: tuple[float, float]) -> None:
    chosen = plan(replace(TEXTURES, labels=labels))
    assert (chosen.fliplr, chosen.flipud) == flips


def test_classes_that_are_told_by_their_place_are_not_mirrored_along_it() -> None:
    assert plan(replace(TEXTURES, told_by_x=True)).fliplr == 0.0
    told = plan(replace(TEXTURES, told_by_y=True))
    assert (told.fliplr, told.flipud) == (0.5, 0.0)


def test_a_tiny_set_is_repeated_within_an_epoch_unless_epochs_are_counted() -> None:
    tiny = replace(BELT, pictures=20)
    chosen = plan(tiny)
    assert chosen.repeats * tiny.pictures >= 40 * chosen.batch
    assert plan(tiny, repeat=False).repeats == 1
    assert plan(BOARDS).repeats == 1


def test_each_choice_is_overridden_by_its_option() -> None:
    wishes = Wishes("yolo26n.yaml", 96, 0, 4, 0.1, 0.2, 0.3, 0.4)
    chosen = plan(LARGE, wishes=wishes)
    assert (chosen.base, chosen.imgsz, chosen.tile, chosen.batch) == ("yolo26n.yaml", 96, None, 4)
    assert (chosen.fliplr, chosen.flipud, chosen.mosaic, chosen.scale) == (0.1, 0.2, 0.3, 0.4)
    tiled = plan(BELT, wishes=Wishes(tile=200))
    assert (tiled.tile, tiled.imgsz) == (200, 416)
    assert 0 < 2 * tiled.overlap <= 200


def test_classification_sees_whole_pictures() -> None:
    chosen = plan(replace(TEXTURES, task="classify", long_px=1000, object_px=0, object_share=0))
    assert (chosen.imgsz, chosen.tile, chosen.base) == (224, None, BASES["classify"])


def test_a_set_that_is_too_large_for_the_time_is_thinned_out() -> None:
    chosen = plan(replace(BOARDS, pictures=50_000))
    thin, epochs = thinned(chosen, 50_000, 300, training_s=HOUR_S, picture_s=FAST_S)
    assert thin.every > 1
    assert epochs >= 7
    assert epochs * epoch_seconds(thin, 50_000 // thin.every, 300, FAST_S) < 1.1 * HOUR_S
    assert "too large" in thin.why[-1]
    same, many = thinned(chosen, 1400, 200, training_s=HOUR_S, picture_s=0.01)
    assert (same, same.every) == (chosen, 1)
    assert many > 8


def test_the_reserve_grows_with_what_is_measured_but_leaves_time_to_train() -> None:
    assert reserve_s(3600, 2000, 640, FAST_S) > reserve_s(3600, 100, 224, FAST_S) >= 75
    assert reserve_s(60, 2000, 640, FAST_S) == pytest.approx(18)
