"""The scikit-learn face: photos in, classes out, through the same features and the same head as `train`."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from PIL import Image
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import NotFittedError

from photograft.config import Quality, load_config
from photograft.config.train import Balance
from photograft.contract import Contract, make_contract
from photograft.data.assign import assign_groups
from photograft.data.files import read_photo
from photograft.data.hashing import hash_bytes
from photograft.data.images import to_pixels
from photograft.data.pool import DecodePool
from photograft.errors import ConfigError, DataError, ImageRejected
from photograft.evaluation.calibration import calibrate
from photograft.features.engine_onnx import OnnxEngine
from photograft.features.extract import FeatureStore, extract
from photograft.features.matrix import Scratch
from photograft.inference.classifier import array_to_image
from photograft.metrics.softmax import softmax
from photograft.models.catalogue import find_backbone
from photograft.models.networks import ensure_network
from photograft.tracking.cache import Cache, cache_folder
from photograft.training.linear import fit_head
from photograft.values import DoubleArray, FloatArray, PixelArray
from photograft.workflow.resolve import resolve_input

_BALANCES = ("none", "balanced", "sqrt", "effective")


class PhotoClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Classify photos with a linear head on frozen features; fits into Pipeline, cross_val_score and GridSearchCV.

    X is a sequence of N photos: paths, bytes of files, PIL images or uint8 arrays of shape (H, W, 3). Features are
    cached by content, so that cross-validation embeds each photo once. A photo that cannot be used raises DataError
    with its name.

    Args:
        quality: "fast" (224 px, one view) or "good" (320 px, with its mirror image).
        px: Input size in pixels instead of the quality's.
        strength: L2 penalty; None chooses it by cross-validation.
        balance: "none", "balanced", "sqrt" or "effective", as `train.balance`.
        folds: Number of folds that choose the strength and the temperature.
        seed: Of the folds.

    After `fit`: `classes_` (K,), `head_`, `strength_`, `temperature_`.

    >>> from sklearn.model_selection import cross_val_score
    >>> cross_val_score(PhotoClassifier("fast"), paths, labels, cv=5)      # doctest: +SKIP
    """

    def __init__(
        self,
        quality: Quality = "good",
        *,
        px: int | None = None,
        strength: float | None = None,
        balance: Balance = "none",
        folds: int = 5,
        seed: int = 0,
    ) -> None:
        self.quality = quality
        self.px = px
        self.strength = strength
        self.balance = balance
        self.folds = folds
        self.seed = seed

    def fit(self, X: Sequence[Any], y: npt.ArrayLike) -> Self:
        """Learn from N photos and their N labels."""
        if self.quality == "best":
            raise ConfigError("quality: 'best' trains the network too, which photograft.train does; use 'good' here.")
        if self.balance not in _BALANCES:
            raise ConfigError(f"balance: {self.balance!r} is not possible; use one of {', '.join(_BALANCES)}.")
        given_N = np.asarray(y, dtype=object)
        if given_N.ndim != 1 or any(isinstance(label, list | tuple | set) for label in given_N):
            raise ConfigError(
                "y: PhotoClassifier takes one label per photo; several, and factors, are for photograft.train."
            )
        self.classes_, label_N = np.unique(np.asarray(y), return_inverse=True)
        if len(self.classes_) < 2:
            raise DataError("PhotoClassifier needs photos of at least two classes.")
        embedding_ND, keys = self._embed(X)
        label_N = label_N.astype(np.int64)
        # Copies of a photo stay in one fold.
        group_N = np.unique(keys, return_inverse=True)[1].astype(np.int64)
        shares = np.full(self.folds, 1 / self.folds)
        rng = np.random.default_rng(self.seed)
        member_NK = np.eye(len(self.classes_), dtype=bool)[label_N]
        fold_N = assign_groups(member_NK, group_N, shares, rng=rng)
        fit = fit_head(
            embedding_ND,
            label_N,
            fold_N,
            n_classes=len(self.classes_),
            strength=self.strength,
            balance=self.balance,
            scratch=Scratch(cache_folder()),
        )
        self.head_, self.strength_ = fit.head, fit.strength
        self.temperature_ = calibrate(fit.oof_logits_NK, label_N)
        return self

    def predict_proba(self, X: Sequence[Any]) -> DoubleArray:
        """Calibrated probabilities of shape (N, K), columns as in `classes_`."""
        return softmax(self.decision_function(X), temperature=getattr(self, "temperature_", 1.0))

    def predict(self, X: Sequence[Any]) -> npt.NDArray[Any]:
        """The most probable class of each photo, shape (N,)."""
        best_N = np.argmax(self.decision_function(X), axis=1)
        return np.asarray(self.classes_[best_N])

    def decision_function(self, X: Sequence[Any]) -> FloatArray:
        """Logits of shape (N, K)."""
        if not hasattr(self, "head_"):
            raise NotFittedError("This PhotoClassifier is not fitted yet: call fit(photos, labels) first.")
        return self.head_.logits(self._embed(X)[0])

    def _embed(self, X: Sequence[Any]) -> tuple[FloatArray, list[str]]:
        """Embeddings (N, D), and a key per photo that is equal for equal contents."""
        assignments = [] if self.px is None else [f"input.px={self.px}"]
        config, _ = resolve_input(load_config(None, assignments, quality=self.quality))
        assert isinstance(config.input.px, int)
        contract = make_contract(config.input.px, crop=config.input.crop)
        model = config.model
        backbone = find_backbone(model.backbone, weights=model.weights, mean=model.mean, std=model.std, pool=model.pool)
        network_id = backbone.network_id(px=contract.px, embedding=config.model.embedding)
        views = ("whole", "whole-flipped") if config.input.flip else ("whole",)
        with Cache(cache_folder()) as cache, DecodePool(contract) as pool:
            store = FeatureStore(cache, contract, network_id, OnnxEngine.name, views)
            network = ensure_network(backbone, px=contract.px, embedding=config.model.embedding, cache_dir=cache.folder)
            keys: list[str] = []
            extract(_new_pixels(X, contract, pool, store.known(), keys), store, lambda: OnnxEngine(network))
            return store.table(keys).embedding_ND, keys


