"""A finished run as other trackers hold it: parameters, metrics, tags, files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Point:
    """A metric at one step of training, `seconds` after the run began."""

    metric: str
    step: int
    value: float
    seconds: float


@dataclass(frozen=True)
class Mirrored:
    """What a mirror gets of a run, all of it read from the run's folder.

    `id` stays the same wherever the folder goes, and is how a mirror knows what it has. `group` is the photos' name,
    under which runs can be compared. `scores` are in order, the headline's accuracy first. Times are in seconds since
    1970.
    """

    id: str
    name: str
    group: str
    began_s: float
    ended_s: float
    settings: Mapping[str, str]
    scores: Mapping[str, float]
    points: tuple[Point, ...]
    tags: Mapping[str, str]
    note: str = ""
    files: tuple[Path, ...] = field(default=())
    network: Path | None = None
