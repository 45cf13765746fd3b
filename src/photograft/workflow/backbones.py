"""`backbones`: which networks there are, and what is known of one.

Those of timm and torchvision are looked up in their own code, which needs torch; the built-in ones do not.
"""

from __future__ import annotations

import fnmatch
import importlib.util
from dataclasses import asdict
from typing import Any

from photograft.errors import ConfigError, MissingExtraError, ModelError, PhotograftError
from photograft.models.catalogue import BACKBONES, PackagedBackbone, find_backbone, find_packaged, is_run_name
from photograft.models.facts import LIBRARIES, UNKNOWN_LICENCE, Facts
from photograft.models.own_names import FORMS, OwnNetwork, is_own_name, read_own_name

_SIZES = "comes without weights: model.graft=scratch trains it from random ones"
_COUNTED = 40
"""Counting the parameters of a network takes up to a second."""


def list_backbones(pattern: str = "", *, everything: bool = False) -> list[dict[str, Any]]:
    """Networks whose name contains `pattern` (or matches it, where it has a `*`), the built-in ones first.

    Names with sizes, such as `cnn:16-32-64`, stand for all networks of that kind. Those of timm and torchvision are
    listed with a pattern or with `everything`; where they are more than 40, their `parameters` are None. Raises
    ConfigError where nothing matches.
    """
    like = pattern if "*" in pattern else f"*{pattern}*"
    rows = [_packaged_row(each) for each in BACKBONES if fnmatch.fnmatch(each.name, like)]
    rows += [_form_row(form) for form in FORMS if fnmatch.fnmatch(form, like)]
    if pattern or everything:
        _require_libraries()
        from photograft.models.library import describe, list_names

        names = list_names(pattern)
        rows += [_library_row(describe(name, count=len(names) <= _COUNTED)) for name in names]
    if not rows:
        raise ConfigError(f"no network has {pattern!r} in its name; `photograft backbones list --all` shows all names")
    return rows


def show_backbone(name: str) -> dict[str, Any]:
    """All that is known of one network; `missing` says what to do where its weights are not on this machine.

    `embedding`, `last`, `stages` and `feature_map` are what it gives at its own size with the `multi` embedding.
    `points` are the graft points with what they train, `layers` the names that `layer:NAME` takes; both are empty
    where the network cannot be cut.
    """
    _require_libraries()
    from photograft.models.backbone import load_embedder, measure_outputs, untrained_embedder

    run = find_backbone(name) if is_run_name(name) else None
    row = _row(name if run is None else run.architecture)
    if run is not None:
        row |= {"name": run.name, "mean": list(run.mean), "std": list(run.std), "px": run.own_px}
    px = row["px"]
    if run is not None and run.has_weights:
        row |= {"weights": str(run.weights_path()), "missing": None}
        embedder = load_embedder(run, px=px)
    else:
        embedder = untrained_embedder(name if run is None else run.architecture, px=px)
    return {
        **row,
        **asdict(measure_outputs(embedder.trunk, px=px)),
        **_points(embedder, px=px),
    }


def _row(built_as: str) -> dict[str, Any]:
    """What is known of the network of that name before it is built."""
    from photograft.models.library import describe

    if is_own_name(built_as):
        own = read_own_name(built_as)
        scale = {"mean": list(own.mean), "std": list(own.std)}
        return {**_own_row(own), **scale, "interpolation": None, "crop": None}
    packaged = find_packaged(built_as)
    facts = describe(built_as if packaged is None else f"timm:{packaged.timm_name}")
    row = _library_row(facts) if packaged is None else _packaged_row(packaged)
    mean, std = (packaged or facts).mean, (packaged or facts).std
    scaling = {"interpolation": facts.interpolation, "crop": round(facts.crop, 3)}
    return {**row, "mean": list(mean), "std": list(std), **scaling}


def _points(embedder: Any, *, px: int) -> dict[str, Any]:
    from photograft.models.graft import graft_points

    try:
        points, layers = graft_points(embedder, px=px)
    except ModelError:
        return {"points": [], "layers": []}
    return {"points": [asdict(point) for point in points], "layers": layers}


def _require_libraries() -> None:
    for module in ("torch", *LIBRARIES):
        if importlib.util.find_spec(module) is None:
            raise MissingExtraError(f"Looking up networks (module {module})", "train")


def _packaged_row(backbone: PackagedBackbone) -> dict[str, Any]:
    weights, missing = None, None
    try:
        weights = str(backbone.weights_path())
    except PhotograftError as error:
        missing = str(error)
    return {
        "name": backbone.name,
        "parameters": backbone.parameters,
        "licence": backbone.licence,
        "px": backbone.own_px,
        "fixed_px": backbone.fixed_px,
        "weights": weights,
        "missing": missing,
    }


def _form_row(form: str) -> dict[str, Any]:
    """A row for all networks of a kind; their parameters depend on the sizes in the name."""
    if form.endswith(".json"):
        usual = {"licence": UNKNOWN_LICENCE, "px": 224}
    else:
        own = read_own_name(form)
        usual = {"licence": own.licence, "px": own.px}
    return {"name": form, "parameters": None, **usual, "fixed_px": False, "weights": None, "missing": _SIZES}


def _own_row(own: OwnNetwork) -> dict[str, Any]:
    from photograft.models.library import count_parameters

    return {
        "name": own.title,
        "parameters": count_parameters(own.name),
        "licence": own.licence,
        "px": own.px,
        "fixed_px": False,
        "weights": None,
        "missing": _SIZES,
    }


def _library_row(facts: Facts) -> dict[str, Any]:
    weights = facts.find_weights()
    return {
        "name": facts.name,
        "parameters": facts.parameters,
        "licence": facts.licence,
        "px": facts.px,
        "fixed_px": facts.fixed,
        "weights": None if weights is None else str(weights),
        "missing": None if weights is not None else facts.how_to_get_weights(),
    }
