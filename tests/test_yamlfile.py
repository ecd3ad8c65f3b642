"""YAML errors name file, line and remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from inspector.errors import ConfigError
from inspector.yamlfile import YamlFile


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Lamp(Strict):
    kind: Literal["lamp"]
    watts: float


class Motor(Strict):
    kind: Literal["motor"]
    speed_rpm: int


class Machine(Strict):
    name: str
    level: Literal["auto"] | float = "auto"
    units: list[Annotated[Lamp | Motor, Field(discriminator="kind")]] = Field(min_length=1)


GOOD = "name: m\nunits:\n  - kind: lamp\n    watts: 5\n  - {kind: motor, speed_rpm: 3}\n"


def read(tmp_path: Path, text: str | bytes) -> Machine:
    path = tmp_path / "machine.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return YamlFile(path).parse(Machine)


def test_a_valid_file_becomes_the_model(tmp_path: Path) -> None:
    machine = read(tmp_path, GOOD)
    assert machine.units == [Lamp(kind="lamp", watts=5), Motor(kind="motor", speed_rpm=3)]


@pytest.mark.parametrize(
    ("text", "line", "message", "remedy"),
    [
        (GOOD.replace("watts", "wats"), 4, "unknown key 'units.0.wats'", "Did you mean 'watts'?"),
        (GOOD + "xyz: 1\n", 6, "unknown key 'xyz'", "Remove it"),
        (GOOD.replace("name: m\n", ""), 1, "'name' is missing", "Add 'name: …'"),
        (GOOD.replace("    watts: 5\n", ""), 3, "'units.0.watts' is missing", "Add 'watts: …'"),
        (GOOD.replace("watts: 5", "watts: 5W"), 4, "'units.0.watts' is '5W'", "valid number"),
        (GOOD.replace("speed_rpm: 3", "speed_rpm: 3.5"), 5, "'units.1.speed_rpm' is 3.5", "integer"),
        (GOOD.replace("lamp", "lmap"), 3, "'units.0.kind' is 'lmap'", "Did you mean 'lamp'?"),
        (
            GOOD.replace("kind: lamp", "kind: zzz"),
            3,
            "is 'zzz', which is unknown",
            "Known are lamp, motor",
        ),
        (GOOD.replace("kind: motor, ", ""), 5, "'units.1.kind' is missing", "Add 'kind: …'"),
        (GOOD + "level: loud\n", 6, "'level' is 'loud'", "'auto', or: Input should be a valid number"),
        ("name: m\nunits: []\n", 2, "'units' is not valid", "at least 1 item"),
        ("name: m\nunits: {a: 1}\n", 2, "'units' is not valid", "valid list"),
        (GOOD + "name: n\n", 6, "'name' is given twice", "Remove one"),
        ("name: [\n", 2, "not valid YAML", "Mend the line"),
        ("name: m\n\tunits: 3\n", 2, "not valid YAML", "Mend the line"),
        ("name: !!python/object:os.system {}\n", 1, "not valid YAML", "Mend the line"),
        ("", 1, "is empty or no mapping", ""),
        ("- a\n- b\n", 1, "is empty or no mapping", ""),
    ],
)
def test_an_offence_is_told_with_file_line_and_remedy(
    tmp_path: Path, text: str, line: int, message: str, remedy: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    error = caught.value
    assert (error.path, error.line) == (tmp_path / "machine.yaml", line)
    assert str(error).startswith(f"{tmp_path}/machine.yaml:{line}: ")
    assert message in str(error)
    assert remedy in error.remedy


def test_every_offence_is_told_with_its_own_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, GOOD.replace("watts", "wats").replace("speed_rpm: 3", "speed_rpm: fast"))
    told = str(caught.value).splitlines()
    assert [line.split(":")[1] for line in told] == ["4", "3", "5"]
    assert told[0].endswith("unknown key 'units.0.wats'. Did you mean 'watts'?")
    assert told[2].endswith("unable to parse string as an integer")


def test_a_list_that_is_short_only_because_its_item_is_wrong_is_not_told_as_well(
    tmp_path: Path,
) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, "name: m\nunits:\n  - {kind: lamp, watts: x}\n")
    assert "at least 1 item" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"name: a\x00b\n", "not valid YAML"),
        (b"name: 2024-13-45\n", "month"),
        (b"\xff\xfe\xfa", "cannot be read"),
    ],
)
def test_what_has_no_line_still_names_the_file_in_one_sentence(
    tmp_path: Path, text: bytes, said: str
) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        read(tmp_path, text)
    assert "machine.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing\.yaml does not exist"):
        YamlFile(tmp_path / "nothing.yaml")
    with pytest.raises(ConfigError, match="is a folder"):
        YamlFile(tmp_path)


def test_lines_of_values_inside_lists_and_mappings(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text("# comment\n" + GOOD)
    file = YamlFile(path)
    assert file.line(("units", 0, "watts")) == 5
    assert file.line(("units", 0, "lamp", "watts")) == 5  # the tag of a union is not in the file
    assert file.line(("units", 1, "nothing")) == 6
    assert file.line(()) == 2
