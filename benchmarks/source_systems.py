"""Every model of the five source systems as a recipe: `python benchmarks/source_systems.py --flowers FLOWERS ...`.

Each recipe whose pretrained weights are on this machine runs in a process of its own, with the split that all recipes
of its system share; its seconds and its peak memory are those of that process, over all values of its sweep. What a
recipe needs, such as a pretrained encoder, runs before it and counts for itself. Scores and paired differences are
those that the runs report. Recipes whose weights are not here stand in the table without figures of ours.

Results are kept as they come, in benchmarks/out/source_systems.json and the studies beside it: `--only NAME` runs some
recipes again and leaves the others. `--write` puts what was measured into the heads of the recipes.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import machine
from machine import say
from photo_sets import textile_folder
from photograft.config.recipe import Recipe, find_recipes
from photograft.workflow.variants import find_variants, with_weights_here

SYSTEMS = ("painters", "flowers", "dogs", "densenet", "mask")
STUDIES = machine.OUT / "source_systems"
_FILE = machine.OUT / "source_systems.json"
_HEAD = re.compile(r"# (expected|took):.*\n(?:#   .*\n)*")

Row = dict[str, Any]


def main() -> None:
    """Measure what was asked for, then print everything that is known."""
    arguments = _parse()
    facts = machine.facts()
    known: dict[str, Row] = json.loads(_FILE.read_text("utf-8"))["results"] if _FILE.is_file() else {}
    for system, photos in arguments.data.items():
        recipes = [each for each in find_recipes(system) if not arguments.only or each.name in arguments.only]
        if not arguments.only:
            shutil.rmtree(STUDIES / system, ignore_errors=True)
        for recipe in recipes:
            known[recipe.name] = measure(recipe, photos, facts)
            machine.write_json("source_systems", facts, {"data": arguments.data}, known)
        known[system] = {"comparisons": _compare(system, photos, known)}
        machine.write_json("source_systems", facts, {"data": arguments.data}, known)
    print(machine.describe(facts))
    for system in SYSTEMS:
        if any(name in known for name in _names(system)):
            _print(system, known)
    if arguments.write:
        for system in SYSTEMS:
            for recipe in find_recipes(system):
                if known.get(recipe.name, {}).get("variants"):
                    write_head(recipe, known[recipe.name])


def measure(recipe: Recipe, photos: Path, facts: Row) -> Row:
    """Run one recipe as a process, unless its pretrained weights are missing."""
    missing = [found.missing for each in find_variants(recipe.name) if (found := with_weights_here(each)).missing]
    about = {"reproduces": recipe.reproduces, "source": recipe.source, "twin": recipe.twin}
    if missing:
        say(f"{recipe.name}: its weights are not here, not run")
        return {**about, "missing": missing[0]}
    say(f"{recipe.name} ...")
    done = machine.run_process(_command(recipe.system, photos, [recipe.name]))
    rows = [row for row in done.json()["variants"] if row["recipe"] == recipe.name]
    for row in rows:
        row.pop("curves")
    say(f"{recipe.name}: {done.wall_s / 60:.1f} min, {done.peak_rss_mb:,.0f} MB")
    when = {name: facts[name] for name in ("date", "git", "cpu", "cores", "load_before")}
    return {
        **about, "variants": rows, "minutes": done.wall_s / 60, "peak_rss_mb": done.peak_rss_mb, "machine": when
    }  # fmt: skip


def _command(system: str, photos: Path, only: list[str]) -> list[str | os.PathLike[str]]:
    command = machine.photograft("recipes", "run", system, "--data", photos, "--json", "--only", ",".join(only))
    begun = sorted((STUDIES / system).glob("*/splits.csv"))
    return [*command, *(("--into", begun[0].parent) if begun else ("--runs-dir", STUDIES / system))]


def _compare(system: str, photos: Path, known: dict[str, Row]) -> list[Row]:
    """The paired differences of a system, from runs that are finished; its page then shows all of them."""
    done = [name for name in _names(system) if known.get(name, {}).get("variants")]
    found: list[Row] = machine.run_process(_command(system, photos, done)).json()["comparisons"]
    return found


def _names(system: str) -> list[str]:
    return [recipe.name for recipe in find_recipes(system)]


def _print(system: str, known: dict[str, Row]) -> None:
    table = []
    for name in _names(system):
        row = known.get(name, {})
        if row.get("missing"):
            table.append([name, row["source"] or "-", f"weights not here, see {row['twin']}", "-", "-", "-", "-"])
        for number, variant in enumerate(row.get("variants", [])):
            cost = [f"{row['minutes']:.1f}", f"{row['peak_rss_mb']:,.0f}"] if number == 0 else ['"', '"']
            table.append([variant["variant"], row["source"] or "-", *_scores(variant), *cost])
    header = ["recipe", "source (their data)", "accuracy", "macro-F1", "n", "minutes", "peak MB"]
    machine.print_table(f"{system}", header, table)
    for comparison in known.get(system, {}).get("comparisons", []):
        print(f"- {comparison.get('sentence') or 'not compared: ' + comparison['refused']}")


def _scores(variant: Row) -> list[str]:
    if variant["error"]:
        return [f"failed: {variant['error']}", "-", "-"]
    if variant["accuracy"] is None:
        figures = variant["pretraining"]
        return [f"held-out error {figures['mse']:.4f} ({figures['psnr_db']:.1f} dB)", "-", f"{figures['held_out']:,}"]
    interval = f"{variant['accuracy']:.3f} ({variant['accuracy_low']:.3f} to {variant['accuracy_high']:.3f})"
    return [interval, f"{variant['macro_f1']:.3f}", f"{variant['n']:,}"]


def write_head(recipe: Recipe, row: Row) -> None:
    """Put what was measured into the head of the recipe's file, in the place of what stood there."""
    swept = len(row["variants"]) > 1
    told = []
    for variant in row["variants"]:
        if variant["error"] or variant["accuracy"] is None:
            continue
        value = variant["variant"].removeprefix(recipe.name).strip()
        what = "test photos" if variant["what"] == "test" else "photos out of fold"
        score = f"accuracy {variant['accuracy']:.3f} ({variant['accuracy_low']:.3f} to {variant['accuracy_high']:.3f})"
        told.append(f"{f'{value}: ' if swept else ''}{score} on {variant['n']:,} {what}")
    photos = next((each["photos"] for each in row["variants"] if each["photos"]), None)
    head = []
    if told:
        told = [f"{each};" for each in told]
        told[-1] += f" {photos:,} photos in all"
        head += [f"# expected: {told[0]}", *(f"#   {each}" for each in told[1:])]
    size = f"{row['peak_rss_mb'] / 1000:.1f} GB"
    together = ", all values together" if swept else ""
    cores = f"{row['machine']['cores']} cores ({row['machine']['cpu']})"
    head.append(f"# took: {row['minutes']:.1f} minutes and {size} on {cores}{together}")
    text = _HEAD.sub("", recipe.text)
    lines = text.splitlines()
    end = next(i for i, line in enumerate(lines) if not line.startswith("#"))
    recipe.file.write_text("\n".join([*lines[:end], *head, *lines[end:]]) + "\n", "utf-8")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--styles", type=Path, help="photos for painters: a folder per painter or style")
    parser.add_argument("--flowers", type=Path, help="the flowers photos")
    parser.add_argument("--dogs", type=Path, help="photos in the layout of Stanford Dogs")
    parser.add_argument("--faces", type=Path, help="labels.csv with the columns path, mask, gender, age, person")
    parser.add_argument(
        "--textile", type=Path, nargs="?", const=Path(), help="photos for densenet; by default those of the demo extra"
    )
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="only these recipes; the others are kept")
    parser.add_argument("--write", action="store_true", help="write what is known into the heads of the recipes")
    arguments = parser.parse_args()
    textile = arguments.textile
    if textile is not None and not textile.parts:
        textile = textile_folder()
    given = dict(
        zip(SYSTEMS, (arguments.styles, arguments.flowers, arguments.dogs, textile, arguments.faces), strict=True)
    )
    arguments.data = {system: photos for system, photos in given.items() if photos is not None}
    unknown = set(arguments.only) - {name for system in arguments.data for name in _names(system)}
    if unknown:
        parser.error(f"--only: none of the systems whose photos were given has {', '.join(sorted(unknown))}")
    return arguments


if __name__ == "__main__":
    main()
