"""Settings of the labels: where they come from, and which columns or parts of a path hold what."""

from __future__ import annotations

from pydantic import Field

from photograft.config.section import Section


class LabelsConfig(Section):
    """Where labels come from, and which columns (of a table, or of a pattern on the path) hold what."""

    from_: str = Field(default="auto", alias="from")
    """`auto`, `folders`, `pattern`, `voc`, `coco`, `yolo`, or a CSV or JSONL file whose paths are relative to the
    photos. `auto` reads a table where one is given instead of a folder, the pattern where it holds the label, else
    class folders."""

    path: str | None = None
    """Column of the file's path; null finds it by name (path, file, filename, file_name, image, ...)."""

    column: str | None = None
    """Column of the label; null finds it by name (label, class, category, ...) or takes the only one left."""

    factors: tuple[str, ...] = ()
    """Columns of several factors, such as mask, gender and age; their combinations are the classes."""

    group: str | None = None
    """Column of the person, video or burst; photos of one group never stand on both sides of a split."""

    part: str | None = None
    """Column of the part: train, val or test."""

    separator: str | None = None
    """What separates several labels of one photo in the label column, such as `;`."""

    pattern: str | None = None
    """Pattern on the path such as `{age}_{gender}_{id}.jpg`; its names can be used like columns."""
