"""`runs compare`: runs beside each other, on the same photos, as text, JSON and a page to send to somebody."""

from __future__ import annotations

import datetime
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from photograft.config import load_config
from photograft.errors import ConfigError, DataError, PhotograftError
from photograft.reporting.compare_document import build_compare, compare_lines, odd_contents
from photograft.reporting.compare_page import render_compare
from photograft.reporting.finished_run import FinishedRun, read_finished_run
from photograft.reporting.run_names import name_runs
from photograft.reporting.run_pair import RunPair, compare_pair
from photograft.tracking.atomic import write_atomically
from photograft.workflow.language import page_language
from photograft.workflow.runs import RUNS_DIR, find_run
from photograft.workflow.thumbnails import draw_thumbnails

MOST = 12
"""Runs that are compared at once."""


@dataclass(frozen=True)
class RunComparison:
    """Runs beside each other: every one against the reference, on the same photos."""

    document: Mapping[str, Any]
    runs: tuple[FinishedRun, ...]
    pairs: tuple[RunPair, ...]

    def lines(self) -> list[str]:
        """As `photograft runs compare` prints it."""
        return compare_lines(self.document)

    def to_json(self) -> dict[str, Any]:
        """As `photograft runs compare --json` prints it."""
        return dict(self.document)

    def write_html(self, file: str | os.PathLike[str]) -> Path:
        """Write the page, which is one file with everything it shows; gives its path.

        Photos that were moved, changed or deleted since have no picture, unless the cache still has it.

        Raises:
            ConfigError: The file cannot be written.
        """
        path = Path(file)
        page = render_compare(self.document, thumbnails=_thumbnails(self.runs, odd_contents(self.pairs)))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, page)
        except OSError as error:
            raise ConfigError(f"--html: {path} cannot be written ({error}); give another file.") from error
        return path


def compare_runs(
    *runs: str | os.PathLike[str],
    against: str | os.PathLike[str] | None = None,
    shared: bool = False,
    language: str = "auto",
    runs_dir: str | os.PathLike[str] = RUNS_DIR,
) -> RunComparison:
    """Compare finished runs on the same photos: score, classes, photos that one alone has right, settings.

    Runs are compared where their scores are on the same photos with the same labels, whatever the files are called.

    Args:
        runs: Two or more: folders, their names in `runs_dir`, or the beginnings of them.
        against: The run that the others are compared with; by default the first. It may be one more.
        shared: Where the photos differ, compare on those alone that both judged without having been trained on them.
        language: Of the page: "en", "ko" or "auto", which is that of the user.
        runs_dir: Where runs are looked for by name.

    Raises:
        ConfigError: There is no such run, or one is given twice.
        DataError: The runs did not judge the same photos.
        ModelError: A run is not finished, was pretrained without labels, has several labels per photo, or is damaged.
    """
    paths = [find_run(run, runs_dir) for run in runs]
    reference = None if against is None else find_run(against, runs_dir)
    if reference is not None and reference.resolve() not in {path.resolve() for path in paths}:
        paths.insert(0, reference)
    _require_several(paths)
    place = 0 if reference is None else [path.resolve() for path in paths].index(reference.resolve())
    names = name_runs(paths)
    read = [read_finished_run(path, name=name) for path, name in zip(paths, names, strict=True)]
    pairs = _pairs(read, read[place], shared=shared)
    created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    spoken = page_language(language)
    document = build_compare(read, pairs, reference=read[place], created=created, shared=shared, language=spoken)
    return RunComparison(document, tuple(read), tuple(pairs))


def _require_several(paths: Sequence[Path]) -> None:
    if len(paths) < 2:
        raise ConfigError("give two or more runs to compare.")
    if len(paths) > MOST:
        raise ConfigError(f"{len(paths)} runs are too many to compare at once: give at most {MOST}.")
    resolved = [path.resolve() for path in paths]
    twice = next((path for path in paths if resolved.count(path.resolve()) > 1), None)
    if twice is not None:
        raise ConfigError(f"{twice} is given twice: give different runs.")


def _pairs(runs: Sequence[FinishedRun], reference: FinishedRun, *, shared: bool) -> list[RunPair]:
    """Every run against the reference; all that cannot be compared are named at once."""
    pairs, refused = [], []
    for run in runs:
        if run is reference:
            continue
        try:
            pairs.append(compare_pair(run, reference, shared=shared))
        except DataError as error:
            refused.append(str(error))
    if refused:
        raise DataError("\n".join(refused))
    return pairs


def _thumbnails(runs: Sequence[FinishedRun], contents: Sequence[str]) -> dict[str, bytes]:
    """Pictures by content, each from the first run whose photos are still there; none where one run shows none."""
    pictures: dict[str, bytes] = {}
    try:
        configs = [load_config(run.path / "config.resolved.yaml") for run in runs]
    except PhotograftError:  # a run of another release, whose limits are not known
        return {}
    if not all(config.report.thumbnails for config in configs):
        return {}
    for run, config in zip(runs, configs, strict=True):
        missing = {content for content in contents if content not in pictures}
        photos = {f"{photo.sha256}#{photo.object}": photo for photo in run.manifest.usable.photos}
        wanted = {content: photos[content] for content in missing if content in photos}
        pictures |= draw_thumbnails(run.manifest.root, wanted, config)
    return pictures
