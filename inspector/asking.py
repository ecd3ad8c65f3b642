"""A challenge that a demonstration asks of its station by way of the records, as the dashboard does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from inspector.challenge import ChallengeRun
from inspector.records.challenges import run_of_request
from inspector.records.database import open_engine
from inspector.records.requests import ask

END_S = 60.0
"""How long the end of a demonstration waits for the outcome."""
POLL_S = 0.1


class AskedChallenge:
    """Asked after a number of parts; the outcome is told once it is there."""

    def __init__(self, url: str, station: str, after: int | None, say: Callable[[str], None]) -> None:
        """``url`` is that of the records; ``after`` None: nobody asks."""
        self._url, self._station, self._after, self._say = url, station, after, say
        self._number: int | None = None
        self.run: ChallengeRun | None = None
        """The outcome."""

    def part(self, number: int) -> None:
        """A part is on its way, the first being 1."""
        if number == self._after:
            engine = open_engine(self._url)
            try:
                self._number = ask(engine, self._station, "challenge", "demo")
            finally:
                engine.dispose()
            self._say("a challenge with known parts is asked for")

    def tell(self, timeout_s: float = 0.0) -> None:
        """Tell the outcome if it is there; wait for it so long at most."""
        if self._number is None or self.run is not None:
            return
        engine = open_engine(self._url, readonly=True)
        until = time.monotonic() + timeout_s
        try:
            while (run := run_of_request(engine, self._number)) is None and time.monotonic() < until:
                time.sleep(POLL_S)
        finally:
            engine.dispose()
        if run is not None:
            self.run = run
            self._say(run.table())

    def shortcomings(self) -> Iterator[str]:
        """What a demonstration that convinces must not show."""
        if self._after is not None and self.run is None:
            yield "the challenge was not carried out"
        elif self.run is not None and not self.run.passed:
            yield self.run.text
