"""Findings as plain sentences. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from dashboard import texts
from inspector.domain import Box
from inspector.records.views import FindingView, PartRecord, PixelBox

_THIRDS = (0.36, 0.64)
"""The middle is narrower than a third, so that a screw near a corner is named by its corner."""


def readable(label: str) -> str:
    """A label of a model as words: ``front_label`` is read as ``front label``."""
    return label.replace("_", " ").replace("-", " ").strip()


def place(box: PixelBox, part: PixelBox | None, size: tuple[int, int] | None, noun: str = "") -> str:
    """Where ``box`` lies in the part, or in the picture if the part's place is not known."""
    reference = part or ((0.0, 0.0, float(size[0]), float(size[1])) if size else None)
    if reference is None:
        return ""
    whole = Box(*reference)
    if whole.width <= 0 or whole.height <= 0:
        return ""
    x, y = Box(*box).centre
    cell = (_cell((x - whole.x1) / whole.width), _cell((y - whole.y1) / whole.height))
    thing = readable(noun) or texts.THE_PART if part else texts.THE_PICTURE
    return texts.OF_THING.format(place=texts.PLACE[cell], thing=thing)


def describe(
    finding: FindingView, part: PixelBox | None, size: tuple[int, int] | None, noun: str = ""
) -> str:
    """One finding in words, without a full stop."""
    template = texts.FINDING.get(finding.kind)
    if template is None:
        return texts.REASON.get(finding.label, readable(finding.label)).split(". ")[0].rstrip(".")
    where = place(finding.expected_box or finding.box, part, size, noun)
    return _capital(" ".join(template.format(label=readable(finding.label), place=where).split()))


def reason(record: PartRecord, noun: str = "") -> str:
    """Why the part got its verdict, in one or two short sentences; ``noun`` is what the part is."""
    summary = record.summary
    known = texts.REASON.get(summary.cause, texts.UNKNOWN_REASON.format(cause=summary.cause))
    uncertain = summary.cause == "Uncertain"
    if summary.verdict != "FAIL" and not uncertain:
        return known
    counting = _deciding(record.findings, summary.cause)
    if not counting:
        return known
    first = describe(counting[0], summary.part_box, picture_size(record), noun)
    sentence = texts.UNCERTAIN.format(finding=_small(first)) if uncertain else f"{first}."
    more = len(counting) - 1
    return texts.AND_MORE.format(sentence=sentence, count=more) if more else sentence


def picture_size(record: PartRecord) -> tuple[int, int] | None:
    """Width and height of the picture that was judged, if there was one."""
    summary = record.summary
    if summary.image_width is None or summary.image_height is None:
        return None
    return summary.image_width, summary.image_height


def _deciding(findings: Sequence[FindingView], cause: str) -> list[FindingView]:
    """Those that count, the one that gave the cause first, then by how far they are over."""
    kept = [f for f in findings if f.kind != "quality"]
    if cause != "Uncertain":
        kept = [f for f in kept if f.score >= f.threshold]
    return sorted(kept, key=lambda f: (f.kind != cause.lower(), f.threshold - f.score))


def _cell(share: float) -> int:
    return 0 if share < _THIRDS[0] else 2 if share > _THIRDS[1] else 1


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _small(text: str) -> str:
    return text[:1].lower() + text[1:]
