"""`photograft cache`: show and clear what is kept between runs."""

from __future__ import annotations

from typing import Annotated

import typer

from photograft.cli import console

app = typer.Typer(help="Show or clear what is kept between runs.")


@app.callback(invoke_without_command=True)
def _default(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        show(json_output=False)


@app.command()
def show(
    json_output: Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")] = False,
) -> None:
    """Show where the cache is, what it holds and how large it is."""
    from photograft.tracking.cache import Cache, cache_folder

    with Cache(cache_folder()) as cache:
        folder, sizes = cache.folder, cache.sizes()
    if json_output:
        console.print_json({"dir": str(folder), **sizes})
        return
    console.print_text(str(folder))
    console.print_text(
        f"  {sizes['features']:,} features, {sizes['scans']:,} scan results: {sizes['bytes'] / 1e6:,.1f} MB"
    )
    console.print_text(f"  exported networks: {sizes['network_bytes'] / 1e6:,.1f} MB")


@app.command()
def clear() -> None:
    """Delete all of it. Nothing is lost but the time to compute it again."""
    from photograft.tracking.cache import Cache, cache_folder

    with Cache(cache_folder()) as cache:
        cache.clear()
        console.print_text(f"{cache.folder} is empty.")
