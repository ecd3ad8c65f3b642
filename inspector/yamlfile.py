"""YAML into a pydantic model, with errors that name file, line and remedy."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from inspector.errors import ConfigError

ModelT = TypeVar("ModelT", bound=BaseModel)
Location = tuple[int | str, ...]


class YamlFile:
    """A parsed file that remembers on which line each value stands."""

    def __init__(self, path: Path) -> None:
        """Read and parse. Raises :class:`ConfigError` for a file that is missing or no YAML."""
        self.path = path
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise ConfigError(f"{path} does not exist", "Check the path") from None
        except IsADirectoryError:
            raise ConfigError(f"{path} is a folder", "Name the .yaml file in it") from None
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path} cannot be read: {error}") from error
        try:
            node = yaml.compose(text, Loader=yaml.SafeLoader)
            self.data = yaml.safe_load(text)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else None
            raise ConfigError(
                f"not valid YAML: {error.problem}", "Mend the line", path=path, line=line
            ) from error
        self._lines: dict[Location, int] = {}
        if node is not None:
            self._index(node, ())
        if not isinstance(self.data, dict):
            raise ConfigError("is empty or no mapping of keys to values", path=path, line=1)

    def _index(self, node: yaml.Node, location: Location) -> None:
        self._lines.setdefault(location, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                self._lines[(*location, key.value)] = key.start_mark.line + 1
                self._index(value, (*location, key.value))
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                self._index(value, (*location, index))

    def line(self, location: Location) -> int:
        """The line of that value, or of the innermost enclosing one that is in the file."""
        # pydantic puts the tags of unions into its locations; the file does not have them
        known: Location = ()
        for key in location:
            if (*known, key) in self._lines:
                known = (*known, key)
        return self._lines.get(known, 1)

    def error(self, location: Location, message: str, remedy: str = "") -> ConfigError:
        """A :class:`ConfigError` that points at that value."""
        return ConfigError(message, remedy, path=self.path, line=self.line(location))

    def parse(self, model: type[ModelT]) -> ModelT:
        """Validate. The :class:`ConfigError` names every offence, the first one's line in front."""
        try:
            return model.model_validate(self.data)
        except ValidationError as error:
            offences = [self._offence(detail, model) for detail in error.errors()]
        location, message, remedy = offences[0]
        others = [f"{self.path}:{self.line(place)}: {text}" for place, text, _ in offences[1:]]
        if others:
            remedy = "\n".join([remedy, *others]) if remedy else "\n".join(others)
        raise self.error(location, message, remedy)

    def _offence(self, detail: ErrorDetails, model: type[BaseModel]) -> tuple[Location, str, str]:
        location: Location = detail["loc"]
        key = ".".join(str(part) for part in location if (part in self._parts(location)))
        if detail["type"] == "extra_forbidden":
            close = difflib.get_close_matches(str(location[-1]), _field_names(model), n=1)
            remedy = f"Did you mean '{close[0]}'?" if close else "Remove it"
            return location, f"unknown key '{key}'", remedy
        if detail["type"] == "missing":
            return location, f"'{key or location[-1]}' is missing", f"Add '{location[-1]}: …'"
        return location, f"'{key}': {detail['msg'].removeprefix('Value error, ')}", ""

    def _parts(self, location: Location) -> set[int | str]:
        """The keys of a location that are in the file, and the last one whatever it is."""
        known: Location = ()
        for key in location:
            if (*known, key) in self._lines:
                known = (*known, key)
        return {*known, location[-1]}


def _field_names(model: type[BaseModel]) -> list[str]:
    """All field names of a model and of the models inside it."""
    names: set[str] = set()
    seen: set[type] = set()

    def visit(annotation: Any) -> None:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            if annotation in seen:
                return
            seen.add(annotation)
            names.update(annotation.model_fields)
            for field in annotation.model_fields.values():
                visit(field.annotation)
        for inner in getattr(annotation, "__args__", ()):
            visit(inner)
        for inner in getattr(annotation, "__metadata__", ()):
            if isinstance(inner, Mapping):
                visit(inner)

    visit(model)
    return sorted(names)
