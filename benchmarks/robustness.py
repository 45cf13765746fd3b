"""What worse photos cost, and what changes it: `python benchmarks/robustness.py --flowers FLOWERS --textile`.

Every set is trained as each variant names (input size, fine-tuning, augmentation), with the same split and test part
(split.test, 0.25), and tried on worse photos of its test part without a time limit. `linear` is the default of quality
good; `224 px` the same with a smaller input; `tuned` fine-tunes the last two block stages with the default changed
copies, `light` the same with stronger changes of light and colour, as the report advises, and `randaugment` with two of
fourteen random changes beside. Losses are compared with the test photos as they are, and variants by the accuracy that
is left at middle strength.

`--seen` also tries the linear model on photos that it was trained on: whether a loss is the same on these decides what
the card may say where there is no test part. `--overhead` trains at quality good without the card, with it for the
first time, and again, when the network's answers are cached; the features of the photos are cached in all three.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import machine
import photograft
from machine import say
from photo_sets import add_set_arguments, chosen_sets
from photograft.data.corruptions import KINDS
from photograft.reporting.records import read_manifest, read_parts
from photograft.reporting.robustness_section import say_robustness
from photograft.tracking.run_folder import RunFolder
from photograft.workflow.robustness import Judged, robustness_of

_LIGHT = ("augment.brightness=0.6", "augment.contrast=0.6", "augment.saturation=0.5", "augment.hue=0.1")
VARIANTS: dict[str, tuple[str, ...]] = {
    "linear": (),
    "224 px": ("input.px=224",),
    "tuned": ("model.graft=blocks:2",),
    "light": ("model.graft=blocks:2", *_LIGHT),
    "randaugment": ("model.graft=blocks:2", "augment.randaugment=10"),
}
_FOREVER = 86400


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_set_arguments(parser)
    parser.add_argument("--variants", default="linear,224 px,tuned,light,randaugment", help="names, with commas")
    parser.add_argument("--test", type=float, default=0.25, help="share of the test part")
    parser.add_argument("--set", action="append", default=[], help="further settings of every run")
    parser.add_argument("--seen", action="store_true", help="also on photos that the model was trained on")
    parser.add_argument("--overhead", action="store_true", help="seconds of train with the card and without")
    parser.add_argument("--cache", type=Path, default=machine.OUT / "cache", help="where features are kept")
    arguments = parser.parse_args()
    os.environ["PHOTOGRAFT_CACHE"] = os.fspath(arguments.cache.resolve())
    facts, results = machine.facts(), {}
    with tempfile.TemporaryDirectory() as scratch:
        for name, photos in chosen_sets(arguments, Path(scratch)).items():
            results[name] = _measure(name, photos, arguments, Path(scratch))
    print(machine.describe(facts))
    for name, result in results.items():
        _print(name, result)
    machine.write_json("robustness", facts, vars(arguments), results)


def _measure(name: str, photos: Path, arguments: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    result: dict[str, Any] = {"variants": {}, "overhead": _overhead(name, photos, arguments, scratch)}
    for variant in arguments.variants.split(","):
        run, wall_s = _train(photos, arguments, scratch, f"report.robustness_s={_FOREVER}", *VARIANTS[variant])
        section = json.loads((run / "report.json").read_text("utf-8"))["robustness"]
        result["variants"][variant] = {**section, "wall_s": wall_s}
        say(f"{name}, {variant}: {say_robustness(section)[0]} ({section['seconds']:.0f} s for {section['n']} photos)")
        if variant == "linear" and arguments.seen:
            result["seen"] = _seen(run, photos, like=section["n"])
            say(f"{name}, photos trained on: {say_robustness(result['seen'])[0]}")
    return result


def _overhead(name: str, photos: Path, arguments: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    """Before anything else, since the answers of the network are kept."""
    took: dict[str, Any] = {}
    steps = (("features", 0), ("without", 0), ("first", 30), ("again", 30)) if arguments.overhead else ()
    for what, limit_s in steps:
        run, wall_s = _train(photos, arguments, scratch, f"report.robustness_s={limit_s}")
        section = json.loads((run / "report.json").read_text("utf-8")).get("robustness", {"n": 0})
        took[what] = {"wall_s": wall_s, "n": section["n"]}
        say(f"{name}, {what}: {wall_s:.1f} s, {section['n']} photos")
    return took


def _train(photos: Path, arguments: argparse.Namespace, scratch: Path, *settings: str) -> tuple[Path, float]:
    given = [f"split.test={arguments.test}", *settings, *arguments.set]
    started = time.perf_counter()
    run = photograft.train(photos, config=photograft.load_config(None, given), runs_dir=scratch / "runs")
    return Path(run.run), time.perf_counter() - started


def _seen(run: Path, photos: Path, *, like: int) -> dict[str, Any]:
    """The card on as many photos of the training part."""
    parts = read_parts((run / "splits.csv").read_bytes())
    every = read_manifest((run / "manifest.csv").read_bytes(), photos).usable.photos
    known = [photo for photo in every if parts.get(photo.name) == "train"]
    chosen = np.random.default_rng(0).permutation(len(known))[:like]
    judged = Judged("out-of-fold", True, tuple(known[i] for i in chosen), np.arange(len(chosen)))
    config = photograft.load_config(RunFolder(run).path / "config.resolved.yaml")
    with photograft.load(run) as classifier:
        return robustness_of(judged, classifier, root=photos, config=config, limit_s=_FOREVER)


def _print(name: str, result: dict[str, Any]) -> None:
    columns = {**result["variants"], **({"seen": result["seen"]} if "seen" in result else {})}
    first = next(iter(columns.values()))
    rows = [["as they are", *(f"{100 * each['accuracy']:.1f}" for each in columns.values())]]
    for kind in KINDS:
        for strength in (1, 2, 3):
            cells = [_loss(_find(each, kind, strength)) for each in columns.values()]
            rows.append([f"{kind} {strength}", *cells])
    rows.append(["patches", *(_loss(each["texture"]["shuffled"]) for each in columns.values())])
    rows.append(["outlines", *(_loss(each["texture"]["outlined"]) for each in columns.values())])
    rows.append(["turn not read", *(_loss(each["turned"]["unread"]) for each in columns.values())])
    middle = [np.mean([_find(each, kind, 2)["accuracy"] for kind in KINDS]) for each in columns.values()]
    rows.append(["mean accuracy at 2", *(f"{100 * mean:.1f}" for mean in middle)])
    rows.append(["seconds for the card", *(f"{each['seconds']:.0f}" for each in columns.values())])
    machine.print_table(
        f"{name}, {first['n']} test photos: accuracy, and points lost with the 95 % interval", ["", *columns], rows
    )
    for what, each in result["overhead"].items():
        print(f"train, {what}: {each['wall_s']:.1f} s, {each['n']} photos on the card")


def _find(section: dict[str, Any], kind: str, strength: int) -> dict[str, Any]:
    return next(row for row in section["corruptions"] if (row["kind"], row["strength"]) == (kind, strength))


def _loss(effect: dict[str, Any]) -> str:
    drop, low, high = (100 * effect[name] for name in ("drop", "low", "high"))
    return f"{drop:.1f} ({low:.1f} to {high:.1f})"


if __name__ == "__main__":
    main()
