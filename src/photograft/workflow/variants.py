"""The runs that a recipe, or all recipes of a system, come to: one per recipe and value of its sweep."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from photograft.config import Config
from photograft.config.names import split_assignment
from photograft.config.recipe import Recipe, find_recipes, read_recipe
from photograft.errors import ConfigError, MissingExtraError
from photograft.models.catalogue import find_backbone, is_run_name
from photograft.tracking.cache import cache_folder
from photograft.tracking.run_folder import name_stem
from photograft.workflow.resolve import trains_by_steps

_SUBSETS = ("classes", "top_classes", "per_class")
"""Settings of data that choose among the photos."""


@dataclass(frozen=True)
class Variant:
    """A recipe with one value of its sweep, empty where it has none, and its settings.

    `missing` says how to get the pretrained weights that it wants, where they are not on this machine and it has
    random ones in their place.
    """

    recipe: Recipe
    value: str
    config: Config
    missing: str = ""

    @property
    def title(self) -> str:
        """What it is called: the recipe, the swept setting with its value, and whether weights are random."""
        swept = f" {self.setting.rpartition('.')[2]}={self.value}" if self.value else ""
        return f"{self.recipe.name}{swept}{' (random weights)' if self.missing else ''}"

    @property
    def setting(self) -> str:
        """The setting that is swept; empty without a sweep."""
        return self.recipe.sweep[0] if self.recipe.sweep else ""

    @property
    def run_name(self) -> str:
        """What its run is called."""
        return name_stem(f"{self.recipe.name} {self.value}".strip().replace(" ", "-").replace("=", "-"))


def find_variants(
    name: str, *, assignments: Sequence[str] = (), only: Sequence[str] = (), folder: Path | None = None
) -> tuple[Variant, ...]:
    """The variants of a recipe or system in the order in which they are run, each recipe behind the one that it needs.

    Args:
        name: Of a recipe or a system.
        assignments: Settings for all variants, as `--set` takes them.
        only: Names of recipes of the system; empty for all. What these need is added.
        folder: Where the recipes are; by default those that are installed.

    Raises:
        ConfigError: No such recipe, or settings that are not possible.
    """
    recipes = find_recipes(name, folder)
    known = [recipe.name for recipe in recipes]
    for each in only:
        if each not in known:
            close = difflib.get_close_matches(each, known, n=1)
            meant = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}."
            raise ConfigError(f"--only: {name} has no recipe {each!r}; {meant}")
    chosen: dict[str, Recipe] = {}
    for recipe in recipes:
        if not only or recipe.name in only:
            chosen |= {each.name: each for each in _with_needed(recipe, folder)}
    return tuple(variant for recipe in chosen.values() for variant in _variants_of(recipe, assignments))


def with_weights_here(variant: Variant) -> Variant:
    """The variant itself, or with random weights where it wants pretrained ones that are not on this machine.

    Raises:
        ConfigError: There is no such network.
    """
    if variant.recipe.verb != "train":
        return variant
    config, missing = variant.config, _missing_weights(variant.config)
    if missing:
        config = config.model_copy(update={"model": config.model.model_copy(update={"weights": "random"})})
    members = dict(config.ensemble.members)
    for name, member in members.items():
        own = {"backbone": member.backbone, "weights": member.weights, "graft": member.graft or config.model.graft}
        of_member = config.model_copy(update={"model": config.model.model_copy(update=own)})
        if member.backbone is not None and (without := _missing_weights(of_member)):
            missing = missing or without
            members[name] = member.model_copy(update={"weights": "random"})
    if not missing:
        return variant
    config = config.model_copy(update={"ensemble": config.ensemble.model_copy(update={"members": members})})
    if not trains_by_steps(config):  # no head is solved exactly on random features
        config = config.model_copy(update={"train": config.train.model_copy(update={"solver": "steps"})})
    return replace(variant, config=config, missing=missing)


def split_config(name: str, *, assignments: Sequence[str] = (), folder: Path | None = None) -> Config | None:
    """The settings by which the photos of a recipe or system are divided once; None where no recipe needs labels.

    They are those of its first recipe, without a choice of photos that not all make. All recipes of a system count,
    also where some are run alone, so that these can be added to later.
    """
    recipes = [recipe for recipe in find_recipes(name, folder) if recipe.verb == "train"]
    if not recipes:
        return None
    configs = [recipe.config(assignments) for recipe in recipes]
    swept = [recipe.sweep[0] for recipe in recipes if recipe.sweep]
    data = configs[0].data
    differ = [
        each
        for each in _SUBSETS
        if f"data.{each}" in swept or any(getattr(other.data, each) != getattr(data, each) for other in configs)
    ]
    defaults = type(data)()
    whole = data.model_copy(update={each: getattr(defaults, each) for each in differ})
    return configs[0].model_copy(update={"data": whole})


def compared_pairs(variants: Sequence[Variant]) -> list[tuple[Variant, Variant]]:
    """Which variants are compared: each with those that its recipe names, and each value of a sweep with the first.

    Where both recipes sweep the same setting, equal values are compared.
    """
    pairs = []
    for i, variant in enumerate(variants):
        same = [each for each in variants[:i] if each.recipe.name == variant.recipe.name]
        pairs += [(variant, same[0])] if same else []
        for other in variants:
            swept_alike = bool(variant.setting) and variant.setting == other.setting
            if other.recipe.name in variant.recipe.against and not (swept_alike and other.value != variant.value):
                pairs.append((variant, other))
    return pairs


def _with_needed(recipe: Recipe, folder: Path | None) -> list[Recipe]:
    return [*_with_needed(read_recipe(recipe.needs, folder), folder), recipe] if recipe.needs else [recipe]


def _variants_of(recipe: Recipe, assignments: Sequence[str]) -> list[Variant]:
    if recipe.sweep is None:
        return [Variant(recipe, "", recipe.config(assignments))]
    setting, values = recipe.sweep
    given = [found[0] for each in assignments if (found := split_assignment(each))]
    if setting in given:
        raise ConfigError(
            f"--set {setting}: {recipe.name} is run with each of {', '.join(values)}; leave the setting out, or copy "
            "the recipe and train with it."
        )
    return [Variant(recipe, value, recipe.config([f"{setting}={value}", *assignments])) for value in values]


def _missing_weights(config: Config) -> str:
    """How to get weights that are wanted and not here; empty where none are missing."""
    model, cache_dir = config.model, cache_folder(config.cache.dir)
    if model.graft == "scratch" or model.weights is not None or is_run_name(model.backbone):
        return ""
    try:
        found = find_backbone(model.backbone, pool=model.pool, cache_dir=cache_dir)
        if not found.has_weights:
            return f"{found.name} has no published weights: give a file with --set model.weights=FILE"
        found.weights_path()
    except MissingExtraError:
        raise
    except ConfigError as error:
        find_backbone(model.backbone, weights="random", pool=model.pool, cache_dir=cache_dir)  # a wrong name is refused
        return str(error).removeprefix("model.backbone: ")
    return ""
