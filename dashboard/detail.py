"""One part in full: pictures, findings, scores, times, origin."""

from __future__ import annotations

from functools import partial

import streamlit as st

from dashboard import charts, data, evidence, markup, texts
from dashboard.data import Source
from dashboard.reasons import describe, picture_size, reason
from dashboard.texts import parts as words
from inspector.records.reviews import ReviewView
from inspector.records.views import PartRecord


def show(source: Source, record: PartRecord, link: str) -> None:
    """Everything about the part; ``link`` is the query parameter that names an inspection."""
    noun = data.noun(source, record)
    st.html(markup.verdict_band(record.summary.verdict, reason(record, noun), small=True))
    if badges := markup.badges(record.summary):
        st.html(badges)
    _head(source, record)
    _pictures(source, record)
    st.html(markup.heading(texts.FINDINGS))
    _findings(record, noun)
    st.html(markup.heading(texts.SCORES))
    if record.scores:
        st.caption(texts.SCORES_HELP)
        st.altair_chart(charts.score_bars(record.scores), key="scores")
    else:
        st.caption(texts.NO_SCORES)
    st.html(markup.heading(texts.TIMINGS))
    part = record.summary
    stages = charts.stages(part.stages, part.acquisition_ms, part.processing_ms)
    st.altair_chart(charts.stage_bars(stages), key="stages")
    if len(record.attempts) > 1:
        st.html(markup.heading(texts.ATTEMPTS))
        st.html(markup.attempts(record.attempts, part.result_id, link, source.zone))
    if decided := evidence.decisions(source, record):
        st.html(markup.heading(words.DECISIONS))
        st.html(markup.bullets(_decision(source, one) for one in decided))
    st.html(markup.heading(texts.DETAILS))
    _details(record)
    st.download_button(
        words.EVIDENCE,
        partial(evidence.archive, source, record),
        evidence.file_name(record),
        "application/zip",
        key="evidence",
        help=words.EVIDENCE_HELP,
        on_click="ignore",
        icon=":material/folder_zip:",
    )


def _decision(source: Source, one: ReviewView) -> str:
    moment = markup.instant(one.created_at, source.zone)
    decision = words.DECISION.get(one.decision, one.decision)
    sentence = words.DECISION_SENTENCE.format(decision=decision, user=one.user, moment=moment)
    if one.cause:
        because = texts.CAUSE.get(one.cause, one.cause)
        sentence = words.DECISION_BECAUSE.format(sentence=sentence, cause=because)
    return words.DECISION_BLIND.format(sentence=sentence) if one.is_blind else sentence


def _head(source: Source, record: PartRecord) -> None:
    part = record.summary
    age = texts.MILLISECONDS.format(value=f"{part.age_ms:.1f}")
    if part.deadline_ms is not None:
        deadline = texts.MILLISECONDS.format(value=f"{part.deadline_ms:g}")
        age = texts.VERDICT_AGE_OF.format(age=age, deadline=deadline)
    others = [texts.CAUSE.get(word, word) for word in part.causes if word != part.cause]
    lines = [
        (texts.PART, part.part_id),
        (texts.INSPECTED, markup.instant(part.created_at, source.zone)),
        (texts.ATTEMPT, str(part.attempt)),
        (texts.VERDICT_AGE, age),
    ]
    if others:
        lines.append((texts.ALSO, ", ".join(others)))
    st.html(markup.facts(lines))


def _pictures(source: Source, record: PartRecord) -> None:
    count = len(data.pictures(record))
    number = 0
    with st.container(horizontal=True, vertical_alignment="center"):
        boxes = st.toggle(texts.OVERLAYS, value=True, key="part_boxes")
        heat = st.toggle(texts.HEAT, value=False, key="part_heat", disabled=not data.has_heat(record))
        if count > 1:
            number = (
                st.segmented_control(
                    texts.PICTURE_OF,
                    range(count),
                    default=0,
                    required=True,
                    format_func=lambda index: texts.PICTURE_NUMBER.format(number=index + 1),
                    label_visibility="collapsed",
                )
                or 0
            )
    shown = data.picture(source, record, number, boxes=boxes, heat=heat)
    if shown.data is None:
        st.html(markup.panel(record.summary.part_id, shown.note))
    else:
        with st.container(key="part_picture"):
            st.image(shown.data, width="stretch")


def _findings(record: PartRecord, noun: str) -> None:
    if not record.findings:
        st.caption(texts.NO_FINDINGS)
        return
    size, names = picture_size(record), texts.FINDING_COLUMNS
    part = record.summary.part_box
    st.dataframe(
        {
            names["what"]: [describe(found, part, size, noun) for found in record.findings],
            names["check"]: [found.check for found in record.findings],
            names["score"]: [found.score for found in record.findings],
            names["threshold"]: [found.threshold for found in record.findings],
            names["fails"]: [
                texts.COUNTS if found.score >= found.threshold else texts.COUNTS_NOT
                for found in record.findings
            ],
        },
        hide_index=True,
    )


def _details(record: PartRecord) -> None:
    part = record.summary
    lines = [
        (texts.RECIPE, texts.RECIPE_VERSION.format(recipe=part.recipe_id, version=part.recipe_version)),
        (texts.RECIPE_HASH, part.recipe_hash),
        (texts.MODEL_HASH, part.model_hash),
        (texts.RESULT_ID, part.result_id),
        (texts.STATION, part.station),
        (texts.SOURCE, texts.SOURCE_FRAME.format(source=part.source, frame=part.frame)),
    ]
    optional = ((texts.BATCH, part.batch_id), (texts.PRODUCT, part.product_id))
    lines += [(name, value) for name, value in optional if value]
    st.html(markup.facts(lines))
