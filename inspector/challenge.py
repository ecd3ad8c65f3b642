"""Challenge parts: known good and known faulty ones, shown to a station to prove that it tells them.

A run passes when every faulty part was refused and every good part passed. A good part in REVIEW is no
escape, but a station that reviews everything proves nothing: how many of them are tolerated is
configured, by default none. A part that was not inspected, because a camera, a model or the time
failed, proves nothing either and fails the run.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from inspector.domain import Cause, Inspection, RecipeRef, Verdict

Origin = Literal["cli", "dashboard", "plc"]
GOOD, FAULTY = "good", "faulty"
NOT_INSPECTED = frozenset(
    {
        Cause.CAMERA_FAULT,
        Cause.MISSED_ACQUISITION,
        Cause.MODEL_FAULT,
        Cause.OVERRUN,
        Cause.DEADLINE_MISSED,
        Cause.HALTED,
        Cause.STATION_RESTARTED,
    }
)
"""Causes of a REVIEW that says nothing about the part."""


@dataclass(frozen=True, slots=True)
class ChallengePart:
    """One part of a run, and what the station said of it."""

    name: str
    expected: str
    """``good`` or ``faulty``."""
    verdict: str
    cause: str
    """The contract's word."""

    @classmethod
    def of(cls, inspection: Inspection) -> ChallengePart:
        """What became of a part that was armed for a trigger."""
        trigger = inspection.trigger
        judgement = inspection.judgement
        expected = trigger.challenge or GOOD
        return cls(trigger.part_id, expected, judgement.verdict.value, judgement.cause.word)

    @property
    def inspected(self) -> bool:
        """Whether the verdict says anything about the part."""
        return Cause.named(self.cause) not in NOT_INSPECTED

    @property
    def as_expected(self) -> bool:
        """Faulty and refused, or good and passed."""
        passed = self.verdict == Verdict.PASS.value
        return self.inspected and passed == (self.expected == GOOD)

    @property
    def good_in_review(self) -> bool:
        """Good, inspected, and not decided: the station is less available, but lets nothing through."""
        return self.inspected and self.expected == GOOD and self.verdict == Verdict.REVIEW.value


@dataclass(frozen=True, slots=True)
class ChallengeRun:
    """One challenge, as it is recorded."""

    station: str
    at: datetime
    """When it ended, UTC."""
    operator: str
    origin: Origin
    recipe: RecipeRef
    parts: tuple[ChallengePart, ...]
    good_in_review: int = 0
    """How many good parts may go to REVIEW."""
    request_id: int | None = None
    """The row of the ``request`` table that asked for it."""

    @property
    def passed(self) -> bool:
        """Whether the station told the good parts from the faulty ones."""
        tolerated = sum(part.good_in_review for part in self.parts)
        wrong = sum(not (part.as_expected or part.good_in_review) for part in self.parts)
        return bool(self.parts) and not wrong and tolerated <= self.good_in_review

    @property
    def counts(self) -> bool:
        """Whether it says how the station is: good parts that pass do not, without a faulty one."""
        return not self.passed or any(part.expected == FAULTY for part in self.parts)

    @property
    def text(self) -> str:
        """The outcome in one sentence."""
        right = sum(part.as_expected for part in self.parts)
        said = f"{right} of {len(self.parts)} parts as expected"
        wrong = [part for part in self.parts if not part.as_expected]
        if wrong:
            first = wrong[0]
            said += f"; {first.expected} part {first.name} was {first.verdict} ({first.cause})"
        if len(wrong) > 1:
            said += f", {len(wrong) - 1} more"
        return f"challenge {'passed' if self.passed else 'failed'}: {said}"

    def table(self) -> str:
        """A line a part, and the outcome."""
        width = max([len(part.name) for part in self.parts] + [4])
        rows = [f"{'part':<{width}}  expected  verdict  cause"]
        for part in self.parts:
            mark = "" if part.as_expected else "   <- not as expected"
            rows.append(
                f"{part.name:<{width}}  {part.expected:<8}  {part.verdict:<7}  {part.cause}{mark}"
            )
        return "\n".join([*rows, self.text])
