"""How fast `photograft runs list` is with thousands of runs: `python benchmarks/runs_index.py RUN`.

Makes `--runs` run folders in a temporary folder, which is removed afterwards, from the report, record and settings of
one finished run: each has an accuracy, a date and a learning rate of its own, and every tenth lies in the folder of a
study. Then runs `photograft runs list` in processes of its own: with no index (cold), with one that is up to date
(warm), as JSON, filtered by a setting, and after one run has changed. The seconds are those of whole processes, the
start of Python with them. Target: under a second for every warm list.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import machine
from machine import say, show, spread
from photograft.tracking.run_index import INDEX
from photograft.tracking.run_notes import change_tags

TARGET_S = 1.0
_SEALED = ("config.resolved.yaml", "report.json", "run.json")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a finished run of `photograft train`")
    parser.add_argument("--runs", type=int, default=5000, help="how many run folders to make")
    parser.add_argument("--repeats", type=int, default=5, help="how often each warm command runs")
    arguments = parser.parse_args()
    facts = machine.facts()
    with tempfile.TemporaryDirectory(prefix="runs-index-") as scratch:
        results = _measure(arguments.run, Path(scratch) / "runs", n=arguments.runs, repeats=arguments.repeats)
    print(machine.describe(facts))
    rows = [
        [each["what"], show(each["wall_s"], digits=2), f"{each['peak_rss_mb']:.0f}", _verdict(each)] for each in results
    ]
    machine.print_table(f"{arguments.runs:,} runs", ["command", "seconds", "memory, MB", "target"], rows)
    machine.write_json("runs_index", facts, vars(arguments), results)


def make_runs(like: Path, runs_dir: Path, *, n: int) -> None:
    """Write n finished runs without tables and models, each with a score, a date and a learning rate of its own."""
    report, record = (json.loads((like / name).read_bytes()) for name in ("report.json", "run.json"))
    for number in range(n):
        place = (
            f"2026-01-01-study-{number // 1000}/2026-01-01-run-{number:05}" if number % 10 == 0 else f"run-{number:05}"
        )
        folder = runs_dir / place
        folder.mkdir(parents=True)
        scores = report["evaluations"][0]["scores"] | {"accuracy": number / n}
        headline = report["evaluations"][0] | {"scores": scores}
        train = report["settings"]["train"] | {"lr": (number + 1) / n}
        created = f"2026-01-{1 + number % 28:02}T12:{number % 60:02}:00+00:00"
        changed = {
            "run": folder.name,
            "evaluations": [headline, *report["evaluations"][1:]],
            "settings": report["settings"] | {"train": train},
        }
        _write(folder / "report.json", report | changed)
        _write(folder / "run.json", record | {"created": created})
        shutil.copyfile(like / "config.resolved.yaml", folder / "config.resolved.yaml")
        _write(
            folder / "checksums.json",
            {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in _SEALED},
        )


def _measure(like: Path, runs_dir: Path, *, n: int, repeats: int) -> list[dict[str, Any]]:
    say(f"making {n:,} runs ...")
    make_runs(like, runs_dir, n=n)
    in_dir = ("--runs-dir", runs_dir)
    results = [_run("list, cold: no index yet", repeats, "list", *in_dir, before=lambda: _forget(runs_dir))]
    results.append(_run("list, warm", repeats, "list", *in_dir))
    results.append(_run("list --json, warm", repeats, "list", *in_dir, "--json"))
    results.append(
        _run(
            "list --filter 'train.lr<0.1' --sort accuracy, warm",
            repeats,
            "list",
            *in_dir,
            "--filter",
            "train.lr<0.1",
            "--sort",
            "accuracy",
        )
    )
    some = next(runs_dir.glob("run-*"))
    results.append(_run("list after one run was tagged", repeats, "list", *in_dir, before=lambda: _touch(some)))
    results.append(_run("show RUN, by its name", repeats, "show", some.name, *in_dir))
    return results


def _run(what: str, repeats: int, *command: str | Path, before: Callable[[], None] = lambda: None) -> dict[str, Any]:
    done = []
    for _ in range(repeats):
        before()
        done.append(machine.run_process(machine.photograft("runs", *command)))
    seconds = spread([each.wall_s for each in done])
    say(f"{what}: {seconds['median']:.2f} s")
    return {"what": what, "wall_s": seconds, "peak_rss_mb": max(each.peak_rss_mb for each in done)}


def _verdict(result: dict[str, Any]) -> str:
    if "cold" in result["what"]:
        return "-"
    return f"{'' if result['wall_s']['median'] < TARGET_S else 'not '}below {TARGET_S:g} s"


def _forget(runs_dir: Path) -> None:
    (runs_dir / INDEX).unlink(missing_ok=True)


def _touch(run: Path) -> None:
    change_tags(run, add=[f"tag-{time.time_ns()}"])


def _write(file: Path, content: Any) -> None:
    file.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
