"""Every component must be there, in its place, and nothing else.

A component's score is its absence, 0..1: 1 - the model's confidence that it is in its place; where the
model sees something else on the same spot, with confidence *e* against the component's *c*, at least
*e* / (*c* + *e*), so that the more confident of the two has it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from inspector.checks.anomaly import no_part
from inspector.checks.background import SHARE, occupied
from inspector.checks.rows import verify_order
from inspector.checks.sites import Locator, Place, Site, carried
from inspector.checkspecs import AssemblySpec
from inspector.domain import (
    Box,
    Cause,
    CheckResult,
    Detection,
    Finding,
    FindingKind,
    Image,
    Part,
    Score,
)
from inspector.expectation import Expectation, Order
from inspector.mask import Mask
from inspector.ports import Classifier
from inspector.pose import Pose

SAME_SPOT = 0.5
"""Two detections that overlap so much (IoU) are one component."""
SHARED = 0.5
"""Two labels that share so much of the smaller box are said of one and the same thing."""
CROP_MARGIN = 0.15
"""A classifier is shown a place and so much around it, as a share of its size."""


@dataclass(frozen=True, slots=True)
class _Claim:
    """What speaks for a component's being in its place."""

    absent: float
    found: Detection | None = None
    rival: Detection | None = None
    """What the model would rather see on the same spot."""


