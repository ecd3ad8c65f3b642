"""Components with places on a reference photo: the part lies turned and shifted in the picture."""

from __future__ import annotations

import math

import numpy as np
import pytest
from fakes import part

from inspector.checks.assembly import AssemblyCheck, axis_deg
from inspector.checks.sites import Locator
from inspector.domain import Box, CheckResult, Detection, Finding, FindingKind, Image, Verdict
from inspector.expectation import Expectation, LocateByComponents, LocateByPhoto, Order
from inspector.judge import judge
from inspector.mask import Mask
from inspector.pose import Pose

CORNERS = {"a": (100, 100), "b": (400, 120), "c": (110, 300), "d": (420, 340)}
SIDE = 40
EMPTY = ("hole",)
SIZE = (600, 800)
BLANK: Image = np.zeros((*SIZE, 3), np.uint8)


def box_at(x: float, y: float, side: float = SIDE) -> Box:
    return Box(x - side / 2, y - side / 2, x + side / 2, y + side / 2)


def expect(name: str, /, **changes: object) -> Expectation:
    fields = {"label": "screw", "name": name, "box": box_at(*CORNERS[name]).rounded()}
    return Expectation.model_validate(fields | changes)


FOUR = tuple(map(expect, CORNERS))


def check(
    expectations: tuple[Expectation, ...] = FOUR,
    locate: LocateByComponents | None = None,
    **changes: object,
) -> AssemblyCheck:
    locator = Locator(expectations, EMPTY, locate or LocateByComponents())
    fields: dict[str, object] = {"empty": EMPTY, "locator": locator, "extra": "forbid"}
    return AssemblyCheck("screws", "detector", expectations, 0.5, 0.5, **(fields | changes))  # type: ignore[arg-type]


def pose(turned_deg: float = 0.0, scale: float = 1.0, shift: complex = 0) -> Pose:
    """Turned about the middle of the reference."""
    turn = scale * complex(math.cos(math.radians(turned_deg)), math.sin(math.radians(turned_deg)))
    middle = complex(260, 215)
    return Pose(turn, middle - turn * middle + shift)


def seen(lies: Pose, confidence: float = 0.9, **labels: str | None) -> list[Detection]:
    """The four components as the part lies; ``a=None``: nothing is seen there."""
    given = dict.fromkeys(CORNERS, "screw") | labels
    return [
        Detection(label, confidence, box_at(*lies.point(*CORNERS[name]), SIDE * lies.scale))
        for name, label in given.items()
        if label is not None
    ]


def inspect(checked: AssemblyCheck, detections: list[Detection], image: Image = BLANK) -> CheckResult:
    return checked.inspect(part(*detections, image=image))


def only(result: CheckResult) -> Finding:
    (finding,) = result.findings
    return finding


POSES = [pose(), pose(15, shift=80 + 90j), pose(-28, 0.8, -30 + 60j), pose(20, 1.3, 100 + 100j)]


@pytest.mark.parametrize("lies", POSES)
def test_a_complete_part_passes_wherever_it_lies(lies: Pose) -> None:
    result = inspect(check(), seen(lies))
    assert result.findings == ()
    assert result.scores[0].score == pytest.approx(0.1)


@pytest.mark.parametrize("lies", POSES)
@pytest.mark.parametrize("empty", ["hole", None])
def test_a_missing_component_is_named_where_it_should_be(lies: Pose, empty: str | None) -> None:
    finding = only(inspect(check(), seen(lies, b=empty)))
    assert (finding.kind, finding.label) == (FindingKind.MISSING, "b")
    assert finding.expected_box is not None
    assert finding.expected_box.centre == pytest.approx(lies.point(*CORNERS["b"]), abs=0.5)
    assert finding.expected_box.width == pytest.approx(SIDE * lies.scale, abs=0.5)


def test_a_part_turned_beyond_the_limit_is_not_found() -> None:
    result = inspect(check(locate=LocateByComponents(turn_deg=10)), seen(pose(20)))
    assert judge(result.findings).cause.word == "NoPart"
    assert result.scores == ()


