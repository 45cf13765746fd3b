"""What led to the defaults of quality `good`: `python benchmarks/defaults.py --flowers FOLDER --textile`.

For every input size, crop, flip and embedding: out-of-fold accuracy and log loss of the linear head on train and
validation photos, the mean over `--seeds` splits with the range, and the milliseconds that extraction takes per photo.
The test part of each split is left out and never predicted. Duplicate groups, parts and folds of a seed are the same
for all rows, so that rows differ only by what they compare. Each fold's L2 strength is chosen on the other folds.

The stages are photograft's own: scan and extract into a cache, find_duplicates, split, fit_head. Nothing is extracted
twice: the embedding `last` is the last columns of `multi`, and flip is the mean of the features of the photo and of its
mirror image. Features stay in the folder `--cache`. Milliseconds are measured apart from that, on a sample of the
photos with a cache of its own that is empty each time, decoding included.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import machine
from machine import over_seeds, say, show, spread
from photo_sets import add_set_arguments, chosen_sets
from photograft.config import Config
from photograft.config.input import InputConfig
from photograft.contract import make_contract
from photograft.data.files import FolderFiles, open_files
from photograft.data.folders import list_photos
from photograft.data.listing import Found
from photograft.data.pool import DecodePool
from photograft.data.scan import Scan
from photograft.data.split import split
from photograft.features.duplicates import find_duplicates
from photograft.features.engine import choose_engine
from photograft.features.extract import FeatureStore
from photograft.metrics.probability import log_loss
from photograft.metrics.softmax import softmax
from photograft.models.catalogue import find_backbone
from photograft.models.networks import ensure_network, read_outputs
from photograft.tracking.cache import Cache
from photograft.training.linear import fit_head
from photograft.values import FloatArray, IntArray, Manifest
from photograft.workflow.features import PhotoReader
from photograft.workflow.resolve import resolve_input

PX = (224, 256, 288, 320, 352, 384)
CENTER_PX = (224, 320)
VIEWS = {"off": ("whole",), "on": ("whole", "whole-flipped")}
EMBEDDINGS = ("multi", "last")
_WARM_UP = 16


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    px: int
    crop: str
    flip: str
    embedding: str
    accuracy: dict[str, Any]
    log_loss: dict[str, Any]
    ms_per_photo: dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_set_arguments(parser)
    parser.add_argument("--seeds", type=int, default=2, help="number of splits")
    parser.add_argument("--px", type=int, nargs="+", default=PX, help="input sizes to compare")
    parser.add_argument("--timed", type=int, default=128, metavar="N", help="photos of one measurement of time")
    parser.add_argument("--runs", type=int, default=3, help="measurements of time")
    parser.add_argument("--cache", type=Path, default=machine.OUT / "cache", help="where features are kept")
    arguments = parser.parse_args()
    facts = machine.facts()
    results: dict[str, list[Row]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name, photos in chosen_sets(arguments, Path(scratch)).items():
            results[name] = _compare(name, photos, arguments)
    print(machine.describe(facts))
    for name, rows in results.items():
        _print(name, rows, arguments.seeds)
    as_json = {name: [vars(row) for row in rows] for name, rows in results.items()}
    machine.write_json("defaults", facts, vars(arguments), as_json)


def _compare(name: str, photos: Path, arguments: argparse.Namespace) -> list[Row]:
    """All rows of one set of photos."""
    sizes = [(px, crop) for px in arguments.px for crop in ("none", "center") if crop == "none" or px in CENTER_PX]
    rows: list[Row] = []
    group_N: IntArray | None = None
    for px, crop in sizes:
        stage = _Extraction(photos, px, crop, arguments.cache)
        started = time.perf_counter()
        manifest, embeddings = stage.extract()
        say(f"{name}, {px} px, crop {crop}: features after {time.perf_counter() - started:.0f} s")
        if group_N is None:
            group_N = _groups(manifest, embeddings["on"])
        for flip in VIEWS:
            ms = spread([1000 * stage.seconds_per_photo(VIEWS[flip], arguments.timed) for _ in range(arguments.runs)])
            for embedding in EMBEDDINGS:
                features_ND = stage.cut(embeddings[flip], embedding)
                scores = [_score(manifest, features_ND, group_N, seed) for seed in range(arguments.seeds)]
                accuracy, loss = (over_seeds([score[i] for score in scores]) for i in range(2))
                rows.append(Row(px, crop, flip, embedding, accuracy, loss, ms))
    return rows


class _Extraction:
    """The extract stage with one input size and crop, for both views at once."""

    def __init__(self, photos: Path, px: int, crop: str, cache: Path) -> None:
        self.photos, self.cache = photos, cache
        self.config = Config(input=InputConfig(px=px, crop=crop))
        data = self.config.data
        self.contract = make_contract(px, crop=crop, max_pixels=data.max_pixels, formats=data.formats)
        with open_files(photos) as opened:
            self.files = list_photos(opened, data).files
        self.backbone = find_backbone(self.config.model.backbone)
        self.network = ensure_network(self.backbone, px=px, embedding="multi", cache_dir=cache)

    def extract(self) -> tuple[Manifest, dict[str, FloatArray]]:
        """The usable photos, and their `multi` embedding with flip off and on."""
        with Cache(self.cache) as cache:
            found = self._read(self.files, cache, VIEWS["on"])
            usable = Manifest(self.photos, found).usable
            photos = [photo.sha256 for photo in usable.photos]
            tables = {flip: self._store(cache, views).table(photos).embedding_ND for flip, views in VIEWS.items()}
        return usable, tables

    def cut(self, multi_ND: FloatArray, embedding: str) -> FloatArray:
        """The columns of an embedding: the pooled last map stands behind the middle stages."""
        return multi_ND if embedding == "multi" else multi_ND[:, -read_outputs(self.network).last :]

    def seconds_per_photo(self, views: tuple[str, ...], n: int) -> float:
        """Seconds of the stage per photo, on `n` photos spread over all, with nothing cached."""
        step = max(1, len(self.files) // (n + _WARM_UP))
        files = self.files[::step][: n + _WARM_UP]
        with tempfile.TemporaryDirectory() as folder, Cache(Path(folder)) as cache:
            return self._timed_read(files, cache, views) / (len(files) - _WARM_UP)

    def _timed_read(self, files: Sequence[Found], cache: Cache, views: tuple[str, ...]) -> float:
        with DecodePool(self.contract, timeout_s=self.config.data.timeout_s) as pool:
            reader = self._reader(cache, views, pool)
            reader.read(files[:_WARM_UP])
            started = time.perf_counter()
            reader.read(files[_WARM_UP:])
            return time.perf_counter() - started

    def _read(self, files: Sequence[Found], cache: Cache, views: tuple[str, ...]) -> tuple[Any, ...]:
        with DecodePool(self.contract, timeout_s=self.config.data.timeout_s) as pool:
            return tuple(self._reader(cache, views, pool).read(files))

    def _reader(self, cache: Cache, views: tuple[str, ...], pool: DecodePool) -> PhotoReader:
        engine = choose_engine(self.backbone, self.network, embedding="multi", device="cpu")
        scanning = Scan(FolderFiles(self.photos), self.config.data, self.contract, cache)
        return PhotoReader(scanning, self.config, self._store(cache, views), pool, engine.open)

    def _store(self, cache: Cache, views: tuple[str, ...]) -> FeatureStore:
        network_id = self.backbone.network_id(px=self.contract.px, embedding="multi")
        engine = choose_engine(self.backbone, self.network, embedding="multi", device="cpu")
        return FeatureStore(cache, self.contract, network_id, engine.name, views)


def _groups(manifest: Manifest, embedding_ND: FloatArray) -> IntArray:
    settings = Config().split
    return find_duplicates(
        manifest.photos,
        embedding_ND,
        max_bits=settings.duplicate_bits,
        min_similarity=settings.duplicate_similarity,
    ).group_N


def _score(manifest: Manifest, features_ND: FloatArray, group_N: IntArray, seed: int) -> tuple[float, float]:
    """Out-of-fold accuracy and log loss on train + val of one split."""
    config = Config()
    # A test part of the usual size also where a set is so small that `auto` would leave it out.
    splits = split(manifest, group_N, config.split.model_copy(update={"seed": seed, "test": 0.15}))
    rows = splits.rows("train", "val")
    label_N = manifest.label_indices(manifest.classes)[rows]
    fit = fit_head(features_ND[rows], label_N, splits.fold_N[rows], n_classes=len(manifest.classes))
    probability_NK = softmax(fit.honest_logits_NK).astype(np.float64)
    return float((probability_NK.argmax(1) == label_N).mean()), log_loss(probability_NK, label_N)


def _print(name: str, rows: list[Row], seeds: int) -> None:
    chosen = resolve_input(Config(quality="good"))[0]
    default = (chosen.input.px, chosen.input.crop, "on" if chosen.input.flip else "off", chosen.model.embedding)
    best_accuracy = max(row.accuracy["mean"] for row in rows)
    best_loss = min(row.log_loss["mean"] for row in rows)
    lines = []
    for row in rows:
        notes = []
        notes += ["default"] if (row.px, row.crop, row.flip, row.embedding) == default else []
        notes += ["best accuracy"] if row.accuracy["mean"] == best_accuracy else []
        notes += ["best log loss"] if row.log_loss["mean"] == best_loss else []
        scores = [f"{each['mean']:.4f} ({each['min']:.4f}-{each['max']:.4f})" for each in (row.accuracy, row.log_loss)]
        ms = show(row.ms_per_photo)
        lines.append([f"{row.px} {row.crop}", row.flip, row.embedding, *scores, ms, ", ".join(notes)])
    machine.print_table(
        f"{name}: out-of-fold on train + val, mean (range) over {seeds} splits; ms per photo of extraction",
        ["px, crop", "flip", "embedding", "accuracy", "log loss", "ms / photo", ""],
        lines,
    )


if __name__ == "__main__":
    main()
