"""How fast `photograft check` is, and how much memory it takes, as photos grow many: `python benchmarks/scan_scale.py`.

Draws that many different JPEGs of 96 x 72 pixels in five classes into a temporary folder, which is removed afterwards,
and runs `photograft check` in processes of their own: cold, with an empty cache, then warm. Files were just written, so
they are in the system's memory. Photos this small show the cost per file; a photo of a camera takes longer to decode.

`--train` also runs `photograft train` on the largest set, at the qualities `--quality`. The size of the input is
`--px`, by default 64, to save hours: the features per photo (2,128 numbers) and so the memory of the solver are the
same at any size, and `good` has its two views. The network is exported beforehand by a run on a few photos, since that
takes torch. The scores mean nothing.

Memory is that of the largest process, and the largest sum over all processes, in which shared pages count several
times. Targets: check below 1 GiB and train below 1.5 GB at 50,000 photos, as the sum of all processes.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import machine
from machine import Finished, say

LABELS = ("blue", "green", "grey", "red", "yellow")
_TINTS = ((0, 0, 60), (0, 60, 0), (0, 0, 0), (60, 0, 0), (50, 50, 0))
_FOUND_BY_CHECK = 3
TARGETS_MB = {"check": 2**30 / 1e6, "train": 1500.0}
"""At TARGET_PHOTOS photos."""

TARGET_PHOTOS = 50_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000, 50_000], help="numbers of photos")
    parser.add_argument("--train", action="store_true", help="also train on the largest set")
    parser.add_argument("--quality", choices=("fast", "good"), nargs="+", default=["fast", "good"])
    parser.add_argument("--px", default="64", help="input.px of --train; auto takes that of the quality")
    arguments = parser.parse_args()
    facts = machine.facts()
    results: list[dict[str, Any]] = []
    for n in sorted(arguments.sizes):
        with tempfile.TemporaryDirectory(prefix="scan-scale-") as scratch:
            results += _measure(n, Path(scratch), train=arguments.train and n == max(arguments.sizes), given=arguments)
    print(machine.describe(facts))
    _print(results)
    machine.write_json("scan_scale", facts, vars(arguments), results)


def draw_photos(folder: Path, n: int, *, seed: int = 0) -> int:
    """Draw n different photos into class folders; gives their bytes together.

    Each is a grid of 16 x 12 random colours, drawn larger, with a tint that tells its class.
    """
    rng = np.random.default_rng(seed)
    size_bytes = 0
    for label in LABELS:
        (folder / label).mkdir(parents=True)
    for number in range(n):
        kind = number % len(LABELS)
        colours = rng.integers(0, 196, (12, 16, 3)) + _TINTS[kind]
        image = Image.fromarray(colours.astype(np.uint8)).resize((96, 72), Image.Resampling.BICUBIC)
        file = folder / LABELS[kind] / f"{number:06}.jpg"
        image.save(file, "JPEG", quality=85)
        size_bytes += file.stat().st_size
    return size_bytes


def _measure(n: int, scratch: Path, *, train: bool, given: argparse.Namespace) -> list[dict[str, Any]]:
    photos = scratch / "photos"
    size_bytes = draw_photos(photos, n)
    say(f"{n:,} photos drawn, {size_bytes / 1e6:.0f} MB")
    results = []
    for what in ("cold", "warm"):
        done = _run(scratch / "cache", "check", photos, "--json", accept=(0, _FOUND_BY_CHECK))
        found = done.json()
        facts = {"pairs_found": found["duplicates"]["near"], "usable": found["photos"]["usable"]}
        results.append(_result(f"check, {what}", "check", n, done, facts | {"seconds": found["seconds"]}))
    for quality in given.quality if train else ():
        settings = ["--quality", quality, "--set", f"input.px={given.px}", "--set", "report.thumbnails=false", "--json"]
        few = scratch / f"few-{quality}"
        draw_photos(few, 100, seed=1)
        _run(scratch / "cache", "train", few, *settings, "--runs-dir", scratch / "runs")
        for what in ("cold", "warm"):
            done = _run(scratch / "cache", "train", photos, *settings, "--runs-dir", scratch / "runs")
            found = done.json()
            facts = {"accuracy": found["test"]["accuracy"], "seconds": found["seconds"]}
            results.append(_result(f"train {quality}, features {what}", "train", n, done, facts))
    return results


def _run(cache: Path, *command: str | os.PathLike[str], accept: tuple[int, ...] = (0,)) -> Finished:
    return machine.run_process(machine.photograft(*command), env={"PHOTOGRAFT_CACHE": os.fspath(cache)}, accept=accept)


def _result(name: str, verb: str, n: int, done: Finished, facts: dict[str, Any]) -> dict[str, Any]:
    say(f"{n:,} photos, {name}: {done.wall_s:.1f} s, {done.peak_rss_mb:.0f} MB")
    reached = done.peak_rss_mb < TARGETS_MB[verb] if n == TARGET_PHOTOS else None
    return {
        "what": name,
        "photos": n,
        "wall_s": done.wall_s,
        "photos_per_s": n / done.wall_s,
        "largest_rss_mb": done.largest_rss_mb,
        "peak_rss_mb": done.peak_rss_mb,
        "target_mb": TARGETS_MB[verb],
        "reached": reached,
        **facts,
    }


def _print(results: list[dict[str, Any]]) -> None:
    rows = [
        [
            each["what"],
            f"{each['photos']:,}",
            f"{each['wall_s']:.1f}",
            f"{each['photos_per_s']:,.0f}",
            f"{each['largest_rss_mb']:.0f}",
            f"{each['peak_rss_mb']:.0f}",
            "-" if each["reached"] is None else f"{'' if each['reached'] else 'not '}below {each['target_mb']:.0f}",
        ]
        for each in results
    ]
    machine.print_table(
        "Whole processes; memory in MB",
        ["command", "photos", "seconds", "photos / s", "largest process", "all processes", "target"],
        rows,
    )
    for each in results:
        slowest = sorted(each["seconds"].items(), key=lambda item: -item[1])[:5]
        stages = ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in slowest)
        print(f"{each['photos']:,} photos, {each['what']}: {stages} s")


if __name__ == "__main__":
    main()
