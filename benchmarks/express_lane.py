"""How long `photograft train` takes, and the two ways people do it by hand: `python benchmarks/express_lane.py PHOTOS`.

Every measured thing is a whole process, started in the same way, from its start to its end, with the memory of the
process and its children. All rows of the first table come from the same rounds (`--runs`), one after the other, so that
a slow minute of the machine hits all of them; medians are shown with minimum and maximum.

- photograft, `fast` and `good`: *first* with an empty cache, which exports the network once; *cold* with the network
  exported and no feature or scan cached; *warm* with everything cached.
- (a) `peer_eager.py`: frozen backbone in torch eager, forward in every epoch. Two epochs run, ten reported: seconds of
  the whole process plus eight times the mean epoch.
- (b) `peer_fastai.py`: fastai `vision_learner`, one frozen epoch. fastai comes from this environment or from that of
  `--fastai-python`.

All read the same photos, once read before so that the disk does not matter, and start from the same weights. The last
table sets the extract stage beside what ONNX Runtime and Pillow reach on their own, see `rates.py`.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import machine
from machine import Finished, say, show, spread
from photo_sets import add_limit_argument, read_all, sample
from photograft.config import Config
from photograft.models.catalogue import find_backbone
from photograft.models.networks import network_file
from photograft.workflow.resolve import resolve_input

HERE = Path(__file__).parent
QUALITIES = ("fast", "good")
EPOCHS = 10
TARGETS = {
    "cold fast, s": ("<=", 30.0),
    "(a) / cold fast": (">=", 15.0),
    "warm fast, s": ("<=", 4.0),
    "peak memory, MB": ("<=", 1500.0),
}
"""What the project promises for the 2,934 flowers photos on two idle cores."""

Measured = dict[str, dict[str, Any]]


def main() -> None:
    arguments = _arguments()
    facts = machine.facts()
    runs: dict[str, list[tuple[Finished, dict[str, Any]]]] = defaultdict(list)
    rates: dict[str, list[dict[str, float]]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        photos = sample(arguments.photos, arguments.limit, scratch / "photos")
        n_photos = read_all(photos)
        for number in range(arguments.runs):
            for quality in QUALITIES:
                cache = scratch / f"cache-{number}-{quality}"
                for state in ("first", "cold", "warm"):
                    done = _train(photos, quality, state, cache, scratch / "runs")
                    runs[f"{quality}, {state}"].append(_told(f"{quality}, {state}", number, done, done.json()))
                network, px, _ = _network(quality, cache)
                command = [sys.executable, HERE / "rates.py", network, photos, "--px", str(px)]
                rates[quality].append(machine.run_process(command).json())
            for name, command in _peers(arguments, photos).items() if number < arguments.peer_runs else ():
                done = machine.run_process(command)
                runs[name].append(_told(name, number, done, done.json()))
    measured = {name: _summary(each) for name, each in runs.items()}
    results = {
        "photos": n_photos,
        "processes": measured,
        "bounds": {quality: _bound(quality, each, measured, n_photos, facts) for quality, each in rates.items()},
        "targets": _targets(measured),
    }
    print(machine.describe(facts))
    _print_processes(measured, n_photos)
    _print_stages(measured)
    _print_bounds(results["bounds"])
    _print_targets(results["targets"], sampled=arguments.limit is not None)
    machine.write_json("express_lane", facts, vars(arguments), results)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--runs", type=int, default=3, help="rounds over everything")
    parser.add_argument("--peer-runs", type=int, default=3, help="rounds in which the peers run too; they take minutes")
    parser.add_argument("--skip-peers", action="store_true", help="measure photograft alone")
    parser.add_argument("--fastai-python", type=Path, default=Path(sys.executable), help="interpreter that has fastai")
    add_limit_argument(parser)
    return parser.parse_args()


def _train(photos: Path, quality: str, state: str, cache: Path, runs_dir: Path) -> Finished:
    """One `photograft train`. Cold keeps `networks/` in the cache folder and removes the database beside it."""
    if state == "cold":
        for file in cache.glob("cache-v*.sqlite*"):
            file.unlink()
    command = machine.photograft("train", photos, "--quality", quality, "--runs-dir", runs_dir, "--json")
    # Small sets would be judged by their folds; with --limit the test part is wanted all the same.
    return machine.run_process([*command, "--set", "split.test=0.15"], env={"PHOTOGRAFT_CACHE": str(cache)})


def _peers(arguments: argparse.Namespace, photos: Path) -> dict[str, list[str | os.PathLike[str]]]:
    if arguments.skip_peers:
        return {}
    peers: dict[str, list[str | os.PathLike[str]]] = {
        "(a) torch eager": [sys.executable, HERE / "peer_eager.py", photos, "--json"]
    }
    if arguments.fastai_python != Path(sys.executable) or importlib.util.find_spec("fastai"):
        peers["(b) fastai"] = [arguments.fastai_python, HERE / "peer_fastai.py", photos, "--json"]
    else:
        say("fastai is not in this environment: install photograft[bench] or give --fastai-python; (b) is left out")
    return peers


def _told(name: str, number: int, done: Finished, result: dict[str, Any]) -> tuple[Finished, dict[str, Any]]:
    say(f"round {number + 1}, {name}: {done.wall_s:.1f} s, {done.peak_rss_mb:,.0f} MB")
    return done, result


def _summary(runs: list[tuple[Finished, dict[str, Any]]]) -> dict[str, Any]:
    """Seconds, memory and scores of one row of the table over all rounds."""
    last = runs[-1][1]
    summary: dict[str, Any] = {
        "wall_s": spread([done.wall_s for done, _ in runs]),
        "peak_rss_mb": spread([done.peak_rss_mb for done, _ in runs]),
        "largest_rss_mb": spread([done.largest_rss_mb for done, _ in runs]),
    }
    if "seconds" in last:
        summary["stages_s"] = {
            stage: spread([each["seconds"].get(stage, 0.0) for _, each in runs]) for stage in last["seconds"]
        }
        summary["total_s"] = summary["wall_s"]
        summary["test"] = last["test"]
        return summary
    if isinstance(last["epoch_s"], list):
        summary["total_s"] = spread(
            [done.wall_s + (EPOCHS - len(each["epoch_s"])) * statistics.mean(each["epoch_s"]) for done, each in runs]
        )
    else:
        summary["total_s"] = summary["wall_s"]
    summary["test"] = {"n": last["n_test"], "accuracy": statistics.median(each["accuracy"] for _, each in runs)}
    return {**summary, "peer": last}


def _network(quality: str, cache: Path) -> tuple[Path, int, int]:
    """The exported network of a quality, its input size, and how often it runs for a photo."""
    config = resolve_input(Config(quality=quality))[0]
    px, views = int(config.input.px), 2 if config.input.flip else 1
    backbone = find_backbone(config.model.backbone)
    return network_file(backbone, px=px, embedding=config.model.embedding, cache_dir=cache), px, views


def _bound(
    quality: str, rates: list[dict[str, float]], measured: Measured, n_photos: int, facts: dict[str, Any]
) -> dict[str, Any]:
    """The stage's photos per second in the cold runs, and what the two rates would allow at best in the same round."""
    _, px, views = _network(quality, Path())
    stages = measured[f"{quality}, cold"]["stages_s"]
    # The estimate reads the first photos and opens the network: both count as extracting.
    seconds = [a + b for a, b in zip(stages["estimate"]["runs"], stages["scan and extract"]["runs"], strict=True)]
    # Decoding and the network share the cores, and at best nothing else costs anything.
    bounds = [1 / (views / each["network"] + 1 / (facts["cores"] * each["decode"])) for each in rates]
    return {
        "px": px,
        "views": views,
        **{name: spread([each[name] for each in rates]) for name in ("network", "decode", "pillow")},
        "bound": spread(bounds),
        "stage": spread([n_photos / s for s in seconds]),
        "share": spread([n_photos / s / bound for s, bound in zip(seconds, bounds, strict=True)]),
    }


