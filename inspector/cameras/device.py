"""A device that one thread reads and another may close at any time."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod

from inspector.domain import Frame
from inspector.errors import CameraError


class Device(ABC):
    """Implements the methods of :class:`inspector.ports.Camera` and :class:`inspector.ports.Reachable`.

    Drivers crash when they are closed under a running read: the device is let go of by the thread that
    reads, or by the one that closes when nobody reads.
    """

    def __init__(self) -> None:
        self._closed = threading.Event()
        self._in_use = threading.Lock()

    def read(self) -> Frame | None:
        """The newest frame; opens the device first where it is not open. None after :meth:`close`.

        Raises :class:`CameraError` when it is absent, gone, or does not take its settings; the next
        call opens it anew.
        """
        try:
            while not self._closed.is_set():
                with self._in_use:
                    self._connect()
                    frame = self._next()
                if frame is not None:
                    return frame
            return None
        finally:
            if self._closed.is_set():
                self._let_go_unless_in_use()

    def close(self) -> None:
        """End a waiting :meth:`read` soon, and let go of the device."""
        self._closed.set()
        self._let_go_unless_in_use()

    def reached(self) -> bool:
        """Whether the device is open, or could now be opened."""
        try:
            with self._in_use:
                self._connect()
        except CameraError:
            # the next read says why
            return False
        finally:
            if self._closed.is_set():
                self._let_go_unless_in_use()
        return True

    @abstractmethod
    def _connect(self) -> None:
        """Open the device where it is not open; :class:`CameraError` where that fails."""

    @abstractmethod
    def _next(self) -> Frame | None:
        """One picture; None where it was not a fresh one, or none has come for a moment."""

    @abstractmethod
    def _let_go(self) -> None:
        """Close what is open, if anything is."""

    def _let_go_unless_in_use(self) -> None:
        if self._in_use.acquire(blocking=False):
            try:
                self._let_go()
            finally:
                self._in_use.release()
