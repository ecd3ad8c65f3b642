"""Every kind of finding: found where it is planted, and not where it is not."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from audit.planting import (
    LABELS,
    SIDE,
    disc,
    huge_png,
    ordinary,
    read,
    square,
    textured,
    write,
    write_yaml,
)
from PIL import Image

from inspector.audit import AuditFinding, Gravity, audit, blocking
from inspector.datasets.yolo import YoloData


def found(path: Path, group: str | None = None) -> dict[str, list[AuditFinding]]:
    kinds: dict[str, list[AuditFinding]] = {}
    for finding in audit(YoloData.read(path, group)):
        kinds.setdefault(finding.kind, []).append(finding)
    return kinds


def names(finding: AuditFinding) -> list[str]:
    return [path.name for path in finding.files]


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set without a fault; copy it before planting one."""
    return write(tmp_path_factory.mktemp("clean") / "set").parent


@pytest.fixture
def planted(clean: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(clean, tmp_path / "set"))


def test_a_clean_set_has_no_finding_worth_a_word(clean: Path) -> None:
    findings = audit(YoloData.read(clean / "data.yaml"))
    assert all(finding.gravity is Gravity.NOTE for finding in findings), findings
    assert {finding.kind for finding in findings} <= {"class-rare"}
    assert not blocking(findings)


def test_the_gravest_come_first_and_equal_sets_give_equal_findings(planted: Path) -> None:
    (planted / "labels/train/train-001.txt").write_text("0 0.5\n")
    (planted / "images/train/train-002.png").write_bytes(b"")
    shutil.copy(planted / "images/train/train-003.png", planted / "images/train/zz.png")
    shutil.copy(planted / "labels/train/train-003.txt", planted / "labels/train/zz.txt")
    findings = audit(YoloData.read(planted / "data.yaml"))
    gravities = [finding.gravity for finding in findings]
    assert gravities == sorted(gravities, reverse=True)
    assert {Gravity.BLOCKING, Gravity.SERIOUS, Gravity.NOTE} == set(gravities)
    assert findings == audit(YoloData.read(planted / "data.yaml"))
    assert [finding.kind for finding in blocking(findings)] == ["unreadable-label"]


def test_pictures_that_cannot_be_read_are_named(planted: Path) -> None:
    image = planted / "images/train/train-004.png"
    image.write_bytes(image.read_bytes()[:900])
    (planted / "images/val/val-001.png").write_bytes(b"")
    (finding,) = found(planted / "data.yaml")["unreadable-image"]
    assert names(finding) == ["train-004.png", "val-001.png"]
    assert "train-004.png: it cannot be read to its end" in finding.text


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("0 0.5 0.5 0.2", "4 columns"),
        ("0 0.5 0.5 0.2 0.2 0.9", "6 columns"),
        ("0 0.5 0.5 0.2 wide", "numbers"),
        ("0 0.5 nan 0.2 0.2", "no finite number"),
        ("0 0.5 0.5 inf 0.2", "no finite number"),
        ("2 0.5 0.5 0.2 0.2", "class 2 is unknown, the classes are 0 to 1"),
        ("-1 0.5 0.5 0.2 0.2", "class -1 is unknown"),
        ("0.5 0.5 0.5 0.2 0.2", "class 0.5 is unknown"),
        ("0 64 64 20 20", "64 lies outside 0..1"),
        ("0 0.5 0.5 -0.005 0.2", "lies outside 0..1"),
    ],
)
def test_labels_that_cannot_be_read_block(planted: Path, line: str, why: str) -> None:
    path = planted / "labels/train/train-005.txt"
    path.write_text(f"0 0.5 0.5 0.2 0.2\n\n{line}\n")
    (finding,) = found(planted / "data.yaml")["unreadable-label"]
    assert finding.gravity is Gravity.BLOCKING
    assert f"{path}:3: " in finding.text
    assert why in finding.text
    assert names(finding) == ["train-005.txt"]


