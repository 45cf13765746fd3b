"""`doctor PHOTOS`: which normalisation of the pixels the network's weights agree with, judged by the user's photos.

Shape letters: N photos, P those of them whose BatchNorm inputs are compared, D embedding size, K classes, R resamples.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from photograft.config import Config
from photograft.data.listing import Found
from photograft.data.pool import DecodePool
from photograft.data.scan import Scan, in_reading_order, scan
from photograft.errors import DataError, MissingExtraError
from photograft.metrics.intervals import bootstrap_interval, paired_difference
from photograft.metrics.softmax import softmax
from photograft.models.catalogue import Backbone, find_backbone
from photograft.tracking.cache import cache_folder
from photograft.training.linear import fit_head
from photograft.values import DoubleArray, FloatArray, IntArray, PixelArray
from photograft.workflow.clock import Clock
from photograft.workflow.narrator import Narrator, Silent
from photograft.workflow.resolve import resolve_input
from photograft.workflow.source import contract_of, open_source

if TYPE_CHECKING:
    from photograft.models.moments import Moments

Triple = tuple[float, float, float]

_IMAGENET: tuple[Triple, Triple] = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_PER_CLASS, _IN_ALL, _FOLDS = 40, 400, 5
_WATCHED = 48
"""Photos whose BatchNorm inputs are compared: few are enough, as each gives thousands of places."""
_PX = 160
_RESAMPLES = 200
_CLEARLY = 1.25
"""How many times nearer another normalisation must be to be named: with the right one configured, none was more than
1.11 times nearer on eight kinds of photos (docs/guides/doctor.md)."""
_ERROR_RATE = 0.05
"""Chance that any of the candidates seems better where none is; shared among them."""


@dataclass(frozen=True)
class Candidate:
    """A way to scale pixels: (x / 255 - mean) / std, with the colours in this order."""

    name: str
    mean: Triple
    std: Triple
    order: str = "RGB"


@dataclass(frozen=True)
class _Outcome:
    """What a candidate gave: whether each photo was right (N,), its log loss (N,), distances (1 + R,) or None."""

    correct_N: Any
    loss_N: DoubleArray
    distance_R: DoubleArray | None


def compare_normalisations(
    photos: Path, *, config: Config | None = None, narrator: Narrator | None = None
) -> dict[str, Any]:
    """Compare candidate normalisations on a sample of labelled photos; gives what `doctor PHOTOS --json` prints.

    Args:
        photos: A folder, an archive, or a table of paths and labels, as `train` takes it.
        config: Settings, as `photograft.load_config` reads them: those of data, input.px and model.
        narrator: Told what happens; nobody by default.

    Raises:
        ConfigError: A setting is wrong, or the weights are not on this machine.
        MissingExtraError: The `train` extra is not installed.
        DataError: Fewer than two classes have enough photos.
    """
    for module in ("torch", "timm"):
        if importlib.util.find_spec(module) is None:
            raise MissingExtraError("Comparing normalisations", "train")
    config, narrator, clock = config or Config(), narrator or Silent(), Clock()
    folder = cache_folder(config.cache.dir)
    model = config.model
    backbone = find_backbone(model.backbone, weights=model.weights, pool=model.pool, cache_dir=folder)
    asked = config.input.px
    if asked == "auto" and not backbone.fixed_px:
        px = min(_PX, backbone.own_px)
        config = config.model_copy(update={"input": config.input.model_copy(update={"px": px})})
    config, _ = resolve_input(config, only_px=backbone.own_px if backbone.fixed_px else None)
    with clock.stage("read"):
        pixels_NHWC, label_N, classes = _read_sample(photos, config, clock, narrator)
    candidates = _candidates(config, backbone)
    with clock.stage("compare"):
        outcomes = _try_each(candidates, backbone, pixels_NHWC, label_N, len(classes), narrator)
    return _judge(candidates, outcomes, config, backbone, classes, clock)


def _read_sample(
    photos: Path, config: Config, clock: Clock, narrator: Narrator
) -> tuple[PixelArray, IntArray, tuple[str, ...]]:
    """Pixels (N, px, px, 3) and class numbers (N,) of photos drawn by the seed, decoded as `train` does."""
    contract = contract_of(config)
    pixels: list[PixelArray] = []
    labels: list[str] = []
    with open_source(photos, config, clock) as source:
        drawn = _draw(source.listing.files, seed=config.split.seed)
        setting = Scan(source.files, config.data, contract, edits=source.edits)
        with (
            DecodePool(contract, timeout_s=config.data.timeout_s) as pool,
            narrator.progress(len(drawn), "Reading photos") as progress,
        ):
            for item in scan(in_reading_order(drawn, source.files), setting, pool, needs_pixels=lambda _: True):
                progress.advance()
                if item.pixels is not None and item.photo.label is not None:
                    pixels.append(item.pixels)
                    labels.append(item.photo.label)
    count = Counter(labels)
    classes = tuple(sorted(name for name, n in count.items() if n >= _FOLDS))
    if len(classes) < 2:
        raise DataError(
            f"Comparing normalisations needs at least two classes with {_FOLDS} photos each, with one label per photo; "
            f"of {len(drawn)} photos that were drawn, {len(labels)} can be used, of {len(count)} classes."
        )
    rows = [i for i, name in enumerate(labels) if name in classes]
    return np.stack([pixels[i] for i in rows]), np.array([classes.index(labels[i]) for i in rows]), classes


def _draw(rows: Sequence[Found], *, seed: int) -> list[Found]:
    """At most 40 photos of each class and 400 in all, test parts aside; of very many classes, some."""
    ranked: dict[str, list[tuple[bytes, Found]]] = defaultdict(list)
    for row in rows:
        if row.label is not None and row.part != "test":
            ranked[row.label].append((_rank(row.name, seed), row))
    names = sorted(ranked, key=lambda name: _rank(name, seed))[: _IN_ALL // _FOLDS]
    n = min(_PER_CLASS, _IN_ALL // max(len(names), 1))
    return [row for name in names for _, row in sorted(ranked[name], key=lambda item: item[0])[:n]]


def _rank(name: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}:{name}".encode("utf-8", "surrogateescape")).digest()


def _candidates(config: Config, backbone: Backbone) -> list[Candidate]:
    """The configured normalisation, then others that authors use, each once."""
    mean, std = config.model.mean or backbone.mean, config.model.std or backbone.std
    found = [
        Candidate("configured", mean, std),
        Candidate("usual for the network", backbone.mean, backbone.std),
        Candidate("ImageNet", *_IMAGENET),
        Candidate("-1 to 1", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
        Candidate("0 to 1", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
        Candidate("0 to 255 less mean, BGR", _IMAGENET[0], (1 / 255, 1 / 255, 1 / 255), "BGR"),
        Candidate("configured in BGR", mean, std, "BGR"),
    ]
    distinct: dict[tuple[Triple, Triple, str], Candidate] = {}
    for each in found:
        distinct.setdefault((each.mean, each.std, each.order), each)
    return list(distinct.values())


def _try_each(
    candidates: Sequence[Candidate],
    backbone: Backbone,
    pixels_NHWC: PixelArray,
    label_N: IntArray,
    n_classes: int,
    narrator: Narrator,
) -> list[_Outcome]:
    from photograft.models.moments import OpenNetwork

    network = OpenNetwork(backbone, px=pixels_NHWC.shape[1])
    rng = np.random.default_rng(0)
    order_N = rng.permutation(len(label_N))  # so that the watched photos are of all classes
    pixels_NHWC, label_N = pixels_NHWC[order_N], label_N[order_N]
    fold_N = np.empty_like(label_N)
    for k in range(n_classes):
        fold_N[label_N == k] = np.arange((label_N == k).sum()) % _FOLDS
    n_watched = min(_WATCHED, len(label_N))
    share_RP = rng.multinomial(n_watched, [1 / n_watched] * n_watched, size=_RESAMPLES) / n_watched
    share_RP = np.concatenate([np.full((1, n_watched), 1 / n_watched), share_RP])
    outcomes = []
    with narrator.progress(len(candidates) * len(label_N), "Embedding photos") as progress:
        for each in candidates:
            step = -1 if each.order == "BGR" else 1
            ordered_NHWC, mean, std = pixels_NHWC[..., ::step], each.mean[::step], each.std[::step]
            first_PD, moments = network.run(ordered_NHWC[:n_watched], mean, std, watch=True)
            parts = [first_PD]
            if n_watched < len(label_N):
                parts.append(network.run(ordered_NHWC[n_watched:], mean, std, watch=False)[0])
            distance_R = _distances(moments, share_RP) if moments else None
            outcomes.append(_probe(np.concatenate(parts), label_N, fold_N, n_classes, distance_R))
            progress.advance(len(label_N))
    return outcomes


def _probe(
    embedding_ND: FloatArray, label_N: IntArray, fold_N: IntArray, n_classes: int, distance_R: DoubleArray | None
) -> _Outcome:
    fit = fit_head(embedding_ND, label_N, fold_N, n_classes=n_classes)
    probability_NK = softmax(fit.honest_logits_NK)
    true_N = probability_NK[np.arange(len(label_N)), label_N]
    loss_N = -np.log(np.maximum(true_N, 1e-12)).astype(np.float64)
    return _Outcome(probability_NK.argmax(1) == label_N, loss_N, distance_R)


def _distances(moments: Sequence[Moments], share_RP: DoubleArray) -> DoubleArray:
    """How far the inputs of the BatchNorm layers are from their training statistics, 0 to 1, for each resample.

    Squared Hellinger distance between two normal distributions per channel, averaged over channels, then over layers.
    Unlike the Kullback-Leibler divergence it has a limit, so that channels that are nearly dead do not decide.
    """
    total_R = np.zeros(len(share_RP))
    for layer in moments:
        mean_RC = share_RP @ layer.input_NC
        variance_RC = np.maximum(share_RP @ layer.square_NC - mean_RC**2, 0) + layer.epsilon
        both_RC = variance_RC + layer.variance_C
        overlap_RC = np.sqrt(2 * np.sqrt(variance_RC * layer.variance_C) / both_RC)
        total_R += (1 - overlap_RC * np.exp(-((mean_RC - layer.mean_C) ** 2) / (4 * both_RC))).mean(1)
    return total_R / len(moments)


def _judge(
    candidates: Sequence[Candidate],
    outcomes: Sequence[_Outcome],
    config: Config,
    backbone: Backbone,
    classes: Sequence[str],
    clock: Clock,
) -> dict[str, Any]:
    confidence = 1 - _ERROR_RATE / (len(candidates) - 1)
    own = outcomes[0]
    rows = [_row(*pair, own, confidence) for pair in zip(candidates, outcomes, strict=True)]
    has_distance = own.distance_R is not None
    better = [row for row in rows[1:] if row["better"]]
    best = min(better, key=lambda row: row["distance"] if has_distance else row["log_loss"], default=None)
    return {
        "backbone": backbone.name,
        "px": config.input.px,
        "photos": len(own.loss_N),
        "classes": len(classes),
        "judged_by": "BatchNorm statistics" if has_distance else "linear heads",
        "confidence": round(confidence, 4),
        "candidates": rows,
        "fits": best is None,
        "better": None if best is None else best["name"],
        "problems": [] if best is None else [_warning(best, rows[0], config, backbone)],
        "seconds": {stage: round(s, 1) for stage, s in clock.seconds.items()},
    }


def _row(candidate: Candidate, outcome: _Outcome, own: _Outcome, confidence: float) -> dict[str, Any]:
    """What is told of one candidate; differences are candidate minus configured."""
    alone_N = np.full(len(own.loss_N), -1)
    difference, low, high = paired_difference(outcome.correct_N, own.correct_N, alone_N, confidence=confidence)
    loss_N = outcome.loss_N - own.loss_N
    loss_low, loss_high = bootstrap_interval(
        lambda row_S: float(loss_N[row_S].mean()),
        alone_N,
        n_resamples=_RESAMPLES * 10,
        confidence=confidence,
        limits=(-np.inf, np.inf),
    )
    row: dict[str, Any] = {
        "name": candidate.name,
        "mean": list(candidate.mean),
        "std": list(candidate.std),
        "order": candidate.order,
        "accuracy": float(outcome.correct_N.mean()),
        "accuracy_difference": [difference, low, high],
        "log_loss": float(outcome.loss_N.mean()),
        "log_loss_difference": [float(loss_N.mean()), loss_low, loss_high],
        "distance": None,
        "better": low > 0 or loss_high < 0,
    }
    if outcome.distance_R is not None and own.distance_R is not None:
        ratio_R = own.distance_R / np.maximum(outcome.distance_R, 1e-12)
        tail = (1 - confidence) / 2
        ratio_low, ratio_high = np.quantile(ratio_R[1:], [tail, 1 - tail]).tolist()
        is_worse = high < 0 or loss_low > 0
        row["distance"] = float(outcome.distance_R[0])
        row["times_nearer"] = [float(ratio_R[0]), ratio_low, ratio_high]
        row["better"] = ratio_low > _CLEARLY and not is_worse
    return row


def _warning(best: dict[str, Any], configured: dict[str, Any], config: Config, backbone: Backbone) -> str:
    """What was found, why it may be so, and what to set."""
    if best["distance"] is None:
        change = f"log loss {best['log_loss']:.3f} instead of {configured['log_loss']:.3f}"
    else:
        change = f"{best['times_nearer'][0]:.1f} times nearer to the statistics of its training"
    text = f"{backbone.name} fits another normalisation clearly better: {best['name']} ({change})."
    if best["order"] == "RGB" and best["mean"] == list(backbone.mean) and best["std"] == list(backbone.std):
        return f"{text} Leave out model.mean and model.std."
    if config.model.weights is not None:
        text += f" The authors of {config.model.weights} may have used another one than is usual for this network."
    if best["order"] == "BGR":
        return f"{text} Its colours are blue, green, red: reverse the input channels of its first layer's weights."
    mean, std = (", ".join(f"{x:.4g}" for x in best[key]) for key in ("mean", "std"))
    return f"{text} Set model.mean=[{mean}] and model.std=[{std}]."
