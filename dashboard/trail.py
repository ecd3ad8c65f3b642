"""The audit trail, for administrators."""

from __future__ import annotations

import json

import streamlit as st

from dashboard import context, data, markup, session
from dashboard.export import csv_bytes
from dashboard.texts import people
from inspector.records import audit
from inspector.records.audit import AuditView
from inspector.users import Role

_SHOWN, _SAVED = 500, 100_000
_ROW_PX = 35


def show() -> None:
    """The newest acts, by user and kind; nothing for anybody else."""
    config = context.line()
    user = session.current(config)
    if user is None or not user.role.covers(Role.ADMINISTRATOR):
        return
    source = data.source(config, context.station(config))
    st.html(markup.heading(people.TRAIL))
    st.caption(people.TRAIL_HELP)
    kinds, name = st.columns([2, 1])
    actions = kinds.multiselect(
        people.TRAIL_ACTION, list(people.ACTIONS), format_func=people.ACTIONS.__getitem__
    )
    who = name.text_input(people.TRAIL_USER, max_chars=32).strip()
    acts = audit.trail(source.engine, actions=actions or None, user=who or None, limit=_SHOWN)
    if not acts:
        st.html(markup.panel(people.TRAIL, people.TRAIL_EMPTY))
        return
    rows = [_row(act, markup.instant(act.at, source.zone)) for act in acts]
    names = list(people.TRAIL_COLUMNS.values())
    st.dataframe(
        {column: [row[index] for row in rows] for index, column in enumerate(names)},
        hide_index=True,
        height=min(420, _ROW_PX * (len(rows) + 1) + 3),
    )
    st.download_button(
        people.EXPORT,
        data=lambda: _csv(audit.trail(source.engine, limit=_SAVED)),
        file_name="audit.csv",
        mime="text/csv",
        icon=":material/download:",
    )


def _row(act: AuditView, at: str) -> tuple[str, ...]:
    word = people.ACTIONS.get(act.action, act.action)
    fields = json.dumps(dict(act.fields), ensure_ascii=False) if act.fields else ""
    return at, act.user, act.role, word, act.subject, act.text, fields


def _csv(acts: tuple[AuditView, ...]) -> bytes:
    names = list(people.TRAIL_COLUMNS)
    return csv_bytes(names, [_row(act, act.at.isoformat()) for act in acts])
