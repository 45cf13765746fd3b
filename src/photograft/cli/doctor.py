"""`photograft doctor`: look, print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from photograft.cli import choosing, console


def doctor(
    photos: Annotated[
        Path | None,
        typer.Argument(help="Labelled photos, as for train: compare normalisations of the pixels on some of them."),
    ] = None,
    config: choosing.ConfigFile = None,
    assignments: choosing.Assignments = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")] = False,
) -> None:
    """Show what this machine has and what is missing; with PHOTOS, whether the network's normalisation is right.

    Without PHOTOS: versions, device, threads, weights, cache and disk. With PHOTOS: the setting against the usual ones.
    """
    if photos is not None:
        found = _compare(photos, config, assignments)
        lines = _normalisation_lines(found)
    else:
        found = _look(config, assignments)
        lines = _machine_lines(found)
    if json_output:
        console.print_json(found)
    else:
        console.print_text("\n".join(lines))


def _compare(photos: Path, config: Path | None, assignments: list[str] | None) -> dict[str, Any]:
    from photograft.config import load_config
    from photograft.workflow.normalisation import compare_normalisations

    return compare_normalisations(photos, config=load_config(config, assignments or ()), narrator=console)


def _look(config: Path | None, assignments: list[str] | None) -> dict[str, Any]:
    from photograft.errors import ConfigError
    from photograft.workflow.doctor import doctor as workflow

    if config is not None or assignments:
        raise ConfigError("doctor reads settings only together with PHOTOS: photograft doctor PHOTOS --set ...")
    return workflow()


def _machine_lines(found: dict[str, Any]) -> list[str]:
    lines = []
    for section in ("versions", "device", "extras", "weights", "cache"):
        lines += [section, *(f"  {name:<16} {value}" for name, value in found[section].items())]
    return [*lines, *(f"problem: {problem}" for problem in found["problems"]), *_all_well(found)]


def _all_well(found: dict[str, Any]) -> list[str]:
    return [] if found["problems"] else ["All is well."]


def _normalisation_lines(found: dict[str, Any]) -> list[str]:
    """One line per candidate, and the verdict."""
    has_distance = found["judged_by"] == "BatchNorm statistics"
    lines = [
        f"{found['backbone']} at {found['px']} px, {found['photos']} photos of {found['classes']} classes",
        "",
        f"{'normalisation':<23}  {'mean':<17}  {'std':<23}  accuracy  {'difference':<25}  log loss"
        + ("  distance" if has_distance else ""),
    ]
    for row in found["candidates"]:
        mean, std = (" ".join(f"{x:.3g}" for x in row[key]) for key in ("mean", "std"))
        difference, low, high = row["accuracy_difference"]
        change = "" if row is found["candidates"][0] else f"{difference:+.3f} ({low:+.3f} to {high:+.3f})"
        scaling = f"{row['name']:<23}  {mean:<17}  {std:<23}"
        distance = f"  {row['distance']:>8.4f}" if has_distance else ""
        lines.append(f"{scaling}  {row['accuracy']:>8.3f}  {change:<25}  {row['log_loss']:>8.3f}{distance}")
    if found["fits"]:
        verdict = "The normalisation fits: no other is clearly better on these photos."
        return [*lines, "", f"{verdict} Judged by {found['judged_by']}."]
    return [*lines, "", *(f"warning: {problem}" for problem in found["problems"])]
