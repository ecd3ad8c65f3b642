"""The progress of a training on stderr: a bar, the time left, the best figure so far."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn


class TrainingBar:
    """A bar that is told how far a training is. See :func:`training_bar`."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task
        self._figure = ""

    def step(self, share: float, left_s: float | None, epoch: int, of: int) -> None:
        """``share`` 0..1 of the training is done, ``left_s`` seconds of it are left, if known."""
        self.tell(share, left_s, f"epoch {epoch}/{of}")

    def tell(self, share: float, left_s: float | None, doing: str) -> None:
        """As :meth:`step`; ``doing`` says in words what is being done."""
        left = "" if left_s is None else f"{_clock(left_s)} left"
        self._progress.update(self._task, completed=share, left=left, doing=doing, figure=self._figure)

    def figure(self, text: str) -> None:
        """What has been reached, shown from the next step on."""
        self._figure = text


@contextmanager
def training_bar() -> Iterator[TrainingBar]:
    """A bar on stderr; where that is no terminal, nothing is drawn: the log tells of each epoch."""
    console = Console(stderr=True)
    columns = (
        TextColumn("training"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %  {task.fields[doing]}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}  {task.fields[figure]}"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("training", total=1.0, left="", doing="", figure="")
        yield TrainingBar(progress, task)


def _clock(seconds: float) -> str:
    """``1:02:03``, or ``2:03``."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