def _targets(measured: Measured) -> dict[str, Any]:
    """Each target with the median that was measured; None where it was not measured."""
    cold, warm = measured["fast, cold"], measured["fast, warm"]
    eager = measured.get("(a) torch eager")
    found = {
        "cold fast, s": cold["wall_s"]["median"],
        "(a) / cold fast": eager["total_s"]["median"] / cold["wall_s"]["median"] if eager else None,
        "warm fast, s": warm["wall_s"]["median"],
        "peak memory, MB": max(
            each["peak_rss_mb"]["median"] for name, each in measured.items() if not name.startswith("(")
        ),
    }
    return {
        name: {
            "limit": f"{sign} {limit:,.0f}",
            "found": found[name],
            "reached": None
            if found[name] is None
            else (found[name] >= limit if sign == ">=" else found[name] <= limit),
        }
        for name, (sign, limit) in TARGETS.items()
    }


def _print_processes(measured: Measured, n_photos: int) -> None:
    ours = {q: measured[f"{q}, cold"]["total_s"]["median"] for q in QUALITIES}
    rows = []
    for name, each in measured.items():
        own = not name.startswith("(")
        test, total = each["test"], each["total_s"]["median"]
        interval = f" [{test['accuracy_low']:.3f}, {test['accuracy_high']:.3f}]" if own else ""
        rows.append(
            [
                f"photograft {name}" if own else name,
                show(each["wall_s"]),
                show(each["total_s"]),
                *("" if own else f"{total / ours[q]:.1f}" for q in QUALITIES),
                show(each["peak_rss_mb"], digits=0),
                show(each["largest_rss_mb"], digits=0),
                f"{test['accuracy']:.3f}{interval}",
            ]
        )
    machine.print_table(
        f"Whole processes, {n_photos:,} photos; (a) runs two epochs, its total is scaled to {EPOCHS}",
        ["", "wall s", "total s", "/ cold fast", "/ cold good", "peak MB, all", "peak MB, largest", "test accuracy"],
        rows,
    )


