"""Recipes: listed, copied, and run, one or all of a system, each as an ordinary run, told side by side."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from photograft.config.recipe import Recipe, list_recipes, read_recipe
from photograft.data.files import printable
from photograft.errors import ConfigError, DataError
from photograft.models.at_hand import weights_seem_here
from photograft.models.catalogue import is_run_name
from photograft.reporting.study_document import study_lines
from photograft.tracking.atomic import write_atomically
from photograft.tracking.cache import cache_folder
from photograft.tracking.run_folder import RunFolder, create_run
from photograft.workflow.narrator import Narrator, Silent
from photograft.workflow.study import STUDY, StudyRuns
from photograft.workflow.untouched import require_outside
from photograft.workflow.variants import Variant, find_variants, split_config, with_weights_here


@dataclass(frozen=True)
class Study:
    """The variants of a recipe or system, run on the same photos: `document` is what study.json holds."""

    folder: Path
    document: Mapping[str, Any]

    @property
    def failed(self) -> tuple[str, ...]:
        """Titles of the variants that gave no model."""
        return tuple(row["variant"] for row in self.document["variants"] if row["error"])

    def to_json(self) -> dict[str, Any]:
        """As `photograft recipes run --json` prints it."""
        return {"folder": str(self.folder), **self.document}

    def lines(self) -> list[str]:
        """The same for people."""
        return study_lines(self.document)


def run_recipe(
    name: str,
    data: str | os.PathLike[str],
    *,
    runs_dir: str | os.PathLike[str] = "runs",
    into: str | os.PathLike[str] | None = None,
    assignments: Sequence[str] = (),
    only: Sequence[str] = (),
    folder: Path | None = None,
    narrator: Narrator | None = None,
) -> Study:
    """Run a recipe, or all recipes of a system on one split, and compare them on the same photos.

    A variant that fails does not stop the others: its row says why. Where pretrained weights are not on this machine,
    a variant runs with random ones, and says so.

    Args:
        name: Of a recipe or a system, as `photograft recipes list` names them.
        data: The photos, as `train` takes them.
        runs_dir: Where the folder of the study is made.
        into: The folder of a study to go on with: variants that are finished in it, with the same settings, are kept.
        assignments: Settings for all variants, as `--set` takes them.
        only: Recipes of the system to run; empty for all.
        folder: Where the recipes are; by default those that are installed.
        narrator: Told what happens; nobody by default.

    Raises:
        ConfigError: There is no such recipe, or a setting is wrong.
        DataError: The photos need attention.
        PhotograftError: No variant gave a model: what stopped the first.
    """
    photos, narrator = Path(data), narrator or Silent()
    variants = find_variants(name, assignments=assignments, only=only, folder=folder)
    if not photos.exists():
        raise DataError(f"--data: there is no {printable(photos)}; {name} takes {variants[-1].recipe.data}")
    if photos.is_dir():
        where, option = (runs_dir, "--runs-dir") if into is None else (into, "--into")
        require_outside(Path(where), [photos], option=option)
    variants = tuple(_told(with_weights_here(variant), narrator) for variant in variants)
    place = create_run(Path(runs_dir), name) if into is None else _begun(Path(into))
    divide = split_config(name, assignments=assignments, folder=folder)
    runs = StudyRuns(place, photos, variants, name=name, assignments=assignments, divide=divide, narrator=narrator)
    with place.locked():
        try:
            runs.run(new=into is None)
        except KeyboardInterrupt:
            if (place.path / STUDY).is_file():  # else it was removed: nothing had begun
                narrator.say(f"Go on with: {_command(name, data, place.path, only, assignments)}")
            raise
    if len(runs.errors) == len(variants):
        raise next(iter(runs.errors.values()))
    narrator.say(f"Study: {place.path / 'study.html'}")
    return Study(place.path, runs.document)


def recipe_rows(folder: Path | None = None) -> list[dict[str, Any]]:
    """Every recipe as `photograft recipes list --json` prints it, with whether the weights that it wants are here.

    `weights` is "here", "missing", or "none" where it wants none. torch is not imported for it.
    """
    return [
        {
            "name": recipe.name,
            "system": recipe.system,
            "verb": recipe.verb,
            "reproduces": recipe.reproduces,
            "source": recipe.source or None,
            "data": recipe.data,
            "twin": recipe.twin or None,
            "expected": recipe.expected or None,
            "took": recipe.took or None,
            "weights": _weights(recipe),
        }
        for recipe in list_recipes(folder)
    ]


def copy_recipe(name: str, to: str | os.PathLike[str] = ".", *, folder: Path | None = None) -> Path:
    """Copy a recipe to a folder or file of one's own, to change it and train with `--config`; gives the file.

    Raises:
        ConfigError: There is no such recipe, or the file is there already.
    """
    recipe, target = read_recipe(name, folder), Path(to)
    target = target / f"{name}.yaml" if target.is_dir() else target
    if target.exists():
        raise ConfigError(f"{printable(target)} is there already; name another file, or remove it first.")
    if not target.parent.is_dir():
        raise ConfigError(f"the folder {printable(target.parent)} does not exist; make it first.")
    write_atomically(target, recipe.text)
    return target


def _told(variant: Variant, narrator: Narrator) -> Variant:
    """The variant, after saying what random weights mean where it has them."""
    if variant.missing:
        twin = variant.recipe.twin
        narrator.say(
            f"{variant.recipe.name}: pretrained weights are missing: {variant.missing.rstrip('.')}. It runs with "
            "random ones, so its score says nothing about transfer"
            f"{f'; {twin} shows that on weights that are here' if twin else ''}."
        )
    return variant


def _begun(folder: Path) -> RunFolder:
    if not (folder / STUDY).is_file() and not (folder / "splits.csv").is_file():
        raise ConfigError(
            f"--into: {printable(folder)} is no study (it holds no {STUDY}); leave --into away for a new one."
        )
    return RunFolder(folder)


def _command(
    name: str, data: str | os.PathLike[str], folder: Path, only: Sequence[str], assignments: Sequence[str]
) -> str:
    words = ["photograft", "recipes", "run", name, "--data", str(data), "--into", str(folder)]
    words += ["--only", ",".join(only)] if only else []
    words += [word for each in assignments for word in ("--set", each)]
    return shlex.join(words)


def _weights(recipe: Recipe) -> str:
    config = recipe.config()
    if config.model.graft == "scratch":
        return "none"
    if config.model.weights is not None:
        return "here"
    swept = recipe.sweep[1] if recipe.sweep and recipe.sweep[0] == "model.backbone" else ()
    members = (member.backbone for member in config.ensemble.members.values())
    names = [name for name in (*(swept or [config.model.backbone]), *members) if name and not is_run_name(name)]
    if recipe.verb == "pretrain" or not names:
        return "none"
    return "here" if all(weights_seem_here(name, cache_folder(config.cache.dir)) for name in names) else "missing"
