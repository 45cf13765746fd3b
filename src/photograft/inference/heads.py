"""Several heads on one network: bundles and packs that share one pass. Runs without torch."""

from __future__ import annotations

import os
import threading
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from photograft.data.files import printable
from photograft.errors import ConfigError, ModelError
from photograft.features.engine_onnx import OnnxEngine
from photograft.inference.classifier import Classifier, Prediction
from photograft.inference.golden import golden_pictures, replay_golden
from photograft.models.bundle import PACK_ENDING, Bundle, read_bundle
from photograft.models.packs import Pack, read_pack, stand_on
from photograft.values import FloatArray, PixelArray


def open_heads(
    paths: Sequence[str | os.PathLike[str]],
    *,
    min_probability: float | None = None,
    workers: int | None = None,
    engine: Callable[[Path], OnnxEngine] = OnnxEngine,
) -> Heads:
    """Open run folders, bundle folders and pack files as heads of one network; a single bundle may be of any kind.

    A pack has no network: one of the others must be a bundle with it. `workers` are the decoder processes, `engine`
    is what runs the network. Below `min_probability` a photo is unsure, by each head that gives one label.

    Raises:
        ModelError: They do not share one network and contract (the message says what differs), or one is damaged.
    """
    places = [Path(path) for path in ([paths] if isinstance(paths, str | os.PathLike) else paths)]
    if not places:
        raise ConfigError("Name at least one bundle.")
    names = [head_name(path) for path in places]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"Two heads are called {', '.join(twice)}: rename one of the folders or files.")
    bundles = _read(places)
    several = len(bundles) > 1
    classifiers = {
        name: Classifier(
            bundle,
            workers=workers,
            min_probability=None if several and bundle.several else min_probability,
            engine=engine,
        )
        for name, bundle in zip(names, bundles, strict=True)
    }
    return Heads(classifiers)


class Heads:
    """Heads that share the decoder processes and the pass through the network of the first; `close` ends them.

    All methods may be called from many threads at once. Where there are several, `classifiers` are for what is asked
    of a single one, such as its classes.
    """

    def __init__(self, classifiers: Mapping[str, Classifier]) -> None:
        self.classifiers = dict(classifiers)
        self.names = tuple(self.classifiers)
        self._first = next(iter(self.classifiers.values()))
        self._one_pass = threading.Lock()

    def decode(self, data: bytes) -> dict[str, PixelArray]:
        """Pixels of one file by contract, decoded in killable processes, in turn with those of other threads.

        Raises:
            ImageRejected: It cannot be used as a photo.
        """
        return self._first.decode(data)

    def predict_pixels(
        self, pixels: Sequence[Mapping[str, PixelArray]], names: Sequence[str]
    ) -> list[dict[str, Prediction]]:
        """What every head says of each photo, from pixels that `decode` gave; one pass for all of them."""
        return self.describe(self.embed(pixels), names)

    def embed(self, pixels: Sequence[Mapping[str, PixelArray]]) -> dict[str, FloatArray]:
        """Embeddings (N, D) of N photos, by the networks of the first head."""
        if not pixels:
            return {
                row.id: np.zeros((0, row.outputs["embedding"]), np.float32) for row in self._first.bundle.info.networks
            }
        stacked = {name: np.stack([photo[name] for photo in pixels]) for name in pixels[0]}
        # Two passes at once would only share the cores; and the network is loaded once.
        with self._one_pass:
            return self._first.embed(stacked)

    def describe(self, embeddings: Mapping[str, FloatArray], names: Sequence[str]) -> list[dict[str, Prediction]]:
        """What every head says of N photos, from embeddings that `embed` gave."""
        if not names:
            return []
        said = {}
        for name, classifier in self.classifiers.items():
            own = embeddings
            if classifier is not self._first:  # the same network, which may have another id there
                own = dict(zip((row.id for row in classifier.bundle.info.networks), embeddings.values(), strict=True))
            said[name] = classifier.describe(names, own)
        return [{name: rows[photo] for name, rows in said.items()} for photo in range(len(names))]

    def close(self) -> None:
        """End the decoder processes."""
        for classifier in self.classifiers.values():
            classifier.close()

    def __enter__(self) -> Heads:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def head_name(path: Path) -> str:
    """How a run, a bundle folder or a pack is called as a head: the run's name, or that of the folder or file."""
    if path.is_file():
        name = path.name.removesuffix(PACK_ENDING)
        name = name if name != path.name else path.stem
    else:
        folder = path.resolve()
        name = folder.parent.name if folder.name == "model" and (folder.parent / "run.json").is_file() else folder.name
    return unicodedata.normalize("NFC", printable(name))


def _read(paths: Sequence[Path]) -> list[Bundle]:
    """Every path as a bundle on the network of the first one that has it."""
    read = [read_pack(path) if path.is_file() else read_bundle(path) for path in paths]
    base = next((each for each in read if isinstance(each, Bundle)), None)
    if base is None:
        raise ModelError(
            f"{paths[0]} is a head pack, which holds no network: name the bundle of a run with the same network too."
        )
    if len(read) == 1:
        return [base]
    bundles = []
    for each, path in zip(read, paths, strict=True):
        own, pictures = (each.bundle, each.pictures) if isinstance(each, Pack) else (each, None)
        if len(own.info.networks) > 1:
            raise ModelError(
                f"{path} has {len(own.info.networks)} networks; heads share a pass where each has one. Use it alone."
            )
        standing = stand_on(own, base, path=path)
        if own.info.networks[0].sha256 != base.info.networks[0].sha256:
            _compare_golden(standing, pictures or golden_pictures(own), path)
        bundles.append(standing)
    return bundles


def _compare_golden(bundle: Bundle, pictures: Mapping[str, bytes], path: Path) -> None:
    """Heads must say the same on a network of the same weights that another machine exported."""
    with Classifier(bundle, workers=1) as classifier:
        _, _, problems = replay_golden(classifier, pictures)
    if problems:
        raise ModelError(
            f"{path} has the same weights as {bundle.folder}, but says something else on the export of them that is "
            f"there: {'; '.join(problems)}. Use each alone."
        )
