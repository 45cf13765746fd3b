"""Find labels that were flipped on purpose, beside cleanlab, and say what correcting them brings.

For every seed the photos are divided once. Then the labels of some of the photos outside the test part are flipped to
another class, by a journal of edits, and a run is trained on them. Its list is read from the top, as a person would:
what was flipped and stands in the first part of the list gets its true label back. A last run is trained on that. The
test photos keep their labels, and no run has seen them.

cleanlab ranks the same photos by the same probabilities.

    python benchmarks/label_errors.py --flowers FOLDER
"""

from __future__ import annotations

import argparse
import math
import random
import tempfile
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import machine
from photo_sets import add_set_arguments, chosen_sets
from photograft.data.csv_text import read_table
from photograft.data.edits import append_edit
from photograft.reporting.doubts import read_doubts
from tested import Gap, Tested, compare, pooled, train_and_test

_SCORES = ("normalized_margin", "self_confidence", "confidence_weighted_entropy")
_BY_ISSUES = "find_label_issues"


@dataclass(frozen=True)
class Planted:
    """The runs of one seed, and where each list has the photos that were flipped.

    `flipped` are their names, `orders` lists of all photos outside the test part by what ranks them, most doubtful
    first, and `doubted` those that confident learning takes for wrong.
    """

    clean: Tested
    before: Tested
    after: Tested
    flipped: frozenset[str]
    orders: Mapping[str, Sequence[str]]
    doubted: frozenset[str]

    def found(self, ranked_by: str, look: float) -> float:
        """The share of flipped photos in the first `look` of a list."""
        order = self.orders[ranked_by]
        return len(self.flipped & set(order[: math.ceil(look * len(order))])) / len(self.flipped)

    def average_precision(self, ranked_by: str) -> float:
        """The mean, over the flipped photos, of the share of flipped ones in the list down to each."""
        hit_N = np.array([name in self.flipped for name in self.orders[ranked_by]])
        return float((hit_N.cumsum() / np.arange(1, len(hit_N) + 1))[hit_N].mean())


def main() -> None:
    arguments = _parse()
    facts = machine.facts()
    print(machine.describe(facts))
    results = {}
    with tempfile.TemporaryDirectory(prefix="label-errors-") as scratch:
        for name, photos in chosen_sets(arguments, Path(scratch)).items():
            runs = []
            for seed in arguments.seeds:
                machine.say(f"{name}, seed {seed}")
                runs.append(_plant(photos, arguments, seed, Path(scratch) / f"{name}-{seed}"))
            results[name] = _document(runs, arguments.look)
            _show(name, runs, arguments)
    machine.write_json("label_errors", facts, vars(arguments), results)


def _plant(photos: Path, arguments: argparse.Namespace, seed: int, scratch: Path) -> Planted:
    """Train on true, on flipped, and on corrected labels, with the same parts."""

    def train(name: str, *settings: str) -> Tested:
        given = (f"train.seed={seed}", "report.thumbnails=false", *settings)
        cache, runs_dir = arguments.cache, scratch / name
        return train_and_test(photos, *given, quality=arguments.quality, seed=seed, cache=cache, runs_dir=runs_dir)

    clean = train("clean")
    same_parts = f"split.file={clean.run / 'splits.csv'}"
    flips = _draw(read_table((clean.run / "splits.csv").read_bytes()), arguments.share, seed)
    before = train("flipped", same_parts, f"data.edits={_journal(scratch / 'flipped.csv', flips)}")
    flipped = frozenset(row["path"] for row, _ in flips)
    doubts = [doubt for doubt in read_doubts(before.run) if doubt.part != "test"]
    orders = {"photograft": [doubt.path for doubt in doubts], **_peers(before.run, seed)}
    seen = set(orders["photograft"][: math.ceil(arguments.look * len(doubts))])
    left = [(row, label) for row, label in flips if row["path"] not in seen]
    journal = _journal(scratch / "corrected.csv", left)
    after = train("corrected", same_parts, f"data.edits={journal}")
    return Planted(clean, before, after, flipped, orders, frozenset(doubt.path for doubt in doubts if doubt.doubted))


def _draw(rows: Sequence[Mapping[str, str]], share: float, seed: int) -> list[tuple[Mapping[str, str], str]]:
    """Photos outside the test part, each with another label; never a copy, whose edit would count for all copies."""
    times = Counter(row["sha256"] for row in rows)
    rng, classes = random.Random(seed), sorted({row["label"] for row in rows})
    learned = [row for row in rows if row["part"] in ("train", "val")]
    drawn = rng.sample([row for row in learned if times[row["sha256"]] == 1], round(share * len(learned)))
    return [(row, rng.choice([label for label in classes if label != row["label"]])) for row in drawn]