class AssemblyCheck:
    """Implements :class:`inspector.ports.Check`."""

    def __init__(
        self,
        name: str,
        model: str,
        expectations: Sequence[Expectation],
        threshold: float,
        review: float,
        *,
        empty: Sequence[str] = (),
        extra: str = "in_place",
        orders: Sequence[Order] = (),
        locator: Locator | None = None,
        classifier: Classifier | None = None,
    ) -> None:
        """``locator``: finds the part of the expectations with a ``box``, by default where it always
        lies. ``classifier``: tells what is in a place, in the stead of the detector called ``model``.
        """
        self.name = name
        self._model = model
        self._expectations = expectations
        self._threshold = threshold
        self._review = review
        self._empty = frozenset(empty)
        self._extra = extra
        self._orders = orders
        self._locator = locator or Locator(expectations)
        self._classifier = classifier

    @classmethod
    def of(
        cls,
        name: str,
        spec: AssemblySpec,
        threshold: float,
        review: float,
        reference: Image | None = None,
        classifier: Classifier | None = None,
    ) -> AssemblyCheck:
        """The check of a recipe; ``reference``: the photo that its ``locate`` names."""
        return cls(
            name,
            spec.model,
            spec.expect,
            threshold,
            review,
            empty=spec.empty,
            extra=spec.extra,
            orders=spec.orders,
            locator=Locator(spec.expect, spec.empty, spec.locate, reference),
            classifier=classifier,
        )

    def inspect(self, part: Part) -> CheckResult:
        """Findings for what is missing, wrong, misplaced or too many on each part in the first picture.

        A part that is not found is NoPart; a place that the picture's border cuts is PartialPart.
        """
        seen = part.detections.get(self._model, ())
        image = part.frames[0].image
        findings: list[Finding] = []
        absences: list[float] = []
        for site in self._sites(part, seen):
            if site is None:
                findings.append(no_part(self.name, image))
                continue
            there = seen if self._classifier is None else self._classified(site, image)
            found_absences, found = self._verify(site, there, image)
            absences += found_absences
            findings += found
        if not absences:
            return CheckResult(tuple(findings))
        score = Score(self.name, max(absences), self._threshold, self._review)
        return CheckResult(tuple(findings), (score,))

    def _sites(self, part: Part, seen: Sequence[Detection]) -> Iterator[Site | None]:
        if any(expected.box is not None for expected in self._expectations):
            yield self._locator.site(part, seen)
        labels = [one.per for one in self._expectations] + [one.per for one in self._orders]
        for _, sites in carried(part, self._model, self._expectations, labels):
            yield from sites
            if not sites:
                yield None

    def _classified(self, site: Site, image: Image) -> list[Detection]:
        """What the classifier sees in each place, shown upright as on the reference photo."""
        seen = []
        assert self._classifier is not None
        for place in site.places:
            probabilities = self._classifier.classify(upright(image, place.box, site.pose))
            seen += [Detection(label, p, place.box) for label, p in probabilities.items()]
        return seen

    def _verify(
        self, site: Site, seen: Sequence[Detection], image: Image
    ) -> tuple[list[float], list[Finding]]:
        size = (image.shape[1], image.shape[0])
        seen = [found for found in seen if found.label not in site.labels]
        absences: list[float] = []
        findings: list[Finding] = []
        settled: list[Detection] = []
        for place in site.places:
            if place.own and site.cut(place, size):
                findings.append(self._partial(place, size))
                continue
            claims, surplus = self._claims(site, place, seen)
            settled += [claim.found for claim in claims if claim.found and claim.absent < self._review]
            for claim in claims:
                if claim.absent < self._review:
                    findings += self._turned(place, claim, site.pose)
                elif site.cut(place, size):
                    findings.append(self._partial(place, size))
                    continue  # it may be beyond the border
                else:
                    finding, taken = self._absent(site, place, claim, seen, settled, image)
                    findings.append(finding)
                    settled += taken
                absences.append(claim.absent)
            if self._extra != "allow":
                findings += [self._surplus(place.expected.called, found) for found in surplus]
                settled += surplus
        if self._extra == "forbid":
            findings += self._uncalled(site, seen, settled)
        for order in self._orders:
            if order.per == site.per:
                findings += verify_order(self.name, order, site, seen, 1.0 - self._threshold)
        return absences, findings

    def _claims(
        self, site: Site, place: Place, seen: Sequence[Detection]
    ) -> tuple[list[_Claim], list[Detection]]:
        """What speaks for each expected component, and confident ones of its label beyond them."""
        expected = place.expected
        there = [one for one in seen if one.label == expected.label and place.holds(one)]
        present = distinct(sorted(there, key=lambda one: -one.confidence))
        claims = []
        for number in range(expected.count):
            if number < len(present):
                found = present[number]
                rival = self._rival(site, found, seen)
                against = rival.confidence if rival else 0.0
                absent = max(1.0 - found.confidence, against / (found.confidence + against))
                claims.append(_Claim(absent, found, rival))
            else:
                claims.append(_Claim(1.0))
        # as sure of the one too many as of the ones that must be there
        sure = 1.0 - self._threshold
        return claims, [one for one in present[expected.count :] if one.confidence > sure]

    def _rival(self, site: Site, found: Detection, seen: Sequence[Detection]) -> Detection | None:
        """The most confident other label on the same spot, unless it is expected there too."""
        others = [
            one
            for one in seen
            if one.label != found.label
            and shared(one.box, found.box) >= SHARED
            and not _belongs(site, one)
        ]
        return max(others, key=lambda one: one.confidence, default=None)

    def _absent(
        self,
        site: Site,
        place: Place,
        claim: _Claim,
        seen: Sequence[Detection],
        settled: Sequence[Detection],
        image: Image,
    ) -> tuple[Finding, list[Detection]]:
        """The finding, and the detection that it is about, if there is one."""
        kind, where = FindingKind.MISSING, place.box
        taken: list[Detection] = []
        sure = 1.0 - self._threshold
        free = [one for one in seen if one.confidence > sure and one not in settled]
        intruders = [one for one in free if self._intrudes(site, place, one)]
        strays = [
            one
            for one in free
            if one.label == place.expected.label
            and site.covers(*one.box.centre)
            and not _belongs(site, one)
        ]
        if claim.rival is not None and claim.rival.label not in self._empty:
            intruders = [claim.rival]
        if intruders:
            taken = [max(intruders, key=lambda one: one.confidence)]
            kind, where = FindingKind.WRONG, taken[0].box
        elif strays:
            taken = [min(strays, key=lambda one: _distance(one.box, place.box))]
            kind, where = FindingKind.MISPLACED, taken[0].box
        elif (spot := _clear_spot(place, site)) is not None and occupied(image, spot) >= SHARE:
            kind, where = FindingKind.WRONG, spot
        finding = Finding(
            self.name,
            kind,
            place.expected.called,
            claim.absent,
            self._threshold,
            where,
            self._review,
            expected_box=place.box,
        )
        return finding, taken

    def _intrudes(self, site: Site, place: Place, found: Detection) -> bool:
        """Whether another component lies in a place where it does not belong."""
        return (
            found.label != place.expected.label
            and found.label not in self._empty
            and place.holds(found)
            and not _belongs(site, found)
        )

    def _turned(self, place: Place, claim: _Claim, pose: Pose) -> Iterator[Finding]:
        """A component that lies askew, where its direction is expected and the model gives a mask."""
        expected, found = place.expected, claim.found
        if expected.angle_deg is None or found is None or found.mask is None:
            return
        off = abs(axis_deg(found.mask) - pose.turned_deg - expected.angle_deg) % 180
        if min(off, 180 - off) > expected.angle_tolerance_deg:
            yield Finding(
                self.name,
                FindingKind.MISPLACED,
                expected.called,
                1.0,
                self._threshold,
                found.box,
                expected_box=place.box,
                mask=found.mask,
            )

    def _surplus(self, label: str, found: Detection) -> Finding:
        sure = 1.0 - self._threshold
        return Finding(self.name, FindingKind.EXTRA, label, found.confidence, sure, found.box)

    def _uncalled(
        self, site: Site, seen: Sequence[Detection], settled: Sequence[Detection]
    ) -> Iterator[Finding]:
        """Components on the part that nobody expects."""
        in_rows = {label for order in self._orders for label in order.labels if order.per == site.per}
        known = [*settled]
        for found in sorted(seen, key=lambda one: -one.confidence):
            if (
                found.confidence > 1.0 - self._threshold
                and found.label not in self._empty | in_rows
                and site.covers(*found.box.centre)
                and not _belongs(site, found)
                and all(found is not one and shared(found.box, one.box) < SHARED for one in known)
            ):
                known.append(found)
                yield self._surplus(found.label, found)

    def _partial(self, place: Place, size: tuple[int, int]) -> Finding:
        """The border cuts the place: whether the component is there, nobody can say."""
        return Finding(
            self.name,
            FindingKind.QUALITY,
            Cause.PARTIAL_PART.word,
            1.0,
            1.0,
            place.box.clipped(*size),
            expected_box=place.box,
        )


