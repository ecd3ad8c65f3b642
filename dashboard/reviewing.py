"""The queue of the Review page: one part, why it was judged so, and a decision by one key."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Literal

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard import acts, data, login, marking, markup, texts
from dashboard.data import Source
from dashboard.reasons import describe, picture_size, readable, reason
from dashboard.texts import review as words
from inspector.errors import InspectorError
from inspector.records import claims, reviews
from inspector.records.claims import COUNT_LIMIT, KINDS
from inspector.records.reviews import REJECT_CAUSES, Decision
from inspector.records.views import PartRecord, PixelBox
from inspector.users import Role, User

LEAST_LOOK_S = 0.5
"""A key pressed sooner after a part has appeared was meant for the one before, or is held down."""
POLL_S = 3.0
"""How often an empty queue is looked at again."""
_SKIPPED, _SHOWN = "review_skipped", "review_shown"
_MARGIN = 0.35
"""Around a finding that is shown enlarged, as a share of its longer side."""
_LEAST_VIEW = 0.18
"""Of the picture's longer side: nothing is enlarged further."""

_Tone = Literal["primary", "secondary"]


def show(source: Source, head: DeltaGenerator) -> None:
    """The part that waits for this person, or a sentence; ``head`` takes what is chosen first."""
    user = login.wanted(source.config, Role.OPERATOR)
    if user is None:
        return
    with head:
        kinds = _kinds(source, user)
    if not kinds:
        st.html(markup.panel(words.EMPTY_TITLE, words.EMPTY_KINDS))
        return
    skipped: set[str] = st.session_state.setdefault(_SKIPPED, set())
    result_id = acts.claim(source, user, kinds, skipped)
    if result_id is None and skipped:
        # Round again: what was skipped is better looked at than nothing.
        skipped.clear()
        result_id = acts.claim(source, user, kinds, skipped)
    record = data.record(source, result_id) if result_id else None
    if record is None:
        st.html(markup.panel(words.EMPTY_TITLE, words.EMPTY))
        _undo_button(source, user, "")
        _wait(source, user)
        _remember("")
        return
    _part(source, user, record)
    _remember(record.summary.result_id)


def _remember(result_id: str) -> None:
    """What is before the eyes, empty for nothing, and since when."""
    shown = st.session_state.get(_SHOWN)
    if shown is None or shown[0] != result_id:
        st.session_state[_SHOWN] = (result_id, time.monotonic())


def _kinds(source: Source, user: User) -> list[str]:
    """The kinds of parts that are looked at, and how many wait."""
    chosen = st.pills(
        words.KINDS,
        KINDS,
        selection_mode="multi",
        default=KINDS,
        format_func=lambda kind: f"{texts.VERDICT_SYMBOL[kind]} {kind}",
        key="review_kinds",
        label_visibility="collapsed",
        help=words.KINDS_HELP,
    )
    counts = _waiting(source.key, user, source)

    def number(count: int) -> str:
        return words.MORE.format(count=count) if count >= COUNT_LIMIT else str(count)

    said = [words.WAITING.format(kind=kind, count=number(counts[kind])) for kind in KINDS]
    if counts.get("second"):
        said.append(words.SECOND.format(count=number(counts["second"])))
    st.html(markup.chips(said))
    return list(chosen)


@st.cache_data(show_spinner=False, ttl=1, max_entries=64)
def _waiting(key: tuple[str, ...], user: User, _source: Source) -> dict[str, int]:
    station = _source.station
    return claims.waiting(_source.engine, station.name, acts.actor(user), station.review, acts.now())


@st.fragment(run_every=POLL_S)
def _wait(source: Source, user: User) -> None:
    """Start over as soon as there is something to do."""
    try:
        if not sum(_waiting(source.key, user, source).values()):
            return
        claimed = acts.claim(source, user, st.session_state.get("review_kinds", KINDS), ())
    except InspectorError as error:
        st.html(markup.problem(error))
        return
    if claimed is not None:
        st.rerun()


