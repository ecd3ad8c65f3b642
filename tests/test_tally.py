"""Finished parts are counted, whatever the PLC says of their time."""

from __future__ import annotations

from records.factory import inspection

from inspector.tally import Tally


def test_a_deadline_that_is_no_time_at_all_in_seconds_is_counted_as_missed_by_far() -> None:
    tally = Tally()
    late = inspection(1, deadline_ms=1e-322)
    assert late.trigger.deadline_s == 0.0
    tally.note(late)
    share = tally.copy().deadline_share
    assert (share.count, share.at_most[-1]) == (1, 0)
