"""Whether cropping photos to their annotated box helps: `python benchmarks/boxes.py --dogs FOLDER`.

FOLDER has the layout of the Stanford Dogs: `Images/` beside `Annotation/` with Pascal-VOC files. For each seed the
folds are drawn once, by `photograft split` on the whole photos, and given to every run by split.file, so that the same
photos are judged in the same folds with and without boxes. Without boxes the network sees the whole photo, with them
the largest box (data.boxes=voc), widened on each side by the margin. All photos are in folds; there is no test part.

A difference is taken photo by photo over all seeds, with its 95 % interval; the predictions of one photo under several
seeds count as one observation. Where the interval holds 0, the photos at hand cannot tell the two apart. Cropped photos
are judged by their annotated boxes too: a new photo has no box, so this compares two uses, not two models for one use.
The log loss also tells apart photos that both have right, and so can show what the accuracy cannot.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import machine
from machine import over_seeds, say
from out_of_fold import Difference, OutOfFold, accuracy_difference, log_loss_difference, train_out_of_fold


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dogs", type=Path, required=True, metavar="FOLDER", help="photos with Pascal-VOC boxes")
    parser.add_argument("--seeds", type=int, default=5, help="draws of the folds, from seed 0 on")
    parser.add_argument("--margins", type=float, nargs="+", default=[0.0, 0.1, 0.2], help="settings of data.margin")
    parser.add_argument("--choices", nargs="+", choices=("largest", "union"), default=["largest"])
    parser.add_argument("--quality", choices=("fast", "good", "best"), nargs="+", default=["fast", "good"])
    parser.add_argument("--cache", type=Path, default=machine.OUT / "cache", help="where features are kept")
    arguments = parser.parse_args()
    facts = machine.facts()
    with tempfile.TemporaryDirectory() as scratch:
        results = {quality: _compare(quality, arguments, Path(scratch)) for quality in arguments.quality}
    print(machine.describe(facts))
    for quality, result in results.items():
        _print(quality, result, arguments)
    machine.write_json("boxes", facts, vars(arguments), results)


def _compare(quality: str, arguments: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    files = [_split(arguments, seed, scratch) for seed in range(arguments.seeds)]

    def runs(name: str, *settings: str) -> list[OutOfFold]:
        done = []
        for seed, file in enumerate(files):
            given = (f"split.file={file}", f"split.seed={seed}", f"train.seed={seed}", *settings)
            folders = {"runs_dir": scratch / "runs", "cache": arguments.cache}
            done.append(train_out_of_fold(arguments.dogs, *given, quality=quality, name=f"{quality}-{name}", **folders))
            say(f"{quality}, {name}, seed {seed}: {done[-1].scores['accuracy']:.4f}, {done[-1].wall_s:.1f} s")
        return done

    without = runs("without")
    result: dict[str, Any] = {"without boxes": {"n": len(without[0].names), **_scores(without)}}
    for choice in arguments.choices:
        for margin in arguments.margins:
            boxes = ("data.boxes=voc", f"data.box_choice={choice}", f"data.margin={margin}")
            cropped = runs(f"{choice}-{margin:g}", *boxes)
            group_N = without[0].group_N
            accuracy = accuracy_difference(cropped, without, group_N)
            loss = log_loss_difference(cropped, without, group_N)
            result[f"{choice} box, margin {margin:g}"] = {
                **_scores(cropped),
                "accuracy_difference": asdict(accuracy),
                "log_loss_difference": asdict(loss),
                "verdict": f"accuracy {_verdict(accuracy, 1)}; log loss {_verdict(loss, -1)}",
            }
    return result


def _split(arguments: argparse.Namespace, seed: int, scratch: Path) -> Path:
    file = scratch / f"splits-{seed}.csv"
    command = machine.photograft("split", arguments.dogs, "--out", file, "--force")
    command += ["--set", "split.test=0", "--set", f"split.seed={seed}"]
    machine.run_process(command, env={"PHOTOGRAFT_CACHE": os.fspath(arguments.cache.resolve())})
    return file


def _scores(runs: list[OutOfFold]) -> dict[str, Any]:
    return {name: over_seeds([run.scores[name] for run in runs]) for name in ("accuracy", "macro_f1", "log_loss")}


def _verdict(difference: Difference, sign: int) -> str:
    """What a difference says of boxes; `sign` is 1 where more is better."""
    ends = sorted((sign * difference.low, sign * difference.high))
    if ends[0] > 0:
        return "helps"
    return "hurts" if ends[1] < 0 else "cannot be told"


def _print(quality: str, result: dict[str, Any], arguments: argparse.Namespace) -> None:
    rows = []
    for name, each in result.items():
        scores = [
            f"{each[score]['mean']:.4f} ({each[score]['min']:.4f}-{each[score]['max']:.4f})"
            for score in ("accuracy", "log_loss")
        ]
        pairs = [
            str(Difference(**each[f"{s}_difference"])) if "verdict" in each else "-" for s in ("accuracy", "log_loss")
        ]
        rows.append([name, *scores, *pairs, each.get("verdict", "-")])
    machine.print_table(
        f"{result['without boxes']['n']} photos, quality {quality}: out-of-fold, mean (range) over {arguments.seeds} "
        "draws of the folds; differences to the whole photo with their 95 % interval",
        ["", "accuracy", "log loss", "accuracy gained", "log loss added", "boxes"],
        rows,
    )


if __name__ == "__main__":
    main()
