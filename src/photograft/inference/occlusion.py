"""Occlusion: cover parts of a photo and see how the answer changes. It works with any network.

After M. Zeiler & R. Fergus, Visualizing and Understanding Convolutional Networks (ECCV 2014). What is covered shows a
strongly blurred photo with soft edges, since a hard grey square is an object of its own to a network. The same covering
tells how far any heat map can be trusted: covering what it marks must cost more than covering anything else.

Shape letters: N coverings, G places of a heat map, H places of a covering, both along a side.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from photograft.features.extract import embed_views, merge_views
from photograft.inference.evidence import Question, chances, log_odds, target_logits, target_row
from photograft.inference.heat_maps import GRID, Engines, HeatMap, plain_views, resize_map
from photograft.models.bundle import Bundle
from photograft.values import BoolArray, DoubleArray, FloatArray, IntArray, PixelArray

_COARSE, _FINE = 4, 8
"""Parts of a side that a covering is wide: first a quarter, then, where that mattered, an eighth."""
_STEPS = 8
_REFINED = 0.3
"""The share of places that are looked at closely."""
_BATCH = 16
_BLUR = 0.12
"""Of a side: no shape smaller than this is left."""

CHECK_CELLS = 10
"""Squares along a side in which a check covers the photo."""


@dataclass(frozen=True)
class Faith:
    """What covering a fifth of a photo did to the probability of an answer: nothing, the marked fifth, any fifth."""

    before: float
    marked: float
    other: float

    @property
    def holds(self) -> bool:
        """Whether the marked fifth mattered more than any fifth."""
        return self.before - self.marked > self.before - self.other


class Coverings:
    """One photo whose parts can be covered, and what the model then says."""

    def __init__(
        self, bundle: Bundle, engines: Engines, pixels: Mapping[str, PixelArray], *, fill: str = "blurred"
    ) -> None:
        self._bundle, self._engines, self._pixels = bundle, engines, pixels
        self._fill = {key: _blur(each) if fill == "blurred" else _mean(each) for key, each in pixels.items()}

    def log_odds(self, questions: Sequence[Question], covered_NHH: FloatArray) -> list[DoubleArray]:
        """Log odds (N,) of each answer where `covered_NHH` (0 shown to 1 covered) hides parts of the photo.

        Only views that are not mirrored are looked at.
        """
        parts: list[dict[str, FloatArray]] = []
        for i in range(0, len(covered_NHH), _BATCH):
            some = covered_NHH[i : i + _BATCH]
            shown = {key: self._cover(key, some) for key in self._pixels}
            parts.append({row.id: self._embed(row.id, shown[row.contract]) for row in self._bundle.info.networks})
        embeddings = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
        rows = [target_row(self._bundle, question) for question in questions]
        logits = [target_logits(self._bundle, row, embeddings) for row in rows]
        return [log_odds(question, self._bundle, each) for question, each in zip(questions, logits, strict=True)]

    def _embed(self, network: str, pixels_NHWC: PixelArray) -> FloatArray:
        views = plain_views(self._bundle, network)
        return merge_views(embed_views(self._engines[network], pixels_NHWC, views).sum(axis=0), len(views))

    def _cover(self, contract: str, covered_NHH: FloatArray) -> PixelArray:
        pixels, fill = self._pixels[contract].astype(np.float32), self._fill[contract]
        px = len(pixels)
        shown = np.empty((len(covered_NHH), *pixels.shape), np.uint8)
        for i, covered_HH in enumerate(covered_NHH):
            share = np.clip(resize_map(covered_HH, px), 0, 1).astype(np.float32)[:, :, None]
            shown[i] = (pixels + share * (fill - pixels)).round().astype(np.uint8)
        return shown


def occlude(questions: Sequence[Question], coverings: Coverings) -> list[HeatMap]:
    """The heat map of each answer: how much its log odds fall where a place is covered, coarse to fine."""
    nothing = np.zeros((1, GRID, GRID), np.float32)
    before = coverings.log_odds(questions, nothing)
    coarse = np.stack(list(_windows(_COARSE, np.ones((_STEPS, _STEPS), bool))))
    drops = [float(b[0]) - each_N for b, each_N in zip(before, coverings.log_odds(questions, coarse), strict=True)]
    rough = [_mean_of(coarse, drop_N) for drop_N in drops]
    wanted_GG = np.max([_rank(each_GG) for each_GG in rough], axis=0) >= 1 - _REFINED
    fine = np.stack(list(_windows(_FINE, _any_in_cells(wanted_GG, 2 * _STEPS))))
    closer = [float(b[0]) - each_N for b, each_N in zip(before, coverings.log_odds(questions, fine), strict=True)]
    maps = []
    for rough_GG, drop_N in zip(rough, closer, strict=True):
        fine_GG = _mean_of(fine, drop_N)
        scale = np.abs(rough_GG).max() / max(float(np.abs(fine_GG).max()), 1e-12)
        maps.append(HeatMap("occlusion", rough_GG + fine_GG * scale, 1.0))
    return maps


def check_faith(question: Question, heat_map: HeatMap, coverings: Coverings) -> Faith:
    """Cover the fifth of the photo that a heat map marks, and, for comparison, four other fifths that are drawn."""
    cells = cell_means(heat_map.evidence_GG, CHECK_CELLS)
    rng = np.random.default_rng(0)
    orders = [np.argsort(-cells.ravel(), kind="stable"), *(rng.permutation(cells.size) for _ in range(4))]
    covered = np.stack([cover_cells(order[: cells.size // 5], CHECK_CELLS) for order in orders])
    (odds_N,) = coverings.log_odds([question], np.concatenate([np.zeros_like(covered[:1]), covered]))
    before, marked, *others = chances(odds_N).tolist()
    return Faith(before, marked, float(np.mean(others)))


def cell_means(map_GG: DoubleArray, n: int) -> DoubleArray:
    """Means of a heat map in n x n squares."""
    edges = np.linspace(0, len(map_GG), n + 1).round().astype(int)
    sums = np.add.reduceat(np.add.reduceat(map_GG, edges[:-1], axis=0), edges[:-1], axis=1)
    sizes = np.diff(edges)
    return np.asarray(sums / np.outer(sizes, sizes))


def cover_cells(cells: IntArray, n: int) -> FloatArray:
    """A covering that hides some of n x n squares, given by their numbers row by row."""
    covered = np.zeros(n * n, np.float32)
    covered[cells] = 1
    return np.asarray(np.kron(covered.reshape(n, n), np.ones((6, 6), np.float32)))


def _windows(parts: int, wanted: BoolArray) -> Iterator[FloatArray]:
    """Squares with soft edges, `1 / parts` of a side wide, around those places of a grid that are wanted."""
    n = len(wanted)
    for row, column in np.argwhere(wanted):
        centre = (np.array([row, column]) + 0.5) / n * GRID
        y, x = np.mgrid[0:GRID, 0:GRID] + 0.5
        distance = np.maximum(np.abs(y - centre[0]), np.abs(x - centre[1])) - GRID / parts / 2
        yield np.clip(0.5 - distance / 3, 0, 1).astype(np.float32)


def _mean_of(windows_NGG: FloatArray, drop_N: DoubleArray) -> DoubleArray:
    """Per place the mean over the coverings that hid it."""
    weight_GG = windows_NGG.sum(axis=0)
    mean_GG = np.tensordot(drop_N, windows_NGG, 1) / np.maximum(weight_GG, 1e-6)
    return np.where(weight_GG > 0.05, mean_GG, 0)


def _any_in_cells(wanted_GG: BoolArray, n: int) -> BoolArray:
    return cell_means(wanted_GG.astype(np.float64), n) > 0.5


def _rank(map_GG: DoubleArray) -> DoubleArray:
    """The share of places that are not hotter than each."""
    return np.asarray(np.argsort(np.argsort(map_GG, axis=None)).reshape(map_GG.shape) / map_GG.size)


def _blur(pixels: PixelArray) -> FloatArray:
    blurred = Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(_BLUR * len(pixels)))
    return np.asarray(blurred, np.float32)


def _mean(pixels: PixelArray) -> FloatArray:
    return np.broadcast_to(pixels.mean(axis=(0, 1), dtype=np.float32), pixels.shape)