def _part(source: Source, user: User, record: PartRecord) -> None:
    part = record.summary
    noun = data.noun(source, record)
    left, right = st.columns([1.3, 1], gap="medium")
    with left:
        view = _picture(source, record, noun)
    with right:
        st.html(markup.verdict_band(part.verdict, reason(record, noun), small=True))
        if reviews.reviews(source.engine, result_id=part.result_id):
            st.html(markup.chips([words.SECOND_OPINION]))
        _decisions(source, user, record)
        why, good = st.columns(2, gap="small")
        with why:
            _why(source, record, noun)
        with good:
            _good(source, record, view)
    marking.show(source, user, record, noun)


def _picture(source: Source, record: PartRecord, noun: str) -> PixelBox | None:
    """The part's picture; what of it is shown."""
    result_id = record.summary.result_id
    views = dict(_views(record, noun))
    with st.container(horizontal=True, vertical_alignment="center"):
        boxes = st.toggle(texts.OVERLAYS, value=True, key="review_boxes")
        heat = st.toggle(texts.HEAT, value=False, key="review_heat", disabled=not data.has_heat(record))
        chosen = st.segmented_control(
            words.ZOOM,
            list(views),
            default=words.ZOOM_WHOLE,
            required=True,
            key=f"review_zoom_{result_id}",
            label_visibility="collapsed",
        )
        number = _number(record)
    # Boxes are known in the first camera's picture alone.
    view = views.get(chosen or words.ZOOM_WHOLE) if number == 0 else None
    shown = data.picture(source, record, number, boxes=boxes, heat=heat, view=view)
    if shown.data is None:
        st.html(markup.panel(record.summary.part_id, shown.note))
    else:
        with st.container(key="review_picture"):
            st.image(shown.data, width="stretch")
    return view


def _number(record: PartRecord) -> int:
    """Which camera's picture is looked at, where there are several."""
    count = len(data.pictures(record))
    if count < 2:
        return 0
    chosen = st.segmented_control(
        texts.PICTURE_OF,
        range(count),
        default=0,
        required=True,
        format_func=lambda index: texts.PICTURE_NUMBER.format(number=index + 1),
        key=f"review_camera_{record.summary.result_id}",
        label_visibility="collapsed",
    )
    return chosen or 0


def _views(record: PartRecord, noun: str) -> Iterator[tuple[str, PixelBox | None]]:
    """What can be enlarged, by the words for it."""
    yield words.ZOOM_WHOLE, None
    size = picture_size(record)
    if size is None or not data.pictures(record):
        return
    if record.summary.part_box is not None:
        yield readable(noun).capitalize() or words.ZOOM_PART, record.summary.part_box
    found = [f for f in record.findings if f.kind != "quality"][: words.ZOOM_MORE]
    for number, finding in enumerate(found, 1):
        name = words.ZOOM_FINDING.format(number=number, label=readable(finding.label))
        yield name, _around(finding.expected_box or finding.box, size)


def _around(box: PixelBox, size: tuple[int, int]) -> PixelBox:
    """A view of the picture's own shape around the box, inside the picture."""
    width, height = size
    x1, y1, x2, y2 = box
    share = (1 + 2 * _MARGIN) * max((x2 - x1) / width, (y2 - y1) / height)
    share = min(max(share, _LEAST_VIEW), 1.0)
    wide, high = share * width, share * height
    left = min(max((x1 + x2 - wide) / 2, 0.0), width - wide)
    top = min(max((y1 + y2 - high) / 2, 0.0), height - high)
    return left, top, left + wide, top + high


