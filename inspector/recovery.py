"""What earlier runs of a station left open gets its one record, before anything new is accepted."""

from __future__ import annotations

from collections.abc import Set

import structlog

from inspector.contract import record_fields
from inspector.domain import Cause
from inspector.issue import Issuer
from inspector.records.database import open_engine
from inspector.records.journal import Journal, Leftover
from inspector.records.recordedkeys import recorded_keys
from inspector.records.recorder import DatabaseRecorder
from inspector.station import aborted

log = structlog.get_logger(__name__)


def unrecorded(
    leftover: Leftover, spilled: Set[tuple[int, int, int]], url: str, station: str
) -> Leftover:
    """Without the parts that have a record: in the database ``url``, or still in the spill file.

    The database has its tables by now; ``spilled`` was read before anybody began to empty that file.
    Raises :class:`~inspector.errors.StorageError` when the database does not answer.
    """
    if not leftover.unanswered:
        return leftover
    engine = open_engine(url, readonly=True)
    try:
        boots = {one.boot for one in leftover.unanswered}
        return leftover.without(spilled | recorded_keys(engine, station, boots))
    finally:
        engine.dispose()


def recover(leftover: Leftover, issuer: Issuer, recorder: DatabaseRecorder, journal: Journal) -> None:
    """Give every trigger that an earlier run accepted its one record.

    All of it is on the disk in the new journal before the old ones go, and says which run had accepted
    it: whatever ends this meanwhile, nothing is lost, and the next start records nothing twice.
    """
    restarted = [
        issuer.issue(
            issuer.number(),
            one.trigger,
            aborted(Cause.STATION_RESTARTED),
            (),
            0.0,
            (0.0, 0.0),
            recipe=one.recipe,
        )
        for one in leftover.unanswered
    ]
    boots = dict(leftover.boots)
    boots |= {
        inspection.result_id: one.boot
        for inspection, one in zip(restarted, leftover.unanswered, strict=True)
    }
    for fields in (*leftover.verdicts, *map(record_fields, restarted)):
        key = (fields["plcBootId"], fields["triggerId"])
        journal.verdict(key, fields, boots.get(fields["resultId"]))
    for fields in leftover.acks:
        journal.note(fields)
    if leftover.files:
        journal.sync()
    for path in leftover.files:
        path.unlink(missing_ok=True)
    recorder.recover((*leftover.verdicts, *leftover.acks))
    for inspection in restarted:
        recorder.record(inspection)
    if restarted:
        log.warning("station restarted with open parts", parts=len(restarted))