def _print_stages(measured: Measured) -> None:
    columns = [name for name in measured if not name.startswith("(")]
    stages = dict.fromkeys(stage for name in columns for stage in measured[name]["stages_s"])
    rows = [[stage, *(show(measured[name]["stages_s"].get(stage), digits=2) for name in columns)] for stage in stages]
    rest = []
    for name in columns:
        inside = sum(each["median"] for each in measured[name]["stages_s"].values())
        rest.append(f"{measured[name]['wall_s']['median'] - inside:.2f}")
    machine.print_table("Seconds per stage", ["stage", *columns], [*rows, ["start and end of the process", *rest]])


def _print_bounds(bounds: dict[str, dict[str, Any]]) -> None:
    rows = [
        [
            f"{quality}: {b['px']} px, {b['views']} view{'s' if b['views'] > 1 else ''}",
            *(show(b[name], digits=0) for name in ("network", "pillow", "decode", "bound", "stage")),
            show(b["share"], digits=0, factor=100) + " %",
        ]
        for quality, b in bounds.items()
    ]
    machine.print_table(
        "Photos per second: the stage beside what its parts reach alone (network: all cores, Pillow and decode: one)",
        ["", "ONNX Runtime", "Pillow", "our decode", "bound", "stage, cold", "stage / bound"],
        rows,
    )


def _print_targets(targets: dict[str, Any], *, sampled: bool) -> None:
    rows = []
    for name, each in targets.items():
        if each["found"] is None:
            rows.append([name, each["limit"], "-", "not measured"])
        else:
            verdict = "reached" if each["reached"] else "not reached"
            rows.append([name, each["limit"], f"{each['found']:,.1f}", verdict])
    note = " (for the whole set: a sample says nothing)" if sampled else ""
    machine.print_table(f"Targets{note}", ["", "target", "measured", ""], rows)


if __name__ == "__main__":
    main()
