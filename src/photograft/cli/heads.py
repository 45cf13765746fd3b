"""`photograft heads`: what a bundle adds to its network as a small file, made into a bundle again, and listed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from photograft.cli import console

if TYPE_CHECKING:
    from photograft.workflow.heads import HeadGroup, ListedHead

app = typer.Typer(help="Share heads without their network, and see which share one.")

_Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]


@app.command()
def export(
    bundle: Annotated[Path, typer.Argument(metavar="RUN_OR_BUNDLE", help="Run folder or bundle folder.")],
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FILE", help="The file, or a folder for it; by default here.")
    ] = None,
    without_unfamiliar: Annotated[
        bool, typer.Option("--without-unfamiliar", help="Leave out what tells unfamiliar photos: a smaller file.")
    ] = False,
    json_output: _Json = False,
) -> None:
    """Write the head pack of a run or bundle: all of it but the network, which other bundles have too."""
    from photograft.workflow.heads import SMALL_BYTES, export_heads

    done = export_heads(bundle, to=to, familiar=not without_unfamiliar)
    if json_output:
        sizes = {"bytes": done.size_bytes, "unfamiliar_bytes": done.familiar_bytes}
        console.print_json({"pack": str(done.path), "name": done.name, **sizes, "tuned": done.tuned})
    else:
        console.print_text(f"{done.path}: {_size(done.size_bytes)}")
    if done.size_bytes > SMALL_BYTES and done.familiar_bytes:
        console.say(
            f"{_size(done.familiar_bytes)} of it tell photos that are like none of the training photos. "
            f"--without-unfamiliar leaves {_size(done.size_bytes - done.familiar_bytes)}; it calls none unfamiliar."
        )
    if done.tuned:
        console.say("Its network was tuned on these classes: the pack fits only to what the same run left.")


@app.command()
def add(
    base: Annotated[Path, typer.Argument(metavar="BASE", help="Run or bundle that has the network.")],
    pack: Annotated[Path, typer.Argument(metavar="PACK", help="File that `heads export` wrote.")],
    to: Annotated[Path, typer.Option("--to", metavar="FOLDER", help="The bundle folder to be made.")],
    json_output: _Json = False,
) -> None:
    """Make a whole bundle of a pack and the network of BASE, and check that it predicts as where it was made."""
    from photograft.workflow.heads import add_heads

    done = add_heads(base, pack, to=to)
    if json_output:
        golden = {"n": done.n_golden, "max_difference": done.max_difference}
        row = {"bundle": str(done.bundle), "name": done.name, "classes": list(done.classes), "golden": golden}
        console.print_json(row)
        return
    pictures = "1 golden picture agrees" if done.n_golden == 1 else f"{done.n_golden} golden pictures agree"
    console.print_text(
        f"{done.bundle}: {len(done.classes)} classes; {pictures} (largest difference {done.max_difference:.1e})"
    )


@app.command("list")
def list_(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[PATH]...", help="Packs, runs, bundles, or folders of them; by default this folder."),
    ] = None,
    json_output: _Json = False,
) -> None:
    """List packs and bundles by the network that they stand on: which share one pass through it."""
    from photograft.workflow.heads import list_heads

    groups, problems = list_heads(paths or [Path()])
    if json_output:
        console.print_json({"groups": [_as_json(group) for group in groups], "problems": problems})
    else:
        for i, group in enumerate(groups):
            _print(group, before="\n" if i else "")
    for problem in problems:
        console.say(f"problem: {problem}")
    if not groups:
        console.say("No packs and no bundles here. `photograft heads export RUN` writes a pack.")


def _print(group: HeadGroup, *, before: str) -> None:
    for row in group.heads[0].info.networks:
        size, views = _px(group.heads[0], row.contract), ", ".join(group.heads[0].info.views_of(row.id).names)
        tuned = "" if row.cut == "head" else f", tuned from {row.cut} on"
        console.print_text(
            f"{before}{row.source['name']}{tuned}: {size} px, {views}, {row.outputs['embedding']:,} numbers; "
            f"network {row.sha256[:12]}, contract {row.contract[:12]}"
        )
        before = ""
    if len(group.heads) > 1:
        shared = "one pass serves them all" if group.one_pass else "several networks: each is served alone"
        console.print_text(f"  {len(group.heads)} heads, {shared}")
    names = _padded([head.name for head in group.heads])
    for name, head in zip(names, group.heads, strict=True):
        n = len(head.info.classes)
        console.print_text(
            f"  {name}  {head.kind:<6}  {n:>4} classes  {_size(head.size_bytes):>8}  {_tested(head):<38}  {head.path}"
        )


def _as_json(group: HeadGroup) -> dict[str, Any]:
    info = group.heads[0].info
    networks = [
        {
            "name": row.source["name"],
            "sha256": row.sha256,
            "contract": row.contract,
            "px": _px(group.heads[0], row.contract),
            "views": list(info.views_of(row.id).names),
            "cut": row.cut,
        }
        for row in info.networks
    ]
    heads = [
        {
            "path": str(head.path),
            "name": head.name,
            "kind": head.kind,
            "classes": list(head.info.classes),
            "bytes": head.size_bytes,
            "unfamiliar": head.info.decisions.unfamiliar is not None,
            "tested": _score(head),
        }
        for head in group.heads
    ]
    return {"networks": networks, "one_pass": group.one_pass, "heads": heads}


def _px(head: ListedHead, contract: str) -> int:
    return next(row.contract.px for row in head.info.contracts if row.id == contract)


def _score(head: ListedHead) -> dict[str, Any] | None:
    names = ("n", "accuracy", "accuracy_low", "accuracy_high")
    return {name: head.tested[name] for name in names} if all(name in head.tested for name in names) else None


def _tested(head: ListedHead) -> str:
    score = _score(head)
    if score is None:
        return "not tested"
    return (
        f"{score['accuracy']:.3f} ({score['accuracy_low']:.3f} to {score['accuracy_high']:.3f}), {score['n']:,} photos"
    )


def _padded(names: list[str]) -> list[str]:
    from photograft.reporting.columns import count_columns

    width = max(map(count_columns, names))
    return [name + " " * (width - count_columns(name)) for name in names]


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:.1f} MB" if n_bytes >= 1e6 else f"{n_bytes / 1e3:.0f} kB"
