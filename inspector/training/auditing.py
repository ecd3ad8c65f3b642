"""The audit stands before every training."""

from __future__ import annotations

from dataclasses import replace

import structlog

from inspector.audit import audit, blocking
from inspector.datasets.yolo import YoloData
from inspector.errors import DataError

log = structlog.get_logger(__name__)


def audited(data: YoloData, allow_findings: bool) -> tuple[YoloData, tuple[str, ...]]:
    """The data set without unreadable pictures, unless it holds what stops a training.

    Beside it what the card must say of it: a sentence where that was allowed all the same.

    Raises :class:`DataError` then, and when a split holds no readable picture at all.
    """
    findings = audit(data)
    for found in findings:
        log.warning("audit", finding=found.described(most=3))
    grave = blocking(findings)
    if grave and not allow_findings:
        raise DataError(
            f"{data.yaml} holds what should not be trained on: {grave[0].text}"
            + (f" ({len(grave)} such findings)" if len(grave) > 1 else ""),
            "See 'inspector audit', correct them, or give --allow-findings",
        )
    told = (
        (f"the audit's findings were allowed, {len(grave)} of which stop a training: {grave[0].text}",)
        if grave
        else ()
    )
    bad = {path for found in findings if found.kind == "unreadable-image" for path in found.files}
    if not bad:
        return data, told
    splits = {
        split: tuple(path for path in pictures if path not in bad)
        for split, pictures in data.splits.items()
    }
    for split, pictures in splits.items():
        if not pictures:
            raise DataError(f"{data.yaml}: the split '{split}' holds no picture that can be read")
    return replace(data, splits=splits), told
