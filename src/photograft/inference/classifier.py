"""A loaded bundle: files, images or arrays in, calibrated probabilities out. Runs without torch."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from photograft.config.data import DataConfig
from photograft.data.boxes import Boxed
from photograft.data.files import read_photo
from photograft.data.images import to_pixels
from photograft.data.pool import DecodePool
from photograft.errors import ConfigError, ImageRejected, IntegrityError
from photograft.features.engine_onnx import OnnxEngine
from photograft.features.extract import BATCH, embed_views, merge_views
from photograft.metrics.softmax import softmax
from photograft.models.bundle import Bundle, read_bundle
from photograft.values import DoubleArray, FloatArray, IntArray, PixelArray, Predictions

PhotoInput = str | os.PathLike[str] | bytes | bytearray | memoryview | Boxed | Image.Image | npt.NDArray[Any]
"""What can be predicted: a path, the bytes of a file (with its box), a PIL image, or a uint8 array (H, W), (H, W, 3) or
(H, W, 4)."""

_Input = PhotoInput | ImageRejected


@dataclass(frozen=True)
class Prediction:
    """What the model says of one photo.

    `status` is "ok" or "rejected"; a rejected photo has no label, and `reason` says why. `top` holds
    (label, probability) of every class, best first.
    """

    path: str
    status: str
    label: str | None
    probability: float | None
    top: tuple[tuple[str, float], ...]
    reason: str = ""


def load(path: str | os.PathLike[str]) -> Classifier:
    """Load the model of a run (runs/...) or of a bundle folder (runs/.../model), after checking its checksums."""
    return Classifier(read_bundle(Path(path)))


class Classifier:
    """A loaded model. Decoder processes start with the first file and end with `close`, a `with` block or the program.

    >>> model = photograft.load("runs/2026-01-31-flowers")              # doctest: +SKIP
    >>> model.predict("rose.jpg").label                                 # doctest: +SKIP
    'roses'
    """

    def __init__(self, bundle: Bundle, *, workers: int | None = None, data: DataConfig | None = None) -> None:
        self.bundle = bundle
        self.classes = bundle.classes
        self._data = data or DataConfig(**bundle.info.inputs.get("limits", {}))
        self._pool = DecodePool(bundle.contract, workers=workers, timeout_s=self._data.timeout_s)
        self._engine: OnnxEngine | None = None

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
        for names, probabilities_NK, reasons in self._batches(photos):
            for name, probability_K, reason in zip(names, probabilities_NK, reasons, strict=True):
                yield self._describe(name, probability_K, reason)

    def predict_table(self, photos: Iterable[PhotoInput | ImageRejected], label_N: IntArray) -> Predictions:
        """Predict photos whose true class indices are known, as one table for evaluation.

        In the place of a photo that could not be read stands the reason.
        """
        names: list[str] = []
        reasons: list[str] = []
        parts: list[DoubleArray] = []
        for batch_names, probabilities_NK, batch_reasons in self._batches(photos):
            names += batch_names
            reasons += batch_reasons
            parts.append(probabilities_NK)
        probabilities_NK = np.concatenate(parts) if parts else np.empty((0, len(self.classes)))
        statuses = tuple("rejected" if reason else "ok" for reason in reasons)
        return Predictions(tuple(names), self.classes, probabilities_NK, label_N, statuses, tuple(reasons))

    def probabilities(self, embedding_ND: FloatArray) -> DoubleArray:
        """Calibrated probabilities (N, K) from embeddings that `embed` or the training features give."""
        logits_NK = embedding_ND @ self.bundle.weight_DK + self.bundle.bias_K
        return softmax(logits_NK, temperature=self.bundle.temperature)

    def embed(self, pixels_NHWC: PixelArray) -> FloatArray:
        """Embeddings (N, D), the mean over the bundle's views, of pixels that follow the bundle's contract."""
        if self._engine is None:
            self._engine = OnnxEngine(self.bundle.network)
            if self._engine.px != self.bundle.contract.px:
                raise IntegrityError(
                    f"{self.bundle.network} takes {self._engine.px} px, and the contract of bundle.json gives "
                    f"{self.bundle.contract.px} px: they do not belong together. Copy the bundle again."
                )
        embedding_VND = embed_views(self._engine, pixels_NHWC, self.bundle.views)
        return merge_views(embedding_VND.sum(axis=0), len(self.bundle.views))

    def decode(self, data: bytes) -> PixelArray:
        """Pixels of one file under the bundle's contract, decoded in a killable process; raises ImageRejected."""
        return self._pool.decode(data).pixels

    def close(self) -> None:
        """End the decoder processes."""
        self._pool.close()

    def __enter__(self) -> Classifier:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _batches(
        self, photos: Iterable[PhotoInput | ImageRejected]
    ) -> Iterator[tuple[list[str], DoubleArray, list[str]]]:
        batch: list[tuple[str, PixelArray | str]] = []
        for item in self._decode(photos):
            batch.append(item)
            if len(batch) == BATCH:
                yield self._run(batch)
                batch = []
        if batch:
            yield self._run(batch)

    def _run(self, batch: list[tuple[str, PixelArray | str]]) -> tuple[list[str], DoubleArray, list[str]]:
        probabilities_NK = np.full((len(batch), len(self.classes)), np.nan)
        good = [i for i, (_, pixels) in enumerate(batch) if not isinstance(pixels, str)]
        if good:
            pixels_NHWC = np.stack([p for _, p in batch if not isinstance(p, str)])
            probabilities_NK[good] = self.probabilities(self.embed(pixels_NHWC))
        reasons = [pixels if isinstance(pixels, str) else "" for _, pixels in batch]
        return [name for name, _ in batch], probabilities_NK, reasons

    def _decode(self, photos: Iterable[_Input]) -> Iterator[tuple[str, PixelArray | str]]:
        """Yield (name, pixels or the reason of rejection) in order."""
        read = (self._read(photo, number) for number, photo in enumerate(photos))
        for (name, ready), outcome in self._pool.map_where_needed(read):
            if outcome is None:
                yield name, ready
            else:
                yield name, str(outcome) if isinstance(outcome, ImageRejected) else outcome.pixels

    def _read(
        self, photo: PhotoInput | ImageRejected, number: int
    ) -> tuple[tuple[str, PixelArray | str], bytes | Boxed | None]:
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
                return (name, to_pixels(photo, self.bundle.contract)), None
            if not isinstance(photo, str | os.PathLike):
                raise ConfigError(_accepted(photo))
            data, _ = read_photo(Path(photo), max_file_mb=self._data.max_file_mb)
            return (name, ""), data
        except ImageRejected as rejected:
            return (name, str(rejected)), None

    def _describe(self, name: str, probability_K: npt.NDArray[np.float64], reason: str) -> Prediction:
        if reason:
            return Prediction(name, "rejected", None, None, (), reason)
        order = np.argsort(-probability_K, kind="stable")
        top = tuple((self.classes[k], float(probability_K[k])) for k in order)
        return Prediction(name, "ok", top[0][0], top[0][1], top)


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
