"""How much a split that ignores persons and duplicates overstates: `python benchmarks/groups.py --faces FOLDER`.

FOLDER holds labels.csv with the columns path, mask, gender, age and person. What is learned is each factor alone, and
their product (data.labels.factors), each with three kinds of folds:

- by person: data.labels.group=person, and duplicates stay together, as photograft always does;
- ignoring persons: no group column, but duplicates stay together;
- ignoring both: as before with split.duplicate_bits=0 and split.duplicate_similarity=1, so that only files with the
  same picture, pixel by pixel, stay together.

The score is the out-of-fold one of all photos, over several seeds of the folds; there is no test part. "Overstated"
is the score of the folds that ignore something minus that of the folds by person, photo by photo, with its
95 % interval, for which photos of one person (and duplicates) count as one observation. For the accuracy it is the
paired interval, for macro-F1 the bootstrap over persons.

In the faces18 photos the five of each person are one photo with different masks drawn on it. So an ignorant split asks
for the gender and age of faces that it has learned: this is near the worst that it can do, as frames of one video are.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import machine
from machine import over_seeds, say
from out_of_fold import Difference, OutOfFold, accuracy_difference, macro_f1_difference, train_out_of_fold

FACTORS = ("mask", "gender", "age")
FOLDS = {
    "by person": ("data.labels.group=person",),
    "ignoring persons": (),
    "ignoring persons and duplicates": ("split.duplicate_bits=0", "split.duplicate_similarity=1"),
}
_SCORES = ("accuracy", "macro_f1")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=Path, required=True, metavar="FOLDER", help="folder with labels.csv")
    parser.add_argument("--seeds", type=int, default=3, help="draws of the folds, from seed 0 on")
    parser.add_argument("--quality", choices=("fast", "good", "best"), nargs="+", default=["fast"])
    parser.add_argument("--cache", type=Path, default=machine.OUT / "cache", help="where features are kept")
    arguments = parser.parse_args()
    facts = machine.facts()
    with tempfile.TemporaryDirectory() as scratch:
        results = {quality: _measure(quality, arguments, Path(scratch)) for quality in arguments.quality}
    print(machine.describe(facts))
    for quality, result in results.items():
        _print(quality, result, arguments)
    machine.write_json("groups", facts, vars(arguments), results)


def _measure(quality: str, arguments: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    targets = {factor: f"data.labels.column={factor}" for factor in FACTORS}
    targets[" x ".join(FACTORS)] = f"data.labels.factors=[{','.join(FACTORS)}]"
    return {target: _compare(target, label, quality, arguments, scratch) for target, label in targets.items()}


def _compare(target: str, label: str, quality: str, arguments: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    runs: dict[str, list[OutOfFold]] = {}
    for kind, settings in FOLDS.items():
        runs[kind] = []
        for seed in range(arguments.seeds):
            given = (label, *settings, f"split.seed={seed}", f"train.seed={seed}")
            folders = {"runs_dir": scratch / "runs", "cache": arguments.cache}
            done = train_out_of_fold(arguments.faces / "labels.csv", *given, quality=quality, name="faces", **folders)
            runs[kind].append(done)
            say(f"{quality}, {target}, {kind}, seed {seed}: {done.scores['accuracy']:.4f}, {done.wall_s:.1f} s")
    by_person = runs["by person"]
    group_N = by_person[0].group_N
    result: dict[str, Any] = {}
    for kind, some in runs.items():
        result[kind] = {"n": len(some[0].names), **{s: over_seeds([run.scores[s] for run in some]) for s in _SCORES}}
        result[kind]["groups"] = [len(set(run.group_N.tolist())) for run in some]
        # What the run itself says of the accuracy: its interval knows only of the groups that the run was told of.
        result[kind]["stated"] = [[run.scores["accuracy_low"], run.scores["accuracy_high"]] for run in some]
        if kind != "by person":
            result[kind]["accuracy_overstated"] = asdict(accuracy_difference(some, by_person, group_N))
            result[kind]["macro_f1_overstated"] = asdict(macro_f1_difference(some, by_person, group_N))
    return result


def _print(quality: str, result: dict[str, Any], arguments: argparse.Namespace) -> None:
    rows = []
    for target, kinds in result.items():
        for kind, each in kinds.items():
            scores = [f"{each[s]['mean']:.4f} ± {each[s]['sd']:.4f}" for s in _SCORES]
            over = [str(Difference(**each[f"{s}_overstated"])) if f"{s}_overstated" in each else "-" for s in _SCORES]
            rows.append([f"{target}, {kind}", f"{each['groups'][0]:,}", *scores, *over])
    n = next(iter(next(iter(result.values())).values()))["n"]
    machine.print_table(
        f"{n:,} photos, quality {quality}: out-of-fold, mean ± standard deviation over {arguments.seeds} draws of the "
        "folds; overstated with its 95 % interval",
        ["label, folds", "groups", "accuracy", "macro-F1", "accuracy overstated", "macro-F1 overstated"],
        rows,
    )


if __name__ == "__main__":
    main()
