"""18 classes made of three factors, learned in several ways: `python benchmarks/composite.py --faces FACES/labels.csv`.

labels.csv has the columns path, mask, gender, age and person. Each variant of VARIANTS is one `photograft train` in a
process of its own: five folds by person, no test part, so that its out-of-fold predictions judge every photo by a model
that has never seen its person. Its scores are those of all photos; intervals and paired differences come from drawing
whole persons 2,000 times, the same persons for all variants. A factor is judged by its most probable value.

A linear variant runs once with an empty cache, which counts everything, and `--runs` times with its features cached;
the others run once, with an empty cache. With `--cache FOLDER` features are kept there, and no run begins empty.

The linear variants also run without data.labels.group: what a split that ignores persons claims. Near-duplicates stay
together there, as always. In faces18 the photos of a person are one photo with different masks drawn on it.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import machine
from by_person import JOINT, SCORES, Judged, Resampled, check_against, draw_persons, pairs, read_predictions, resampled
from machine import say, show, spread
from photograft.data.csv_text import read_table

FACTORS = ("mask", "gender", "age")
COMMON = (f"data.labels.factors=[{','.join(FACTORS)}]", "split.test=0", "split.folds=5")
BY_PERSON = "data.labels.group=person"
AGES = "data.labels.order.age=[<30, 30-60, >=60]"
ADJUSTED = "train.logit_adjustment=auto"


@dataclass(frozen=True)
class Variant:
    """Settings of a way to learn the factors. `linear` says that only heads are trained, so that features can be kept.

    `timed` marks those that must together keep to the time that is promised.
    """

    settings: tuple[str, ...]
    linear: bool = True
    timed: bool = False


_HEADS = ("model.labels=heads", AGES)
_OTHERS = tuple(
    f"ensemble.members.{name}.{setting}"
    for name, backbone in (("larger", "efficientnet-lite0"), ("lite2", "efficientnet-lite2"))
    for setting in (f"backbone={backbone}", "px=320")
)
VARIANTS = {
    "flat": Variant((), timed=True),
    "flat-adjusted": Variant((ADJUSTED,), timed=True),
    "heads": Variant(_HEADS, timed=True),
    "heads-adjusted": Variant((*_HEADS, ADJUSTED), timed=True),
    "models": Variant(
        ("model.labels=models", AGES, ADJUSTED, "model.factors.age.px=224", "model.factors.gender.px=224"), timed=True
    ),
    "ensemble": Variant((*_HEADS, ADJUSTED, "input.px=224", *_OTHERS), timed=True),
    "heads-tuned": Variant(
        (*_HEADS, ADJUSTED, "input.px=224", "model.graft=blocks:4", "train.epochs=6", "train.refit=folds"),
        linear=False,
    ),
}
BASELINE = "flat"
TARGETS = {
    "best - flat, macro-F1": (">=", 0.08),
    "best - flat, macro-F1, low end": (">", 0.0),
    "timed variants, features cached, s": ("<=", 180.0),
}
"""What the project promises, on two idle cores."""

Results = dict[str, Any]


def main() -> None:
    arguments = _arguments()
    facts = machine.facts()
    print(machine.describe(facts), flush=True)
    person_of = {row["path"]: row["person"] for row in read_table(arguments.faces.read_bytes())}
    runs: dict[str, Measured] = {}
    failed: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name in arguments.variants:
            try:
                runs[name] = _measure(name, arguments, Path(scratch))
            except RuntimeError as error:
                say(f"{name} failed: {error}")
                failed[name] = str(error)
    results = summarise(runs, person_of)
    _print(results, kept=arguments.cache is not None)
    machine.write_json("composite", facts, vars(arguments), results | {"failed": failed})
    if failed:
        raise SystemExit(1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=Path, required=True, metavar="FILE", help="labels.csv, beside its photos")
    parser.add_argument("--variants", type=_names, default=[*VARIANTS], metavar="A,B", help=", ".join(VARIANTS))
    parser.add_argument("--runs", type=int, default=1, help="runs of each linear variant with its features cached")
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help="where features are kept; no run begins empty")
    parser.add_argument(
        "--set",
        dest="settings",
        action="append",
        default=[],
        metavar="SECTION.KEY=VALUE",
        help="for every process, to try the benchmark out",
    )
    return parser.parse_args()


def _names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in VARIANTS]:
        raise argparse.ArgumentTypeError(f"there is no variant {unknown[0]!r}; there are {', '.join(VARIANTS)}")
    return names


# -- runs ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """One process: how each photo is predicted, jointly and in each factor, and what that took."""

    paths: tuple[str, ...]
    judged: dict[str, Judged]
    result: Results
    wall_s: float
    peak_rss_mb: float


@dataclass(frozen=True)
class Measured:
    """The runs of a variant: the first, those with features cached, and one that ignores persons (linear alone)."""

    settings: tuple[str, ...]
    first: Run
    cached: tuple[Run, ...] = ()
    ignoring: Run | None = None
    timed: bool = False


def _measure(name: str, arguments: argparse.Namespace, scratch: Path) -> Measured:
    variant = VARIANTS[name]
    settings = (*COMMON, *variant.settings, *arguments.settings)
    folders = {"cache": arguments.cache or scratch / f"cache-{name}", "runs_dir": scratch / "runs"}
    given = (*settings, BY_PERSON)
    first = _train(f"{name}, first", arguments.faces, given, **folders)
    if not variant.linear:
        return Measured(given, first)
    cached = [_train(f"{name}, cached", arguments.faces, given, **folders) for _ in range(arguments.runs)]
    ignoring = _train(f"{name}, ignoring persons", arguments.faces, settings, **folders)
    return Measured(given, first, tuple(cached), ignoring, variant.timed)


def _train(what: str, labels: Path, settings: tuple[str, ...], *, cache: Path, runs_dir: Path) -> Run:
    command = machine.photograft("train", labels, "--runs-dir", runs_dir, "--json")
    command += [part for setting in settings for part in ("--set", setting)]
    done = machine.run_process(command, env={"PHOTOGRAFT_CACHE": os.fspath(cache.resolve())})
    result = done.json()
    paths, judged = read_predictions(Path(result["run"]), FACTORS)
    check_against(result["oof"], judged, Path(result["run"]))
    scores = " and ".join(f"{name} {result['oof'][name]:.4f}" for name in SCORES)
    say(f"{what}: {scores}, {done.wall_s:.1f} s, {done.peak_rss_mb:,.0f} MB")
    return Run(paths, judged, {"oof": result["oof"], "seconds": result["seconds"]}, done.wall_s, done.peak_rss_mb)


# -- scores --------------------------------------------------------------------------------------------------------


def summarise(runs: dict[str, Measured], person_of: dict[str, str]) -> Results:
    """All that the runs say: scores with intervals, differences between all pairs, costs, targets."""
    results = judge({name: each.first for name, each in runs.items()}, person_of)
    for name, each in runs.items():
        everything = [each.first, *each.cached]
        results["variants"][name] |= {
            "settings": each.settings,
            "stated": each.first.result,
            "first_s": each.first.wall_s,
            "cached_s": spread([run.wall_s for run in each.cached]) if each.cached else None,
            "peak_rss_mb": max(run.peak_rss_mb for run in everything),
        }
    results["ignoring persons"] = {
        name: judge({"by person": each.first, "ignoring": each.ignoring}, person_of)
        for name, each in runs.items()
        if each.ignoring is not None
    }
    results["targets"] = check_targets(results, [name for name, each in runs.items() if each.timed])
    return results


def judge(runs: dict[str, Run], person_of: dict[str, str]) -> Results:
    """Scores of runs over the same photos, and the difference between each and every one before it."""
    if len({run.paths for run in runs.values()}) > 1:
        raise RuntimeError("the runs judged different photos and cannot be compared")
    paths = next((run.paths for run in runs.values()), ())
    persons, person_N = np.unique([person_of[path] for path in paths], return_inverse=True)
    drawn_RP = draw_persons(len(persons))
    found = {
        name: {what: resampled(each, person_N, drawn_RP) for what, each in run.judged.items()}
        for name, run in runs.items()
    }
    return {
        "n": len(paths),
        "persons": len(persons),
        "variants": {name: {"scores": _each(scores, _with_interval)} for name, scores in found.items()},
        "differences": {
            f"{name} - {before}": {
                what: {score: _gap(each[score], found[before][what][score]) for score in SCORES}
                for what, each in found[name].items()
            }
            for name, before in pairs([*found])
        },
    }


def _each(scores: dict[str, dict[str, Resampled]], show_one: Any) -> Results:
    return {what: {score: show_one(each) for score, each in both.items()} for what, both in scores.items()}


def _with_interval(each: Resampled) -> dict[str, float]:
    low, high = each.interval()
    return {"score": each.score, "low": low, "high": high}


def _gap(one: Resampled, other: Resampled) -> dict[str, float]:
    difference = one.minus(other)
    low, high = difference.interval((-1.0, 1.0))
    return {"difference": difference.score, "low": low, "high": high, "p": difference.p_value}


def check_targets(results: Results, timed: list[str]) -> Results:
    """Each target with what was measured; None where it was not. The best variant is that of the highest macro-F1."""
    found: dict[str, float | None] = dict.fromkeys(TARGETS)
    variants = results["variants"]
    others = [name for name in variants if name != BASELINE]
    if BASELINE in variants and others:
        best = max(others, key=lambda name: variants[name]["scores"][JOINT]["macro_f1"]["score"])
        gap = difference(results, best, BASELINE)[JOINT]["macro_f1"]
        found["best - flat, macro-F1"] = gap["difference"]
        found["best - flat, macro-F1, low end"] = gap["low"]
    if {name for name, each in VARIANTS.items() if each.timed} <= set(timed):
        found["timed variants, features cached, s"] = sum(variants[name]["cached_s"]["median"] for name in timed)
    return {
        name: {"limit": f"{sign} {limit:g}", "found": found[name], "reached": _reached(found[name], sign, limit)}
        for name, (sign, limit) in TARGETS.items()
    }


def difference(results: Results, name: str, other: str) -> Results:
    """The difference `name` - `other`, whichever of them ran first."""
    if f"{name} - {other}" in results["differences"]:
        return dict(results["differences"][f"{name} - {other}"])
    turned = results["differences"][f"{other} - {name}"]
    return {
        what: {
            score: {"difference": -each["difference"], "low": -each["high"], "high": -each["low"], "p": each["p"]}
            for score, each in both.items()
        }
        for what, both in turned.items()
    }


def _reached(found: float | None, sign: str, limit: float) -> bool | None:
    if found is None:
        return None
    return found > limit if sign == ">" else found >= limit if sign == ">=" else found <= limit


# -- tables --------------------------------------------------------------------------------------------------------


def _print(results: Results, *, kept: bool) -> None:
    variants = results["variants"]
    rows = []
    for name, each in variants.items():
        gaps = ["-", "-"]
        if name != BASELINE and BASELINE in variants:
            gap = difference(results, name, BASELINE)[JOINT]
            gaps = [_show_gap(gap[score]) for score in SCORES]
        rows.append([name, *(_show_score(each["scores"][JOINT][score]) for score in SCORES), *gaps])
    machine.print_table(
        f"All factors right: {results['n']:,} photos of {results['persons']:,} persons, out-of-fold, with 95 % "
        "intervals over persons",
        ["", "accuracy", "macro-F1", f"accuracy - {BASELINE}", f"macro-F1 - {BASELINE}"],
        rows,
    )
    machine.print_table(
        "Each factor, and what a run takes: the first "
        + ("with what the cache held" if kept else "with an empty cache")
        + ", the others with features cached",
        ["", *(f"{factor} {score}" for factor in FACTORS for score in ("acc.", "F1")), "first min", "cached s", "MB"],
        [[name, *_factor_cells(each), *_cost_cells(each)] for name, each in variants.items()],
    )
    _print_ignoring(results["ignoring persons"])
    verdicts = {None: "not measured", True: "reached", False: "not reached"}
    machine.print_table(
        "Targets",
        ["", "target", "measured", ""],
        [
            [name, each["limit"], "-" if each["found"] is None else f"{each['found']:.4g}", verdicts[each["reached"]]]
            for name, each in results["targets"].items()
        ],
    )


def _factor_cells(variant: Results) -> list[str]:
    return [f"{variant['scores'][factor][score]['score']:.4f}" for factor in FACTORS for score in SCORES]


def _cost_cells(variant: Results) -> list[str]:
    return [f"{variant['first_s'] / 60:.1f}", show(variant["cached_s"]), f"{variant['peak_rss_mb']:,.0f}"]


def _print_ignoring(judged: Results) -> None:
    """What folds that ignore persons claim: none of these is true of a person who was never seen."""
    rows = []
    for name, results in judged.items():
        scores = results["variants"]["ignoring"]["scores"][JOINT]
        gap = results["differences"]["ignoring - by person"][JOINT]
        rows.append([name, *(_show_score(scores[score]) for score in SCORES), *(_show_gap(gap[s]) for s in SCORES)])
    if rows:
        machine.print_table(
            "What folds that ignore persons would claim; overstated: that minus the truth by person",
            ["", "accuracy", "macro-F1", "accuracy overstated", "macro-F1 overstated"],
            rows,
        )


def _show_score(each: Results) -> str:
    return f"{each['score']:.4f} ({each['low']:.4f}-{each['high']:.4f})"


def _show_gap(each: Results) -> str:
    return f"{each['difference']:+.4f} ({each['low']:+.4f} to {each['high']:+.4f})"


if __name__ == "__main__":
    main()
