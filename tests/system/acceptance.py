"""The acceptance tests that a control engineer would run, and where each of them is.

Each runs the real daemon as a process of its own against a real mosquitto, most of them with the shipped
configuration (TLS, client certificates, ACL), and a simulated PLC with its own gate logic; links are cut
by a proxy in between. In each of them undisturbed good parts still PASS.
"""

from __future__ import annotations

from inspector.torture.cell import Cell, wait_until

OUTAGES, PARTS, CLOCK = "test_acceptance_outages", "test_acceptance_parts", "test_acceptance_clock"
ROWS: dict[str, tuple[str, str, str]] = {
    "Broker killed (`kill -9`) in mid-shift": (
        "every part in flight is rejected; no old verdict after the restart; the archive has no gap; "
        "service is back within 10 s",
        OUTAGES,
        "test_broker_killed",
    ),
    "Link cut, then restored, on either side": (
        "the same, well before keepalive expires; no result from before the cut is acted on",
        OUTAGES,
        "test_link_cut",
    ),
    "PLC restarts": ("new `plcBootId`; old results ignored", OUTAGES, "test_plc_restarts"),
    "Station killed (`kill -9`)": (
        "the PLC's timer rejects; new `stationBootId`; no `Ready` before the models are warm; every "
        "accepted trigger has its record",
        OUTAGES,
        "test_station_killed",
    ),
    "PLC heartbeat lost and back": (
        "the station leaves `Ready` within 2 s, and returns by itself",
        OUTAGES,
        "test_plc_heartbeat",
    ),
    "Duplicate trigger; duplicate result": (
        "one inspection, one gate action",
        PARTS,
        "test_duplicates",
    ),
    "Verdict late by 1 ms": ("rejected, and recorded as late", PARTS, "test_late"),
    "Results out of order, several parts in flight": ("matched by id", PARTS, "test_out_of_order"),
    "More triggers than the queue holds": (
        "REVIEW, `Overrun`, rejected, counted",
        PARTS,
        "test_overrun",
    ),
    "Clock set ±1 h": ("decisions unchanged, `clockSynced` tells", CLOCK, "test_clock_set"),
    "Recipe mismatch; recipe change under load": (
        "reject; not `Ready` during the change",
        PARTS,
        "test_recipes",
    ),
    "Camera frozen, dark, unplugged": ("REVIEW with the cause, never PASS", PARTS, "test_camera"),
    "Simulated, partial or challenge result": (
        "never opens the gate",
        CLOCK,
        "test_results_that_never_open_the_gate",
    ),
    "Malformed, oversized, wrong-typed payload": (
        "refused with a reason; the station stays up",
        PARTS,
        "test_malformed",
    ),
    "Foreign client forges a trigger or a result": (
        "the ACL denies it",
        "test_security",
        "test_a_station_works_behind_tls_and_an_intruder_is_an_alarm",
    ),
    "Second client with the same id": (
        "alarm, fail-safe",
        "test_security",
        "test_a_station_works_behind_tls_and_an_intruder_is_an_alarm",
    ),
    "Soak at the line's peak rate": (
        "p99.9 below the deadline, counters reconcile",
        PARTS,
        "test_soak",
    ),
    "Disk full": ("verdicts continue, or state is Error; never silent", OUTAGES, "test_disk_full"),
    "SCADA host offline, rebirth command": (
        "births, `seq`, `bdSeq` as the TCK asserts",
        "test_sparkplug",
        "test_the_station_as_scada_sees_it",
    ),
}
"""Each row of the contract's table: what passes, the module, the test."""


def assert_at_work(cell: Cell) -> None:
    """A good part opens the gate, a faulty one does not, and nothing is unaccounted for."""
    cell.ready()
    cell.settle()
    good = cell.judged()
    assert (good.verdict, good.gate) == ("PASS", "open"), good
    faulty = cell.judged("faulty")
    assert (faulty.cause, faulty.gate) == ("Defect", "reject"), faulty
    cell.record(good.part_id)
    assert_reconciled(cell)


def assert_reconciled(cell: Cell) -> None:
    """Received = accepted + refused; accepted = PASS + FAIL + REVIEW + challenge, nothing in flight."""

    def reconciled() -> bool:
        count = cell.counters()
        refused = sum(number for name, number in count.items() if name.startswith("refused_"))
        verdicts = sum(count[name] for name in ("PASS", "FAIL", "REVIEW", "challenge"))
        return count["received"] == count["accepted"] + refused and count["accepted"] == verdicts

    wait_until(reconciled, 30, "counters that reconcile")
