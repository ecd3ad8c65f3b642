"""Marks in a part's picture from which the next training learns."""

from __future__ import annotations

import streamlit as st

from dashboard import acts, data, markup, texts
from dashboard.data import Source
from dashboard.reasons import describe, picture_size, readable
from dashboard.texts import review as words
from inspector.records import labels
from inspector.records.labels import LabelView, Truth
from inspector.records.views import FindingView, PartRecord, PixelBox
from inspector.users import User

_NAME_LENGTH = 32


def show(source: Source, user: User, record: PartRecord, noun: str) -> None:
    """Confirm or contradict each finding, or mark a box by hand."""
    result_id = record.summary.result_id
    if not st.toggle(words.MARK, key="mark_open"):
        return
    with st.container(border=True, key="mark"):
        size = picture_size(record)
        if size is None or not data.pictures(record):
            st.caption(words.MARK_NO_PICTURE)
            return
        # A second reviewer must not see what the first has marked.
        all_marks = labels.labels(source.engine, result_id=result_id)
        mine = [mark for mark in all_marks if mark.user == user.name]
        left, right = st.columns([1, 1], gap="medium")
        with left:
            _findings(source, user, record, noun, mine)
            _listed(source, user, mine)
        with right:
            _own_box(source, user, record, size)


def _findings(
    source: Source, user: User, record: PartRecord, noun: str, marks: list[LabelView]
) -> None:
    st.caption(words.MARK_HELP)
    size = picture_size(record)
    for position, finding in enumerate(record.findings):
        if finding.kind == "quality":
            continue
        said = describe(finding, record.summary.part_box, size, noun)
        current = next((mark.truth for mark in marks if mark.finding == position), None)
        key = f"mark_{record.summary.result_id}_{position}"
        st.segmented_control(
            markup.plain(words.MARK_FINDING.format(number=position + 1, sentence=said)),
            list(words.MARK_TRUTH),
            default=current,
            format_func=words.MARK_TRUTH.__getitem__,
            key=key,
            on_change=_judge,
            args=(source, user, record, position, key, current),
        )


@acts.told
def _judge(
    source: Source, user: User, record: PartRecord, position: int, key: str, before: str | None
) -> None:
    truth: Truth | None = st.session_state.get(key)
    if truth is None:
        for mark in labels.labels(source.engine, result_id=record.summary.result_id):
            if mark.finding == position and mark.user == user.name:
                acts.unmark(source, user, mark.id)
        return
    if truth == before:
        return
    finding = record.findings[position]
    box = _inside(finding.expected_box or finding.box, record)
    _save(source, user, record, truth, _name(finding), box, position)


def _own_box(source: Source, user: User, record: PartRecord, size: tuple[int, int]) -> None:
    width, height = size
    result_id = record.summary.result_id
    st.html(markup.heading(words.MARK_BOX))
    name, kind = st.columns([1.4, 1])
    found = [_name(finding) for finding in record.findings if finding.kind != "quality"]
    known = list(dict.fromkeys([*found, *labels.known_names(source.engine, source.station.name)]))
    label = name.selectbox(
        words.MARK_LABEL,
        known,
        index=0 if known else None,
        accept_new_options=True,
        help=words.MARK_LABEL_HELP,
        key=f"mark_label_{result_id}",
    )
    with kind:
        truth: Truth = (
            st.segmented_control(
                words.MARK_KIND,
                list(words.MARK_KINDS),
                default="faulty",
                required=True,
                format_func=words.MARK_KINDS.__getitem__,
                key=f"mark_kind_{result_id}",
            )
            or "faulty"
        )
    part = _inside(record.summary.part_box or (0.0, 0.0, width, height), record)
    x = st.slider(words.MARK_X, 0, width, (int(part[0]), int(part[2])), key=f"mark_x_{result_id}")
    y = st.slider(words.MARK_Y, 0, height, (int(part[1]), int(part[3])), key=f"mark_y_{result_id}")
    box: PixelBox = (float(x[0]), float(y[0]), float(x[1]), float(y[1]))
    with st.container(key="mark_preview"):
        preview = data.picture(source, record, boxes=False, mark=(box, str(label or "")))
        if preview.data is not None:
            st.image(preview.data, width="stretch")
    st.button(
        words.MARK_ADD,
        key=f"mark_add_{result_id}",
        type="primary",
        width="stretch",
        disabled=not label,
        on_click=_save,
        args=(source, user, record, truth, str(label or ""), box, None),
    )


def _listed(source: Source, user: User, marks: list[LabelView]) -> None:
    if not marks:
        st.caption(words.MARKED_NONE)
        return
    for mark in marks:
        said = words.MARKED.format(name=readable(mark.name), truth=words.MARK_KINDS[mark.truth])
        text, remove = st.columns([2, 1], vertical_alignment="center")
        text.html(markup.facts([("", said)]))
        remove.button(
            words.MARK_REMOVE,
            key=f"unmark_{mark.id}",
            width="stretch",
            on_click=_unmark,
            args=(source, user, mark.id),
        )


@acts.told
def _save(
    source: Source,
    user: User,
    record: PartRecord,
    truth: Truth,
    name: str,
    box: PixelBox,
    finding: int | None,
) -> None:
    acts.mark(source, user, record.summary.result_id, truth, name, box, finding)
    acts.say(words.MARK_SAVED.format(name=name))


@acts.told
def _unmark(source: Source, user: User, label: int) -> None:
    acts.unmark(source, user, label)


def _name(finding: FindingView) -> str:
    return (finding.label or texts.THE_PART)[:_NAME_LENGTH]


def _inside(box: PixelBox, record: PartRecord) -> PixelBox:
    """The box cut off at the picture's edges."""
    width, height = picture_size(record) or (0, 0)
    x1, y1, x2, y2 = box
    return max(x1, 0.0), max(y1, 0.0), min(x2, float(width)), min(y2, float(height))
