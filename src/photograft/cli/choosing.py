"""Options that say which photos of a source are used, shared by the verbs that read labelled photos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

Photos = Annotated[
    Path,
    typer.Argument(
        help="Folder with one sub-folder per class (or train/val/test folders of such), a zip or tar of it, or a CSV, "
        "JSONL or Parquet file with paths and labels; also at a URL."
    ),
]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="YAML file with settings.")]
Assignments = Annotated[
    list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Set one setting; repeatable.")
]
Classes = Annotated[
    str | None, typer.Option("--classes", metavar="A,B,...", help="Use these classes only, separated by commas.")
]
TopClasses = Annotated[
    int | None, typer.Option("--top-classes", metavar="N", help="Use only the N classes with most photos.")
]
PerClass = Annotated[
    int | None, typer.Option("--per-class", metavar="N", help="Use at most N photos of each class, drawn by the seed.")
]
EditsFile = Annotated[
    Path | None, typer.Option("--edits", metavar="FILE", help="Apply the corrections of this journal.")
]


def settings(
    *, classes: str | None, top_classes: int | None, per_class: int | None, edits: Path | None
) -> dict[str, Any]:
    """The options as settings by dotted name, for `load_config`."""
    names = None if classes is None else [name.strip() for name in classes.split(",") if name.strip()]
    return {
        "data.classes": names,
        "data.top_classes": top_classes,
        "data.per_class": per_class,
        "data.edits": None if edits is None else str(edits),
    }
