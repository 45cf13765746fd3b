"""What fine-tuning gives and costs: `python benchmarks/finetune.py FLOWERS --textile`.

Four parts, each of them alone by its flag, all of them without one. Every run is a process of its own.

- `--accuracy`: `photograft train --quality best` for each of `--splits` (split.seed and train.seed), each with an empty
  cache, so that its seconds count everything: scan, export, frozen part, all fits, report. Then `good` on the very same
  test photos, and the paired difference; both also on `--heldout`, a folder of photos that neither was trained on.
- `--speed`: seconds per epoch with the frozen part's outputs kept (`train.boundary=cache`) and with the frozen part run
  in every epoch (`off`), in turns: `fit_rates.py` drives photograft's own loop with the same layers, batches of 32,
  fp32 and the same memory layout. The slower way, too, decodes photos once, before the first epoch, and changes them
  anew in each. An epoch sees every photo of FLOWERS.
- `--fastai`: an epoch of fastai with the whole network unfrozen, same weights, photos, size and batches, as it comes
  otherwise (`peer_fastai.py`), in turns with the kept one. `--fastai-batches` of it are timed and scaled to all photos.
- `--equal`: test accuracy of both ways over the same seeds, the tuned network alone (train.blend=false), with the same
  epochs and no second fit. They draw other changed copies, so they may differ as two seeds do, and no more.

A part that fails is told, with the end of what its process wrote, and the others run all the same.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import machine
from machine import over_seeds, say, show, spread
from photo_sets import add_limit_argument, read_all, sample, textile_folder
from tested import Gap, Tested, compare, epochs_until_it_pays, pooled, train_and_test

HERE = Path(__file__).parent
KEPT, OFF, FASTAI = "kept (train.boundary=cache)", "run in every epoch (off)", "fastai, unfrozen"
SAME = ("train.precision=fp32", "train.batch_size=32")
TARGETS = {
    "best on flowers, accuracy": (">=", 0.95),
    "slowest best on flowers, s": ("<=", 600.0),
    "best - good on textile, low end": (">", 0.0),
    "off / kept, s per epoch": (">=", 2.5),
    "fastai / kept, s per epoch": (">=", 15.0),
    "|kept - off|, beyond its interval": ("<=", 0.0),
    "peak memory of best, MB": ("<=", 3000.0),
}
"""What the project promises, on two idle cores."""

Results = dict[str, Any]


def main() -> None:
    arguments = _arguments()
    facts = machine.facts()
    print(machine.describe(facts), flush=True)
    parts: dict[str, Callable[[argparse.Namespace, dict[str, Path], Path, Results], None]] = {
        "accuracy": _accuracy,
        "speed": _speed,
        "equal": _equal,
    }
    asked = _asked(arguments)
    results: Results = {}
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        sets = _sets(arguments, scratch)
        for name in asked:
            results[name] = {}
            try:
                parts[name](arguments, sets, scratch / name, results[name])
            except RuntimeError as error:
                say(f"--{name} failed: {error}")
                results[name]["failed"] = str(error)
        results["targets"] = check_targets(results)
        _print_targets(results["targets"], sampled=arguments.limit is not None)
        name = "_".join(["finetune", *([] if len(asked) == len(parts) else asked)])
        machine.write_json(name, facts, vars(arguments), results)
    if any("failed" in result for result in results.values()):
        raise SystemExit(1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, help="the flowers photos")
    parser.add_argument(
        "--textile", type=Path, nargs="?", const=Path(), metavar="FOLDER", help="the textile photos of the demo extra"
    )
    for part in ("accuracy", "speed", "fastai", "equal"):
        parser.add_argument(f"--{part}", action="store_true", help="run this part")
    parser.add_argument("--splits", type=int, nargs="+", default=[0, 1, 2], metavar="SEED", help="0 1 2 by default")
    parser.add_argument("--heldout", type=Path, metavar="FOLDER", help="flowers that no split holds, to test on")
    parser.add_argument("--rounds", type=int, default=3, help="epochs of each way that are measured, in turns")
    parser.add_argument("--layout", choices=("channels_last", "contiguous"), default="channels_last")
    parser.add_argument("--fastai-python", type=Path, default=Path(sys.executable), help="interpreter that has fastai")
    parser.add_argument("--fastai-batches", type=int, default=30, help="batches of fastai to time; 0 times the epoch")
    parser.add_argument(
        "--set",
        dest="settings",
        action="append",
        default=[],
        metavar="SECTION.KEY=VALUE",
        help="for every process of photograft, to try the benchmark out",
    )
    add_limit_argument(parser)
    return parser.parse_args()


def _asked(arguments: argparse.Namespace) -> list[str]:
    """The parts to run; fastai is measured beside the kept epochs."""
    wanted = {"accuracy": arguments.accuracy, "speed": arguments.speed or arguments.fastai, "equal": arguments.equal}
    if not any(wanted.values()):
        arguments.speed = arguments.fastai = True
        return list(wanted)
    return [name for name, is_wanted in wanted.items() if is_wanted]


def _sets(arguments: argparse.Namespace, scratch: Path) -> dict[str, Path]:
    sets = {"flowers": arguments.photos}
    if arguments.textile is not None:
        sets["textile"] = arguments.textile if arguments.textile.parts else textile_folder()
    return {name: sample(folder, arguments.limit, scratch / name) for name, folder in sets.items()}


# -- accuracy, time and memory -------------------------------------------------------------------------------------


def _accuracy(arguments: argparse.Namespace, sets: dict[str, Path], scratch: Path, results: Results) -> None:
    for name, photos in sets.items():
        runs: dict[str, list[Tested]] = {"best": [], "good": []}
        heldout: dict[str, list[float]] = {"best": [], "good": []}
        for seed in arguments.splits:
            cache = scratch / f"cache-{name}-{seed}"
            for quality, done in runs.items():
                # `good` gets the split as a file: it could find other near-duplicates, and so draw another one.
                same = () if quality == "best" else (f"split.file={runs['best'][-1].run / 'splits.csv'}",)
                settings = (*arguments.settings, *same)
                run = train_and_test(
                    photos, *settings, quality=quality, seed=seed, cache=cache, runs_dir=scratch / f"runs-{name}"
                )
                done.append(run)
                _tell(f"{name}, {quality}, seed {seed}", run)
                if name == "flowers" and arguments.heldout is not None:
                    command = machine.photograft("evaluate", run.run, arguments.heldout, "--json")
                    heldout[quality].append(machine.run_process(command).json()["test"]["accuracy"])
        results[name] = {
            **{quality: {**_over(done), "heldout": heldout[quality]} for quality, done in runs.items()},
            "best - good": asdict(compare(runs["best"], runs["good"])),
        }
        _print_accuracy(name, results[name])


def _over(runs: Sequence[Tested]) -> Results:
    """A series of runs: its accuracy, time and memory."""
    return {
        "accuracy": over_seeds([run.scores["accuracy"] for run in runs]),
        "pooled": asdict(pooled(runs)),
        "wall_s": spread([run.wall_s for run in runs]),
        "peak_rss_mb": spread([run.peak_rss_mb for run in runs]),
        "largest_rss_mb": spread([run.largest_rss_mb for run in runs]),
        "runs": [run.document() for run in runs],
    }


def _tell(what: str, run: Tested) -> None:
    say(f"{what}: test accuracy {run.scores['accuracy']:.4f}, {run.wall_s:.0f} s, {run.peak_rss_mb:,.0f} MB")


def _print_accuracy(name: str, result: Results) -> None:
    rows = []
    for quality in ("best", "good"):
        each = result[quality]
        difference = str(Gap(**result["best - good"])) if quality == "best" else "-"
        heldout = f"{statistics.mean(each['heldout']):.4f}" if each["heldout"] else "-"
        rows.append([f"{name}, {quality}", *_accuracy_cells(each), difference, heldout, *_cost_cells(each)])
    machine.print_table(
        "Test accuracy over the seeds, 95 % interval over all their test photos; best begins with an empty cache, "
        "good has its scan",
        [
            "",
            "n",
            "mean (seeds)",
            "95 % interval",
            "best - good (95 %)",
            "held out",
            "wall s",
            "peak MB, all",
            "peak MB, largest",
        ],
        rows,
    )


def _accuracy_cells(result: Results) -> list[str]:
    accuracy, over = result["accuracy"], result["pooled"]
    each = ", ".join(f"{score:.4f}" for score in accuracy["seeds"])
    return [str(over["n"]), f"{accuracy['mean']:.4f} ({each})", f"{over['low']:.4f}-{over['high']:.4f}"]


def _cost_cells(result: Results) -> list[str]:
    return [show(result[name], digits=0) for name in ("wall_s", "peak_rss_mb", "largest_rss_mb")]


# -- seconds per epoch ---------------------------------------------------------------------------------------------


def _speed(arguments: argparse.Namespace, sets: dict[str, Path], scratch: Path, results: Results) -> None:
    photos = sets["flowers"]
    read_all(photos)
    fastai = _fastai_python(arguments) if arguments.fastai else None
    runs: dict[str, list[Results]] = defaultdict(list)
    for number in range(arguments.rounds):
        for way, boundary in ((KEPT, "cache"), (OFF, "off")):
            if way == OFF and not arguments.speed:
                continue
            command = [sys.executable, HERE / "fit_rates.py", photos, "--boundary", boundary]
            for setting in (*SAME, f"train.channels_last={arguments.layout == 'channels_last'}", *arguments.settings):
                command += ["--set", setting]
            done = machine.run_process(command, env={"PHOTOGRAFT_CACHE": str(scratch / "cache")})
            runs[way].append({**done.json(), "peak_rss_mb": done.peak_rss_mb})
            say(f"round {number + 1}, {way}: {runs[way][-1]['epoch_s'][0]:.1f} s per epoch")
        if fastai is not None:
            runs[FASTAI].append(_fastai_epoch(arguments, photos, fastai, runs[KEPT][-1]))
            say(f"round {number + 1}, {FASTAI}: {runs[FASTAI][-1]['epoch_s'][0]:.1f} s per epoch")
    results["runs"] = runs
    results["ways"] = {way: summarise_epochs(each) for way, each in runs.items()}
    _print_speed(results["ways"], runs[KEPT][0], arguments)


def _fastai_python(arguments: argparse.Namespace) -> Path | None:
    if arguments.fastai_python != Path(sys.executable) or importlib.util.find_spec("fastai"):
        return Path(arguments.fastai_python)
    say("fastai is not in this environment: install photograft[bench] or give --fastai-python; it is left out")
    return None


def _fastai_epoch(arguments: argparse.Namespace, photos: Path, python: Path, ours: Results) -> Results:
    """An epoch of fastai at our size and batches, scaled by photos: it holds some out, and may stop early."""
    command: list[Any] = [python, HERE / "peer_fastai.py", photos, "--unfrozen", "--json"]
    command += ["--px", str(ours["px"]), "--batch-size", str(ours["batch_size"])]
    if arguments.fastai_batches:
        command += ["--batches", str(arguments.fastai_batches)]
    done = machine.run_process(command)
    result = done.json()
    epoch_s = result["batch_s"] / result["batch_size"] * ours["n_photos"]
    return {**result, "epoch_s": [epoch_s], "peak_rss_mb": done.peak_rss_mb}


def summarise_epochs(runs: Sequence[Results]) -> Results:
    """Seconds per epoch of one way over all rounds, of its parts alone, and of what precedes the first epoch."""
    summary = {
        "epoch_s": spread([seconds for run in runs for seconds in run["epoch_s"]]),
        "peak_rss_mb": spread([run["peak_rss_mb"] for run in runs]),
    }
    for name in ("step_s", "read_s", "before_s"):
        values = [run[name] for run in runs if run.get(name) is not None]
        summary[name] = spread(values) if values else None
    return summary


def _print_speed(results: Results, first: Results, arguments: argparse.Namespace) -> None:
    kept = results[KEPT]
    kept_s = kept["epoch_s"]["median"]
    columns = ("epoch_s", "step_s", "read_s", "before_s")
    rows = [
        [
            way,
            *(show(each[name]) for name in columns),
            show(each["peak_rss_mb"], digits=0),
            f"{each['epoch_s']['median'] / kept_s:.2f}",
        ]
        for way, each in results.items()
    ]
    machine.print_table(
        f"Seconds per epoch of {first['n_photos']:,} photos at {first['px']} px, {first['graft']} (from {first['cut']} "
        f"on), batches of {first['batch_size']}, {first['precision']}, {arguments.layout}, {first['threads']} threads",
        ["frozen part", "epoch s", "steps alone s", "reading alone s", "once, before s", "peak MB", "/ kept"],
        rows,
    )
    print(f"\nKept: {first['views']} views of each photo, {first['bytes'] / 1e9:.2f} GB.", end=" ")
    if OFF in results and kept["before_s"] is not None:
        off = results[OFF]
        after = epochs_until_it_pays(
            kept["before_s"]["median"], kept_s, off["before_s"]["median"], off["epoch_s"]["median"]
        )
        pays = "It never pays." if after is None else f"It pays from epoch {after} on, all fits of a run together."
        print(f"{pays} The one export of the frozen part for a network, cut and size is not in these seconds.")
    if FASTAI in results:
        what = f"{arguments.fastai_batches} batches are" if arguments.fastai_batches else "its whole epoch is"
        print(f"fastai: {what} timed, reading included, behind some that warm up, and scaled to all photos.")


# -- kept against run in every epoch -------------------------------------------------------------------------------


def _equal(arguments: argparse.Namespace, sets: dict[str, Path], scratch: Path, results: Results) -> None:
    runs: dict[str, list[Tested]] = {KEPT: [], OFF: []}
    layout = f"train.channels_last={arguments.layout == 'channels_last'}"
    for seed in arguments.splits:
        for way, boundary in ((KEPT, "cache"), (OFF, "off")):
            run = train_and_test(
                sets["flowers"],
                *SAME,
                layout,
                "train.refit=none",
                "train.blend=false",
                f"train.boundary={boundary}",
                *arguments.settings,
                quality="best",
                seed=seed,
                cache=scratch / "cache",
                runs_dir=scratch / "runs",
            )
            runs[way].append(run)
            _tell(f"{way}, seed {seed}", run)
    gap = compare(runs[KEPT], runs[OFF])
    results.update({**{way: _over(done) for way, done in runs.items()}, "kept - off": asdict(gap)})
    machine.print_table(
        "Test accuracy of the tuned network alone, fitted on the train part",
        [
            "frozen part",
            "n",
            "mean (seeds)",
            "95 % interval",
            "kept - off (95 %)",
            "wall s",
            "peak MB, all",
            "peak MB, largest",
        ],
        [
            [way, *_accuracy_cells(results[way]), str(gap) if way == KEPT else "-", *_cost_cells(results[way])]
            for way in runs
        ],
    )


# -- targets -------------------------------------------------------------------------------------------------------


def check_targets(results: Results) -> Results:
    """Each target with what was measured; None where it was not."""
    found: dict[str, float | None] = dict.fromkeys(TARGETS)
    accuracy = results.get("accuracy", {})
    if "flowers" in accuracy:
        best = accuracy["flowers"]["best"]
        found["best on flowers, accuracy"] = best["accuracy"]["mean"]
        found["slowest best on flowers, s"] = best["wall_s"]["max"]
        found["peak memory of best, MB"] = max(each["best"]["peak_rss_mb"]["max"] for each in accuracy.values())
    if "textile" in accuracy:
        found["best - good on textile, low end"] = accuracy["textile"]["best - good"]["low"]
    epoch_s = {way: each["epoch_s"]["median"] for way, each in results.get("speed", {}).get("ways", {}).items()}
    for way, name in ((OFF, "off / kept, s per epoch"), (FASTAI, "fastai / kept, s per epoch")):
        if way in epoch_s:
            found[name] = epoch_s[way] / epoch_s[KEPT]
    if "kept - off" in results.get("equal", {}):
        gap = results["equal"]["kept - off"]
        found["|kept - off|, beyond its interval"] = max(gap["low"], -gap["high"], 0.0)
    return {
        name: {"limit": f"{sign} {limit:g}", "found": found[name], "reached": _reached(found[name], sign, limit)}
        for name, (sign, limit) in TARGETS.items()
    }


def _reached(found: float | None, sign: str, limit: float) -> bool | None:
    if found is None:
        return None
    return found > limit if sign == ">" else found >= limit if sign == ">=" else found <= limit


def _print_targets(targets: Results, *, sampled: bool) -> None:
    verdicts = {None: "not measured", True: "reached", False: "not reached"}
    rows = [
        [name, each["limit"], "-" if each["found"] is None else f"{each['found']:,.4g}", verdicts[each["reached"]]]
        for name, each in targets.items()
    ]
    note = " (for the whole sets: a sample says nothing)" if sampled else ""
    machine.print_table(f"Targets{note}", ["", "target", "measured", ""], rows)


if __name__ == "__main__":
    main()
