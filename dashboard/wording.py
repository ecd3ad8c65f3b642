"""Figures in words, for the Statistics page and the shift report. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from dashboard.texts import statistics as words
from inspector.conformal import upper_bound
from inspector.records.known import Mistakes


class Fact(NamedTuple):
    """A name and what is to be said of it."""

    name: str
    value: str


def percent(count: int, of: int, digits: int = 2) -> str:
    """A share of parts; a dash without any. 100 % and 0 % are said of exactly all and none."""
    if not of:
        return "–"
    least = 10.0**-digits
    value = 100 * count / of
    if 0 < count < of:
        value = min(max(value, least), 100 - least)
    return f"{value:.{digits}f} %"


def known_mistakes(known: Mistakes) -> Iterator[Fact]:
    """What is known of escapes and false rejects, with bounds."""
    if known.passed or known.failed or known.review:
        yield _rate(words.ESCAPES_AUDIT, words.ESCAPES_AUDIT_FOUND, known.escaped, known.passed)
        yield _rate(
            words.REJECTS_AUDIT, words.REJECTS_AUDIT_FOUND, known.falsely_rejected, known.failed
        )
        yield _rate(words.REVIEWED, words.REVIEWED_FOUND, known.review_good, known.review)
    else:
        yield Fact(words.ESCAPES_AUDIT, words.NO_REVIEWS)
    if known.faulty_shown or known.good_shown:
        found = words.ESCAPES_CHALLENGE_FOUND, words.REJECTS_CHALLENGE_FOUND
        yield _rate(words.ESCAPES_CHALLENGE, found[0], known.faulty_passed, known.faulty_shown)
        yield _rate(words.REJECTS_CHALLENGE, found[1], known.good_rejected, known.good_shown)
    else:
        yield Fact(words.ESCAPES_CHALLENGE, words.NO_CHALLENGES)


def _rate(name: str, sentence: str, count: int, of: int) -> Fact:
    upper = upper_bound(count, of)
    bound = "" if upper is None else words.BOUND.format(share=f"{100 * upper:.2g} %")
    return Fact(name, sentence.format(count=f"{count:,}", of=f"{of:,}", bound=bound))