def test_all_four_missing_are_named_as_long_as_their_holes_are_seen() -> None:
    result = inspect(check(), seen(pose(9), a="hole", b="hole", c="hole", d="hole"))
    assert sorted(finding.label for finding in result.findings) == ["a", "b", "c", "d"]
    assert judge(result.findings).cause.word == "Missing"


def test_one_component_alone_does_not_locate_a_part() -> None:
    result = inspect(check(), seen(pose(), a=None, b=None, c=None))
    assert judge(result.findings).verdict is Verdict.REVIEW
    assert judge(result.findings).cause.word == "NoPart"


def test_a_place_that_the_border_cuts_is_partial_part_and_nothing_is_missing() -> None:
    lies = pose(shift=-95 + 0j)  # the middle of a and c is at 5 and 15
    cut = [one for one in seen(lies) if one.box.centre[0] > 50]
    result = inspect(check(), cut)
    assert [finding.kind for finding in result.findings] == [FindingKind.QUALITY] * 2
    assert judge(result.findings).verdict is Verdict.REVIEW
    assert judge(result.findings).cause.word == "PartialPart"
    assert {round(f.expected_box.centre[0]) for f in result.findings if f.expected_box} == {5, 15}


def test_a_place_is_cut_even_when_its_component_is_still_seen() -> None:
    result = inspect(check(), seen(pose(shift=-95 + 0j)))
    assert judge(result.findings).cause.word == "PartialPart"


def test_of_a_mirrored_repetition_the_part_in_the_middle_is_meant() -> None:
    """A border filled with the picture's mirror image shows the same components again."""
    lies = pose(8, shift=200 + 100j)
    true = seen(lies, b="hole")
    image = np.zeros((700, 1400, 3), np.uint8)
    ghosts = [
        Detection(one.label, 0.95, box_at(1400 - one.box.centre[0], one.box.centre[1])) for one in true
    ]
    finding = only(inspect(check(), true + ghosts, image))
    assert (finding.kind, finding.label) == (FindingKind.MISSING, "b")
    assert finding.expected_box is not None
    assert finding.expected_box.centre == pytest.approx(lies.point(*CORNERS["b"]), abs=5)


def test_a_component_beside_its_place_is_misplaced_with_both_boxes() -> None:
    stray = Detection("screw", 0.9, box_at(330, 120))
    finding = only(inspect(check(), [*seen(pose(), b=None), stray]))
    assert (finding.kind, finding.label, finding.box) == (FindingKind.MISPLACED, "b", stray.box)
    assert finding.expected_box is not None
    assert finding.expected_box.centre == pytest.approx(CORNERS["b"], abs=0.5)


def test_one_stray_explains_one_missing_component_only() -> None:
    stray = Detection("screw", 0.9, box_at(330, 120))
    result = inspect(check(), [*seen(pose(), b="hole", c="hole"), stray])
    assert sorted(finding.kind for finding in result.findings) == ["misplaced", "missing"]


def test_the_tolerance_says_how_far_a_component_may_be_off() -> None:
    three = [expect(name) for name in "acd"]
    off = [
        *seen(pose(), b=None),
        Detection("screw", 0.9, box_at(CORNERS["b"][0] + 13, CORNERS["b"][1])),
    ]
    wide, narrow = (expect("b", tolerance_px=reach) for reach in (20, 5))
    locate = LocateByComponents(tolerance_px=8)
    assert inspect(check((*three, wide), locate), off).findings == ()
    assert only(inspect(check((*three, narrow), locate), off)).kind is FindingKind.MISPLACED


@pytest.mark.parametrize(("extra", "count"), [("forbid", 1), ("in_place", 0), ("allow", 0)])
def test_one_too_many_on_the_part_is_extra_where_that_is_forbidden(extra: str, count: int) -> None:
    fifth = Detection("screw", 0.9, box_at(260, 220))
    findings = inspect(check(extra=extra), [*seen(pose()), fifth]).findings
    assert [finding.kind for finding in findings] == [FindingKind.EXTRA] * count
    assert all(finding.box == fifth.box for finding in findings)


