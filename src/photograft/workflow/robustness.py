"""The finished model on worse photos: the same photos that its score rests on, as many as a time limit allows."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from photograft.config import Config
from photograft.data.boxes import Boxed
from photograft.data.corruptions import TURNS, turned_file
from photograft.data.csv_text import read_table
from photograft.errors import ModelError
from photograft.evaluation.robustness import (
    FEWEST,
    VARIANTS,
    draw_evenly,
    judge_robustness,
    photos_within,
    vary,
)
from photograft.inference.classifier import Classifier
from photograft.models.bundle import read_bundle
from photograft.reporting.records import read_manifest
from photograft.reporting.robustness_section import EXAMPLES, left_out, robustness_document, say_robustness
from photograft.tracking.cache import Cache, cache_folder
from photograft.tracking.run_folder import RunFolder
from photograft.values import BoolArray, FloatArray, IntArray, Manifest, Photo, PixelArray, Predictions
from photograft.workflow.corrupted import photo_key
from photograft.workflow.facts import right
from photograft.workflow.kept_variants import KeptVariants
from photograft.workflow.members import refit_of
from photograft.workflow.narrator import Narrator, Silent
from photograft.workflow.thumbnails import read_unchanged

_PILOT = 5
"""Photos by which the cost of one is measured, the first of them left out: it loads the networks."""

_OVERTIME = 1.5
"""The work stops at so many times the limit, where the machine has become slower than it was measured."""

_TURNED = 20
"""Photos that are stored turned and read again. The pixels come out alike or not, so a few show it."""


@dataclass(frozen=True)
class Judged:
    """The usable photos that the score of a run rests on, and their groups (N,).

    `what` is that of the headline, and `seen` says that the shipped model was trained on them.
    """

    what: str
    seen: bool
    photos: tuple[Photo, ...]
    group_N: IntArray


@dataclass(frozen=True)
class _Look:
    """One photo: whether it is right as each variant, what it is named as each of the examples, and its pixels."""

    right_V: BoolArray
    named: tuple[str, ...]
    pixels: PixelArray


def run_robustness(
    run: RunFolder, config: Config, *, root: Path, what: str, limit_s: float, narrator: Narrator | None = None
) -> dict[str, Any]:
    """Try the model of a run on worse photos; gives the section of report.json.

    Opens no test part beyond that of the run: the photos are those of its own score.

    Args:
        run: A run whose bundle and tables are written.
        config: Its settings.
        root: Folder or archive of its photos.
        what: Photos that the headline is about, as `Evaluation.what` names them.
        limit_s: Seconds that it may take, about.
        narrator: Is told the result in a sentence.

    Raises:
        ModelError: A table of the run is damaged.
    """
    judged = read_photos(run, config, root=root, what=what)
    with Classifier(read_bundle(run.model), data=config.data) as classifier:
        return robustness_of(judged, classifier, root=root, config=config, limit_s=limit_s, narrator=narrator)


def read_photos(run: RunFolder, config: Config, *, root: Path, what: str) -> Judged:
    """The photos that the headline of a run is about, from its tables."""
    try:
        splits = {row["path"]: row for row in read_table((run.path / "splits.csv").read_bytes())}
        rows = read_table((run.path / "predictions.csv").read_bytes())
        every = {p.name: p for p in read_manifest((run.path / "manifest.csv").read_bytes(), root).usable.photos}
        in_test = what.startswith("test")
        names = [row["path"] for row in rows if (row["part"] == "test") == in_test]
        if what == "test":
            names = [name for name in names if splits[name]["leaked"] == "0"]
        groups = [int(splits[name]["group"]) for name in names]
        photos = tuple(every[name] for name in names)
    except (OSError, KeyError, ValueError) as error:
        raise ModelError(f"{run.path}: its tables are damaged ({error!r}): train it again.") from error
    refit = refit_of(config)
    seen = refit == "all" if in_test else not (what == "validation" and refit == "none")
    return Judged(what, seen, photos, np.array(groups, dtype=np.int64))


def robustness_of(
    judged: Judged,
    classifier: Classifier,
    *,
    root: Path,
    config: Config,
    limit_s: float,
    narrator: Narrator | None = None,
    now: Callable[[], float] = time.perf_counter,
) -> dict[str, Any]:
    """Try a model on worse photos, drawn evenly from the classes; gives the section of report.json.

    The first photos tell what one costs, and that how many there will be.
    """
    narrator, started, limits = narrator or Silent(), now(), config.cache
    classes = set(classifier.classes)
    photos = {photo.name: photo for photo in judged.photos if not classes.isdisjoint(photo.all_labels)}
    order = _in_order(list(photos.values()), seed=config.split.seed)
    with Cache(cache_folder(limits.dir), max_bytes=int(limits.max_gb * 1e9)) as cache:
        kept = KeptVariants(classifier, cache, seed=config.split.seed)
        trial = _Trial(classifier, kept, root, config, limit_s, narrator, now)
        looks, why, enough_for = trial.look(order)
    if why:
        document = left_out(why, enough_for)
        narrator.say(say_robustness(document)[0])
        return document
    group_of = {photo.name: group for photo, group in zip(judged.photos, judged.group_N.tolist(), strict=True)}
    names = [photo.name for photo in order if photo.name in looks]
    right_NV = np.stack([looks[name].right_V for name in names])
    facts = judge_robustness(right_NV, np.array([group_of[name] for name in names], dtype=np.int64))
    document = robustness_document(
        facts,
        what=judged.what,
        seen=judged.seen,
        of=len(photos),
        n_classes=len({photos[name].all_labels for name in names}),
        turned=_read_turned([looks[name].pixels for name in names[:_TURNED]], classifier),
        example=_example([photos[name] for name in names], looks, facts.corruptions),
        seconds=now() - started,
    )
    narrator.say(f"On worse photos: {say_robustness(document)[0]}")
    return document


def _in_order(photos: Sequence[Photo], *, seed: int) -> list[Photo]:
    """The photos in an order of chance whose beginnings are even; of several labels the rarest one counts."""
    counts: dict[str, int] = {}
    for label in itertools.chain.from_iterable(photo.all_labels for photo in photos):
        counts[label] = counts.get(label, 0) + 1
    classes = [min(photo.all_labels, key=lambda label: (counts[label], label)) for photo in photos]
    return [photos[row] for row in draw_evenly(classes, seed=seed)]


@dataclass(frozen=True)
class _Trial:
    """A model that looks at photos for a limited time."""

    classifier: Classifier
    kept: KeptVariants
    root: Path
    config: Config
    limit_s: float
    narrator: Narrator
    now: Callable[[], float]

    def look(self, order: Sequence[Photo]) -> tuple[dict[str, _Look], str, int]:
        """As many photos as there is time for, by name; where these are too few, why, and how many they are."""
        if len(order) < FEWEST:
            return {}, "photos", len(order)
        looks: dict[str, _Look] = {}
        started, cost_s = self.now(), self.kept.cost_s
        if cost_s is None or photos_within(self.limit_s, cost_s, len(order)) < FEWEST:
            # What was measured on a busy machine must not be the last word: other photos are measured then.
            first = 0 if cost_s is None else _PILOT
            clocked: list[float] = []
            for name, look in self._each(order[first : first + _PILOT]):
                looks[name] = look
                clocked.append(self.now())
            if len(clocked) < 2:
                return {}, "photos", len(looks)
            cost_s = (clocked[-1] - clocked[0]) / (len(clocked) - 1)
            self.kept.keep_cost(cost_s)
        n = photos_within(self.limit_s, cost_s, len(order))
        if n < FEWEST:
            return {}, "time", n
        late = False
        with self.narrator.progress(n, "Trying worse photos") as progress:
            progress.advance(len(looks))
            for name, look in self._each([photo for photo in order[:n] if photo.name not in looks]):
                looks[name] = look
                progress.advance()
                late = self.now() - started > _OVERTIME * self.limit_s
                if late:
                    break
        why = "" if len(looks) >= FEWEST else "time" if late else "photos"
        return looks, why, len(looks)

    def _each(self, photos: Sequence[Photo]) -> Iterator[tuple[str, _Look]]:
        """Every photo that is still what it was, in the order in which files are read best."""
        by_name = {photo.name: photo for photo in photos}
        names: list[str] = []

        def contents() -> Iterator[bytes | Boxed]:
            for name, content in read_unchanged(self.root, by_name, max_file_mb=self.config.data.max_file_mb):
                names.append(name)
                yield content

        for row, pixels in enumerate(self.classifier.pixels_each(contents())):
            if pixels is not None:
                photo = by_name[names[row]]
                predictions = _predict(photo, pixels, self.classifier, self.kept, seed=self.config.split.seed)
                shown = tuple(_named(predictions, VARIANTS.index(name)) for name in EXAMPLES)
                yield photo.name, _Look(right(predictions), shown, next(iter(pixels.values())))


def _predict(
    photo: Photo, pixels: Mapping[str, PixelArray], classifier: Classifier, kept: KeptVariants, *, seed: int
) -> Predictions:
    """The photo as every variant, by the first view of each network; a photo of several contracts varies in each."""
    embeddings: dict[str, FloatArray] = {}
    variants: dict[str, PixelArray] = {}
    for row in classifier.bundle.info.networks:
        embedding_VD = kept.find(row, photo)
        if embedding_VD is None:
            if row.contract not in variants:
                variants[row.contract] = np.stack(list(vary(pixels[row.contract], photo_key(photo, seed=seed))))
            embedding_VD = classifier.embed_with(row.id, variants[row.contract], one_view=True)
            kept.keep(row, photo, embedding_VD)
        embeddings[row.id] = embedding_VD
    one = Manifest(Path(), (photo,))
    label_N, member_NK = one.label_indices(classifier.classes), None
    if classifier.bundle.several:
        label_N, member_NK = np.array([-1]), np.repeat(one.label_matrix(classifier.classes), len(VARIANTS), axis=0)
    return classifier.table([photo.name] * len(VARIANTS), embeddings, np.repeat(label_N, len(VARIANTS)), member_NK)


def _named(predictions: Predictions, row: int) -> str:
    """The class that is named, or the labels that are given."""
    if predictions.threshold_K is None:
        return predictions.classes[int(predictions.best_N[row])]
    return ", ".join(predictions.classes[k] for k in np.flatnonzero(predictions.given_NK[row])) or "–"


def _read_turned(photos: Sequence[PixelArray], classifier: Classifier) -> tuple[int, int] | None:
    """How many photos give the same pixels, and so the same answer, where they are stored turned; and of how many.

    None where the settings do not allow the format that such files are written in.
    """
    if not all("PNG" in contract.decode.formats for contract in classifier.bundle.contracts.values()):
        return None
    files = (turned_file(pixels, turn) for pixels in photos for turn in (1, *TURNS))
    alike = 0
    for upright, *turned in _in_tuples(classifier.pixels_each(files), 1 + len(TURNS)):
        alike += upright is not None and all(
            each is not None and all((each[contract] == upright[contract]).all() for contract in upright)
            for each in turned
        )
    return alike, len(photos)


def _in_tuples(items: Iterable[Any], size: int) -> Iterator[tuple[Any, ...]]:
    return zip(*[iter(items)] * size, strict=True)


def _example(photos: Sequence[Photo], looks: Mapping[str, _Look], effects: Mapping[Any, Any]) -> dict[str, Any]:
    """A photo that is right unchanged and wrong under the corruption that costs most, if there is one."""
    kind, strength = max((key for key in effects if key[1] == 2), key=lambda key: effects[key].drop)
    worst = VARIANTS.index(f"{kind} {strength}")

    def fitness(photo: Photo) -> tuple[bool, bool]:
        right_V = looks[photo.name].right_V
        return bool(right_V[0]), not right_V[worst]

    photo = max(photos, key=fitness)
    look = looks[photo.name]
    return {
        "path": photo.name,
        "label": ", ".join(photo.all_labels),
        "named": dict(zip(EXAMPLES, look.named, strict=True)),
        "right": {name: bool(look.right_V[VARIANTS.index(name)]) for name in EXAMPLES},
    }
