"""A loaded bundle: files, images or arrays in, calibrated probabilities out. Runs without torch."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from photograft.config.data import DataConfig
from photograft.contract import window_px
from photograft.data.boxes import Boxed
from photograft.data.files import read_input
from photograft.data.images import to_pixels
from photograft.data.pool import DecodePool
from photograft.errors import ConfigError, ImageRejected, IntegrityError
from photograft.features.engine_onnx import OnnxEngine
from photograft.features.extract import BATCH, embed_views, merge_views
from photograft.features.matrix import row_blocks
from photograft.inference.compose import Composed, compose, factors_of, tabulate
from photograft.inference.decisions import lowest_probability, unfamiliar
from photograft.models.bundle import Bundle, read_bundle
from photograft.models.device import usable_cores
from photograft.values import BoolArray, FloatArray, IntArray, PixelArray, Predictions

PhotoInput = str | os.PathLike[str] | bytes | bytearray | memoryview | Boxed | Image.Image | npt.NDArray[Any]
"""What can be predicted: a path or URL, the bytes of a file (with its box), a PIL image, or a uint8 array (H, W),
(H, W, 3) or (H, W, 4)."""

_Input = PhotoInput | ImageRejected

Logits = dict[str, FloatArray]
"""Logits (N, M) by the id of the head."""

_Pixels = Mapping[str, PixelArray]
"""Pixels of a photo (px, px, 3), or of N photos (N, px, px, 3), by the id of the contract that gave them."""

_Top = tuple[tuple[str, float], ...]
"""(label, probability) of every class, best first."""


@dataclass(frozen=True)
class FactorPrediction:
    """What the model says of one factor: its most probable value, and in `top` all of them, best first."""

    label: str
    probability: float
    top: _Top


@dataclass(frozen=True)
class Prediction:
    """What the model says of one photo.

    `status` is "ok"; "unsure" where the label is less probable than the model's limit; "unfamiliar" where the photo is
    like none that it learned from; or "rejected". `label` is the best guess also of an unsure or unfamiliar photo. A
    rejected one has none, and `reason` says why. `top` holds (label, probability) of every class, best first. `factors`
    are by name; empty where classes have none.

    Where a photo may have several labels, `labels` are those that reach their thresholds, best first: any number of
    them, also none. `label` is then the most probable one, whether it reaches its threshold or not.
    """

    path: str
    status: str
    label: str | None
    probability: float | None
    top: _Top
    reason: str = ""
    factors: Mapping[str, FactorPrediction] = field(default_factory=dict, hash=False)
    labels: _Top = ()


def load(path: str | os.PathLike[str], *, min_probability: float | None = None) -> Classifier:
    """Load the model of a run (runs/...) or of a bundle folder (runs/.../model), after checking its checksums.

    Photos whose label is less probable than `min_probability` get the status "unsure"; without it the model's own limit
    holds.
    """
    return Classifier(read_bundle(Path(path)), min_probability=min_probability)


class Classifier:
    """A loaded model. Decoder processes start with the first file and end with `close`, a `with` block or the program.

    >>> model = photograft.load("runs/2026-01-31-flowers")              # doctest: +SKIP
    >>> model.predict("rose.jpg").label                                 # doctest: +SKIP
    'roses'
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        workers: int | None = None,
        data: DataConfig | None = None,
        min_probability: float | None = None,
        engine: Callable[[Path], OnnxEngine] = OnnxEngine,
    ) -> None:
        self.bundle = bundle
        self._open_engine = engine
        self._min_probability = lowest_probability(bundle, min_probability)
        self.classes = bundle.classes
        self.factors = tuple(factor.name for factor in factors_of(bundle.info.targets, bundle.info.joint))
        self._data = data or limits_of(bundle)
        share = -(-(workers or min(8, usable_cores())) // len(bundle.contracts))
        self._pools = {
            name: DecodePool(contract, workers=share, timeout_s=self._data.timeout_s)
            for name, contract in bundle.contracts.items()
        }
        self._engines: dict[str, OnnxEngine] = {}

    def predict(self, photos: PhotoInput | Sequence[PhotoInput]) -> Prediction | list[Prediction]:
        """Predict one photo, or a list of them (a list comes back, in the same order).

        A file that cannot be used gives status "rejected" and a reason; it never raises.
        """
        if isinstance(photos, str | os.PathLike | bytes | bytearray | memoryview | Boxed | Image.Image | np.ndarray):
            return next(self.predict_each([photos]))
        if not isinstance(photos, Iterable):
            raise ConfigError(_accepted(photos))
        return list(self.predict_each(photos))

    def predict_each(self, photos: Iterable[PhotoInput]) -> Iterator[Prediction]:
        """Predict any number of photos lazily, in order, with bounded memory; decoding overlaps the network."""
        for names, reasons, logits, strange_N in self._batches(photos):
            table = self._tabulate(logits, names, reasons=reasons)
            yield from _describe(table, self._min_probability, strange_N)

    def predict_table(
        self, photos: Iterable[_Input], label_N: IntArray | None = None, member_NK: BoolArray | None = None
    ) -> Predictions:
        """Predict photos whose true class indices (or, of several labels, which they have) are known, for evaluation.

        In the place of a photo that could not be read stands the reason.
        """
        names: list[str] = []
        reasons: list[str] = []
        parts = [self._no_logits(0)]
        for batch_names, batch_reasons, logits, _ in self._batches(photos):
            names += batch_names
            reasons += batch_reasons
            parts.append(logits)
        whole = {head: np.concatenate([part[head] for part in parts]) for head in parts[0]}
        return self._tabulate(whole, names, reasons=reasons, label_N=label_N, member_NK=member_NK)

    def table(
        self,
        paths: Sequence[str],
        embeddings: Mapping[str, FloatArray],
        label_N: IntArray | None = None,
        member_NK: BoolArray | None = None,
        *,
        rows: IntArray | None = None,
    ) -> Predictions:
        """As `predict_table`, from embeddings per network that `embed` or the training features give.

        With `rows`, those of some photos alone, which all other arguments are about.
        """
        return self._tabulate(self._logits(embeddings, rows), paths, label_N=label_N, member_NK=member_NK)

    def probabilities(self, embeddings: Mapping[str, FloatArray], *, rows: IntArray | None = None) -> Composed:
        """Calibrated probabilities from embeddings (N, D) per network, of classes, targets and factors."""
        return compose(self._logits(embeddings, rows), self.bundle.info)

    def embed(self, pixels: _Pixels) -> dict[str, FloatArray]:
        """Embeddings (N, D) per network, the mean over its views, of pixels that follow the contracts."""
        return {row.id: self.embed_with(row.id, pixels[row.contract]) for row in self.bundle.info.networks}

    def embed_with(self, network: str, pixels_NHWC: PixelArray, *, one_view: bool = False) -> FloatArray:
        """Embeddings (N, D) of one network, the mean over its views, of pixels that follow its contract.

        With `one_view` of the first view alone, which is quicker, and enough to compare pictures with each other.
        """
        views = self.bundle.info.views_of(network).names[: 1 if one_view else None]
        embedding_VND = embed_views(self._engine(network), pixels_NHWC, views)
        return merge_views(embedding_VND.sum(axis=0), len(views))

    def describe(self, names: Sequence[str], embeddings: Mapping[str, FloatArray]) -> list[Prediction]:
        """Predictions of N photos, all of which could be read, from embeddings (N, D) per network, as `embed` gives."""
        table = self._tabulate(self._logits(embeddings), names)
        return list(_describe(table, self._min_probability, unfamiliar(embeddings, self.bundle)))

    def pixels_each(self, photos: Iterable[_Input]) -> Iterator[_Pixels | None]:
        """Pixels of each photo under every contract, lazily and in order; None where it is rejected."""
        for _, pixels in self._decode(photos):
            yield None if isinstance(pixels, str) else pixels

    def decode(self, data: bytes) -> dict[str, PixelArray]:
        """Pixels of one file under every contract, decoded in killable processes; raises ImageRejected."""
        return {name: pool.decode(data).pixels for name, pool in self._pools.items()}

    def close(self) -> None:
        """End the decoder processes."""
        for pool in self._pools.values():
            pool.close()

    def __enter__(self) -> Classifier:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _engine(self, network: str) -> OnnxEngine:
        if network not in self._engines:
            path = self.bundle.networks[network]
            row = next(row for row in self.bundle.info.networks if row.id == network)
            px = window_px(self.bundle.contracts[row.contract].px, self.bundle.info.views_of(network).crops)
            engine = self._open_engine(path)
            if engine.px != px:
                raise IntegrityError(
                    f"{path} takes {engine.px} px, and contract and views of bundle.json give {px} px: they do not "
                    "belong together. Copy the bundle again."
                )
            self._engines[network] = engine
        return self._engines[network]

    def _logits(self, embeddings: Mapping[str, FloatArray], rows: IntArray | None = None) -> Logits:
        """Logits (N, M) of every head, by its id."""
        logits = {}
        for row in self.bundle.info.heads:
            head = self.bundle.heads[row.id]
            blocks = (block_BD for _, block_BD in row_blocks(embeddings[row.network], rows))
            logits[row.id] = np.concatenate([block_BD @ head.weight_DM + head.bias_M for block_BD in blocks])
        return logits

    def _no_logits(self, n: int) -> Logits:
        return {name: np.full((n, len(head.bias_M)), np.nan, np.float32) for name, head in self.bundle.heads.items()}

    def _tabulate(self, logits: Logits, paths: Sequence[str], **known: Any) -> Predictions:
        info = self.bundle.info
        return tabulate(compose(logits, info), info.targets, info.joint, paths=paths, **known)

    def _batches(self, photos: Iterable[_Input]) -> Iterator[tuple[list[str], list[str], Logits, BoolArray]]:
        """Yield (names, reasons of rejection, logits, whether unfamiliar) of some photos at a time, in order."""
        batch: list[tuple[str, _Pixels | str]] = []
        for item in self._decode(photos):
            batch.append(item)
            if len(batch) == BATCH:
                yield self._run(batch)
                batch = []
        if batch:
            yield self._run(batch)

    def _run(self, batch: list[tuple[str, _Pixels | str]]) -> tuple[list[str], list[str], Logits, BoolArray]:
        good = {i: pixels for i, (_, pixels) in enumerate(batch) if not isinstance(pixels, str)}
        logits, strange_N = self._no_logits(len(batch)), np.zeros(len(batch), dtype=bool)
        if good:
            stacked = {name: np.stack([pixels[name] for pixels in good.values()]) for name in self._pools}
            embeddings = self.embed(stacked)
            strange_N[list(good)] = unfamiliar(embeddings, self.bundle)
            for head, logits_GM in self._logits(embeddings).items():
                logits[head][list(good)] = logits_GM
        reasons = [pixels if isinstance(pixels, str) else "" for _, pixels in batch]
        return [name for name, _ in batch], reasons, logits, strange_N

    def _decode(self, photos: Iterable[_Input]) -> Iterator[tuple[str, _Pixels | str]]:
        """Yield (name, pixels or the reason of rejection) in order. Each file is read once, for all contracts."""
        read = itertools.tee((self._read(photo, number) for number, photo in enumerate(photos)), len(self._pools))
        decoded = [pool.map_where_needed(each) for pool, each in zip(self._pools.values(), read, strict=True)]
        for results in zip(*decoded, strict=True):
            (name, ready), _ = results[0]
            outcomes = [outcome for _, outcome in results]
            rejected = next((outcome for outcome in outcomes if isinstance(outcome, ImageRejected)), None)
            if rejected is not None:
                yield name, str(rejected)
            elif outcomes[0] is None:
                yield name, ready
            else:
                yield name, {key: o.pixels for key, o in zip(self._pools, outcomes, strict=True) if o is not None}

    def _read(self, photo: _Input, number: int) -> tuple[tuple[str, _Pixels | str], bytes | Boxed | None]:
        """((name, pixels or reason), None) where there is nothing to decode, else ((name, ""), bytes)."""
        name = os.fspath(photo) if isinstance(photo, str | os.PathLike) else f"photo {number + 1}"
        if isinstance(photo, ImageRejected):
            return (name, str(photo)), None
        if isinstance(photo, Boxed):
            return (name, ""), photo
        try:
            if isinstance(photo, bytes | bytearray | memoryview):
                return (name, ""), bytes(photo)
            if isinstance(photo, np.ndarray):
                photo = array_to_image(photo)
            if isinstance(photo, Image.Image):
                return (name, {key: to_pixels(photo, each) for key, each in self.bundle.contracts.items()}), None
            if not isinstance(photo, str | os.PathLike):
                raise ConfigError(_accepted(photo))
            data, _ = read_input(photo, max_file_mb=self._data.max_file_mb)
            return (name, ""), data
        except ImageRejected as rejected:
            return (name, str(rejected)), None


def limits_of(bundle: Bundle) -> DataConfig:
    """The limits on files that the model was trained under."""
    return DataConfig(**bundle.info.inputs.get("limits", {}))


def _describe(predictions: Predictions, min_probability: float, strange_N: BoolArray) -> Iterator[Prediction]:
    given_NK = None if predictions.threshold_K is None else predictions.given_NK
    factors = {name: _tops(factor) for name, factor in predictions.factors}
    for row, top in enumerate(_tops(predictions)):
        name, reason = predictions.paths[row], predictions.reasons[row]
        if reason:
            yield Prediction(name, "rejected", None, None, (), reason)
            continue
        parts = {factor: FactorPrediction(*tops[row][0], tops[row]) for factor, tops in factors.items()}
        given = () if given_NK is None else {predictions.classes[k] for k in np.flatnonzero(given_NK[row])}
        labels = tuple(each for each in top if each[0] in given)
        status = "unfamiliar" if strange_N[row] else "unsure" if top[0][1] < min_probability else "ok"
        yield Prediction(name, status, *top[0], top, "", parts, labels)


def _tops(predictions: Predictions) -> list[_Top]:
    """Every class with its probability, best first, per photo."""
    order_NK = np.argsort(-predictions.probabilities_NK, axis=1, kind="stable")
    return [
        tuple((predictions.classes[k], float(probability_K[k])) for k in order_K)
        for probability_K, order_K in zip(predictions.probabilities_NK, order_NK, strict=True)
    ]


def _accepted(given: object) -> str:
    return (
        "A photo is a path, the bytes of a file, a PIL image or a uint8 array, and several are a list of these, "
        f"not {type(given).__name__}."
    )


def array_to_image(array: npt.NDArray[Any]) -> Image.Image:
    """The picture in a uint8 array; ConfigError says what an array must be."""
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise ConfigError(
            f"An array must be uint8 of shape (height, width), (height, width, 3) or (height, width, 4) in RGB order, "
            f"not {array.dtype} of shape {array.shape}; "
            "values 0..1 become uint8 by (array * 255).round().astype('uint8')."
        )
    return Image.fromarray(np.ascontiguousarray(array))
