"""Everything that can go wrong on purpose, as one tree; whether to retry is a type.

::

    InspectorError                what a user is told: one sentence with the remedy
    ├── InputError                wrong input, exit 2; retrying is of no use
    │   ├── ConfigError           a configuration or recipe, with file and line
    │   ├── FootageError          a video, picture or folder that cannot be read
    │   ├── BundleError           a model bundle that is missing, corrupt or does not fit
    │   └── DataError             a data set that cannot be trained on
    ├── OutsideError              a part of the outside world failed, exit 3
    │   ├── RetryableError        it may be back in a moment: the line goes on and tries again
    │   │   ├── CameraError       a camera that is absent or went away
    │   │   │   └── PictureError  one picture of a camera that delivers others
    │   │   ├── BrokerError       the MQTT broker cannot be reached
    │   │   └── StorageError      a full or read-only disk, a database that does not answer
    │   ├── SchemaError           a database written by a newer version
    │   └── BusyError             another instance has this station
    └── DefectError               a defect of ours, exit 1

The exit codes are those of the command line: 0 done, 2 wrong input, 3 the outside world, 1 ours.
"""

from __future__ import annotations

from pathlib import Path


class InspectorError(Exception):
    """One clear sentence, and what to do about it."""

    exit_code = 1

    def __init__(self, message: str, remedy: str = "") -> None:
        self.message = message
        self.remedy = remedy
        super().__init__(f"{message.rstrip('.')}. {remedy}" if remedy else message)


class InputError(InspectorError):
    """What was given cannot be used as it is."""

    exit_code = 2


class ConfigError(InputError):
    """A configuration or recipe is wrong; the message starts with ``file:line``."""

    def __init__(
        self, message: str, remedy: str = "", *, path: Path | None = None, line: int | None = None
    ) -> None:
        self.path, self.line = path, line
        where = "" if path is None else f"{path}:{line}: " if line else f"{path}: "
        super().__init__(where + message, remedy)


class FootageError(InputError):
    """A video, picture or folder cannot be read."""


class BundleError(InputError):
    """A model bundle is missing, corrupt, or does not fit its recipe."""


class DataError(InputError):
    """A data set cannot be trained on or evaluated."""


class OutsideError(InspectorError):
    """Something outside this program failed."""

    exit_code = 3


class RetryableError(OutsideError):
    """It may be back in a moment."""


class CameraError(RetryableError):
    """A camera is absent or went away."""


class PictureError(CameraError):
    """One picture that cannot be read; the camera goes on."""


class BrokerError(RetryableError):
    """The MQTT broker cannot be reached."""


class StorageError(RetryableError):
    """A disk is full or read-only, or the database does not answer."""


class SchemaError(OutsideError):
    """The database was written by a newer version of this program."""


class BusyError(OutsideError):
    """Another instance already runs this station."""


class DefectError(InspectorError):
    """This program is wrong; the message is for its authors."""