def _journal(file: Path, flips: Sequence[tuple[Mapping[str, str], str]]) -> Path:
    for row, label in flips:
        append_edit(file, "relabel", row["sha256"], path=row["path"], value=label, note="flipped")
    if not flips:
        file.write_text("time,action,sha256,object,path,value,note\n", encoding="utf-8")
    return file


def _peers(run: Path, seed: int) -> dict[str, list[str]]:
    """The lists of cleanlab, and one in random order."""
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    rows = [row for row in read_table((run / "predictions.csv").read_bytes()) if row["part"] != "test"]
    classes = [name for name in rows[0] if name.startswith("p_")]
    probability_NK = np.array([[float(row[name]) for name in classes] for row in rows])
    probability_NK /= probability_NK.sum(axis=1, keepdims=True)
    label_N = np.array([classes.index(f"p_{row['label']}") for row in rows])
    names = np.array([row["path"] for row in rows], dtype=object)
    orders, quality = {}, {}
    for score in _SCORES:
        quality[score] = get_label_quality_scores(label_N, probability_NK, method=score)
        orders[f"cleanlab {score}"] = names[np.argsort(quality[score], kind="stable")].tolist()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        issues = find_label_issues(label_N, probability_NK, return_indices_ranked_by="self_confidence", n_jobs=1)
    rest = [i for i in np.argsort(quality["self_confidence"], kind="stable") if i not in set(issues.tolist())]
    orders[f"cleanlab {_BY_ISSUES}"] = names[[*issues.tolist(), *rest]].tolist()
    orders["random order"] = random.Random(f"order {seed}").sample(names.tolist(), len(names))
    return orders


def _document(runs: Sequence[Planted], look: float) -> dict[str, Any]:
    return {
        "photos": [len(run.orders["photograft"]) for run in runs],
        "flipped": [len(run.flipped) for run in runs],
        "lists": {
            name: {
                "found": machine.over_seeds([run.found(name, look) for run in runs]),
                "average_precision": machine.over_seeds([run.average_precision(name) for run in runs]),
            }
            for name in runs[0].orders
        },
        "doubted": {
            "n": [len(run.doubted) for run in runs],
            "flipped_among_them": [len(run.doubted & run.flipped) for run in runs],
        },
        "test": {name: vars(pooled(series)) for name, series in _series(runs).items()},
        "gains": {name: vars(gap) for name, gap in _gains(runs).items()},
    }


def _series(runs: Sequence[Planted]) -> dict[str, list[Tested]]:
    return {
        "true labels": [run.clean for run in runs],
        "flipped": [run.before for run in runs],
        "corrected": [run.after for run in runs],
    }


def _gains(runs: Sequence[Planted]) -> dict[str, Gap]:
    series = _series(runs)
    return {
        "corrected - flipped": compare(series["corrected"], series["flipped"]),
        "corrected - true labels": compare(series["corrected"], series["true labels"]),
    }


def _show(name: str, runs: Sequence[Planted], arguments: argparse.Namespace) -> None:
    rows = []
    for ranked_by in runs[0].orders:
        found = machine.over_seeds([run.found(ranked_by, arguments.look) for run in runs])
        precision = machine.over_seeds([run.average_precision(ranked_by) for run in runs])
        rows.append([ranked_by, *(f"{each['mean']:.1%} ± {each['sd']:.1%}" for each in (found, precision))])
    planted, photos = sum(len(run.flipped) for run in runs), sum(len(run.orders["photograft"]) for run in runs)
    title = f"{name}: {planted:,} of {photos:,} labels flipped, {len(runs)} seeds, quality {arguments.quality}"
    machine.print_table(title, ["list", f"found in the first {arguments.look:.0%}", "average precision"], rows)
    n, hits = sum(len(run.doubted) for run in runs), sum(len(run.doubted & run.flipped) for run in runs)
    print(f"\nDoubted: {n:,} photos, of which {hits:,} were flipped ({hits / max(planted, 1):.1%} of the flipped ones)")
    shares = {label: pooled(series) for label, series in _series(runs).items()}
    rows = [[label, f"{s.accuracy:.1%}", f"{s.low:.1%} - {s.high:.1%}", f"{s.n:,}"] for label, s in shares.items()]
    machine.print_table("Accuracy on the untouched test photos", ["labels", "accuracy", "95 %", "photos"], rows)
    print("\n" + "\n".join(f"{label}: {gap}" for label, gap in _gains(runs).items()))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_set_arguments(parser)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--share", type=float, default=0.05, help="of the labels that are flipped")
    parser.add_argument("--look", type=float, default=0.08, help="of the list that is read")
    parser.add_argument("--quality", default="good", choices=["fast", "good", "best"])
    parser.add_argument("--cache", type=Path, default=machine.OUT / "cache")
    return parser.parse_args()


if __name__ == "__main__":
    main()
