"""Whatever arrives is refused with a reason or obeyed as it is meant; nothing raises, nothing is lost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from control_rig import Rig
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from inspector.contract import (
    AckPayload,
    ChallengePayload,
    CommandPayload,
    HeartbeatPayload,
    Payload,
    PrepareRecipePayload,
    Reason,
    ResultAckPayload,
    TriggerPayload,
)
from inspector.plc.sparkplug_payload import asks_for_rebirth
from inspector.ports import Asked, Received

GOOD: Mapping[str, tuple[type[Payload], dict[str, Any]]] = {
    "cmd/trigger": (
        TriggerPayload,
        {
            "v": 1,
            "plcBootId": 7,
            "triggerId": 1,
            "partId": "P1",
            "recipeId": "soap",
            "deadlineMs": 500.0,
            "batchId": "B",
            "measId": "M",
            "productId": "X",
        },
    ),
    "cmd/resultAck": (
        ResultAckPayload,
        {"v": 1, "resultId": "00000005-1", "taken": True, "reason": "Late"},
    ),
    "cmd/prepareRecipe": (
        PrepareRecipePayload,
        {"v": 1, "commandId": "c", "recipeId": "soap", "recipeVersion": 3, "batchId": "B"},
    ),
    "cmd/reset": (CommandPayload, {"v": 1, "commandId": "c"}),
    "cmd/halt": (CommandPayload, {"v": 1, "commandId": "c"}),
    "cmd/challenge": (ChallengePayload, {"v": 1, "commandId": "c", "expected": ["good", "faulty"]}),
    "plc/hb": (HeartbeatPayload, {"v": 1, "bootId": 7, "n": 1}),
}
TOPICS = st.sampled_from(sorted(GOOD))
NUMBERS = st.one_of(
    st.integers(-(1 << 70), 1 << 70),
    st.floats(),
    st.sampled_from([0, -1, 0xFFFFFFFF, 1 << 32, 1 << 64, 1e308, float("nan"), float("inf")]),
)
TEXTS = st.one_of(
    st.text(max_size=70),
    st.sampled_from(["", " ", "\x00", "\ud800", "a/b", "#", "+", "x" * 33, "é", "𝟙"]),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)
NESTED = b'{"v":' + b"[" * 4000 + b"]" * 4000 + b"}"
PLAIN = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)


@st.composite
def broken(draw: st.DrawFn) -> tuple[str, bytes]:
    """A good message with fields left out, replaced or added; sometimes one that was not changed."""
    topic = draw(TOPICS)
    fields = dict(GOOD[topic][1])
    for name in draw(st.lists(st.sampled_from(sorted(fields)), max_size=2, unique=True)):
        del fields[name]
    for name in draw(st.lists(st.sampled_from(sorted(GOOD[topic][1])), max_size=2, unique=True)):
        fields[name] = draw(VALUES)
    if draw(st.booleans()):
        fields[draw(st.text(max_size=8))] = draw(VALUES)
    return topic, json.dumps(fields, ensure_ascii=draw(st.booleans())).encode(errors="surrogatepass")


def is_good(topic: str, data: bytes) -> bool:
    try:
        GOOD[topic][0].decode(data)
    except (ValidationError, RecursionError):
        return False
    return len(data) <= 8192


def deliver(topic: str, data: bytes) -> tuple[Rig, list[AckPayload]]:
    """To a station that is Ready; what it answers."""
    rig = Rig().ready()
    before = len(rig.plc.of(AckPayload))
    rig.handle(Received(topic, data, 0.0))
    rig.run_threads()
    rig.pass_time()
    counters = rig.desk.counters()
    assert counters.reconciled
    assert counters.in_flight == len(rig.accepted)
    return rig, rig.plc.of(AckPayload)[before:]


def assert_right(topic: str, data: bytes) -> None:
    rig, answers = deliver(topic, data)
    good = is_good(topic, data)
    if topic in ("cmd/resultAck", "plc/hb"):
        assert not answers
    else:
        assert len(answers) == 1, "each is answered once"
        assert answers[0].accepted == (answers[0].reason is Reason.ACCEPTED)
        assert good != (answers[0].reason is Reason.MALFORMED)
        AckPayload.decode(answers[0].encode())
    assert len(rig.accepted) <= (good and topic == "cmd/trigger")
    assert rig.state in (("Halted",) if good and topic == "cmd/halt" else ("Ready", "Initialized"))


@PLAIN
@given(broken())
def test_fields_that_are_missing_wrong_or_new(message: tuple[str, bytes]) -> None:
    assert_right(*message)


@PLAIN
@given(TOPICS, st.one_of(st.binary(max_size=300), VALUES.map(lambda one: json.dumps(one).encode())))
@example("cmd/trigger", NESTED)
@example("cmd/challenge", NESTED)
@example("cmd/resultAck", NESTED)
@example("plc/hb", NESTED)
@example("cmd/trigger", b"[" * 100_000)
@example("cmd/reset", b'{"commandId":' * 100_000)
@example("cmd/trigger", b"\xff\xfe" * 10)
@example("cmd/resultAck", b" " * 2_000_000)
def test_bytes_that_are_no_such_message(topic: str, data: bytes) -> None:
    assert_right(topic, data)


@PLAIN
@given(st.text(max_size=40), st.binary(max_size=40))
@example("cmd/#", b"{}")
@example("cmd/", b"{}")
@example("challenge", b"")
@example("", b"")
def test_topics_that_are_none(topic: str, data: bytes) -> None:
    if topic not in GOOD:
        rig, answers = deliver(topic, data)
        assert not answers
        assert rig.state == "Ready"


@PLAIN
@given(TOPICS, broken())
def test_a_message_on_the_topic_of_another(topic: str, message: tuple[str, bytes]) -> None:
    assert_right(topic, message[1])


@PLAIN
@given(
    st.sampled_from(["prepareRecipe", "reset", "halt", "challenge", "nothing", ""]),
    st.dictionaries(
        st.sampled_from(["recipeId", "recipeVersion", "parts", "operator", "origin", "x"]), VALUES
    ),
)
def test_requests_of_the_records(kind: str, arguments: dict[str, Any]) -> None:
    rig = Rig().ready()
    rig.handle(Asked(1, kind, arguments, "maria"))
    rig.run_threads()
    rig.pass_time()
    assert len(rig.answers) == 1, "each is answered once"


@PLAIN
@given(st.binary(max_size=300))
def test_sparkplug_commands(data: bytes) -> None:
    assert asks_for_rebirth(data) in (True, False)


@PLAIN
@given(st.text(max_size=64))
def test_a_reason_is_fit_for_every_database(reason: str) -> None:
    ack = ResultAckPayload(result_id="r", taken=False, reason=reason)
    assert ack.reason.isprintable()
    assert len(ack.reason) == len(reason)
