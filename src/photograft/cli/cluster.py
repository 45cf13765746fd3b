"""Options that say on which cluster a verb does its work, shared by the verbs that can."""

from __future__ import annotations

from typing import Annotated

import typer

On = Annotated[
    str | None,
    typer.Option("--on", metavar="ray[:ADDRESS]", help="Do the work on a Ray cluster; ray alone: on this machine's."),
]
Out = Annotated[
    str | None,
    typer.Option("--out", metavar="DIR", help="With --on: keep the table here as Parquet; a folder or a URL."),
]


def check_out(on: str | None, out: str | None) -> None:
    """Refuse `--out` without `--on`, where it would be silently without effect."""
    from photograft.errors import ConfigError

    if out is not None and on is None:
        raise ConfigError("--out is the folder of a job on a cluster: give --on ray beside it.")
