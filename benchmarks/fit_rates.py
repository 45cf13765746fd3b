"""Seconds per epoch of fine-tuning behind the cut, as JSON: `python benchmarks/fit_rates.py PHOTOS --boundary cache`.

With `--boundary cache` the frozen part's outputs are computed once, kept on disk and read in every epoch; with
`--boundary off` the frozen part runs in every epoch, on photos that were decoded once and are changed anew each time.
Everything else is the same and the program's own: network, cut, head, loop, batches. An epoch sees every photo of
PHOTOS; it is what `photograft.training.loop.Fit` takes from one record to the next, without judging or checkpoints.
Steps on batches that were read before, and reading alone, are measured before it, and scaled to an epoch.

`finetune.py` runs this as a process of its own; the cache folder is that of photograft, `PHOTOGRAFT_CACHE`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import machine
from photograft.config import Config, load_config
from photograft.models.catalogue import find_backbone
from photograft.models.head import GraftedNetwork
from photograft.tracking.cache import cache_folder
from photograft.training.inputs import Inputs
from photograft.training.loop import Fit, Task
from photograft.training.reading import Labelled
from photograft.values import Manifest, Record, Target
from photograft.workflow.clock import Clock
from photograft.workflow.grafting import Grafting, cut_network
from photograft.workflow.narrator import Silent
from photograft.workflow.resolve import resolve_graft, resolve_input
from photograft.workflow.source import contract_of, open_source, scan_source
from photograft.workflow.views import Views, fill_boundary, pixel_inputs, reserve_boundary, views_of

_STEPS = 12
_WARM_UP = 3
_LR = 1e-6
"""Learning rate of the steps that are measured alone: they should leave the weights as they are."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--boundary", choices=("cache", "off"), required=True)
    parser.add_argument("--epochs", type=int, default=1, help="epochs to measure")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="SECTION.KEY=VALUE")
    arguments = parser.parse_args()
    settings = [*arguments.settings, f"train.boundary={arguments.boundary}"]
    config = load_config(assignments=settings, quality="best")
    print(json.dumps(measure(arguments.photos, config, epochs=arguments.epochs)))


def measure(photos: Path, asked: Config, *, epochs: int) -> dict[str, Any]:
    """Prepare a fit on all photos as `photograft train` does, and time its parts and its epochs."""
    prepared = _prepare(photos, asked)
    with _inputs(prepared) as (inputs, before):
        task = _task(prepared, inputs, epochs)
        alone = _time_alone(Fit(task))
        fit = Fit(task)
        for _ in fit.run():
            pass
    config = prepared.grafting.config
    return {
        "n_photos": len(prepared.manifest.usable.photos),
        "px": prepared.views.contract.px,
        "graft": config.model.graft,
        "cut": prepared.grafting.graft.cut,
        "batch_size": config.train.batch_size,
        "precision": config.train.precision,
        "channels_last": config.train.channels_last,
        "threads": torch.get_num_threads(),
        "epoch_s": epoch_seconds(fit.records),
        **alone,
        **before,
        "versions": machine.versions(),
    }


def epoch_seconds(records: list[Record]) -> list[float]:
    """What each epoch took, where a record follows each and tells the seconds since the fit began."""
    ends = [0.0, *(record.seconds for record in records)]
    return [end - start for start, end in itertools.pairwise(ends)]


@dataclass(frozen=True)
class _Prepared:
    """Photos and network, ready for a fit."""

    manifest: Manifest
    views: Views
    grafting: Grafting
    cache_dir: Path


def _prepare(photos: Path, asked: Config) -> _Prepared:
    config, _ = resolve_graft(resolve_input(asked)[0])
    cache_dir = cache_folder(config.cache.dir)
    with open_source(photos, config, Clock()) as source:
        manifest = scan_source(source, config, Clock(), Silent())
    contract, n_classes = contract_of(config), len(manifest.usable.classes)
    grafting = cut_network(
        find_backbone(config.model.backbone), config, n_classes=n_classes, px=contract.px, cache_dir=cache_dir
    )
    names = ("whole", "whole-flipped") if config.input.flip else ("whole",)
    return _Prepared(manifest, views_of(manifest, grafting.config, contract, names), grafting, cache_dir)


@contextmanager
def _inputs(prepared: _Prepared) -> Iterator[tuple[Inputs, dict[str, Any]]]:
    """What the fit reads, with what it took before the first epoch."""
    views, grafting = prepared.views, prepared.grafting
    if grafting.front is None:
        started = time.perf_counter()
        with pixel_inputs(views, prepared.cache_dir, Silent()) as inputs:
            yield inputs, {"before_s": time.perf_counter() - started}
        return
    store = reserve_boundary(views, grafting.front, grafting.origin, prepared.cache_dir)
    was_kept = not store.missing([photo.content for photo in views.photos])
    kept, facts = fill_boundary(views, store, grafting.front, Silent())
    # Only the first process of a cache folder computes anything.
    yield kept, {"before_s": None if was_kept else facts.seconds, "views": facts.views, "bytes": facts.size_bytes}


def _task(prepared: _Prepared, inputs: Inputs, epochs: int) -> Task:
    grafting, usable = prepared.grafting, prepared.manifest.usable
    n = grafting.n_features
    network = GraftedNetwork(
        grafting.graft,
        n_outputs=len(usable.classes),
        mean_D=np.zeros(n, np.float32),
        std_D=np.ones(n, np.float32),
        head=None,
        dropout=grafting.config.train.dropout,
        with_front=not grafting.kept,
    )
    return Task(
        network=network,
        blocks=grafting.blocks,
        inputs=inputs,
        train=Labelled(np.arange(len(usable.photos)), (usable.label_indices(usable.classes),)),
        targets=(Target("label", usable.classes),),
        config=grafting.config.train,
        augment=grafting.config.augment,
        device=grafting.device,
        stop_after_epoch=epochs,
    )


def _time_alone(fit: Fit) -> dict[str, float]:
    """Seconds of an epoch's steps on batches that were read before, and of its reading, from a few; also warms up."""
    n_steps = min(_STEPS, fit.epoch_steps)
    steps_s, reads_s = [], []
    for number in range(-_WARM_UP, n_steps):
        started = time.perf_counter()
        batches = fit.reader.step(max(number, 0))
        read = time.perf_counter()
        fit.trial_step(batches, max(number, 0), lr=_LR)
        if number >= 0:
            reads_s.append(read - started)
            steps_s.append(time.perf_counter() - read)
    return {
        "step_s": fit.epoch_steps * statistics.median(steps_s),
        "read_s": fit.epoch_steps * statistics.mean(reads_s),
    }


if __name__ == "__main__":
    main()