def test_all_bad_label_files_are_counted_and_binary_ones_survived(planted: Path) -> None:
    (planted / "labels/train/train-005.txt").write_text("0 0.5\n0 0.5\n")
    (planted / "labels/val/val-002.txt").write_bytes(b"\xff\xfe\x00bad")
    (finding,) = found(planted / "data.yaml")["unreadable-label"]
    assert "and 2 more" in finding.text
    assert names(finding) == ["train-005.txt", "val-002.txt"]


def test_boxes_outside_or_of_no_area(planted: Path) -> None:
    (planted / "labels/train/train-006.txt").write_text("0 0.95 0.5 0.3 0.2\n")
    (planted / "labels/train/train-007.txt").write_text("0 0.5 0.5 0.2 0.2\n1 0.5 0.5 0 0.2\n")
    # what rounding leaves is none
    (planted / "labels/train/train-008.txt").write_text("0 0.9000005 0.5 0.2 0.2\n")
    kinds = found(planted / "data.yaml")
    assert names(kinds["box-outside"][0]) == ["train-006.txt"]
    assert "train-006.txt:1" in kinds["box-outside"][0].text
    assert names(kinds["box-empty"][0]) == ["train-007.txt"]
    assert "train-007.txt:2" in kinds["box-empty"][0].text
    assert not any(finding.gravity is Gravity.BLOCKING for some in kinds.values() for finding in some)


