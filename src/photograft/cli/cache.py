"""`photograft cache`: show and clear what is kept between runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from photograft.cli import console

if TYPE_CHECKING:
    from photograft.tracking.cache import Cache

_Config = Annotated[Path | None, typer.Option("--config", help="YAML file whose cache.dir is meant.")]
_Assignments = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Set one setting, such as cache.dir; repeatable."),
]

app = typer.Typer(help="Show or clear what is kept between runs.")


@app.callback(invoke_without_command=True)
def _default(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        show()


@app.command()
def show(
    config: _Config = None,
    assignments: _Assignments = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")] = False,
) -> None:
    """Show where the cache is, what it holds and how large it is."""
    with _opened(config, assignments) as cache:
        folder, sizes = cache.folder, cache.sizes()
    if json_output:
        console.print_json({"dir": str(folder), **sizes})
        return
    console.print_text(str(folder))
    console.print_text(
        f"  {sizes['features']:,} features, {sizes['scans']:,} scan results: {sizes['bytes'] / 1e6:,.1f} MB"
    )
    console.print_text(f"  exported networks: {sizes['network_bytes'] / 1e6:,.1f} MB")
    console.print_text(f"  outputs of frozen parts: {sizes['boundary_bytes'] / 1e6:,.1f} MB")


@app.command()
def clear(config: _Config = None, assignments: _Assignments = None) -> None:
    """Delete all of it. Nothing is lost but the time to compute it again."""
    with _opened(config, assignments) as cache:
        cache.clear()
        console.print_text(f"{cache.folder} is empty.")


def _opened(config: Path | None, assignments: list[str] | None) -> Cache:
    from photograft.config import load_config
    from photograft.tracking.cache import Cache, cache_folder

    settings = load_config(config, assignments or ()).cache
    return Cache(cache_folder(settings.dir), max_bytes=int(settings.max_gb * 1e9))
