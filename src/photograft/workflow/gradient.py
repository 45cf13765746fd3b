"""Heat maps by gradients: the network of a run is built again in torch, from the weights that it began with or left."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from photograft.config import load_config
from photograft.contract import window_px
from photograft.errors import ConfigError, MissingExtraError
from photograft.features.extract import take_view
from photograft.inference.evidence import Question, directions
from photograft.inference.heat_maps import GRID, HeatMap, Looked, add_view, empty_picture, plain_views, smoothed
from photograft.models.bundle import Bundle
from photograft.models.catalogue import NETWORK_FILE, find_backbone, find_run_backbone
from photograft.tracking.cache import cache_folder
from photograft.values import DoubleArray, PixelArray

_OTHER = "give --method cam or occlusion, which need the bundle alone"
_TOLERANCE = 0.01
"""Largest difference of an embedding, in units of its largest value, by which torch is still the same network."""


class GradientMaps:
    """Integrated gradients on the network of a run with one network."""

    def __init__(self, bundle: Bundle, run: Path | None) -> None:
        if run is None or len(bundle.info.networks) > 1:
            what = "a bundle alone" if run is None else "a run of several networks"
            raise ConfigError(f"--method gradient needs a run with one network, not {what}; {_OTHER}.")
        for module in ("torch", "timm"):
            if importlib.util.find_spec(module) is None:
                raise MissingExtraError("--method gradient", "train")
        self._bundle = bundle
        (self._row,) = bundle.info.networks
        self._network = _build(bundle, run)
        self._checked = False

    def heat_map(self, question: Question, seen: Looked, pixels: dict[str, PixelArray]) -> HeatMap:
        """The heat map of an answer, over the views that are not mirrored."""
        from photograft.models.saliency import integrated_gradients

        weight_D = directions(question, self._bundle, seen.embeddings)[self._row.id]
        photo, empty = (each[self._row.contract][None] for each in (pixels, empty_picture(pixels)))
        self._check(photo, seen)
        evidence_GG = np.zeros((GRID, GRID))
        views = plain_views(self._bundle, self._row.id)
        crops = self._bundle.info.views_of(self._row.id).crops
        for view in views:
            shown, blank = take_view(photo, view)[0], take_view(empty, view)[0]
            map_hw = integrated_gradients(self._network, shown, blank, weight_D / np.float32(len(views)))
            add_view(evidence_GG, smoothed(_coarse(map_hw)), view, crops=crops)
        return HeatMap("gradient", evidence_GG, 1.0)

    def _check(self, pixels_1HWC: PixelArray, seen: Looked) -> None:
        """Refuse a network that is not the one of the bundle: its weights may have been changed since."""
        from photograft.models.saliency import embed

        if self._checked:
            return
        views = self._bundle.info.views_of(self._row.id).names
        shown = np.concatenate([take_view(pixels_1HWC, view) for view in views])
        mine_D, bundled_D = embed(self._network, shown).mean(axis=0), seen.embeddings[self._row.id][0]
        if mine_D.shape != bundled_D.shape or np.abs(mine_D - bundled_D).max() > _TOLERANCE * np.abs(bundled_D).max():
            raise ConfigError(f"--method gradient: the network of this run cannot be built again in torch; {_OTHER}.")
        self._checked = True


def _build(bundle: Bundle, run: Path) -> Any:
    from photograft.models.saliency import load_states

    (row,) = bundle.info.networks
    config = load_config(run / "config.resolved.yaml")
    cache_dir, model = cache_folder(config.cache.dir), config.model
    px = window_px(bundle.contracts[row.contract].px, bundle.info.views_of(row.id).crops)
    is_tuned = (run / NETWORK_FILE).is_file()
    tuned = [find_run_backbone(run, cache_dir=cache_dir)] if is_tuned else []
    network = None if not tuned else load_states(None, tuned, px=px, embedding="last")
    if network is not None and _size(network, px) == row.outputs["embedding"]:
        return network
    frozen = find_backbone(
        model.backbone, weights=model.weights, mean=model.mean, std=model.std, pool=model.pool, cache_dir=cache_dir
    )
    return load_states(frozen, tuned, px=px, embedding=model.embedding)


def _size(network: Any, px: int) -> int:
    from photograft.models.saliency import embed

    return int(embed(network, np.zeros((1, px, px, 3), np.uint8)).shape[1])


def _coarse(map_hw: DoubleArray) -> DoubleArray:
    """Pixels added up in the places of a heat map."""
    edges = np.linspace(0, len(map_hw), GRID + 1).round().astype(int)[:-1]
    return np.asarray(np.add.reduceat(np.add.reduceat(map_hw, edges, axis=0), edges, axis=1))
