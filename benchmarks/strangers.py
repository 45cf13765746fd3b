"""How well models tell photos of other sets and classes that they never learned, beside four usual scores.

    python benchmarks/strangers.py --set flowers=FOLDER --set dogs=FOLDER --table faces=FILE.csv:mask

Each set in turn trains a model; its own photos that were not trained on are the known ones, those of every other set
the strangers. All scores are of the same embeddings: the statistic of the bundle, the highest probability, the highest
logit, energy, the tenth nearest training photo by cosine (Sun et al. 2022), and Mahalanobis distance to the nearest
class (Lee et al. 2018) with a covariance shrunk by a tenth. AUROC: the chance that a stranger scores higher than a
known photo. Told: the share of strangers above the limit that 5 % of the known photos exceed.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import machine
import photograft
from photo_sets import photos_by_class, textile_folder
from photograft.data.csv_text import read_table
from photograft.features.extract import BATCH
from photograft.inference.classifier import Classifier
from photograft.inference.decisions import strangeness
from photograft.metrics.ranking import auroc
from photograft.values import DoubleArray, FloatArray, IntArray

OURS = "photograft"
_NEIGHBOURS = 10
_FALSE_ALARMS = 0.05

_EMBEDDED: dict[tuple[str, Path], FloatArray] = {}

Sample = dict[str, tuple[list[Path], list[Path]]]
"""By class: files to train on, and others of it."""


@dataclass(frozen=True)
class Learnt:
    """What a score may know of the training photos: embeddings (N, D), class numbers and the linear head."""

    embedding_ND: FloatArray
    label_N: IntArray
    weight_DK: FloatArray
    bias_K: FloatArray

    def logits(self, embedding_ND: FloatArray) -> DoubleArray:
        """Of every class."""
        return (embedding_ND @ self.weight_DK + self.bias_K).astype(np.float64)


def main() -> None:
    """Measure all sets against each other and print a table; out/strangers.json has every number."""
    arguments = _parse()
    sets = {name: draw(by_class, arguments) for name, by_class in _sets(arguments).items()}
    os.environ["PHOTOGRAFT_CACHE"] = str(arguments.cache)
    rows, alarms = [], {}
    with tempfile.TemporaryDirectory(prefix="strangers-") as scratch:
        for name, sample in sets.items():
            run = photograft.train(
                _link(sample, Path(scratch) / name),
                config=photograft.load_config(None, ["split.test=0"], quality=arguments.quality),
                runs_dir=Path(scratch) / "runs",
            )
            with photograft.load(run.bundle) as model:
                learnt, known_ND = _learnt(model, sample), embed(model, _new(sample))
                alarms[name] = flagged(model, known_ND)
                for other, theirs in sets.items():
                    if other != name:
                        rows += compare(model, learnt, known_ND, embed(model, _new(theirs)), name, other)
            print(f"{name}: {alarms[name]:.1%} of its own new photos are called unfamiliar", flush=True)
    print_rows(rows)
    machine.write_json("strangers", machine.facts(), vars(arguments), {"false_alarms": alarms, "rows": rows})


def compare(
    model: Classifier, learnt: Learnt, known_ND: FloatArray, strange_ND: FloatArray, name: str, other: str
) -> list[dict[str, object]]:
    """A row per score."""
    familiar = model.bundle.familiar
    assert familiar is not None
    scores: dict[str, Callable[[FloatArray], DoubleArray]] = {
        OURS: lambda each_ND: strangeness(each_ND, familiar),
        **peers(learnt),
    }
    rows = []
    for score, of in scores.items():
        known_N, strange_N = of(known_ND), of(strange_ND)
        is_strange = np.repeat([False, True], [len(known_N), len(strange_N)])
        limit = np.quantile(known_N, 1 - _FALSE_ALARMS)
        rows.append(
            {
                "model": name,
                "strangers": other,
                "score": score,
                "known": len(known_N),
                "n": len(strange_N),
                "auroc": auroc(np.concatenate([known_N, strange_N]), is_strange),
                "told_at_5_percent": float((strange_N > limit).mean()),
                "told_by_limit": flagged(model, strange_ND) if score == OURS else None,
            }
        )
    return rows


def peers(learnt: Learnt) -> dict[str, Callable[[FloatArray], DoubleArray]]:
    """Usual scores, higher for stranger photos."""
    unit_ND = _unit(learnt.embedding_ND)
    nearest = _mahalanobis(learnt)

    def energy(each_ND: FloatArray) -> DoubleArray:
        return np.asarray(np.logaddexp.reduce(learnt.logits(each_ND), axis=1))

    return {
        "highest probability": lambda each_ND: -np.exp(learnt.logits(each_ND).max(axis=1) - energy(each_ND)),
        "highest logit": lambda each_ND: -learnt.logits(each_ND).max(axis=1),
        "energy": lambda each_ND: -energy(each_ND),
        "tenth neighbour": lambda each_ND: -np.sort(_unit(each_ND) @ unit_ND.T, axis=1)[:, -_NEIGHBOURS].astype(float),
        "Mahalanobis": nearest,
    }


def flagged(model: Classifier, embedding_ND: FloatArray) -> float:
    """Share of photos that the bundle calls unfamiliar."""
    familiar, row = model.bundle.familiar, model.bundle.info.decisions.unfamiliar
    assert familiar is not None and row is not None
    return float((strangeness(embedding_ND, familiar) > row.limit).mean())


def embed(model: Classifier, files: list[Path]) -> FloatArray:
    """Embeddings (N, D) by the model's first network."""
    network = model.bundle.info.networks[0]
    new = [file for file in files if (network.id, file) not in _EMBEDDED]
    for start in range(0, len(new), BATCH):
        batch = new[start : start + BATCH]
        pixels = [each[network.contract] for each in model.pixels_each(batch) if each is not None]
        for file, vector_D in zip(batch, model.embed_with(network.id, np.stack(pixels)), strict=True):
            _EMBEDDED[network.id, file] = vector_D
    return np.stack([_EMBEDDED[network.id, file] for file in files])


