"""How fast one photo is predicted: `python benchmarks/latency.py RUN_OR_BUNDLE PHOTO`.

As a command: `photograft predict`, the whole process from start to end, several times. In the library: a process that
imports photograft, loads the model, predicts the photo's path once (which starts the decoder and opens the network) and
then 50 times more; median and 95th percentile of those, the median over several such processes. Both are what
a program pays that has the photo on disk; it is read once before.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import machine
from machine import say, show, spread

TARGETS_MS = {"command": 1200.0, "library": 15.0}
"""What the project promises for one photo on two idle cores."""

_PREDICTS = 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, metavar="RUN_OR_BUNDLE")
    parser.add_argument("photo", type=Path)
    parser.add_argument("--runs", type=int, default=5, help="processes of each kind")
    parser.add_argument("--library", action="store_true", help="measure in this process and print JSON")
    arguments = parser.parse_args()
    if arguments.library:
        print(json.dumps(_measure_library(arguments.model, arguments.photo)))
        return
    facts = machine.facts()
    arguments.photo.read_bytes()
    commands, libraries = [], []
    for number in range(arguments.runs):
        commands.append(machine.run_process(machine.photograft("predict", arguments.model, arguments.photo, "--json")))
        library = [sys.executable, __file__, arguments.model, arguments.photo, "--library"]
        libraries.append(machine.run_process(library))
        say(f"run {number + 1}: command {commands[-1].wall_s:.2f} s")
    inside = [done.json() for done in libraries]
    results: dict[str, Any] = {
        "command_ms": spread([1000 * done.wall_s for done in commands]),
        "command_rss_mb": spread([done.peak_rss_mb for done in commands]),
        **{name: spread([each[name] for each in inside]) for name in inside[0]},
        "library_rss_mb": spread([done.peak_rss_mb for done in libraries]),
    }
    found = {"command": results["command_ms"]["median"], "library": results["median_ms"]["median"]}
    results["targets"] = {
        name: {"limit_ms": limit, "found_ms": found[name], "reached": found[name] <= limit}
        for name, limit in TARGETS_MS.items()
    }
    print(machine.describe(facts))
    _print(results)
    machine.write_json("latency", facts, vars(arguments), results)


def _measure_library(model: Path, photo: Path) -> dict[str, float]:
    """Milliseconds of importing, loading, the first prediction and the following ones."""
    started = time.perf_counter()
    import photograft

    load = photograft.load  # the import proper: names are loaded on first use
    imported = time.perf_counter()
    with load(model) as classifier:
        loaded = time.perf_counter()
        classifier.predict(photo)
        first = time.perf_counter()
        times_ms = []
        for _ in range(_PREDICTS):
            before = time.perf_counter()
            prediction = classifier.predict(photo)
            times_ms.append(1000 * (time.perf_counter() - before))
    if prediction.status != "ok":
        raise SystemExit(f"{photo} cannot be predicted: {prediction.reason}")
    times_ms.sort()
    return {
        "import_ms": 1000 * (imported - started),
        "load_ms": 1000 * (loaded - imported),
        "first_ms": 1000 * (first - loaded),
        "median_ms": (times_ms[(_PREDICTS - 1) // 2] + times_ms[_PREDICTS // 2]) / 2,
        "p95_ms": times_ms[round(0.95 * _PREDICTS) - 1],
    }


def _print(results: dict[str, Any]) -> None:
    names = {
        "command_ms": "photograft predict, whole command, ms",
        "command_rss_mb": "its peak memory, all processes, MB",
        "import_ms": "library: import, ms",
        "load_ms": "library: load, ms",
        "first_ms": "library: first predict, ms",
        "median_ms": f"library: median of {_PREDICTS} predicts, ms",
        "p95_ms": f"library: 95th percentile of {_PREDICTS} predicts, ms",
        "library_rss_mb": "its peak memory, all processes, MB",
    }
    limits = {"command_ms": "command", "median_ms": "library"}
    rows = []
    for name, label in names.items():
        verdict = ""
        if name in limits:
            target = results["targets"][limits[name]]
            verdict = f"{'reached' if target['reached'] else 'not reached'} (<= {target['limit_ms']:,.0f})"
        rows.append([label, show(results[name]), verdict])
    machine.print_table("One photo", ["", "median (min-max)", "target"], rows)


if __name__ == "__main__":
    main()
