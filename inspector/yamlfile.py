"""YAML into a pydantic model, with errors that name file, line and remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
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
        except (yaml.YAMLError, ValueError) as error:
            # a forbidden character, or a date that does not exist
            what = " ".join(str(error).split())
            raise ConfigError(f"not valid YAML: {what}", "Mend the file", path=path) from error
        self._lines: dict[Location, int] = {}
        if node is not None:
            self._index(node, ())
        if not isinstance(self.data, dict):
            raise ConfigError("is empty or no mapping of keys to values", path=path, line=1)

    def _index(self, node: yaml.Node, location: Location) -> None:
        self._lines.setdefault(location, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                line = key.start_mark.line + 1
                if key.value in seen:
                    # YAML would silently take the last one
                    raise ConfigError(
                        f"'{key.value}' is given twice", "Remove one", path=self.path, line=line
                    )
                seen.add(key.value)
                self._lines[(*location, key.value)] = line
                self._index(value, (*location, key.value))
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                self._index(value, (*location, index))

    def line(self, location: Location) -> int:
        """The line of that value, or of the innermost enclosing one that is in the file."""
        # pydantic puts the tags of unions into its locations; the file does not have them
        return self._lines.get(self._known(location), 1)

    def error(self, location: Location, message: str, remedy: str = "") -> ConfigError:
        """A :class:`ConfigError` that points at that value."""
        return ConfigError(message, remedy, path=self.path, line=self.line(location))

    def parse(self, model: type[ModelT]) -> ModelT:
        """Validate. The :class:`ConfigError` names every offence, the first one's line in front."""
        try:
            return model.model_validate(self.data)
        except ValidationError as error:
            offences = self._offences(error.errors(), model)
        location, message, remedy = offences[0]
        others = [
            f"{self.path}:{self.line(place)}: {text}. {advice}".rstrip(". ")
            for place, text, advice in offences[1:]
        ]
        if others:
            remedy = "\n".join([remedy, *others]) if remedy else "\n".join(others)
        raise self.error(location, message, remedy)

    def _offences(
        self, details: list[ErrorDetails], model: type[BaseModel]
    ) -> list[tuple[Location, str, str]]:
        """Location, message and remedy of each offence; what only follows from another is left out."""
        found: dict[tuple[Location, str], list[str]] = {}
        places = [detail["loc"] for detail in details]
        # a misspelt key first: it is why another one is missing
        for detail in sorted(details, key=lambda detail: detail["type"] != "extra_forbidden"):
            location = detail["loc"]
            if detail["type"] == "too_short" and any(
                place[: len(location)] == location != place for place in places
            ):
                continue  # the list is short because of an offence inside it
            place, message, remedy = self._offence(detail, model)
            # a value that fits no member of a union offends once, with one remedy a member
            remedies = found.setdefault((place, message), [])
            if remedy and remedy not in remedies:
                remedies.append(remedy)
        return [(place, text, ", or: ".join(advice)) for (place, text), advice in found.items()]

    def _offence(self, detail: ErrorDetails, model: type[BaseModel]) -> tuple[Location, str, str]:
        location = self._known(detail["loc"])
        name = detail["loc"][-1] if detail["loc"] else ""
        key = ".".join(str(part) for part in location)
        said = detail["msg"].removeprefix("Value error, ")
        context: Mapping[str, Any] = detail.get("ctx", {})
        if detail["type"] == "extra_forbidden":
            return location, f"unknown key '{key}'", _meant(str(name), _field_names(model), "Remove it")
        if detail["type"] == "missing":
            return location, f"'{'.'.join(map(str, (*location, name)))}' is missing", f"Add '{name}: …'"
        if detail["type"] == "union_tag_not_found":
            tag = str(context["discriminator"]).strip("'")
            return location, f"'{key}.{tag}' is missing", f"Add '{tag}: …'"
        if detail["type"] == "union_tag_invalid":
            tag, kinds = str(context["discriminator"]).strip("'"), str(context["expected_tags"])
            offered = [kind.strip("' ") for kind in kinds.split(",")]
            remedy = _meant(str(context["tag"]), offered, f"Known are {', '.join(offered)}")
            return (*location, tag), f"'{key}.{tag}' is '{context['tag']}', which is unknown", remedy
        if isinstance(detail["input"], dict | list):
            return location, f"'{key}' is not valid", said
        return location, f"'{key}' is {detail['input']!r}", said

    def _known(self, location: Location) -> Location:
        """The part of a location that is in the file."""
        known: Location = ()
        for key in location:
            if (*known, key) in self._lines:
                known = (*known, key)
        return known


def _meant(word: str, offered: list[str], otherwise: str) -> str:
    close = difflib.get_close_matches(word, offered, n=1)
    return f"Did you mean '{close[0]}'?" if close else otherwise


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


def value_node(node: yaml.Node | None, key: str | int) -> yaml.Node | None:
    """The node under a mapping's key or at a sequence's place; None when there is none."""
    if isinstance(node, yaml.MappingNode):
        return next((value for name, value in node.value if name.value == key), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int):
        found: yaml.Node = node.value[key]
        return found
    return None


def content_end(node: yaml.Node) -> int:
    """Where a node's own text ends; a block's end mark lies behind the comments that follow it."""
    if not isinstance(node, yaml.CollectionNode) or node.flow_style or not node.value:
        return int(node.end_mark.index)
    last = node.value[-1]
    return content_end(last[1] if isinstance(last, tuple) else last)


def rewritten(text: str, changes: Iterable[tuple[int, int, str]]) -> str:
    """The text with each stretch ``start, end`` replaced; all else stays, comments too."""
    # from the end of the text to its start: what comes before keeps its place
    for start, end, new in sorted(changes, reverse=True):
        text = text[:start] + new + text[end:]
    return text
