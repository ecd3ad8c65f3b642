"""Commands: halt and reset, challenges, recipe change; by MQTT and by way of the records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from control_rig import Rig
from fakes import CROSSING, command, make_recipe, trigger_message, write_recipe
from fakes import RECIPE as RECIPE_TEXT

from inspector.contract import COMMAND_LIMIT, Reason, StatePayload
from inspector.issue import reference
from inspector.ports import Asked, LinkUp, Received
from inspector.recipe import load_recipe


def test_halt_lasts_until_reset() -> None:
    rig = Rig().ready()
    rig.handle(command("halt", commandId="h1"))
    rig.pass_time()
    assert (rig.state, rig.control.halts(rig.clock())) == ("Halted", True)
    assert (rig.plc.acks[-1].command_id, rig.plc.acks[-1].reason) == ("h1", Reason.ACCEPTED)
    rig.handle(trigger_message())
    assert rig.plc.acks[-1].reason is Reason.NOT_READY
    rig.handle(LinkUp())
    rig.pass_time(1)
    assert rig.state == "Halted"
    rig.handle(command("reset"))
    rig.pass_time()
    assert (rig.state, rig.control.halts(rig.clock())) == ("Ready", False)
    assert rig.plc.states[-2:] == ["Initialized", "Ready"]


def test_halt_is_possible_before_the_start_is_over() -> None:
    rig = Rig()
    rig.handle(command("halt"))
    rig.pass_time()
    assert rig.state == "Halted"


# --- recipe change -------------------------------------------------------------------------------

SHAMPOO = RECIPE_TEXT.replace("soap", "shampoo").replace("version: 3", "version: 7")


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """Ready with ``soap`` version 3; ``shampoo`` version 7 may be loaded."""
    made = Rig().ready()
    made.recipes.known.append(load_recipe(write_recipe(tmp_path, SHAMPOO, "shampoo")))
    return made


def test_a_recipe_loads_beside_the_other_and_is_answered_when_it_is_active(rig: Rig) -> None:
    rig.handle(command("prepareRecipe", recipeId="shampoo", batchId="b7"))
    rig.pass_time(1)
    # loading: not Ready, nothing answered, the old one in the state
    assert (rig.state, rig.plc.acks) == ("Initialized", [])
    assert rig.last_state().recipe_id == "soap"
    assert "shampoo" in rig.last_state().error_text
    rig.handle(trigger_message(1))
    assert rig.plc.acks.pop().reason is Reason.NOT_READY
    rig.run_threads()
    rig.pass_time()
    ack = rig.plc.acks[-1]
    assert (ack.command_id, ack.accepted, ack.reason) == ("c1", True, Reason.ACCEPTED)
    assert (rig.state, rig.last_state().recipe_id, rig.last_state().recipe_version) == (
        "Ready",
        "shampoo",
        7,
    )
    rig.handle(trigger_message(2, recipeId="shampoo"))
    rig.handle(trigger_message(3, recipeId="soap"))
    assert [ack.reason for ack in rig.plc.acks[-2:]] == [Reason.ACCEPTED, Reason.RECIPE_MISMATCH]
    # the batch of the change is that of triggers which name none
    assert rig.accepted[0].batch_id == "b7"


def test_the_new_recipe_is_in_the_state_before_the_command_is_answered(rig: Rig) -> None:
    rig.handle(command("prepareRecipe", recipeId="shampoo"))
    rig.run_threads()
    rig.pass_time()
    kinds = [type(message).__name__ for message in rig.plc.messages]
    named = next(
        number
        for number, message in enumerate(rig.plc.messages)
        if isinstance(message, StatePayload) and message.recipe_id == "shampoo"
    )
    assert named < kinds.index("AckPayload")


def test_a_recipe_change_waits_for_the_parts_in_flight(rig: Rig) -> None:
    rig.busy = True
    rig.handle(command("prepareRecipe", recipeId="shampoo"))
    rig.run_threads()
    rig.pass_time(2)
    assert (rig.state, rig.plc.acks, rig.last_state().recipe_id) == ("Initialized", [], "soap")
    rig.busy = False
    rig.pass_time()
    assert (rig.state, rig.plc.acks[-1].reason) == ("Ready", Reason.ACCEPTED)


@pytest.mark.parametrize(
    ("fields", "broken", "reason"),
    [
        ({"recipeId": "shampoo"}, True, Reason.LOAD_FAILED),
        ({"recipeId": "shampoo", "recipeVersion": 8}, False, Reason.UNKNOWN_RECIPE),
        ({"recipeId": "soap", "recipeVersion": 4}, False, Reason.UNKNOWN_RECIPE),
        ({"recipeId": "paint"}, False, Reason.UNKNOWN_RECIPE),
    ],
)
def test_a_recipe_that_cannot_be_had_leaves_the_old_one_active_and_says_so(
    rig: Rig, fields: dict[str, Any], broken: bool, reason: Reason
) -> None:
    rig.recipes.broken = broken
    rig.handle(command("prepareRecipe", **fields))
    rig.run_threads()
    rig.pass_time()
    (ack,) = rig.plc.acks
    assert (ack.reason, ack.accepted, ack.command_id) == (reason, False, "c1")
    assert (rig.state, rig.last_state().recipe_id) == ("Ready", "soap")
    assert reason.value in rig.recorder.named("prepareRecipe")[0]
    rig.handle(trigger_message(1))
    assert rig.plc.acks[-1].reason is Reason.ACCEPTED


def test_a_recipe_that_is_triggered_in_another_way_is_not_loaded(rig: Rig, tmp_path: Path) -> None:
    rig.recipes.known.append(load_recipe(write_recipe(tmp_path, CROSSING, "belt")))
    rig.handle(command("prepareRecipe", recipeId="belt"))
    rig.run_threads()
    rig.pass_time()
    assert rig.plc.acks[-1].reason is Reason.LOAD_FAILED
    assert rig.recipes.loaded == []


def test_the_version_that_is_active_is_accepted_and_its_batch_begins(rig: Rig) -> None:
    wanted = {"recipeId": "soap", "recipeVersion": 3, "batchId": "B2"}
    rig.handle(command("prepareRecipe", **wanted))
    rig.pass_time()
    assert [ack.reason for ack in rig.plc.acks] == [Reason.ACCEPTED]
    assert (rig.state, rig.threads, rig.control._desk.batch_id) == ("Ready", [], "B2")


def test_the_active_version_is_refused_while_another_one_is_prepared(rig: Rig) -> None:
    rig.handle(command("prepareRecipe", recipeId="shampoo"))
    rig.handle(command("prepareRecipe", recipeId="soap", recipeVersion=3, commandId="c2"))
    assert [(ack.command_id, ack.reason) for ack in rig.plc.acks] == [("c2", Reason.NOT_READY)]


@pytest.mark.parametrize("second", [{"recipeId": "soap", "recipeVersion": 3}, {"recipeId": "shampoo"}])
def test_a_change_before_the_active_version_is_answered_is_refused(
    rig: Rig, second: dict[str, Any]
) -> None:
    rig.handle(command("prepareRecipe", recipeId="soap", recipeVersion=3))
    rig.handle(command("prepareRecipe", **second, commandId="c2"))
    rig.pass_time()
    assert [(ack.command_id, ack.reason) for ack in rig.plc.acks] == [
        ("c2", Reason.NOT_READY),
        ("c1", Reason.ACCEPTED),
    ]
    assert (rig.state, rig.threads) == ("Ready", [])
    rig.handle(command("prepareRecipe", recipeId="shampoo", commandId="c3"))
    rig.run_threads()
    rig.pass_time()
    assert (rig.plc.acks[-1].command_id, rig.plc.acks[-1].reason) == ("c3", Reason.ACCEPTED)
    assert rig.last_state().recipe_id == "shampoo"


def test_a_recipe_without_a_version_is_loaded_only_if_it_has_changed(tmp_path: Path) -> None:
    recipe = make_recipe(tmp_path)
    rig = Rig(recipe=reference(recipe)).ready()
    rig.recipes.known.append(recipe)
    rig.handle(command("prepareRecipe", recipeId="soap"))
    rig.run_threads()
    rig.pass_time()
    assert [ack.reason for ack in rig.plc.acks] == [Reason.ACCEPTED]
    assert (rig.state, rig.recipes.loaded) == ("Ready", [])


def test_a_second_change_is_refused_while_one_is_under_way(rig: Rig) -> None:
    rig.handle(command("prepareRecipe", recipeId="shampoo"))
    rig.handle(command("prepareRecipe", recipeId="shampoo", commandId="c2"))
    assert [(ack.command_id, ack.reason) for ack in rig.plc.acks] == [("c2", Reason.NOT_READY)]
    rig.run_threads()
    rig.pass_time()
    assert (rig.plc.acks[-1].command_id, rig.plc.acks[-1].reason) == ("c1", Reason.ACCEPTED)


def test_a_change_before_the_station_has_started_is_refused() -> None:
    rig = Rig()
    rig.handle(LinkUp())
    rig.handle(command("prepareRecipe", recipeId="shampoo"))
    assert rig.plc.acks[-1].reason is Reason.NOT_READY


@pytest.mark.parametrize("fields", [{}, {"recipeId": "soap", "recipeVersion": -1}, {"recipeId": 5}])
def test_a_malformed_recipe_change_has_no_effect(rig: Rig, fields: dict[str, Any]) -> None:
    rig.handle(command("prepareRecipe", **fields))
    (ack,) = rig.plc.acks
    assert (ack.reason, ack.command_id, rig.threads) == (Reason.MALFORMED, "c1", [])


# --- by way of the records -----------------------------------------------------------------------


def test_a_person_changes_the_recipe_and_learns_what_came_of_it(rig: Rig) -> None:
    rig.handle(Asked(11, "prepareRecipe", {"recipeId": "shampoo"}, "maria"))
    assert rig.answers == []
    rig.run_threads()
    rig.pass_time()
    assert [(number, outcome) for number, outcome, _ in rig.answers] == [(11, "done")]
    assert rig.last_state().recipe_id == "shampoo"
    # the PLC did not command it
    assert rig.plc.acks == []


@pytest.mark.parametrize(
    ("kind", "arguments", "outcome"),
    [
        ("prepareRecipe", {"recipeId": "paint"}, "refused"),
        ("prepareRecipe", {}, "refused"),
        ("prepareRecipe", {"recipeId": ["x"]}, "refused"),
        ("challenge", {}, "refused"),
        ("challenge", {"parts": "/nowhere"}, "refused"),
        ("dance", {}, "refused"),
    ],
)
def test_what_cannot_be_done_for_a_person_is_refused_in_words(
    rig: Rig, kind: str, arguments: dict[str, Any], outcome: str
) -> None:
    rig.handle(Asked(12, kind, arguments, "maria"))
    rig.run_threads()
    rig.pass_time()
    ((number, said, text),) = rig.answers
    assert (number, said) == (12, outcome)
    assert len(text) > 15
    assert rig.state == "Ready"


def test_a_recipe_that_a_person_asked_for_and_that_does_not_load_is_told(rig: Rig) -> None:
    rig.recipes.broken = True
    rig.handle(Asked(13, "prepareRecipe", {"recipeId": "shampoo"}, "maria"))
    rig.run_threads()
    rig.pass_time()
    assert rig.answers[0][:2] == (13, "failed")
    assert "corrupt" in rig.answers[0][2]


def test_a_person_may_reset_what_the_plc_has_halted(rig: Rig) -> None:
    rig.handle(command("halt"))
    rig.pass_time()
    rig.handle(Asked(14, "reset", {}, "maria"))
    rig.pass_time()
    assert rig.state == "Ready"
    assert rig.answers[0][:2] == (14, "done")


# --- what is malformed ---------------------------------------------------------------------------


@pytest.mark.parametrize("topic", ["halt", "reset", "prepareRecipe", "challenge"])
@pytest.mark.parametrize(
    "data",
    [b"", b"\xff", b"[]", b"{}", b'{"v":1,"commandId":7}', b"[" * 4000, b" " * (COMMAND_LIMIT + 1)],
)
def test_a_malformed_command_is_refused_and_has_no_effect(topic: str, data: bytes) -> None:
    rig = Rig().ready()
    rig.handle(Received(f"cmd/{topic}", data, 0.0))
    rig.pass_time()
    assert [(ack.reason, ack.command_id) for ack in rig.plc.acks] == [(Reason.MALFORMED, None)]
    assert rig.state == "Ready"


@pytest.mark.parametrize("expected", [[], ["bad"], "good", ["good"] * 101])
def test_a_challenge_of_what_is_neither_good_nor_faulty_is_malformed(expected: Any) -> None:
    rig = Rig().ready()
    rig.handle(command("challenge", expected=expected))
    assert rig.plc.acks[-1].reason is Reason.MALFORMED


def test_a_challenge_arms_the_next_triggers() -> None:
    rig = Rig().ready()
    rig.handle(command("challenge", expected=["faulty"]))
    for number in (1, 2):
        rig.handle(trigger_message(number))
    assert [trigger.challenge for trigger in rig.accepted] == ["faulty", None]


def test_an_unknown_topic_is_ignored() -> None:
    rig = Rig().ready()
    rig.handle(Received("cmd/dance", b"{}", 0.0))
    assert rig.plc.acks == []
