"""`photograft serve`: parse, serve, say where."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from photograft.cli import console


def serve(
    model: Annotated[Path, typer.Argument(metavar="RUN_OR_BUNDLE", help="Run folder or bundle folder.")],
    heads: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[HEAD...]", help="Further runs, bundles or head packs on the same network."),
    ] = None,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 takes a free one.")] = 8000,
    token: Annotated[
        str | None,
        typer.Option("--token", metavar="TEXT", envvar="PHOTOGRAFT_TOKEN", help="What every request must name."),
    ] = None,
    open_to_all: Annotated[bool, typer.Option("--open", help="Answer other machines without a token.")] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option("--allow-host", metavar="NAME", help="Host name that requests may be addressed to; repeatable."),
    ] = None,
    index: Annotated[
        Path | None, typer.Option("--index", metavar="DIR", help="Index of photos to search similar ones in.")
    ] = None,
    min_probability: Annotated[
        float | None,
        typer.Option(
            "--min-probability", metavar="P", help="Below this a photo is unsure; the model has its own limit."
        ),
    ] = None,
    limits: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A limit, such as queue=128; repeatable. See the guide."),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Tell of every request on stderr.")] = False,
) -> None:
    """Answer requests about photos over HTTP, with a page to try it, until Ctrl-C or SIGTERM."""
    import os

    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")  # NumPy's sums are small here, and its threads would wait for each other
    from photograft.config.serve import serve_config
    from photograft.serving.serve import serve as run

    def opened(address: str, what: str) -> None:
        console.print_text(f"Serving {what} at {address}")
        console.say("Ctrl-C ends it; requests that were begun are answered first.")

    forced = run(
        [model, *(heads or [])],
        host=host,
        port=port,
        token=token,
        open_to_all=open_to_all,
        allow_hosts=allow_host or (),
        index=index,
        min_probability=min_probability,
        config=serve_config(limits or ()),
        verbose=verbose,
        narrator=console,
        opened=opened,
    )
    if forced is not None:
        raise typer.Exit(128 + forced)