def test_outlines_without_area_and_boxes_among_them(planted: Path) -> None:
    for path in (planted / "labels").rglob("*.txt"):
        path.write_text("0 0.2 0.2 0.6 0.2 0.6 0.6\n1 0.1 0.1 0.3 0.1 0.3 0.3 0.1 0.3\n")
    assert set(found(planted / "data.yaml")) <= {"class-rare", "duplicate"}
    (planted / "labels/train/train-001.txt").write_text("0 0.1 0.1 0.2 0.2 0.3 0.3\n")
    (planted / "labels/train/train-002.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    kinds = found(planted / "data.yaml")
    assert names(kinds["box-empty"][0]) == ["train-001.txt"]
    assert names(kinds["mixed-labels"][0]) == ["train-002.txt"]


def test_equal_files_across_splits_are_leakage(planted: Path) -> None:
    shutil.copy(planted / "images/train/train-010.png", planted / "images/val/other-name.png")
    (finding,) = found(planted / "data.yaml")["leakage"]
    assert finding.gravity is Gravity.BLOCKING
    assert names(finding) == ["train-010.png", "other-name.png"]


def test_the_same_file_listed_in_two_splits_is_leakage(planted: Path) -> None:
    (planted / "val.txt").write_text("images/val/val-001.png\nimages/train/train-001.png\n")
    path = write_yaml(planted, {"train": "images/train", "val": "val.txt"})
    (finding,) = found(path)["leakage"]
    assert names(finding) == ["train-001.png", "train-001.png"]


def test_training_pictures_that_stand_in_for_validation_are_none(planted: Path) -> None:
    kinds = found(write_yaml(planted, {"train": "images/train", "val": "images/train"}))
    assert "leakage" not in kinds
    assert kinds["no-own-validation"][0].gravity is Gravity.NOTE


def shifted(image: np.ndarray, x: float, y: float) -> np.ndarray:
    motion = np.array([[1, 0, x], [0, 1, y]], np.float32)
    size = (image.shape[1], image.shape[0])
    return cv2.warpAffine(image, motion, size, borderMode=cv2.BORDER_REFLECT)


@pytest.mark.parametrize(
    ("what", "quality"), [("encoded", 60), ("shifted", 90), ("brighter", 90), ("smaller", 90)]
)
def test_near_duplicates_across_splits_are_leakage(planted: Path, what: str, quality: int) -> None:
    image = read(planted / "images/train/train-011.png").astype(np.float32)
    changed = {
        "encoded": image,
        "shifted": shifted(image, 7.4, -11.2),
        "brighter": image * 1.15 + 10,
        "smaller": cv2.resize(image, None, fx=0.75, fy=0.75, interpolation=cv2.INTER_AREA),
    }[what]
    picture = np.clip(changed, 0, 255).astype(np.uint8)
    target = planted / "images/val/copy.jpg"
    cv2.imwrite(str(target), picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    (finding,) = found(planted / "data.yaml")["leakage"]
    assert finding.gravity is Gravity.BLOCKING
    assert "near-duplicates" in finding.text
    assert names(finding) == ["train-011.png", "copy.jpg"]


def test_what_val_and_test_share_is_serious_but_trains(planted: Path) -> None:
    shutil.copytree(planted / "images/val", planted / "images/test")
    for path in sorted((planted / "images/test").iterdir())[1:]:
        cv2.imwrite(str(path), textured(np.random.default_rng(int(path.stem[-3:]))))
    path = write_yaml(planted, {"train": "images/train", "val": "images/val", "test": "images/test"})
    (finding,) = found(path)["leakage"]
    assert finding.gravity is Gravity.SERIOUS


def board(rng: np.random.Generator, faults: int) -> np.ndarray:
    """One design, the same in every call, with faults of its own."""
    design = np.random.default_rng(1)
    image = np.full((256, 256, 3), 40, np.uint8)
    for _ in range(25):
        one, other = design.integers(0, 256, (2, 2))
        cv2.line(image, [int(v) for v in one], [int(v) for v in other], (220, 220, 220), 5)
    for _ in range(faults):
        x, y = (int(v) for v in rng.integers(20, 236, 2))
        cv2.circle(image, (x, y), 5, (220, 220, 220) if image[y, x, 0] < 99 else (40, 40, 40), -1)
    noisy = image + rng.normal(0, 3, image.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def test_boards_of_one_design_and_textures_are_no_duplicates(tmp_path: Path) -> None:
    from inspector.audit.near import CORRELATION, compare

    def draw(rng: np.random.Generator, number: int) -> tuple[np.ndarray, list[str]]:
        return board(rng, 4) if number % 2 else textured(rng), []

    path = write(tmp_path / "set", (("train", 12), ("val", 8)), draw)
    assert "leakage" not in found(path)
    rng = np.random.default_rng(8)
    one, other = (board(rng, 4)[:, :, 0].astype(np.float32) for _ in range(2))
    assert compare(one, other).correlation >= CORRELATION, "the correlation must not tell them apart"


def test_surfaces_in_one_uneven_light_are_no_duplicates(tmp_path: Path) -> None:
    from inspector.audit.near import CORRELATION, compare

    light = 130 + 70 * np.cos(np.linspace(0, 3, SIDE))[None, :, None] * np.ones((SIDE, 1, 3))

    def draw(rng: np.random.Generator, number: int) -> tuple[np.ndarray, list[str]]:
        grain = cv2.GaussianBlur(rng.normal(0, 8, (SIDE, SIDE, 3)), (0, 0), 1)
        return np.clip(light + grain, 0, 255).astype(np.uint8), []

    path = write(tmp_path / "set", (("train", 12), ("val", 8)), draw)
    assert "leakage" not in found(path)
    folder = tmp_path / "set/images"
    one, other = (
        cv2.cvtColor(read(folder / name), cv2.COLOR_BGR2GRAY).astype(np.float32)
        for name in ("train/train-000.png", "val/val-000.png")
    )
    assert compare(one, other).correlation >= CORRELATION, "the light must be what they share"
    cv2.imwrite(str(folder / "val/copy.jpg"), read(folder / "train/train-005.png"), [1, 60])
    (finding,) = found(path)["leakage"]
    assert names(finding) == ["train-005.png", "copy.jpg"]


def test_copies_within_a_split_are_told_and_contradictions_more_so(planted: Path) -> None:
    images, labels = planted / "images/train", planted / "labels/train"
    shutil.copy(images / "train-012.png", images / "copy.png")
    shutil.copy(labels / "train-012.txt", labels / "copy.txt")
    kinds = found(planted / "data.yaml")
    assert names(kinds["duplicate"][0]) == ["copy.png", "train-012.png"]
    assert "contradiction" not in kinds
    (labels / "copy.txt").write_text("1 0.5 0.5 0.3 0.3\n")
    kinds = found(planted / "data.yaml")
    assert names(kinds["contradiction"][0]) == ["copy.png", "train-012.png"]
    assert kinds["contradiction"][0].gravity is Gravity.SERIOUS
    assert "duplicate" not in kinds


def test_a_group_may_not_be_split(planted: Path) -> None:
    (planted / "images/val/val-003.png").rename(planted / "images/val/train-003b.png")
    (finding,) = found(planted / "data.yaml", r"^(\w+-\d+)")["group-split"]
    assert finding.gravity is Gravity.BLOCKING
    assert names(finding) == ["train-003.png", "train-003b.png"]
    # the key of the file itself
    path = write_yaml(
        planted, {"train": "images/train", "val": "images/val", "group": r"^(train|val)-"}
    )
    assert names(found(path)["group-split"][0])[-1] == "train-003b.png"


def test_groups_that_are_whole_are_no_finding(planted: Path) -> None:
    kinds = found(planted / "data.yaml", "^(train|val)-")
    assert not {"group-split", "group-unknown"} & set(kinds)
    kinds = found(planted / "data.yaml", "^(train)-")
    assert len(kinds["group-unknown"][0].files) == 12


def test_classes_without_example_absent_or_rare(planted: Path) -> None:
    for path in (planted / "labels/val").iterdir():
        lines = [line for line in path.read_text().splitlines() if line.startswith("0")]
        path.write_text("".join(f"{line}\n" for line in lines[: int(path.stem[-1] in "02")]))
    path = write_yaml(
        planted,
        {"train": "images/train", "val": "images/val", "names": [*LABELS, "star"]},
    )
    kinds = found(path)
    (without,) = kinds["class-without-example"]
    assert without.gravity is Gravity.SERIOUS
    place = next(n for n, line in enumerate(path.read_text().splitlines(), 1) if "star" in line)
    assert f"{path}:{place}: the class 'star'" in without.text
    (absent,) = kinds["class-absent"]
    assert "'square' has no example in val" in absent.text
    assert any("'disc' has only" in rare.text and "val" in rare.text for rare in kinds["class-rare"])


def test_sizes_that_differ_between_splits(planted: Path) -> None:
    for path in (planted / "images/val").iterdir():
        cv2.imwrite(str(path), cv2.resize(read(path), (256, 256)))
    kinds = found(planted / "data.yaml")
    assert "of the splits differs, val and train" in kinds["size-differs"][0].text
    assert "256 and 128 px" in kinds["size-differs"][0].text
    assert "shape-differs" not in kinds
    for path in (planted / "images/val").iterdir():
        cv2.imwrite(str(path), cv2.resize(read(path), (128, 80)))
    kinds = found(planted / "data.yaml")
    assert "shape-differs" in kinds
    assert "size-differs" not in kinds


def test_exposure_that_differs_between_splits(planted: Path) -> None:
    for path in (planted / "images/val").iterdir():
        cv2.imwrite(str(path), (read(path) * 0.5).astype(np.uint8))
    (finding,) = found(planted / "data.yaml")["exposure-differs"]
    assert "val and train" in finding.text


def weather(rng: np.random.Generator, number: int) -> tuple[np.ndarray, list[str]]:
    """Discs in the sun, squares in the rain."""
    sunny = number % 2 == 0
    image = textured(rng, 150 if sunny else 100)
    x, y = (int(v) for v in rng.integers(20, SIDE - 20, 2))
    return image, [disc(image, x, y) if sunny else square(image, x, y)]


def changeable(rng: np.random.Generator, number: int) -> tuple[np.ndarray, list[str]]:
    """Either in any weather."""
    image = textured(rng, float(rng.choice([150, 100])))
    x, y = (int(v) for v in rng.integers(20, SIDE - 20, 2))
    return image, [disc(image, x, y) if number % 2 == 0 else square(image, x, y)]


def test_labels_that_the_background_tells(tmp_path: Path) -> None:
    kinds = found(write(tmp_path / "set", (("train", 40), ("val", 20)), weather))
    assert [finding.text.split("'")[1] for finding in kinds["shortcut"]] == ["disc", "square"]
    assert all(finding.gravity is Gravity.SERIOUS for finding in kinds["shortcut"])
    assert "classes differs" in kinds["exposure-differs"][0].text


def test_a_tint_in_one_corner_is_a_shortcut_too(tmp_path: Path) -> None:
    def tinted(rng: np.random.Generator, number: int) -> tuple[np.ndarray, list[str]]:
        image, lines = changeable(rng, number)
        if number % 2 == 0:
            image[:30, :30, 0] = np.clip(image[:30, :30, 0] + 40.0, 0, 255)
        return image, lines

    kinds = found(write(tmp_path / "set", (("train", 40), ("val", 20)), tinted))
    assert "shortcut" in kinds
    assert "exposure-differs" not in kinds


@pytest.mark.parametrize("count", [14, 40])
def test_labels_that_the_background_does_not_tell(tmp_path: Path, count: int) -> None:
    kinds = found(write(tmp_path / "set", (("train", count), ("val", count // 2)), changeable))
    assert not {"shortcut", "exposure-differs"} & set(kinds)


def test_the_hole_of_the_mask_tells_nothing(tmp_path: Path) -> None:
    """Large objects always at one place, on some pictures: only the hole would tell them."""

    # uneven light, so that a mean changes with what is left out of it
    light = np.linspace(0.6, 1.4, SIDE)[None, :, None] * np.linspace(0.8, 1.2, SIDE)[:, None, None]

    def draw(rng: np.random.Generator, number: int) -> tuple[np.ndarray, list[str]]:
        image = np.clip(textured(rng, rng.uniform(100, 140)) * light, 0, 255).astype(np.uint8)
        return image, [disc(image, 45, 45, 30)] if number % 6 else []

    assert "shortcut" not in found(write(tmp_path / "set", (("train", 120), ("val", 20)), draw))


def test_unusual_pictures_are_read_and_huge_ones_named(planted: Path) -> None:
    images = planted / "images/train"
    Image.open(images / "train-001.png").convert("CMYK").save(images / "cmyk.jpg")
    Image.open(images / "train-002.png").convert("L").save(images / "grey.tif")
    cv2.imwrite(str(images / "deep.png"), read(images / "train-003.png").astype(np.uint16) * 257)
    (images / "huge.png").write_bytes(huge_png(20_000, 10_000))
    (finding,) = found(planted / "data.yaml")["unreadable-image"]
    assert names(finding) == ["huge.png"]
    assert "limit is 200 megapixels" in finding.text


def classes(root: Path, brightness: dict[str, float]) -> Path:
    rng = np.random.default_rng(3)
    for split, count in (("train", 20), ("val", 10)):
        for label, level in brightness.items():
            (root / split / label).mkdir(parents=True)
            for number in range(count):
                image = textured(rng, level + rng.uniform(-20, 20))
                # what the picture is of
                cv2.circle(image, (64, 64), 25, (0, 0, 255) if label == "bad" else (0, 255, 0), -1)
                cv2.imwrite(str(root / split / label / f"{number}.png"), image)
    return root


def test_a_classification_set_is_judged_by_its_border(tmp_path: Path) -> None:
    assert "shortcut" in found(classes(tmp_path / "told", {"bad": 90, "good": 150}))
    kinds = found(classes(tmp_path / "clean", {"bad": 120, "good": 120}))
    assert not {"shortcut", "exposure-differs", "leakage"} & set(kinds)


def test_a_class_folder_without_pictures(tmp_path: Path) -> None:
    root = classes(tmp_path / "set", {"bad": 120, "good": 120})
    (root / "train" / "ugly").mkdir()
    (finding,) = found(root)["class-without-example"]
    assert str(root / "train" / "ugly") in finding.text


def test_a_picture_that_is_in_two_classes(tmp_path: Path) -> None:
    root = classes(tmp_path / "set", {"bad": 120, "good": 120})
    shutil.copy(root / "train/bad/3.png", root / "train/good/odd.png")
    (finding,) = found(root)["contradiction"]
    assert names(finding) == ["3.png", "odd.png"]


def test_the_pictures_of_the_clean_set_differ() -> None:
    rng = np.random.default_rng(5)
    assert not np.array_equal(ordinary(rng, 0)[0], ordinary(rng, 0)[0])