def _new_pixels(
    photos: Sequence[Any], contract: Contract, pool: DecodePool, known: set[str], keys: list[str]
) -> Iterator[tuple[str, PixelArray]]:
    """Yield (key, pixels) of photos without features, and note the key of every photo in `keys`."""

    def read() -> Iterator[tuple[tuple[str, str, PixelArray | None], bytes | None]]:
        for number, photo in enumerate(photos):
            yield _read(photo, number, contract, known)

    for (name, key, pixels), outcome in pool.map_where_needed(read()):
        if isinstance(outcome, ImageRejected):
            raise DataError(f"{name}: {outcome}")
        keys.append(key)
        if outcome is not None:
            yield key, outcome.pixels
        elif pixels is not None:
            yield key, pixels


def _read(
    photo: Any, number: int, contract: Contract, known: set[str]
) -> tuple[tuple[str, str, PixelArray | None], bytes | None]:
    """((name, key, pixels), bytes to decode or None)."""
    name = os.fspath(photo) if isinstance(photo, str | os.PathLike) else f"photo {number + 1}"
    if isinstance(photo, Image.Image | np.ndarray):
        image = photo if isinstance(photo, Image.Image) else array_to_image(photo)
        try:
            pixels = to_pixels(image, contract)
        except ImageRejected as rejected:
            raise DataError(f"{name}: {rejected}") from rejected
        # An image in memory has no file: its contract pixels stand for it.
        key = f"pixels-{hashlib.sha256(pixels.tobytes()).hexdigest()}"
        return (str(name), key, None if key in known else pixels), None
    try:
        data = photo if isinstance(photo, bytes) else read_photo(Path(photo), max_file_mb=100)[0]
    except ImageRejected as rejected:
        raise DataError(f"{name}: {rejected}") from rejected
    key = hash_bytes(data)
    return (str(name), key, None), None if key in known else data
