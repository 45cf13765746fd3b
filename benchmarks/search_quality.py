"""How good similar photos are, before and after fine-tuning: `python benchmarks/search_quality.py --flowers FLOWERS`.

For each set `photograft train` is run twice on the same photos and split, with the frozen backbone (`model.graft=head`)
and fine-tuned (`model.graft=blocks:2`), a fifth of them for testing, all else as `--quality fast` and `--set` say;
`--runs` takes two finished runs of a set instead. The photos that are not for testing are the index, made by
`photograft.build_index` with the network of each run; the held-out test photos ask. A photo that is found is right if
it has the class of the one that asks.

Precision at k is the share of right ones among the first k, mAP the mean over the queries of average precision over the
whole ranking. Intervals (95 %) are bootstrapped over the groups of near-duplicates of the test photos; so is that of
the difference, which compares the same queries. Networks that were fine-tuned have seen the labels of the indexed
photos, never those of the photos that ask.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import machine
import photograft
from machine import say
from photo_sets import add_set_arguments, chosen_sets
from photograft.metrics.intervals import bootstrap_interval
from photograft.values import DoubleArray, IntArray

DEPTHS = (1, 5, 10)
SCORES = (*(f"P@{k}" for k in DEPTHS), "mAP")
GRAFTS = {"frozen": "head", "fine-tuned": "blocks:2"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_set_arguments(parser)
    parser.add_argument("--runs", action="append", nargs=3, default=[], metavar=("SET", "FROZEN", "TUNED"))
    parser.add_argument("--set", action="append", default=[], metavar="SETTING", help="a setting of both runs")
    arguments = parser.parse_args()
    facts = machine.facts()
    given = {name: (Path(frozen), Path(tuned)) for name, frozen, tuned in arguments.runs}
    with tempfile.TemporaryDirectory(prefix="search-quality-") as scratch:
        sets = chosen_sets(arguments, Path(scratch))
        results = {name: _compare(name, sets[name], given.get(name), arguments.set, Path(scratch)) for name in sets}
    print(machine.describe(facts))
    _print(results)
    machine.write_json("search_quality", facts, vars(arguments), results)


def _compare(
    name: str, photos: Path, given: tuple[Path, Path] | None, settings: list[str], scratch: Path
) -> dict[str, Any]:
    runs = given or tuple(_train(photos, scratch / f"{name} runs" / way, settings, way) for way in GRAFTS)
    splits = [_read_splits(run) for run in runs]
    if [(row["path"], row["part"]) for row in splits[0]] != [(row["path"], row["part"]) for row in splits[1]]:
        raise SystemExit(f"{name}: the two runs have other splits")
    asking = [row for row in splits[0] if row["part"] == "test"]
    if not asking:
        raise SystemExit(f"{name}: the runs have no test photos")
    group_Q = np.array([int(row["group"]) for row in asking])
    scores = {}
    for way, run in zip(GRAFTS, runs, strict=True):
        say(f"{name}: {way}")
        scores[way] = _ask(run, photos, splits[0], asking, scratch / f"{name} {way}")
    kept = [row for row in splits[0] if row["part"] not in ("", "test")]
    result: dict[str, Any] = {"queries": len(asking), "indexed": len(kept)}
    for way, by_score in scores.items():
        result[way] = {score: _interval(values_Q, group_Q) for score, values_Q in by_score.items()}
    result["difference"] = {
        score: _interval(scores["fine-tuned"][score] - scores["frozen"][score], group_Q, lowest=-1.0)
        for score in SCORES
    }
    return result


def _train(photos: Path, runs: Path, settings: list[str], way: str) -> Path:
    say(f"{photos}: training, {way}")
    always = [f"model.graft={GRAFTS[way]}", "split.test=0.2", *settings]
    chosen = [part for setting in always for part in ("--set", setting)]
    machine.run_process(machine.photograft("train", photos, "--quality", "fast", "--runs-dir", runs, *chosen))
    return next(path for path in runs.iterdir() if (path / "model").is_dir())


def _read_splits(run: Path) -> list[dict[str, str]]:
    with (run / "splits.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _ask(
    run: Path, photos: Path, rows: list[dict[str, str]], asking: list[dict[str, str]], scratch: Path
) -> Mapping[str, DoubleArray]:
    """Scores of every query: of the whole ranking of the indexed photos."""
    gallery = scratch / "photos"
    for row in rows:
        if row["part"] not in ("", "test"):
            (gallery / row["path"]).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(photos / row["path"], gallery / row["path"])
    photograft.build_index(run, [gallery], scratch / "index")
    scores: dict[str, list[float]] = {score: [] for score in SCORES}
    with photograft.open_index(scratch / "index") as index:
        for row in asking:
            matches = index.query(photos / row["path"], top=len(rows))
            right_N = np.array([match.label == row["label"] for match in matches])
            for k in DEPTHS:
                scores[f"P@{k}"].append(float(right_N[:k].mean()))
            scores["mAP"].append(_average_precision(right_N))
    return {score: np.array(values) for score, values in scores.items()}


def _average_precision(right_N: Any) -> float:
    """Mean precision at the places of the right ones."""
    place_R = np.flatnonzero(right_N)
    return float(np.mean(np.arange(1, len(place_R) + 1) / (place_R + 1))) if len(place_R) else 0.0


def _interval(values_Q: DoubleArray, group_Q: IntArray, *, lowest: float = 0.0) -> dict[str, float]:
    low, high = bootstrap_interval(
        lambda rows: float(values_Q[rows].mean()), group_Q, n_resamples=2000, limits=(lowest, 1.0)
    )
    return {"value": float(values_Q.mean()), "low": low, "high": high}


def _print(results: Mapping[str, Any]) -> None:
    rows = []
    for name, result in results.items():
        for way in (*GRAFTS, "difference"):
            cells = [result[way][score] for score in SCORES]
            sign = "+" if way == "difference" else ""
            texts = [f"{100 * c['value']:{sign}.1f} ({100 * c['low']:.1f} to {100 * c['high']:.1f})" for c in cells]
            rows.append([name, way, *texts])
    machine.print_table("Precision and mAP in %, with 95 % intervals", ["photos", "network", *SCORES], rows)
    for name, result in results.items():
        print(f"\n{name}: {result['indexed']:,} photos indexed, {result['queries']:,} others ask.")


if __name__ == "__main__":
    main()
