"""Class activation: where in a photo the evidence for an answer is, read from the maps that the embedding pools.

The log odds of an answer are, close to the photo, a weighted sum of the embedding. Where the embedding is the mean or
the maximum of maps, this sum is one over the places of these maps (Zhou et al., Learning Deep Features for
Discriminative Localization, CVPR 2016): a mean spreads its share over all places, a maximum gives it to the place where
it was found. The end of the network and, in a multi-stage embedding, its middle stages each give such a map; they are
added. What cannot be traced to a place is counted, so that a heat map says how much of the answer it explains.

Shape letters: C channels, h and w sides of a map, G the side of a heat map, D numbers of an embedding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image

from photograft.contract import view_corner, window_px
from photograft.features.engine_maps import MapEngine, MapPart, pool
from photograft.features.extract import merge_views, take_view
from photograft.inference.evidence import Question, directions
from photograft.models.bundle import Bundle
from photograft.values import DoubleArray, FloatArray, PixelArray

GRID = 56
"""Side of a heat map: as fine as the finest maps that are usually pooled."""

PLACES = (*("upper left", "top", "upper right", "left", "middle", "right", "lower left", "bottom", "lower right"),)
"""The ninths of a photo, row by row."""

_MOSTLY = 0.3

Engines = Mapping[str, MapEngine]
"""The networks of a bundle by their ids."""


@dataclass(frozen=True)
class HeatMap:
    """Where the evidence for an answer is: `evidence_GG` on the square that the contract cuts from the photo.

    Positive places speak for the answer, negative ones against it. `share` is how much of the evidence could be traced
    to a place, 0 to 1. `stages` say how much each stage of the network speaks for the answer, from the finest map to
    the coarsest: the side of its map (0 for what has none) and its part of the log odds, compared with an empty
    picture of the same colour.
    """

    method: str
    evidence_GG: DoubleArray
    share: float
    stages: tuple[tuple[int, float], ...] = ()

    @property
    def heat_GG(self) -> DoubleArray:
        """What speaks for the answer, 0 to 1, for showing: above the middle of the photo's own evidence."""
        above_GG = np.maximum(self.evidence_GG - np.median(self.evidence_GG), 0)
        top = np.quantile(above_GG, 0.995)
        return np.asarray(np.clip(above_GG / top, 0, 1) if top > 0 else np.zeros_like(above_GG))

    @property
    def place(self) -> str:
        """The ninth of the photo that most of the heat lies in, in words; empty where it lies all over the photo."""
        heat_GG = self.heat_GG
        edges = np.linspace(0, len(heat_GG), 4).round().astype(int)[:-1]
        ninths = np.add.reduceat(np.add.reduceat(heat_GG, edges, axis=0), edges, axis=1).ravel()
        most = int(np.argmax(ninths))
        return PLACES[most] if ninths[most] >= _MOSTLY * max(float(ninths.sum()), 1e-12) else ""


@dataclass(frozen=True)
class Looked:
    """One photo as every network of a bundle saw it: embeddings (1, D), and per view the parts with their maps."""

    embeddings: dict[str, FloatArray]
    parts: dict[str, list[tuple[str, tuple[MapPart, ...]]]]


def look(bundle: Bundle, engines: Engines, pixels: Mapping[str, PixelArray], *, flips: bool = True) -> Looked:
    """Run a photo, given as pixels (px, px, 3) by contract, through every network, keeping its maps.

    Without `flips`, mirrored views are left out: half the time, nearly the same maps.
    """
    embeddings, parts = {}, {}
    for row in bundle.info.networks:
        names = plain_views(bundle, row.id) if not flips else bundle.info.views_of(row.id).names
        found = []
        sum_1D = np.zeros((1, row.outputs["embedding"]), np.float32)
        for name in names:
            embedding_1D, maps = engines[row.id].embed_with_maps(take_view(pixels[row.contract][None], name))
            sum_1D = sum_1D + embedding_1D
            found.append((name, maps))
        embeddings[row.id], parts[row.id] = merge_views(sum_1D, len(names)), found
    return Looked(embeddings, parts)


def plain_views(bundle: Bundle, network: str) -> tuple[str, ...]:
    """The views of a network without the mirrored ones."""
    return tuple(name for name in bundle.info.views_of(network).names if not name.endswith("-flipped"))