def _decisions(source: Source, user: User, record: PartRecord) -> None:
    # Every key carries the part: a click that was under way when the part changed finds no button.
    result_id, part_id = record.summary.result_id, record.summary.part_id
    usual = record.summary.cause if record.summary.cause in REJECT_CAUSES else REJECT_CAUSES[0]

    def button(
        label: str,
        name: str,
        key: str,
        decision: Decision,
        cause: str | None,
        tone: _Tone = "secondary",
    ) -> None:
        st.button(
            label,
            key=f"review_{name}_{result_id}",
            shortcut=key,
            type=tone,
            width="stretch",
            on_click=_decide,
            args=(source, user, result_id, part_id, decision, cause),
        )

    with st.container(key="review_decide"):
        accept, reject = st.columns(2)
        with accept.container(key="review_accept"):
            button(words.ACCEPT, "accept", "A", "accept", None, "primary")
        with reject.container(key="review_reject"):
            button(words.REJECT, "reject", "X", "reject", usual, "primary")
        columns = st.columns(3) + st.columns(3)
        for number, (column, cause) in enumerate(zip(columns, REJECT_CAUSES, strict=True), 1):
            with column:
                label = words.REJECT_AS.format(cause=words.CAUSES[cause])
                button(label, f"as{number}", str(number), "reject", cause)
        undo, skip = st.columns(2)
        with undo:
            _undo_button(source, user, result_id)
        skip.button(
            words.SKIP,
            key=f"review_skip_{result_id}",
            shortcut="S",
            help=words.SKIP_HELP,
            width="stretch",
            on_click=_skip,
            args=(result_id,),
        )
    st.caption(words.KEYS)


def _undo_button(source: Source, user: User, result_id: str) -> None:
    st.button(
        words.UNDO,
        key=f"review_undo_{result_id}",
        shortcut="U",
        icon=":material/undo:",
        width="stretch",
        on_click=_undo,
        args=(source, user, result_id),
    )


def _why(source: Source, record: PartRecord, noun: str) -> None:
    part = record.summary
    st.html(
        markup.facts(
            (
                (texts.PART, part.part_id),
                (texts.INSPECTED, markup.instant(part.created_at, source.zone)),
            )
        )
    )
    size = picture_size(record)
    said = [f"{describe(found, part.part_box, size, noun)}." for found in record.findings]
    known = [texts.REASON[word] for word in part.causes if word in texts.REASON]
    st.html(markup.heading(words.REASONS))
    st.html(markup.bullets(list(dict.fromkeys(said or known or [reason(record, noun)]))))


def _good(source: Source, record: PartRecord, view: PixelBox | None) -> None:
    st.html(markup.heading(words.REFERENCE))
    good = data.reference(source, record)
    shown = data.picture(source, good, boxes=False, view=view) if good else None
    if good is None or shown is None or shown.data is None:
        st.caption(words.NO_REFERENCE)
        return
    with st.container(key="review_reference"):
        st.image(shown.data, width="stretch")


@acts.told
def _decide(
    source: Source, user: User, result_id: str, part_id: str, decision: Decision, cause: str | None
) -> None:
    shown = st.session_state.get(_SHOWN)
    if shown is None or shown[0] != result_id or time.monotonic() - shown[1] < LEAST_LOOK_S:
        # Counted anew from each such press, so that a key that is held down decides nothing at all.
        st.session_state[_SHOWN] = (result_id, time.monotonic())
        acts.say(words.TOO_QUICK, good=False)
        return
    acts.decide(source, user, result_id, decision, cause)
    named = words.CAUSES.get(cause or "", "").lower()
    acts.say(words.DECIDED[decision].format(part=part_id, cause=named))


@acts.told
def _undo(source: Source, user: User, shown: str) -> None:
    # While a page changes, the buttons of the part before hear the key as well: one undo a key.
    now = st.session_state.pop(_SHOWN, None)
    if now is None or now[0] != shown:
        st.session_state[_SHOWN] = now
        return
    result_id = acts.undo(source, user)
    if result_id is None:
        acts.say(words.UNDO_NOTHING, good=False)
        return
    st.session_state.setdefault(_SKIPPED, set()).discard(result_id)
    acts.say(words.UNDONE)


def _skip(result_id: str) -> None:
    st.session_state.setdefault(_SKIPPED, set()).add(result_id)
