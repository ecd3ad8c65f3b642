"""Texts of the Recipes page."""

from __future__ import annotations

SECTION = "Section"
SECTIONS = {"thresholds": "Thresholds", "history": "History", "models": "Models"}
ACTIVE = "What is active where"
ACTIVE_COLUMNS = {
    "station": "Station",
    "recipe": "Recipe",
    "version": "Version",
    "state": "State",
    "said": "Said at",
}
ACTIVE_NONE = "No station has said yet which recipe it uses."
CHOOSE = "Recipe"
VERSION = "Version"
VERSION_OF = "version {version}"
VERSION_ACTIVE = "version {version}, active"
VERSION_FOLDER = "version {version}, not used yet"
NO_RECIPE_TITLE = "No recipe yet"
NO_RECIPE = "A recipe appears here as soon as a station has used it."

CHECK = "Check"
NO_SCORES = "No part of this version has been recorded yet, so there are no scores to look at."
THRESHOLDS = "REVIEW from the lower, FAIL from the upper end"
SCORE = "Score"
PARTS = "Parts"
GROUPS = {"good": "good", "faulty": "faulty", "open": "not decided"}
GROUPS_HELP = (
    "Good: accepted by a person, or PASS. Faulty: rejected by a person, or FAIL. Of {parts} parts "
    "people have decided about {decided}; the newest {limit} at most are shown."
)
LINE_FAIL = "FAIL from {value:g}"
LINE_REVIEW = "REVIEW from {value:g}"
EFFECT = "What these thresholds would have made of the recorded parts"
EFFECT_NONE = "These are the thresholds in use. Move them to see what would change."
BEFORE_AFTER = "{before:,} → {after:,}"
FALSE_REJECTS = "Good parts that FAIL"
ESCAPES = "Faulty parts that PASS"
OF_KNOWN = "of {count:,} that people decided"
MOVED = "{count:,} parts would go from {before} to {after}."
MOVED_NONE = "No recorded part would get another verdict."
UNEXPLAINED = (
    "{count:,} parts are left out: their verdict came from something else than a score, such as a "
    "deadline."
)
BY_CLASS = "This check has thresholds of its own for some classes. Change them in the recipe's file."
SAVE = "Save as version {version}"
SAVE_NEEDS = "To save new thresholds, log in as an engineer."
SAVE_AGAIN = (
    "The recipe's folder holds version {found}, and you look at version {shown}: "
    "choose version {found} first."
)
SAVE_NO_FOLDER = "The configuration names no folder of this recipe, so nothing can be saved."
SAVED = "Version {version} is saved; the station is asked to change to it."
SAVED_ONLY = "Version {version} is saved. No station uses this recipe now."
CHANGE = "Change to version {version}"

COMPARE_OLD = "From"
COMPARE_NEW = "To"
HISTORY_COLUMNS = {
    "version": "Version",
    "hash": "Recipe hash",
    "stored": "Stored since",
}
DIFFERENCE = "What changed in the recipe"
SAME = "The two recipes say the same."
MODELS_CHANGED = "Models that differ: {names}"
MODELS_SAME = "All models are the same."
FILES_CHANGED = "Other files that differ: {names}"
BACK_TITLE = "Go back to an earlier version"
BACK_NO_FOLDER = "The configuration names no folder of this recipe, so nothing can be put there."
BACK_CHOOSE = "This is the version in the recipe's folder. Choose the version to go back to above."
BACK_NEEDS = "To go back to a version, log in as an engineer."
BACK_HELP = (
    "It takes effect between two parts and after a restart. The version in use stays in the store."
)
BACK_SURE = "Yes, version {version} is to judge from now on"
BACK = "Go back to version {version}"
BACK_DONE = "Version {version} is installed; the station is asked to change to it."
ONE_VERSION = "There is one version only; nothing to compare with."

CARD_FACTS = {
    "task": "Task",
    "architecture": "Architecture",
    "labels": "Labels",
    "input": "Input",
    "data": "Trained on",
    "split": "Pictures",
    "precision": "Networks",
    "licence": "Licence",
    "command": "Command",
}
METRIC_COLUMNS = {"name": "Metric", "value": "Value", "bounds": "95 % bounds"}
NO_METRICS = "The card states no metrics."
TRAINING = "What the training chose"
CALIBRATION = "Calibration"
NO_MODELS = "This recipe uses no models."
REPORT = "Report {name}"
