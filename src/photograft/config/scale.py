"""Settings of work on several machines."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveFloat

from photograft.config.section import Section


class ScaleConfig(Section):
    """Where `train --on ray` keeps features, and when features are too many for memory."""

    out: str | None = Field(default=None, min_length=1)
    """Folder, or URL of an object store, that keeps the features of `train --on` as Parquet, for further runs on the
    same photos too. By default a folder below `jobs/`, which goes when the run is finished."""

    memory_gb: PositiveFloat | Literal["auto"] = "auto"
    """The head of features that take more than this is fitted in some dozens of passes over them, from their file or,
    with `--on`, by the workers that hold them. `auto` is a quarter of the machine's memory."""