def test_what_lies_beside_the_part_is_no_extra() -> None:
    assert inspect(check(), [*seen(pose()), Detection("screw", 0.9, box_at(560, 550))]).findings == ()


def test_another_component_in_the_place_is_wrong() -> None:
    wrong = seen(pose(), b="bolt")
    finding = only(inspect(check(), wrong))
    assert (finding.kind, finding.label) == (FindingKind.WRONG, "b")
    assert judge([finding]).cause.word == "Wrong"


@pytest.mark.parametrize(
    ("screw", "other", "label", "kind"),
    [
        (0.7, 0.6, "hole", None),
        (0.6, 0.7, "hole", FindingKind.MISSING),
        (0.6, 0.7, "bolt", FindingKind.WRONG),
        (0.7, 0.6, "bolt", None),
    ],
)
def test_of_two_labels_on_one_spot_the_more_confident_has_it(
    screw: float, other: float, label: str, kind: FindingKind | None
) -> None:
    detections = [
        *seen(pose(), b=None),
        Detection("screw", screw, box_at(*CORNERS["b"])),
        Detection(label, other, box_at(CORNERS["b"][0] + 3, CORNERS["b"][1])),
    ]
    findings = inspect(check(), detections).findings
    assert [finding.kind for finding in findings] == ([kind] if kind else [])


def test_a_rival_puts_a_doubtful_component_into_the_band() -> None:
    doubtful = AssemblyCheck(
        "screws",
        "detector",
        FOUR,
        0.6,
        0.4,
        empty=EMPTY,
        locator=Locator(FOUR, EMPTY, LocateByComponents()),
    )
    rival = Detection("hole", 0.7, box_at(*CORNERS["b"]))
    assert judge(inspect(doubtful, seen(pose())).findings).verdict is Verdict.PASS
    assert judge(inspect(doubtful, [*seen(pose()), rival]).findings).verdict is Verdict.REVIEW


def test_labels_that_are_expected_on_one_spot_are_no_rivals() -> None:
    washer = expect("b", label="washer", name="washer")
    both = [*seen(pose(), confidence=0.6), Detection("washer", 0.9, box_at(*CORNERS["b"]))]
    assert inspect(check((*FOUR, washer)), both).findings == ()


def test_a_place_is_measured_from_its_datum() -> None:
    """Both lie 14 px beside where the part has them, but right against each other."""
    moved = pose(shift=14 + 0j)
    off = seen(pose(), c=None, d=None) + [one for one in seen(moved) if one.box.centre[1] > 250]
    free = (*FOUR[:3], expect("d", tolerance_px=8))
    tied = (*FOUR[:3], expect("d", tolerance_px=8, datum="c"))
    finding = only(inspect(AssemblyCheck("screws", "detector", free, 0.5, 0.5), off))
    assert (finding.kind, finding.label) == (FindingKind.MISPLACED, "d")
    assert inspect(AssemblyCheck("screws", "detector", tied, 0.5, 0.5), off).findings == ()


def test_two_of_four_places_do_not_outweigh_the_two_bare_ones() -> None:
    result = inspect(check(), seen(pose(), a=None, b=None))
    assert judge(result.findings).cause.word == "NoPart"


def test_without_locate_places_are_pixels_of_the_picture() -> None:
    fixed = AssemblyCheck("screws", "detector", FOUR, 0.5, 0.5)
    assert inspect(fixed, seen(pose())).findings == ()
    assert len(inspect(fixed, seen(pose(shift=60 + 0j))).findings) == 4


def bar(angle_deg: float) -> tuple[Mask, Box]:
    """A bar of 60 by 12 pixels in the middle of the picture, turned clockwise."""
    ys, xs = np.mgrid[0:80, 0:80] - 40
    turn = math.radians(angle_deg)
    along = xs * math.cos(turn) + ys * math.sin(turn)
    across = -xs * math.sin(turn) + ys * math.cos(turn)
    pixels = (abs(along) <= 30) & (abs(across) <= 6)
    return Mask.of(pixels, 220, 180), Box(220, 180, 300, 260)


