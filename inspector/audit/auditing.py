"""The audit: every test on one look at the pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

from inspector.audit.background import backgrounds_of, shortcut_findings
from inspector.audit.findings import AuditFinding, Gravity, by_gravity
from inspector.audit.labels import label_findings
from inspector.audit.look import Look, look_at_all
from inspector.audit.splits import difference_findings, duplicate_findings, group_findings
from inspector.datasets.yolo import YoloData
from inspector.errors import InputError


def audit(data: YoloData) -> tuple[AuditFinding, ...]:
    """Everything that is wrong with a data set, gravest first; equal sets give equal findings.

    Raises :class:`InputError` when scikit-learn, which the shortcut test needs, is not installed.
    """
    if find_spec("sklearn") is None:
        raise InputError(
            "the audit needs the package 'scikit-learn', which is not installed",
            "Run pip install 'line-inspector[report]'",
        )
    looks = look_at_all(data, (path for pictures in data.splits.values() for path in pictures))
    backgrounds = backgrounds_of(data, looks)
    return by_gravity(
        [
            *_unreadable(looks),
            *label_findings(data, looks),
            *duplicate_findings(data, looks),
            *group_findings(data),
            *difference_findings(data, looks, backgrounds),
            *shortcut_findings(backgrounds),
        ]
    )


def _unreadable(looks: Mapping[Path, Look]) -> Iterator[AuditFinding]:
    bad = [look for look in looks.values() if look.problem]
    if bad:
        more = f", and {len(bad) - 1} more" if len(bad) > 1 else ""
        yield AuditFinding(
            "unreadable-image",
            Gravity.SERIOUS,
            f"{bad[0].path}: {bad[0].problem}{more}",
            "Copy them again, or remove them: a training leaves them out",
            tuple(look.path for look in bad),
        )
