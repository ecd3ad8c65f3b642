"""Recipe change: the next product's models load beside the running ones, then both change places.

From the command to the change the station is not ``Ready``; parts in flight finish by the old recipe,
and the change waits for the last of them. The command is answered when it is over: ``Accepted`` when
the new recipe is active, ``UnknownRecipe`` or ``LoadFailed`` when the old one has stayed. Another
``prepareRecipe`` meanwhile is refused with ``NotReady``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Protocol

import structlog

from inspector.contract import PrepareRecipePayload, Reason
from inspector.domain import RecipeRef
from inspector.errors import InspectorError
from inspector.issue import reference
from inspector.recipe import CrossingTrigger, Recipe
from inspector.station import Station

log = structlog.get_logger(__name__)

Answer = Callable[[Reason, str], None]
"""Is told what came of a command, and in words why."""


class Recipes(Protocol):
    """The recipes that a station may change to. Both methods raise :class:`InspectorError`."""

    def find(self, recipe_id: str, version: int | None) -> Recipe | None:
        """A recipe by id and version, by default that of its folder; None: it is unknown."""
        ...

    def load(self, recipe: Recipe) -> Station:
        """Load its models, and store it as one that is in use."""
        ...


class NoRecipes:
    """Implements :class:`Recipes` for a station that never changes."""

    def find(self, recipe_id: str, version: int | None) -> Recipe | None:
        """There is none."""
        return None

    def load(self, recipe: Recipe) -> Station:
        """Never called."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, eq=False)
class Active:
    """A station at work, and the recipe that its inspections carry."""

    station: Station
    recipe: RecipeRef


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """The end of a loading."""

    command: PrepareRecipePayload
    answer: Answer
    reason: Reason
    text: str = ""
    next: Active | None = None
    """To become active; None: nothing changes."""


class Changeover:
    """At most one change at a time. :meth:`begin` and :meth:`end` are called by the control thread."""

    def __init__(self, recipes: Recipes, start: Callable[[str, Callable[[], None]], None]) -> None:
        """``start`` runs a function in a thread of that name, whose exceptions end the process."""
        self._recipes, self._start = recipes, start
        self._lock = Lock()
        self._loaded: Loaded | None = None
        self.under_way = ""
        """What is being prepared, in words; empty when nothing is."""

    def begin(self, command: PrepareRecipePayload, active: Active, answer: Answer) -> None:
        """Load a recipe in a thread of its own; :meth:`loaded` has it when it is there."""
        wanted, version = command.recipe_id, command.recipe_version
        if self.under_way or self.loaded() is not None:
            answer(Reason.NOT_READY, self.under_way or "another change is just being answered")
            return
        if (wanted, version) == (active.recipe.recipe_id, active.recipe.version):
            # nothing to load, but the end is that of any other: the command may name a batch
            with self._lock:
                self._loaded = _already(command, answer)
            return
        self.under_way = f"the change to recipe {wanted} is under way"
        self._start("changeover", lambda: self._prepare(command, active, answer))

    def loaded(self) -> Loaded | None:
        """What has been loaded, and waits to become active or to be told."""
        with self._lock:
            return self._loaded

    def end(self) -> None:
        """The change is over, whatever came of it."""
        with self._lock:
            self._loaded, self.under_way = None, ""

    def _prepare(self, command: PrepareRecipePayload, active: Active, answer: Answer) -> None:
        loaded = self._outcome(command, active, answer)
        with self._lock:
            self._loaded = loaded

    def _outcome(self, command: PrepareRecipePayload, active: Active, answer: Answer) -> Loaded:
        try:
            recipe = self._recipes.find(command.recipe_id, command.recipe_version)
            if recipe is None:
                return Loaded(command, answer, Reason.UNKNOWN_RECIPE, _unknown(command))
            if reference(recipe) == active.recipe:
                return _already(command, answer)
            if _triggers_itself(recipe) != _triggers_itself(active.station.recipe):
                text = "it is triggered in another way: name it as the station's recipe and restart"
                return Loaded(command, answer, Reason.LOAD_FAILED, text)
            station = self._recipes.load(recipe)
            station.warm_up()
        except (InspectorError, OSError) as error:
            # a folder that may not be read, or a drive that is gone, is a recipe that is not there;
            # the old recipe stays active; whoever asked learns why
            log.error("recipe not loaded", recipe=command.recipe_id, problem=str(error))
            return Loaded(command, answer, Reason.LOAD_FAILED, str(error))
        found = Active(station, reference(recipe))
        return Loaded(command, answer, Reason.ACCEPTED, next=found)


def _already(command: PrepareRecipePayload, answer: Answer) -> Loaded:
    return Loaded(command, answer, Reason.ACCEPTED, "it is active already")


def _unknown(command: PrepareRecipePayload) -> str:
    version = command.recipe_version
    what = command.recipe_id if version is None else f"{command.recipe_id} version {version}"
    return f"no recipe {what} is known: list its folder under 'recipes'"


def _triggers_itself(recipe: Recipe) -> bool:
    return isinstance(recipe.text.trigger, CrossingTrigger)