@pytest.mark.parametrize("angle", [0, 30, 90, 150, 179])
def test_the_long_axis_of_a_mask(angle: float) -> None:
    off = abs(axis_deg(bar(angle)[0]) - angle) % 180
    assert min(off, 180 - off) < 2


@pytest.mark.parametrize(
    ("turned", "kinds"), [(10, []), (-10, []), (30, ["misplaced"]), (90, ["misplaced"])]
)
def test_a_component_that_lies_askew_is_misplaced(turned: float, kinds: list[str]) -> None:
    lies = pose(20)
    lever = Expectation(label="lever", box=(220, 180, 300, 260), angle_deg=0, angle_tolerance_deg=15)
    mask, box = bar(20 + turned)
    moved = lies.box(box)
    found = Detection("lever", 0.9, moved, mask)
    result = inspect(check((*FOUR, lever)), [*seen(lies), found])
    assert [finding.kind for finding in result.findings] == kinds


def test_a_classifier_tells_what_is_in_each_place_of_a_located_part() -> None:
    rng = np.random.default_rng(1)
    reference = np.kron(rng.integers(60, 200, (60, 80, 1)), np.ones((8, 8, 3))).astype(np.uint8)
    for name, (x, y) in CORNERS.items():
        reference[y - 20 : y + 20, x - 20 : x + 20] = (0, 0, 250) if name != "c" else (250, 0, 0)
    lies = pose(12, shift=40 + 60j)
    import cv2

    picture = cv2.warpAffine(reference, lies.matrix, (760, 640), borderMode=cv2.BORDER_REFLECT)

    class Reddish:
        def classify(self, image: Image) -> dict[str, float]:
            middle = image[image.shape[0] // 2, image.shape[1] // 2].astype(float)
            red = float(middle[2] / (middle[2] + middle[0]))
            return {"screw": red, "hole": 1 - red}

    locate = LocateByPhoto(kind="photo", photo="good.png")
    located = Locator(FOUR, EMPTY, locate, reference)
    checked = AssemblyCheck(
        "screws", "states", FOUR, 0.5, 0.5, empty=EMPTY, locator=located, classifier=Reddish()
    )
    finding = only(inspect(checked, [], np.asarray(picture, np.uint8)))
    assert (finding.kind, finding.label) == (FindingKind.MISSING, "c")
    assert finding.expected_box is not None
    assert finding.expected_box.centre == pytest.approx(lies.point(*CORNERS["c"]), abs=2)
    blank = inspect(checked, [], BLANK)
    assert judge(blank.findings).cause.word == "NoPart"


ROW = Order(labels=("red", "green", "blue"), name="fuses")


def fuses(*labels: str, lies: Pose | None = None) -> list[Detection]:
    lies = lies or pose()
    places = [lies.point(160 + 60 * number, 220) for number in range(len(labels))]
    return [Detection(label, 0.9, box_at(*at)) for label, at in zip(labels, places, strict=True)]


@pytest.mark.parametrize(
    ("row", "kinds"),
    [
        (("red", "green", "blue"), []),
        (("green", "red", "blue"), ["wrong", "wrong"]),
        (("red", "blue"), ["missing"]),
        (("red", "green", "green", "blue"), ["extra"]),
        ((), ["missing"] * 3),
    ],
)
@pytest.mark.parametrize("lies", [pose(), pose(25, shift=60 + 60j)])
def test_a_row_must_come_in_order(row: tuple[str, ...], kinds: list[str], lies: Pose) -> None:
    result = inspect(check(orders=(ROW,)), [*seen(lies), *fuses(*row, lies=lies)])
    assert [finding.kind for finding in result.findings] == kinds
    assert {finding.label for finding in result.findings} <= {"fuses", "green"}


def test_what_is_missing_in_a_row_is_shown_in_its_gap() -> None:
    red, _, blue = fuses("red", "green", "blue")
    finding = only(inspect(check(orders=(ROW,)), [*seen(pose()), red, blue]))
    assert finding.expected_box is not None
    assert finding.expected_box.centre == pytest.approx((220, 220))
