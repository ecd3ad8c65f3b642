"""Pictures of known parts, and what a station says of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from inspector.cameras.footage import PICTURES, read_golden, read_picture
from inspector.challenge import FAULTY, GOOD, ChallengePart
from inspector.domain import Box, Frame, Part, Trigger
from inspector.errors import InputError
from inspector.recipe import CrossingTrigger
from inspector.station import Station


@dataclass(frozen=True, slots=True)
class KnownPart:
    """A part whose truth is known, as pictures: those of the first camera, of the second, and so on."""

    name: str
    expected: str
    pictures: tuple[Path, ...]


def known_parts(folder: Path, recipe_id: str) -> tuple[KnownPart, ...]:
    """The parts in ``good`` and ``faulty``, below ``folder`` or its subfolder of the recipe's name.

    Each entry is a picture, or a folder with the pictures of one part, in the order of the cameras, of
    each as many as the recipe's ``captures``.
    Raises :class:`InputError` when one of the two folders has none: only both prove anything.
    """
    parts: list[KnownPart] = []
    for expected in (GOOD, FAULTY):
        try:
            root = folder / recipe_id if (folder / recipe_id).is_dir() else folder
            found = list(_parts_in(root / expected, expected))
        except OSError as error:
            raise InputError(
                f"the known parts in {folder} cannot be read: {error.strerror}",
                "Put them where the station's user may read them",
            ) from error
        if not found:
            raise InputError(
                f"{root / expected} holds no pictures of known {expected} parts",
                f"A challenge needs folders '{GOOD}' and '{FAULTY}', each with a picture a part",
            )
        parts += found
    return tuple(parts)


def _parts_in(folder: Path, expected: str) -> Iterator[KnownPart]:
    if not folder.is_dir():
        return
    for entry in sorted(folder.iterdir()):
        if entry.is_dir():
            pictures = tuple(sorted(one for one in entry.iterdir() if _is_picture(one)))
        else:
            pictures = (entry,) if _is_picture(entry) else ()
        if pictures:
            yield KnownPart(f"{expected}/{entry.stem}", expected, pictures)


def _is_picture(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() in PICTURES


def show(station: Station, known: KnownPart, sources: Sequence[str] = ()) -> ChallengePart:
    """Let the station judge one known part; ``sources`` are the names of its cameras, in order.

    Raises :class:`~inspector.errors.FootageError` for a picture that cannot be read, and
    :class:`InputError` for more pictures than the cameras make of a part: nothing would look at them.
    """
    captures = station.recipe.text.captures
    count, most = len(known.pictures), len(sources) * captures
    if sources and count > most:
        raise InputError(
            f"known part {known.name} has {count} pictures, and the station makes {most} of a part",
            f"Leave {most} in its folder, in the order of the cameras",
        )
    frames = tuple(
        Frame(
            read_picture(path),
            sources[number // captures] if sources else known.name,
            0,
            0.0,
            recorded=True,
            golden=read_golden(path),
        )
        for number, path in enumerate(known.pictures)
    )
    trigger = Trigger(0, 0, known.name, 0.0, float("inf"), challenge=known.expected)
    judgement = station.inspect(_located(station, Part(trigger, frames))).judgement
    return ChallengePart(known.name, known.expected, judgement.verdict.value, judgement.cause.word)


def _located(station: Station, part: Part) -> Part:
    """With the box of the part, where the recipe tracks parts: the one nearest to the line."""
    spec = station.recipe.text.trigger
    if not isinstance(spec, CrossingTrigger):
        return part
    frame, model = part.frames[0], station.recipe.detector_of(spec.label)
    seen = station.detect(frame, model)
    line_x = spec.line_x * frame.size[0]
    boxes: list[Box] = [found.box for found in seen if found.label == spec.label]
    box = min(boxes, key=lambda one: abs(one.centre[0] - line_x), default=None)
    return Part(part.trigger, part.frames, box, {model: seen})
