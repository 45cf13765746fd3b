"""`photograft backbones`: list and show networks."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from photograft.cli import console

app = typer.Typer(help="List the pretrained networks, or show one.")

_POINT = 11
"""Width of the column of graft points."""

_Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]


@app.command("list")
def list_(
    pattern: Annotated[
        str, typer.Argument(metavar="[FILTER]", help="Part of a name, such as resnet50, or a pattern with *.")
    ] = "",
    everything: Annotated[bool, typer.Option("--all", help="All networks of timm and torchvision too.")] = False,
    json_output: _Json = False,
) -> None:
    """List networks with size, licence, input size and whether their weights are on this machine.

    Networks of timm and torchvision are listed with FILTER or --all; importing both takes some seconds.
    """
    from photograft.models.own_names import is_own_name
    from photograft.workflow.backbones import list_backbones

    if pattern or everything:
        console.say("Importing timm and torchvision ...")
    rows = list_backbones(pattern, everything=everything)
    if json_output:
        console.print_json(rows)
        return
    width = max(len(row["name"]) for row in rows)
    console.print_text(f"{'name':<{width}}  {'million':>7}  {'px':>4}  weights  licence")
    for row in rows:
        count = "-" if row["parameters"] is None else f"{row['parameters'] / 1e6:.1f}"
        here = "here" if row["weights"] else "none" if is_own_name(row["name"]) else "missing"
        console.print_text(f"{row['name']:<{width}}  {count:>7}  {row['px']:>4}  {here:<7}  {row['licence']}")
    if not (pattern or everything):
        console.say("`photograft backbones list FILTER` also shows those of timm and torchvision.")


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Such as timm:resnet50, cnn:16-32-64 or run:PATH.")],
    json_output: _Json = False,
) -> None:
    """Show all that is known of one network: also where it can be cut, and what to do where its weights are missing."""
    from photograft.workflow.backbones import show_backbone

    console.say("Importing timm and torchvision ...")
    found = show_backbone(name)
    if json_output:
        console.print_json(found)
        return
    for key, text in _facts(found):
        console.print_text(f"{key:<14} {text}")
    for i, point in enumerate(found["points"]):
        key = "" if i else "model.graft"
        trained = f"{point['parameters']:>11,} ({point['fraction']:.1%})" if point["parameters"] else "the head alone"
        console.print_text(f"{key:<14} {point['point']:<{_POINT}} {trained}{_from(point['cut'])}")
    if found["layers"]:
        console.print_text(f"{'':<14} {'layer:NAME':<{_POINT}} from any layer on; --json lists their names")


def _from(cut: str) -> str:
    return f", from {cut} on" if cut not in ("", "head") else ""


def _trained_with(found: dict[str, Any]) -> str:
    return f"{found['interpolation']} resizing, central {found['crop']:.0%} of the photo"


def _facts(found: dict[str, Any]) -> list[tuple[str, str]]:
    from photograft.models.own_names import is_own_name

    shape, count = found["feature_map"], found["parameters"]
    no_weights = "none" if is_own_name(found["name"]) else "not on this machine"
    px = f"{found['px']} px{', no other' if found['fixed_px'] else ''}"
    facts = [
        ("name", found["name"]),
        ("parameters", f"{count:,}" if count < 1e5 else f"{count / 1e6:.1f} million"),
        ("licence", found["licence"]),
        ("input", px),
        *([] if found["crop"] is None else [("trained with", _trained_with(found))]),
        ("mean, std", " ".join(f"{value:g}" for value in (*found["mean"], *found["std"]))),
        ("embedding", f"multi: {found['embedding']:,} numbers; last: {found['last']:,}"),
        ("stages", ", ".join(found["stages"]) or "none: model.embedding is last"),
        ("feature map", "none" if shape is None else " x ".join(map(str, shape))),
        ("weights", found["weights"] or no_weights),
    ]
    return [*facts, ("to do", found["missing"])] if found["missing"] else facts