def distinct(detections: Sequence[Detection]) -> list[Detection]:
    """Detections without those that lie on the spot of an earlier one."""
    kept: list[Detection] = []
    for found in detections:
        if all(found.box.iou(other.box) < SAME_SPOT for other in kept):
            kept.append(found)
    return kept


def shared(one: Box, other: Box) -> float:
    """The overlap of two boxes as a share of the smaller one, 0..1."""
    least = min(one.area, other.area)
    return one.intersection(other) / least if least > 0 else 0.0


def axis_deg(mask: Mask) -> float:
    """Direction of a mask's long axis, degrees clockwise from the x axis, 0 up to 180."""
    ys, xs = np.nonzero(mask.pixels)
    points = np.column_stack((xs, ys)).astype(np.float64)
    points -= points.mean(0)
    _, axes = np.linalg.eigh(points.T @ points)
    x, y = axes[:, 1]
    return math.degrees(math.atan2(y, x)) % 180


def upright(image: Image, box: Box, pose: Pose) -> Image:
    """What is in a place, turned as on the reference photo, with a margin."""
    side_x, side_y = (round(side * (1 + 2 * CROP_MARGIN)) for side in (box.width, box.height))
    turn = Pose(pose.turn / pose.scale)
    centre = complex(*box.centre) - turn.turn * complex(side_x / 2, side_y / 2)
    matrix = Pose(turn.turn, centre).matrix
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    crop = cv2.warpAffine(
        image, matrix, (max(1, side_x), max(1, side_y)), flags=flags, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(crop, np.uint8)


def _belongs(site: Site, found: Detection) -> bool:
    """Whether a component lies where some expectation wants one like it."""
    return any(place.expected.label == found.label and place.holds(found) for place in site.places)


def _distance(one: Box, other: Box) -> float:
    return math.dist(one.centre, other.centre)


def _clear_spot(place: Place, site: Site) -> Box | None:
    """Where only background may be seen when the component is missing."""
    spot = place.expected.clear_px
    if spot is None:
        return None
    x, y = site.box.centre[0], site.floor
    return Box(x + spot[0], y + spot[1], x + spot[2], y + spot[3])