def class_activation(question: Question, bundle: Bundle, photo: Looked, empty: Looked) -> HeatMap:
    """The heat map of an answer.

    `empty` is a picture of one colour, seen through the same views: what the networks say of it is what they say of
    anything, and is no evidence.
    """
    evidence_GG = np.zeros((GRID, GRID))
    stages: dict[int, float] = {}
    traced = lost = 0.0
    for network, weight_D in directions(question, bundle, photo.embeddings).items():
        crops = bundle.info.views_of(network).crops
        views = photo.parts[network]
        for (view, parts), (_, empty_parts) in zip(views, empty.parts[network], strict=True):
            for part, without in zip(parts, empty_parts, strict=True):
                weight_C = np.asarray(weight_D[part.place], np.float64) / len(views)
                if part.map_NChw is None or without.map_NChw is None:
                    side = 0
                    total = float(weight_C @ (photo.embeddings[network] - empty.embeddings[network])[0, part.place])
                    lost += abs(total)
                else:
                    map_hw = _spread(part, without.map_NChw, weight_C)
                    side, total = len(map_hw), float(map_hw.sum())
                    traced += abs(total)
                    add_view(evidence_GG, map_hw, view, crops=crops)
                stages[side] = stages.get(side, 0.0) + total
    share = traced / (traced + lost) if traced + lost > 0 else 0.0
    return HeatMap("cam", evidence_GG, share, tuple(sorted(stages.items(), reverse=True)))


def empty_picture(pixels: Mapping[str, PixelArray]) -> dict[str, PixelArray]:
    """A picture of the mean colour of a photo, by contract."""
    colours = {key: each.mean(axis=(0, 1)).round().astype(np.uint8) for key, each in pixels.items()}
    return {key: np.broadcast_to(colour, pixels[key].shape) for key, colour in colours.items()}


def resize_map(map_hw: DoubleArray, side: int) -> DoubleArray:
    """A map brought to side x side places, smoothly."""
    picture = Image.fromarray(map_hw.astype(np.float32))
    return np.asarray(picture.resize((side, side), Image.Resampling.BICUBIC), np.float64)


def _spread(part: MapPart, empty_NChw: FloatArray, weight_C: DoubleArray) -> DoubleArray:
    """The places' shares (h, w) of a part of the log odds, compared with those of the empty picture."""
    assert part.map_NChw is not None
    map_Chw = part.map_NChw[0].astype(np.float64)
    without_C = pool(empty_NChw, part.pooling)[0].astype(np.float64)
    n = map_Chw[0].size
    if part.pooling == "all":
        each_Chw = map_Chw - without_C.reshape(map_Chw.shape)
        return np.asarray((weight_C.reshape(map_Chw.shape) * each_Chw).sum(axis=0))
    if part.pooling == "mean":
        return np.asarray((np.tensordot(weight_C, map_Chw, 1) - weight_C @ without_C) / n)
    highest_C = map_Chw.max(axis=(1, 2))
    found_Chw = map_Chw == highest_C[:, None, None]
    gain_C = weight_C * (highest_C - without_C) / found_Chw.sum(axis=(1, 2))
    return smoothed(np.tensordot(gain_C, found_Chw, 1))


def smoothed(map_hw: DoubleArray) -> DoubleArray:
    """Spread over the neighbours, the sum kept: a place of a map has seen more of the photo than its own square."""
    kernel = np.array([1, 4, 6, 4, 1]) / 16
    for axis in (0, 1):
        padded = np.pad(map_hw, [(2, 2) if each == axis else (0, 0) for each in (0, 1)], mode="symmetric")
        shifted = [np.take(padded, range(i, i + map_hw.shape[axis]), axis=axis) for i in range(5)]
        map_hw = np.asarray(sum(k * each for k, each in zip(kernel, shifted, strict=True)))
    return map_hw


def add_view(evidence_GG: DoubleArray, map_hw: DoubleArray, view: str, *, crops: str) -> None:
    """Add the map of a view where the view lies in the picture; the sum of the map is kept, per area."""
    if view.endswith("-flipped"):
        map_hw = map_hw[:, ::-1]
    side = GRID if crops == "whole" else window_px(GRID, "five")
    top, left = view_corner(view, GRID)
    density = resize_map(map_hw, side) * (map_hw.size / side**2)
    evidence_GG[top : top + side, left : left + side] += density