def draw(by_class: dict[str, list[Path]], arguments: argparse.Namespace) -> Sample:
    """Photos to train on and others, at random; half of a class at most are trained on."""
    rng = np.random.default_rng(0)
    sample = {}
    for label, files in by_class.items():
        order = [files[i] for i in rng.permutation(len(files))]
        n = min(arguments.per_class, len(order) // 2)
        sample[label] = (order[:n], order[n : n + max(1, arguments.new // len(by_class))])
    return sample


def print_rows(rows: list[dict[str, object]]) -> None:
    """AUROC of every score, one line per model and set of strangers, and the share that the bundle's limit tells."""
    scores = list(dict.fromkeys(str(row["score"]) for row in rows))
    print(f"\n{'model':10} {'strangers':10} " + " ".join(f"{score:>19}" for score in scores) + "   told by the limit")
    for model, other in dict.fromkeys((row["model"], row["strangers"]) for row in rows):
        own = {row["score"]: row for row in rows if (row["model"], row["strangers"]) == (model, other)}
        numbers = " ".join(f"{own[score]['auroc']:19.3f}" for score in scores)
        print(f"{model:10} {other:10} {numbers}   {own[OURS]['told_by_limit']:.0%}")
    means = {score: np.mean([float(str(row["auroc"])) for row in rows if row["score"] == score]) for score in scores}
    print(f"{'mean':21} " + " ".join(f"{means[score]:19.3f}" for score in scores))


def _mahalanobis(learnt: Learnt) -> Callable[[FloatArray], DoubleArray]:
    numbers = np.unique(learnt.label_N)
    mean_KD = np.stack([learnt.embedding_ND[learnt.label_N == k].mean(axis=0) for k in numbers])
    rest_ND = learnt.embedding_ND - mean_KD[np.searchsorted(numbers, learnt.label_N)]
    # Shrunk towards equal variances v: with S = U diag(s^2) U', the inverse is 1/v outside of U.
    _, singular_R, basis_RD = np.linalg.svd(rest_ND, full_matrices=False)
    variance_R = singular_R**2 / max(len(rest_ND) - len(numbers), 1)
    floor = 0.1 * variance_R.sum() / rest_ND.shape[1]
    inverse_R = 1 / (0.9 * variance_R + floor) - 1 / floor

    def distance(each_ND: FloatArray) -> DoubleArray:
        away = [each_ND - mean_D for mean_D in mean_KD]
        return np.min([((a**2).sum(1) / floor + ((a @ basis_RD.T) ** 2) @ inverse_R) for a in away], axis=0)

    return distance


def _learnt(model: Classifier, sample: Sample) -> Learnt:
    head = model.bundle.heads[model.bundle.info.heads[0].id]
    files = [file for trained, _ in sample.values() for file in trained]
    label_N = np.repeat(np.arange(len(sample)), [len(trained) for trained, _ in sample.values()])
    return Learnt(embed(model, files), label_N.astype(np.int64), head.weight_DM, head.bias_M)


def _new(sample: Sample) -> list[Path]:
    return [file for _, others in sample.values() for file in others]


def _link(sample: Sample, folder: Path) -> Path:
    for label, (trained, _) in sample.items():
        (folder / label).mkdir(parents=True)
        for number, file in enumerate(trained):
            (folder / label / f"{number:04d}{file.suffix}").symlink_to(file.resolve())
    return folder


def _unit(embedding_ND: FloatArray) -> FloatArray:
    return embedding_ND / np.linalg.norm(embedding_ND, axis=1, keepdims=True)


def _sets(arguments: argparse.Namespace) -> dict[str, dict[str, list[Path]]]:
    sets = {name: photos_by_class(Path(folder)) for name, _, folder in (each.partition("=") for each in arguments.set)}
    for name, _, place in (each.partition("=") for each in arguments.table):
        file, _, column = place.rpartition(":")
        sets[name] = {}
        for row in read_table(Path(file).read_bytes()):
            sets[name].setdefault(row[column].strip("<>="), []).append(Path(file).parent / row["path"])
    if arguments.textile:
        sets["textile"] = photos_by_class(textile_folder())
    if len(sets) < 2:
        raise SystemExit("Give two sets or more: --set NAME=FOLDER, --table NAME=FILE.csv:COLUMN, --textile.")
    return sets


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=FOLDER", help="one sub-folder per class")
    parser.add_argument("--table", action="append", default=[], metavar="NAME=CSV:COLUMN", help="with a column `path`")
    parser.add_argument("--textile", action="store_true", help="the textile photos of the demo extra")
    parser.add_argument("--per-class", type=int, default=100, help="photos of a class to train on")
    parser.add_argument("--new", type=int, default=200, help="other photos of a set")
    parser.add_argument("--quality", default="fast", choices=("fast", "good"), help="level of the models")
    parser.add_argument("--cache", type=Path, required=True, help="cache folder")
    return parser.parse_args()


if __name__ == "__main__":
    main()
