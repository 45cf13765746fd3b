"""`explain`: why a model said what it said of some photos: where it looked, and which photos it had learned from."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from photograft.config.data import DataConfig
from photograft.data.files import read_input
from photograft.data.hashing import hash_bytes
from photograft.data.images import Decoded
from photograft.data.pool import DecodePool
from photograft.errors import ConfigError, ImageRejected
from photograft.features.engine_maps import MapEngine
from photograft.inference.classifier import Classifier, Prediction
from photograft.inference.evidence import (
    Question,
    chances,
    log_odds,
    questions_about,
    questions_named,
    target_logits,
    target_row,
)
from photograft.inference.heat_maps import HeatMap, Looked, class_activation, empty_picture, look
from photograft.inference.occlusion import Coverings, Faith, check_faith, occlude
from photograft.models.bundle import Bundle, find_bundle, read_bundle
from photograft.values import PixelArray
from photograft.workflow.gradient import GradientMaps
from photograft.workflow.narrator import Narrator, Silent
from photograft.workflow.neighbours import Known, Neighbour, Neighbours, join_embeddings, open_neighbours

Method = Literal["auto", "cam", "occlusion", "gradient"]
METHODS: tuple[Method, ...] = ("auto", "cam", "occlusion", "gradient")

ENOUGH = 0.5
"""The share of the evidence that must be traced to places, so that class activation is shown."""
_RIVAL = 0.05
"""How probable the second class must be for what speaks for it to be shown."""


@dataclass(frozen=True)
class Answer:
    """An answer of the model about a photo, and where in the photo it comes from.

    `factor` is empty where classes have none. `faith` says how far `heat_map` can be trusted for this very photo.
    """

    factor: str
    label: str
    probability: float
    heat_map: HeatMap
    faith: Faith | None = None


@dataclass(frozen=True)
class Explanation:
    """Why the model said what it said of one photo.

    `answers` hold the predicted class, a value per factor, or each label that is given; `rival` is the second class
    where it was close. `neighbours` are the most similar photos that the model learned from; empty where only the
    bundle is there. `known` is this very photo among those of the run, if it is one. `pixels` are what the network saw,
    and `width` and `height` give it the shape of the photo back (0 where it has it). A photo that could not be read has
    only the prediction, which says why.
    """

    prediction: Prediction
    answers: tuple[Answer, ...] = ()
    rival: Answer | None = None
    neighbours: tuple[Neighbour, ...] = ()
    known: Known | None = None
    pixels: PixelArray | None = field(default=None, repr=False)
    width: int = 0
    height: int = 0


def explain(
    model: str | os.PathLike[str],
    photos: Sequence[str | os.PathLike[str]],
    *,
    method: Method = "auto",
    label: str | None = None,
    top: int = 6,
    narrator: Narrator | None = None,
) -> list[Explanation]:
    """Explain what the model of a run or bundle says of photos: heat maps, and the nearest photos it learned from.

    Args:
        model: The folder of a run, or of a bundle, which knows no training photos.
        photos: Files.
        method: How heat maps are made: `cam` from the network's own maps, `occlusion` by covering parts of the photo,
            `gradient` by torch from the run's weights; `auto` is `cam` where that explains most of the answer, else
            `occlusion`.
        label: Explain this class, or value of a factor, rather than what is predicted.
        top: How many training photos to name.
        narrator: Who is told how far it is.

    Raises:
        ConfigError: The model knows no such class.
        ModelError: There is no such model, or `gradient` cannot rebuild its network.
    """
    narrator = narrator or Silent()
    bundle = read_bundle(Path(model))
    if method not in METHODS:
        raise ConfigError(f"--method: {method!r} is none of {', '.join(METHODS)}.")
    if label is not None:
        questions_named(label, bundle)
    run = run_of(Path(model))
    neighbours = None if run is None or not top else open_neighbours(run, narrator)
    with ExitStack() as stack:
        classifier = stack.enter_context(Classifier(bundle))
        explainer = Explainer(classifier, method=method, label=label, run=run)
        stack.callback(explainer.close)
        progress = stack.enter_context(narrator.progress(len(photos), "Explaining"))
        explanations = []
        for photo in photos:
            explanations.append(explainer.explain(os.fspath(photo), neighbours, top=top))
            progress.advance()
    return explanations


def run_of(model: Path) -> Path | None:
    """The run that a run or bundle path belongs to; None for a bundle on its own."""
    bundle = find_bundle(model).resolve()
    return bundle.parent if bundle.name == "model" and (bundle.parent / "config.resolved.yaml").is_file() else None


class Explainer:
    """Explains photos one by one with a loaded model."""

    def __init__(
        self, classifier: Classifier, *, method: Method = "auto", label: str | None = None, run: Path | None = None
    ) -> None:
        self.bundle: Bundle = classifier.bundle
        self._classifier, self._method, self._label = classifier, method, label
        self._engines = {key: MapEngine(path) for key, path in self.bundle.networks.items()}
        self._limits = DataConfig(**self.bundle.info.inputs.get("limits", {}))
        self._pools = {
            key: DecodePool(contract, workers=1, timeout_s=self._limits.timeout_s)
            for key, contract in self.bundle.contracts.items()
        }
        self._gradient = GradientMaps(self.bundle, run) if method == "gradient" else None

    def close(self) -> None:
        """End the decoder processes."""
        for pool in self._pools.values():
            pool.close()

    def explain(self, path: str, neighbours: Neighbours | None, *, top: int = 6) -> Explanation:
        """Explain one file."""
        (prediction,) = self._classifier.predict_each([path])
        try:
            data, _ = read_input(path, max_file_mb=self._limits.max_file_mb)
            decoded = {key: pool.decode(data) for key, pool in self._pools.items()}
        except ImageRejected:
            return Explanation(prediction)
        if prediction.label is None:
            return Explanation(prediction)
        pixels = {key: each.pixels for key, each in decoded.items()}
        seen = look(self.bundle, self._engines, pixels)
        asked = self._label
        questions = questions_about(prediction, self.bundle) if asked is None else questions_named(asked, self.bundle)
        answers = self._answer(questions, seen, pixels, check=True)
        rival = self._rival(prediction)
        known = None if neighbours is None else neighbours.known(hash_bytes(data))
        near: Sequence[Neighbour] = ()
        if neighbours is not None:
            embedding_1D = join_embeddings(self.bundle, seen.embeddings)
            near = neighbours.of(embedding_1D[0], top=top, without=() if known is None else (known.name,))
        first = next(iter(decoded.values()))
        width, height = shown_size(self.bundle, first)
        return Explanation(
            prediction,
            tuple(answers),
            None if rival is None else self._answer([rival], seen, pixels, check=False)[0],
            tuple(near),
            known,
            first.pixels,
            width,
            height,
        )

    def _answer(
        self, questions: Sequence[Question], seen: Looked, pixels: dict[str, PixelArray], *, check: bool
    ) -> list[Answer]:
        coverings = Coverings(self.bundle, self._engines, pixels)
        maps = self._maps(questions, seen, pixels, coverings)
        return [
            Answer(
                question.factor,
                question.label,
                self._probability(question, seen),
                heat_map,
                check_faith(question, heat_map, coverings) if check else None,
            )
            for question, heat_map in zip(questions, maps, strict=True)
        ]

    def _maps(
        self, questions: Sequence[Question], seen: Looked, pixels: dict[str, PixelArray], coverings: Coverings
    ) -> list[HeatMap]:
        if self._gradient is not None:
            return [self._gradient.heat_map(question, seen, pixels) for question in questions]
        if self._method == "occlusion":
            return occlude(questions, coverings)
        empty = look(self.bundle, self._engines, empty_picture(pixels))
        maps = [class_activation(question, self.bundle, seen, empty) for question in questions]
        if self._method == "auto" and any(each.share < ENOUGH for each in maps):
            return occlude(questions, coverings)
        return maps

    def _rival(self, prediction: Prediction) -> Question | None:
        """The second class where classes have no factors, exclude each other, and it was close."""
        if self._label is not None or prediction.factors or self.bundle.several or len(prediction.top) < 2:
            return None
        label, chance = prediction.top[1]
        return questions_named(label, self.bundle)[0] if chance >= _RIVAL else None

    def _probability(self, question: Question, seen: Looked) -> float:
        logits_1M = target_logits(self.bundle, target_row(self.bundle, question), seen.embeddings)
        return float(chances(log_odds(question, self.bundle, logits_1M))[0])


def shown_size(bundle: Bundle, decoded: Decoded) -> tuple[int, int]:
    """Width and height that give pixels of the first contract the shape of what they show; zeros where they have it."""
    if bundle.contract.crop.rule == "center":
        return 0, 0
    left, top, right, bottom = decoded.box or (0, 0, decoded.width, decoded.height)
    return right - left, bottom - top
