"""Recipes: settings files with a head that says what they reproduce, what they need and what to expect.

The head is a block of comments: the command, an empty comment, then ``# key: value`` lines. A value goes on in lines
that begin with ``#`` and three spaces.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from photograft.config.load import load_config
from photograft.config.settings import Config
from photograft.errors import ConfigError

Verb = Literal["train", "pretrain"]
_KEYS = ("reproduces", "source", "verb", "data", "needs", "against", "sweep", "twin", "expected", "took")
_NEEDED = ("reproduces", "data")
_VERBS: tuple[Verb, ...] = ("train", "pretrain")
_SWEEP = re.compile(r"(?P<setting>[\w.]+) = (?P<values>\S.*)")


@dataclass(frozen=True)
class Recipe:
    """One settings file and what its head says; a key that the head does not have is empty.

    `source` is the figure of the source system on its own data, `against` the recipes of the same system that it is
    compared with, `needs` the recipe whose run it takes its network from, `twin` the one that shows transfer where
    pretrained weights are not on the machine. `sweep` is a setting and the values that it is run with.
    """

    name: str
    system: str
    command: str
    reproduces: str
    source: str
    verb: Verb
    data: str
    needs: str
    against: tuple[str, ...]
    sweep: tuple[str, tuple[str, ...]] | None
    twin: str
    expected: str
    took: str
    text: str
    file: Path

    def config(self, assignments: Sequence[str] = (), **settings: Any) -> Config:
        """Its settings, with more of them as `load_config` takes them; ConfigError names every problem."""
        return load_config(self.file, assignments, **settings)


def list_recipes(folder: Path | None = None) -> tuple[Recipe, ...]:
    """Every recipe, by name: those that are installed, or those of a folder."""
    return tuple(_read(file) for file in _files(folder))


def read_recipe(name: str, folder: Path | None = None) -> Recipe:
    """The recipe of that name.

    Raises:
        ConfigError: There is none, or its head cannot be read; says what was probably meant, or file and line.
    """
    return _read(_file_of(name, _files(folder), systems=False))


def find_recipes(name: str, folder: Path | None = None) -> tuple[Recipe, ...]:
    """The recipe of that name, or every recipe of the system of that name, in the order in which they can be run.

    Raises:
        ConfigError: There is neither; says what was probably meant.
    """
    found = _files(folder)
    of_system = [_read(file) for file in found if _system_of(file.stem) == name]
    if not of_system:
        return (_read(_file_of(name, found, systems=True)),)
    first = {recipe.needs for recipe in of_system}
    return tuple(sorted(of_system, key=lambda recipe: (recipe.name not in first, recipe.name)))


def _files(folder: Path | None) -> list[Path]:
    folder = Path(str(files("photograft.recipes"))) if folder is None else folder
    return sorted(folder.glob("*.yaml"), key=lambda file: file.stem)


def _file_of(name: str, found: Sequence[Path], *, systems: bool) -> Path:
    for file in found:
        if file.stem == name:
            return file
    known = [file.stem for file in found]
    all_systems = sorted({_system_of(stem) for stem in known})
    if name in all_systems and not systems:
        one = ", ".join(stem for stem in known if _system_of(stem) == name)
        raise ConfigError(f"{name!r} is a system, not a recipe; name one of {one}.")
    close = difflib.get_close_matches(name, known + all_systems * systems, n=3, cutoff=0.6)
    meant = f"did you mean {' or '.join(close)}?" if close else f"the systems are {', '.join(all_systems) or 'none'}."
    raise ConfigError(f"There is no recipe {name!r}; {meant} `photograft recipes list` shows what each is.")


def _system_of(name: str) -> str:
    return name.partition("-")[0]


def _read(file: Path) -> Recipe:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read as a recipe ({error}).") from error
    name, lines = file.stem, text.splitlines()
    start = f"# photograft recipes run {name} --data "
    if not lines or not lines[0].startswith("#"):
        raise ConfigError(f"{file}, line 1: the command is missing; a recipe begins with `{start}...`")
    if not lines[0].startswith(start):
        raise ConfigError(f"{file}, line 1: {lines[0]!r} is not the command; write `{start}...`")
    if len(lines) < 2 or lines[1] != "#":
        raise ConfigError(f"{file}, line 2: a line with `#` alone separates the command from what follows")
    head = _read_head(file, lines)
    verb = _one_of(file, head, "verb", _VERBS)
    missing = [key for key in _NEEDED if key not in head]
    if missing:
        raise ConfigError(f"{file}: the head has no `{missing[0]}`; add a line `# {missing[0]}: ...`")
    values = {key: head.get(key, (0, ""))[1] for key in _KEYS}
    against = tuple(each.strip() for each in values["against"].split(",") if each.strip())
    _check_names(file, head, against)
    return Recipe(
        name=name, system=_system_of(name), command=lines[0].removeprefix("# "), reproduces=values["reproduces"],
        source=values["source"], verb=verb, data=values["data"], needs=values["needs"], against=against,
        sweep=_sweep(file, head), twin=values["twin"], expected=values["expected"], took=values["took"], text=text,
        file=file,
    )  # fmt: skip


def _read_head(file: Path, lines: Sequence[str]) -> dict[str, tuple[int, str]]:
    """The line number and value of every key."""
    head: dict[str, tuple[int, str]] = {}
    key = ""
    for number, line in enumerate(lines[2:], 3):
        if not line.startswith("#"):
            break
        where = f"{file}, line {number}"
        if line.startswith("#   ") and key:
            head[key] = (head[key][0], f"{head[key][1]} {line.removeprefix('#').strip()}".strip())
            continue
        found = re.fullmatch(r"# (\w+):(?: (.*))?", line)
        if found is None:
            raise ConfigError(f"{where}: {line!r} is no `# key: value`; a value goes on behind `#` and three spaces")
        key, value = found[1], (found[2] or "").strip()
        if key not in _KEYS:
            close = difflib.get_close_matches(key, _KEYS, n=1)
            meant = f"did you mean `{close[0]}`?" if close else f"there are {', '.join(_KEYS)}"
            raise ConfigError(f"{where}: there is no key `{key}` in the head of a recipe; {meant}")
        if key in head:
            raise ConfigError(f"{where}: `{key}` stands in line {head[key][0]} already; keep one of them")
        head[key] = (number, value)
    for each, (number, value) in head.items():
        if not value:
            raise ConfigError(f"{file}, line {number}: `{each}` has no value; write one, or leave the line out")
    return head


def _one_of(file: Path, head: dict[str, tuple[int, str]], key: str, choices: tuple[Verb, ...]) -> Verb:
    number, value = head.get(key, (0, choices[0]))
    for choice in choices:
        if choice == value:
            return choice
    raise ConfigError(f"{file}, line {number}: `{key}` is {' or '.join(choices)}, not {value!r}")


def _check_names(file: Path, head: dict[str, tuple[int, str]], against: Sequence[str]) -> None:
    """Other recipes that the head names must lie in the same folder; compared ones are of the same system."""
    named = [(key, head[key][1]) for key in ("needs", "twin") if key in head]
    for key, name in [*named, *(("against", each) for each in against)]:
        where = f"{file}, line {head[key][0]}"
        if not (file.parent / f"{name}.yaml").is_file():
            raise ConfigError(f"{where}: `{key}` names {name!r}, and there is no recipe of that name")
        if key == "against" and (_system_of(name) != _system_of(file.stem) or name == file.stem):
            raise ConfigError(f"{where}: `against` names other recipes of {_system_of(file.stem)}, not {name!r}")


def _sweep(file: Path, head: dict[str, tuple[int, str]]) -> tuple[str, tuple[str, ...]] | None:
    if "sweep" not in head:
        return None
    number, text = head["sweep"]
    found = _SWEEP.fullmatch(text)
    values = tuple(each.strip() for each in found["values"].split("|")) if found else ()
    if found is None or len(values) < 2 or not all(values):
        raise ConfigError(
            f"{file}, line {number}: {text!r} is no sweep; write a setting and its values, `train.lr = 1e-3 | 1e-4`"
        )
    return found["setting"], values
